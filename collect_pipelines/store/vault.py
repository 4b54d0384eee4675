"""Secrets at rest: AES-256-GCM under the newest key of a key file that only the workers' account can read."""

import base64
import binascii
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.settings import Settings

__all__ = ["Sealed", "Vault"]

KEY_BYTES = 32  # AES-256
NONCE_BYTES = 12  # random, as GCM wants it: good for 2^32 secrets under one key
PASS_THROUGH = 0o711  # of a folder made for the file: it may be the data folder, where Postgres' own user passes through
OTHERS = 0o077
OTHERS_OF_ROOT = 0o037  # a file of root's may be lent to the group of the workers, as containers mount it
MOST_FILE_BYTES = 65_536  # some 900 keys: two rotations a day for a year
KEY_LINE = re.compile(r"([a-z0-9][a-z0-9-]{0,62}) ([A-Za-z0-9+/]{43}=)")
HEAD = """\
# The keys of collect's stored secrets: who has this file and the database has the secrets. Keep a copy in a safe place.
# The last key seals, the others open what was sealed before. `collect secrets rotate` adds one.
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as the database keeps it."""

    key_id: str
    nonce: bytes
    sealed: bytes


class Vault:
    """
    Seals and opens secrets with the keys of one file.

    The file is made by whoever seals first, and read again when a secret needs a key that is not known yet: after a rotation no
    process has to be restarted. Every method that needs the file raises ConfigInvalid, with what to do, when it can't be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys: dict[str, bytes] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> "Vault":
        """The vault of this installation; touches no file."""
        return cls(settings.secrets_path)

    def seal(self, organization_id: int, name: str, value: str) -> Sealed:
        """The value under the newest key; makes the key file when there is none."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key_id = self.newest_key()
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Sealed(key_id, nonce, AESGCM(self._keys[key_id]).encrypt(nonce, value.encode(), _bound_to(organization_id, name, key_id)))

    def open(self, organization_id: int, name: str, sealed: Sealed) -> str:
        """The value; raises ConfigInvalid when its key is missing, or it was sealed for another name or organization or changed since."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if not self.knows(sealed.key_id):
            raise ConfigInvalid(
                f"The secret {name} was sealed with the key {sealed.key_id}, which {self.path} does not hold.",
                fix=f"Put the key file of the installation at {self.path}, or set the secret anew: collect secrets set {name}",
            )
        try:
            plain = AESGCM(self._keys[sealed.key_id]).decrypt(sealed.nonce, sealed.sealed, _bound_to(organization_id, name, sealed.key_id))
        except InvalidTag:
            # Promise 10: a row moved to another name or organization opens nothing there
            raise ConfigInvalid(
                f"The secret {name} is damaged or was stored under another name: it does not open with its key.",
                fix=f"Set it anew: collect secrets set {name}",
            ) from None
        return plain.decode()

    def newest_key(self) -> str:
        """The id of the key that seals now; makes the key file when there is none."""
        return next(reversed(self._read() if self.path.exists() else self._make()))

    def knows(self, key_id: str) -> bool:
        """Whether the file holds this key; reads it again when it did not."""
        if key_id not in self._keys and self.path.exists():
            self._keys = self._read()
        return key_id in self._keys

    def add_key(self) -> str:
        """Adds a key to the file, which seals from now on; returns its id."""
        with self._only_writer():
            keys = self._read() if self.path.exists() else {}
            key_id = _new_id(keys)
            self._write({**keys, key_id: secrets.token_bytes(KEY_BYTES)})
        return key_id

    def _make(self) -> dict[str, bytes]:
        with self._only_writer():
            if not self.path.exists():
                self._write({_new_id({}): secrets.token_bytes(KEY_BYTES)})
        return self._read()

    def _read(self) -> dict[str, bytes]:
        try:
            with self.path.open("rb") as file:
                _refuse_open_to_others(self.path, os.fstat(file.fileno()))
                text = file.read(MOST_FILE_BYTES + 1)
        except OSError as exc:
            raise ConfigInvalid(
                f"The key file {self.path} can't be read: {exc.strerror}.",
                fix="Let the account of this process read it, or name another with COLLECT_SECRETS_KEY_FILE.",
            ) from exc
        self._keys = _parsed(self.path, text)
        return self._keys

    def _write(self, keys: dict[str, bytes]) -> None:
        """Replaces the file; after a crash it is the old one or the new one."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        with suppress(FileNotFoundError):
            fresh.unlink()
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(HEAD + "".join(f"{key_id} {base64.b64encode(key).decode()}\n" for key_id, key in keys.items()))
            file.flush()
            os.fsync(descriptor)
        # A secret sealed with a key that a power cut takes away is lost: the name is on the disk before the key is used.
        fresh.replace(self.path)
        _sync_folder(self.path.parent)
        self._keys = keys

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=PASS_THROUGH)
            descriptor = os.open(self.path.with_name(f".{self.path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as exc:
            raise ConfigInvalid(
                f"The key file {self.path} can't be written: {exc.strerror}.",
                fix="Let the account of this process write its folder, or name another file with COLLECT_SECRETS_KEY_FILE.",
            ) from exc
        with os.fdopen(descriptor, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _bound_to(organization_id: int, name: str, key_id: str) -> bytes:
    """What a sealed value is bound to besides its key: it opens nowhere else."""
    return json.dumps([organization_id, name, key_id]).encode()


def _new_id(known: dict[str, bytes]) -> str:
    """A day, for people, and random letters: two machines never give the same id to different keys."""
    while (key_id := f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(3)}") in known:
        pass
    return key_id


def _refuse_open_to_others(path: Path, status: os.stat_result) -> None:
    others = OTHERS_OF_ROOT if status.st_uid == 0 and os.geteuid() != 0 else OTHERS
    if stat.S_IMODE(status.st_mode) & others:
        raise ConfigInvalid(
            f"The key file {path} is open to other users (mode {stat.S_IMODE(status.st_mode):o}).",
            fix=f"chmod 600 {path}; if others may have read it: collect secrets rotate, and change the secrets where they come from.",
        )


def _parsed(path: Path, raw: bytes) -> dict[str, bytes]:
    # Promise 10: no line is shown, a broken one may hold half a key
    fix = "Put the key file of the installation there; each line is the id of a key, a blank and 32 bytes in base64."
    keys: dict[str, bytes] = {}
    for number, line in enumerate(raw.decode("ascii", "replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = KEY_LINE.fullmatch(line.strip())
        if found is None or found.group(1) in keys:
            raise ConfigInvalid(f"{path}:{number}: not the line of a key{' of its own' if found else ''}.", fix=fix)
        with suppress(binascii.Error):
            keys[found.group(1)] = base64.b64decode(found.group(2), validate=True)
    if not keys or len(raw) > MOST_FILE_BYTES:
        raise ConfigInvalid(f"The key file {path} holds {'no key' if not keys else 'too much'}.", fix=fix)
    return keys


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
