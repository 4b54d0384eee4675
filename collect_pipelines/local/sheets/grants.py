"""What people granted to the server's own OAuth client on the consent page: codes that work once, refresh tokens and how they end."""

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from collect_pipelines.local.sheets.errors import OAuthError
from collect_pipelines.local.sheets.identity import write_private

__all__ = ["DEFAULT_REDIRECT", "Code", "Grant", "Grants", "OAuthClient", "register_redirect"]

CLIENT_FILE = "oauth-client.json"
DEFAULT_REDIRECT = "http://127.0.0.1:8080/google/callback"  # the ingest endpoint's, on its default port
PROJECT = "local-sheets"
CODE_SECONDS = 600.0  # RFC 6749 4.1.2: at most ten minutes; Google does not document its own
TESTING_SECONDS = 604_800.0  # developers.google.com/identity/protocols/oauth2#expiration: 7 days while the app is in "Testing"
UNUSED_SECONDS = 182 * 86_400.0  # same page: "has not been used for six months"
MOST_TOKENS = 100  # same page: per Google Account and client ID; the oldest is invalidated without warning
SIGN_IN_SCOPES = frozenset({"openid", "email", "profile", "userinfo.email", "userinfo.profile"})
"""Same page: a token for nothing but these does not expire in "Testing"."""


@dataclass(frozen=True)
class OAuthClient:
    """The one client of type Web application, as Google Cloud would show it."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]


@dataclass
class Code:
    """An authorization code; kept in memory, since it lives for minutes."""

    email: str
    scopes: list[str]
    redirect_uri: str
    challenge: str | None
    method: str
    offline: bool
    expires_at: float
    used_by: str | None = None
    """The grant it became."""


@dataclass
class Grant:
    """One consent and its refresh token."""

    grant_id: str
    email: str
    client_id: str
    scopes: list[str]
    issued_at: float
    used_at: float
    refresh_token: str | None = field(repr=False)
    """None: asked for without access_type=offline."""
    testing: bool = False
    """Given while the app was in "Testing"; publishing it later changes nothing for this token (hanydd/BilibiliSponsorBlock#330)."""
    revoked: bool = False

    @property
    def ends_in_testing(self) -> bool:
        """It ends after 7 days."""
        return self.testing and not set(self.scopes) <= SIGN_IN_SCOPES


class Grants:
    """Codes and grants of one data folder. Safe for threads."""

    def __init__(self, folder: Path, clock: Callable[[], float], base_url: str) -> None:
        """Makes the client when there is none yet; its file always names the present addresses."""
        self._path, self._client_path = folder / "grants.json", folder / CLIENT_FILE
        self._clock, self._base_url = clock, base_url
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}
        self.testing = False
        """A test's switch: the consent screen is in "Testing"."""
        self.client = _client(self._client_path)
        self._grants = [Grant(**one) for one in orjson.loads(self._path.read_bytes())] if self._path.exists() else []
        _write_client(self._client_path, self.client, base_url)

    def allow_redirect(self, uri: str) -> None:
        """Adds a redirect URI to the client, as its owner does in Google Cloud."""
        with self._lock:
            self.client = OAuthClient(self.client.client_id, self.client.client_secret, (*self.client.redirect_uris, uri))
            _write_client(self._client_path, self.client, self._base_url)

    def give_code(self, code: Code) -> str:
        """The text of a code; `4/` is how Google's begin."""
        text = "4/" + secrets.token_urlsafe(48)
        with self._lock:
            now = self._clock()
            self._codes = {known: one for known, one in self._codes.items() if one.expires_at > now - CODE_SECONDS}
            self._codes[text] = code
        return text

    def exchange(self, text: str, client_id: str, redirect_uri: str, verifier: str | None) -> Grant:
        """What a code stands for, once. Raises OAuthError; a second use also ends what the first one gave (RFC 6749 4.1.2)."""
        with self._lock:
            code = self._codes.get(text)
            if code is None:
                raise OAuthError("invalid_grant", "Malformed auth code.")
            if code.used_by is not None or code.expires_at <= self._clock():
                self._end([one for one in self._grants if one.grant_id == code.used_by])
                raise OAuthError("invalid_grant", "Bad Request")
            if redirect_uri != code.redirect_uri:
                raise OAuthError("redirect_uri_mismatch", "Bad Request")
            _check_verifier(code, verifier)
            grant = self._made(code, client_id)
            code.used_by = grant.grant_id
            self._write()
            return grant

    def by_refresh_token(self, token: str) -> Grant | None:
        """The grant of a refresh token, dead or alive."""
        found = None
        for grant in self._grants:
            if grant.refresh_token is not None and hmac.compare_digest(grant.refresh_token.encode(), token.encode()):
                found = grant
        return found

    def by_id(self, grant_id: str) -> Grant | None:
        """The grant an access token was given for."""
        return next((one for one in self._grants if one.grant_id == grant_id), None)

    def of(self, email: str) -> list[Grant]:
        """The living grants of an account, oldest first."""
        return [one for one in self._grants if one.email == email and self.alive(one)]

    def alive(self, grant: Grant) -> bool:
        """Not revoked, not too old, not unused for too long."""
        now = self._clock()
        too_old = grant.ends_in_testing and now >= grant.issued_at + TESTING_SECONDS
        return not grant.revoked and not too_old and now < grant.used_at + UNUSED_SECONDS

    def use(self, grant: Grant) -> None:
        """An access token was taken with it."""
        with self._lock:
            grant.used_at = self._clock()
            self._write()

    def revoke(self, grant: Grant) -> None:
        """Ends what the account granted to the client: every token, as on myaccount.google.com/permissions."""
        with self._lock:
            self._end([one for one in self._grants if (one.email, one.client_id) == (grant.email, grant.client_id)])

    def _made(self, code: Code, client_id: str) -> Grant:
        now = self._clock()
        token = "1//" + secrets.token_urlsafe(48) if code.offline else None
        grant = Grant(secrets.token_hex(8), code.email, client_id, code.scopes, now, now, token, self.testing)
        self._grants.append(grant)
        held = [one for one in self._grants if (one.email, one.client_id) == (code.email, client_id) and one.refresh_token]
        for oldest in held[:-MOST_TOKENS]:
            self._grants.remove(oldest)
        return grant

    def _end(self, grants: list[Grant]) -> None:
        for grant in grants:
            grant.revoked = True
        self._write()

    def _write(self) -> None:
        write_private(self._path, orjson.dumps([asdict(grant) for grant in self._grants]))


def register_redirect(folder: Path, uri: str) -> None:
    """Lets the client of a data folder redirect there; called before its server starts."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    client = _client(folder / CLIENT_FILE)
    if uri not in client.redirect_uris:
        _write_client(folder / CLIENT_FILE, OAuthClient(client.client_id, client.client_secret, (*client.redirect_uris, uri)), "")


def _client(path: Path) -> OAuthClient:
    if path.exists():
        web = orjson.loads(path.read_bytes())["web"]
        return OAuthClient(web["client_id"], web["client_secret"], tuple(web["redirect_uris"]))
    return OAuthClient(f"100000000000-{secrets.token_hex(8)}.apps.sheets.local", "local-" + secrets.token_urlsafe(24), (DEFAULT_REDIRECT,))


def _write_client(path: Path, client: OAuthClient, base_url: str) -> None:
    """The file that Google Cloud offers for download: developers.google.com/identity/protocols/oauth2/web-server."""
    web: dict[str, Any] = asdict(client) | {
        "project_id": PROJECT,
        "auth_uri": f"{base_url}/o/oauth2/v2/auth",
        "token_uri": f"{base_url}/token",
    }
    write_private(path, orjson.dumps({"web": web}, option=orjson.OPT_INDENT_2))


def _check_verifier(code: Code, verifier: str | None) -> None:
    """RFC 7636 4.6, in Google's words."""
    if code.challenge is None:
        return
    if not verifier:
        raise OAuthError("invalid_grant", "Missing code verifier.")
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    expected = digest if code.method == "S256" else verifier
    if not hmac.compare_digest(expected.encode(), code.challenge.encode()):
        raise OAuthError("invalid_grant", "Invalid code verifier.")
