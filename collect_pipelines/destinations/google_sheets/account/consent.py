"""From an invitation to a refresh token: Google's consent for web server applications, with PKCE. Imports nothing of gspread."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from collect_pipelines.destinations.google_sheets.wire.codes import NO_CREDENTIALS, SCOPES
from collect_pipelines.destinations.http.client import GuardedClient
from collect_pipelines.errors import Blocked, TryLater

__all__ = ["RIGHTS", "Granted", "OAuthClient", "challenge_of", "client_of", "consent_address", "exchange", "new_verifier", "revoke"]

RIGHTS = {
    "https://www.googleapis.com/auth/spreadsheets": "See, change, create and delete Google Sheets spreadsheets of the account",
    "https://www.googleapis.com/auth/drive.file": "Create files in Google Drive, and see and change only those that collect made",
}
"""The least that writing into spreadsheets takes: those people name, and those that are made for them. In plain words."""
ASKED = (*RIGHTS, "openid", "email")  # the last two tell which account it is
VERIFIER_BYTES = 64  # 86 characters; RFC 7636 4.1 allows 43 to 128
TIMEOUT_SECONDS = 10.0  # a person waits before the page
MOST_ANSWER_BYTES = 65_536
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
AGAIN = "Open the link once more and try again."


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The installation's client at Google."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a person granted."""

    account: str
    """The address."""
    scopes: tuple[str, ...]
    credentials: str = field(repr=False)
    """JSON of an authorised user, as `account_of` reads it."""


def client_of(text: str) -> OAuthClient:
    """The client of the JSON that Google Cloud gives for one. Raises Blocked when it is something else."""
    try:
        document = json.loads(text)
        inner = document.get("web") or document.get("installed") or document
        return OAuthClient(str(inner["client_id"]), str(inner["client_secret"]))
    except (ValueError, KeyError, AttributeError, TypeError):
        # `from None`: the parser's message would quote the secret (promise 10)
        raise Blocked(
            "The JSON of the OAuth client can't be read.",
            fix="Let COLLECT_GOOGLE_OAUTH_CLIENT point to the file that Google Cloud > Clients offers: docs/google-connect.md.",
            problem=NO_CREDENTIALS,
        ) from None


def new_verifier() -> str:
    """A fresh PKCE verifier."""
    return secrets.token_urlsafe(VERIFIER_BYTES)


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def consent_address(
    authorize_url: str, client: OAuthClient, redirect_uri: str, *, state: str, challenge: str, account: str | None = None
) -> str:
    """
    Where a person grants access. account: whom Google should offer first.

    access_type and prompt: else there is no refresh token the second time (developers.google.com/identity/protocols/oauth2/web-server).
    """
    asked = {
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(ASKED),
        "access_type": "offline",
        "prompt": "consent",
        "include_granted_scopes": "false",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{authorize_url}?{urlencode(asked | ({'login_hint': account} if account else {}))}"


def exchange(token_url: str, client: OAuthClient, *, code: str, redirect_uri: str, verifier: str) -> Granted:
    """
    What a code stands for. Raises Blocked in words for the person who granted, TryLater when Google can't be asked.

    Nothing that Google says is shown.
    """
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    status, document = _posted(token_url, asked | {"client_id": client.client_id, "client_secret": client.client_secret})
    if status != 200:
        raise _refusal(status, str(document.get("error")))
    granted = tuple(str(document.get("scope", "")).split())
    missing = [words for scope, words in RIGHTS.items() if scope not in granted]
    if missing:
        raise Blocked(
            "Not everything that is needed was granted. Left out: " + "; ".join(missing) + ".",
            fix=f"{AGAIN} Keep every box checked on Google's page.",
            problem=SCOPES,
        )
    refresh_token = document.get("refresh_token")
    if not isinstance(refresh_token, str) or not refresh_token:
        raise Blocked(
            "Google gave no lasting access.",
            fix=f"Remove the access of this app at myaccount.google.com/permissions. {AGAIN}",
            problem=SCOPES,
        )
    account = _address(str(document.get("id_token", "")), client)
    secret = {"type": "authorized_user", "client_id": client.client_id, "client_secret": client.client_secret}
    return Granted(account, granted, json.dumps(secret | {"refresh_token": refresh_token, "account": account}))


def revoke(token_url: str, credentials: str) -> bool:
    """Withdraws at Google what the credentials of an authorised user were granted; whether Google took it. Raises TryLater."""
    token = str(json.loads(credentials).get("refresh_token", ""))
    status, _ = _posted(token_url.removesuffix("/token") + "/revoke", {"token": token})
    return status == 200


def _posted(url: str, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    # the address is a setting of the installation, so it may be one of its own network
    client = GuardedClient(allow_private=True, timeout_seconds=TIMEOUT_SECONDS, most_response_bytes=MOST_ANSWER_BYTES)
    try:
        answer = client.request("POST", url, body=urlencode(asked).encode(), headers=FORM)
    finally:
        client.close()
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    return answer.status, document if isinstance(document, dict) else {}


def _refusal(status: int, error: str) -> Exception:
    if error in ("invalid_client", "unauthorized_client", "redirect_uri_mismatch"):
        return Blocked(
            "Google does not accept the OAuth client of this installation.",
            fix="Tell your administrator: COLLECT_GOOGLE_OAUTH_CLIENT or COLLECT_PUBLIC_URL is wrong, see docs/google-connect.md.",
            problem=NO_CREDENTIALS,
        )
    if status >= 500 or status == 429:
        return TryLater(f"Google answered {status}.")
    return Blocked("Google's permission to go on has expired, or was used before.", fix=AGAIN)


def _address(id_token: str, client: OAuthClient) -> str:
    """
    Whom Google names in the ID token.

    It came straight from Google over TLS, so its signature need not be checked:
    developers.google.com/identity/openid-connect/openid-connect#obtainuserinfo
    """
    try:
        body = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if claims["aud"] == client.client_id and claims["email"]:
            return str(claims["email"])[:MOST_ADDRESS]
    except (IndexError, ValueError, KeyError, TypeError):
        pass
    raise Blocked("Google did not say which account it is.", fix=AGAIN)


MOST_ADDRESS = 320  # characters: RFC 5321 has 64 before the @ and 255 after it
