"""The files of an embedded Postgres: where its data directory lies, how it is made and configured. Nothing here runs a server."""

import contextlib
import hashlib
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.errors import ConfigInvalid, Unavailable
from collect_pipelines.local.account import SYSTEM_HOME, Account, unprivileged_account
from collect_pipelines.local.binaries import Binaries, find_binaries, within_reach

__all__ = ["SUPERUSER", "Cluster", "open_cluster"]

SUPERUSER = "collect"
STAGING = "initdb-"
OWN_FILE = "collect.conf"
MAX_LOG_BYTES = 20 * 1024 * 1024  # the log of earlier runs is kept once more, then dropped

# Promise 1 rests on the first four. They are defaults of Postgres; written down, a changed default can't take them away.
CONFIGURATION = """\
# Written at every start; put settings of your own into postgresql.conf above the include line, or use ALTER SYSTEM.
fsync = on
synchronous_commit = on
full_page_writes = on
data_sync_retry = off
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
port = {port}
password_encryption = 'scram-sha-256'
max_connections = 200
shared_buffers = 128MB
max_wal_size = 1GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
# Promise 10: details and contexts of errors quote rows.
log_error_verbosity = terse
"""
ITERATIONS_SINCE = 16  # the version of Postgres that lets them be chosen
PEOPLES_PASSWORDS = """\
# For the roles you make; the password of `collect` is random and needs none.
scram_iterations = 4096
"""
HOST_RULES = """\
# Only this machine, only with the password.
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data directory that is ready to be served."""

    folder: Path
    data: Path
    binaries: Binaries
    account: Account | None
    password: str

    @property
    def log(self) -> Path:
        """What the server writes to standard error."""
        return self.folder / "postgres.log"

    def configure(self, port: int) -> None:
        """Writes our settings; the server reads them when it starts."""
        iterations = PEOPLES_PASSWORDS if self.binaries.major >= ITERATIONS_SINCE else ""
        _write(self.data / OWN_FILE, CONFIGURATION.format(port=port) + iterations, self.account)
        _write(self.data / "pg_hba.conf", HOST_RULES, self.account)
        main = self.data / "postgresql.conf"
        include = f"include = '{OWN_FILE}'\n"
        text = main.read_text("utf-8")
        if include not in text:
            _write(main, text + "\n" + include, self.account)

    def rotate_log(self) -> None:
        """Keeps the log from growing for ever; called before a start."""
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > MAX_LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))


def open_cluster(folder: Path, home: Path = SYSTEM_HOME) -> Cluster:
    """
    The cluster in the folder, made when it is not there yet. Call it under the folder's lock.

    home: where root keeps the data directory when the server's user can't enter `folder`; `folder/data` then links to it.
    Raises ConfigInvalid for a data directory of another major version, Unavailable when it can't be made.
    """
    data = folder / "data"
    if data.is_symlink() and not data.exists():
        raise ConfigInvalid(
            f"{data} points to {data.readlink()}, which is gone.", fix="Restore it, or remove the link to start with an empty database."
        )
    exists = (data / "PG_VERSION").is_file()
    account = unprivileged_account(data if exists else None)
    binaries = within_reach(find_binaries(_major(data) if exists else None), account, home)
    password = _password(folder, exists)
    if not exists:
        _initialise(folder, data, binaries, account, password, home)
    return Cluster(folder, data.resolve(), binaries, account, password)


def _major(data: Path) -> int:
    return int((data / "PG_VERSION").read_text("ascii").strip().split(".")[0])


def _password(folder: Path, exists: bool) -> str:
    file = folder / "password"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text("ascii").strip()
    if exists:
        raise ConfigInvalid(
            f"{file} is missing: it holds the password of the embedded Postgres.",
            fix="Restore the file from your backup of the data folder.",
        )
    password = secrets.token_urlsafe(24)
    _write(file, password + "\n", None)
    return password


def _initialise(folder: Path, data: Path, binaries: Binaries, account: Account | None, password: str, home: Path) -> None:
    place = _place(folder, account, home)
    for base in {folder, place}:
        for leftover in base.glob(f"{STAGING}*"):
            shutil.rmtree(leftover)
    with _staging(place, account) as staging:
        _write(staging / "password", password, account)
        _initdb(staging, binaries, account)
        # The rename is the moment the cluster exists: before it there is nothing, after it everything (initdb has synced it).
        (staging / "data").rename(place / "data")
    if place != folder:
        data.symlink_to(place / "data")
    for base in {folder, place}:
        _sync(base)


def _place(folder: Path, account: Account | None, home: Path) -> Path:
    if account is None or account.can_enter(folder):
        return folder
    place = home / f"data-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True, mode=0o755)
    if (place / "data").exists():
        raise ConfigInvalid(
            f"{place / 'data'} holds the database of an earlier data folder at {folder}.",
            fix=f"Keep using it: ln -s {place / 'data'} {folder / 'data'} and restore {folder / 'password'}. Or remove it: rm -r {place}",
        )
    if not account.can_enter(place):
        raise Unavailable(
            f"The user {account.name} can enter neither {folder} nor {place}.",
            fix="Set COLLECT_DATA_DIR to a folder that every user may pass through.",
        )
    return place


@contextlib.contextmanager
def _staging(place: Path, account: Account | None) -> Iterator[Path]:
    staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=place))
    try:
        if account:
            os.chown(staging, account.uid, account.gid)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _initdb(staging: Path, binaries: Binaries, account: Account | None) -> None:
    # Byte order sorts the same on every machine and never changes with an update of the C library.
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    # Iterations slow down guessing. Nobody guesses 192 random bits: they would only cost each new connection 2 ms of CPU.
    iterations = ["-c", "scram_iterations=1"] if binaries.major >= ITERATIONS_SINCE else []
    argv = [
        *(binaries.program("initdb"), "-D", str(staging / "data"), "-U", SUPERUSER, f"--pwfile={staging / 'password'}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", *locale, *iterations, "--data-checksums", "--no-instructions"),
    ]
    run = account.run if account else _run
    done = run(argv)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise Unavailable(
            f"The embedded Postgres can't make its data directory: {reason}",
            fix="Repair what the message names, or set COLLECT_DATABASE_URL.",
        )


def _run(argv: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own program, argument list


def _write(path: Path, text: str, account: Account | None) -> None:
    """Writes the whole file or nothing, readable by its owner only."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        if account:
            os.fchown(file.fileno(), account.uid, account.gid)
    Path(name).replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
