"""Who may sign in: one project, one person who owns files, one service account, and whoever a test adds. Kept in files of mode 0600."""

import hashlib
import os
import secrets
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["ALL_SCOPES", "Account", "Identity", "write_private"]

KEY_BITS = 2048  # what Google gives service accounts
PERSON = "person"
SERVICE_ACCOUNT = "service-account"
ALL_SCOPES = ("https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive")


@dataclass
class Account:
    """One who can sign in: a person with a refresh token, or a service account with a key."""

    name: str
    """Name of the credentials file."""
    email: str
    kind: Literal["person", "service_account"]
    project: str
    project_number: str
    client_id: str
    client_secret: str = ""
    refresh_token: str = ""
    private_key: str = ""
    private_key_id: str = ""
    scopes: list[str] = field(default_factory=lambda: list(ALL_SCOPES))
    """What a person granted; a service account asks for what it wants."""
    revoked: bool = False

    def __repr__(self) -> str:
        return f"Account({self.email})"

    def credentials(self, token_uri: str) -> dict[str, Any]:
        """The JSON google-auth reads."""
        common = {"client_id": self.client_id, "token_uri": token_uri, "universe_domain": "googleapis.com"}
        if self.kind == "person":
            secret = {"client_secret": self.client_secret, "refresh_token": self.refresh_token}
            return {"type": "authorized_user", "account": self.email} | common | secret
        key = {"private_key_id": self.private_key_id, "private_key": self.private_key}
        return {"type": "service_account", "project_id": self.project, "client_email": self.email} | common | key


class Identity:
    """The accounts of a data folder and the secret its access tokens are signed with."""

    def __init__(self, folder: Path, token_uri: str) -> None:
        """Reads the accounts or makes the first two; the credentials files always name the present `token_uri`."""
        self._folder = folder
        self._path = folder / "identity.json"
        self._token_uri = token_uri
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.token_secret = b""
        self.accounts: dict[str, Account] = {}
        if self._path.exists():
            self._read()
        else:
            self.token_secret = secrets.token_bytes(32)
            self.add_person(PERSON)
            self.add_service_account(SERVICE_ACCOUNT)
        self._write()

    @property
    def person_path(self) -> Path:
        """Credentials of the person who owns files (authorized user)."""
        return self.credentials_path(PERSON)

    @property
    def service_account_path(self) -> Path:
        """Credentials of the service account."""
        return self.credentials_path(SERVICE_ACCOUNT)

    def credentials_path(self, name: str) -> Path:
        """The credentials file of an account."""
        return self._folder / f"{name}.json"

    def add_person(self, name: str, *, project: str = "local-sheets", scopes: tuple[str, ...] = ALL_SCOPES) -> Account:
        """Makes a person with a refresh token."""
        account = Account(
            name,
            f"{name}@sheets.local",
            "person",
            project,
            _project_number(project),
            f"{_project_number(project)}-{secrets.token_hex(8)}.apps.sheets.local",
            client_secret=secrets.token_urlsafe(24),
            refresh_token="1//" + secrets.token_urlsafe(48),
            scopes=list(scopes),
        )
        return self._add(account)

    def add_service_account(self, name: str, *, project: str = "local-sheets") -> Account:
        """Makes a service account with an RSA key."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = Account(
            name,
            f"{name}@{project}.iam.sheets.local",
            "service_account",
            project,
            _project_number(project),
            str(secrets.randbelow(10**20) + 10**20),
            private_key=private.decode(),
            private_key_id=secrets.token_hex(20),
        )
        return self._add(account)

    def permission_id(self, email: str) -> str:
        """The id of a share with an address: a stable number, as Drive's are."""
        digest = hashlib.sha256(email.casefold().encode()).digest()
        return f"{int.from_bytes(digest[:8], 'big') % 10**20:020d}"

    def by_email(self, email: str) -> Account | None:
        """The account of an address."""
        return next((account for account in self.accounts.values() if account.email == email), None)

    def by_refresh_token(self, token: str) -> Account | None:
        """The person a refresh token belongs to."""
        found = None
        for account in self.accounts.values():
            if account.refresh_token and secrets.compare_digest(account.refresh_token.encode(), token.encode()):
                found = account
        return found

    def revoke(self, email: str, revoked: bool = True) -> None:
        """Makes the refresh token or key of an account invalid, or valid again."""
        account = self.by_email(email)
        if account is None:
            raise KeyError(email)
        account.revoked = revoked
        self._write()

    def _add(self, account: Account) -> Account:
        with self._lock:
            self.accounts[account.name] = account
        self._write()
        return account

    def _read(self) -> None:
        document = orjson.loads(self._path.read_bytes())
        self.token_secret = bytes.fromhex(document["token_secret"])
        self.accounts = {one["name"]: Account(**one) for one in document["accounts"]}

    def _write(self) -> None:
        with self._lock:
            accounts = list(self.accounts.values())
            document = {"token_secret": self.token_secret.hex(), "accounts": [asdict(account) for account in accounts]}
            write_private(self._path, orjson.dumps(document))
            for account in accounts:
                content = orjson.dumps(account.credentials(self._token_uri), option=orjson.OPT_INDENT_2)
                write_private(self.credentials_path(account.name), content)


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file at once, readable by its owner only."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _project_number(project: str) -> str:
    """A stable number that looks like a project's."""
    return str(100_000_000_000 + int.from_bytes(project.encode()[-4:].rjust(4, b"\0"), "big"))
