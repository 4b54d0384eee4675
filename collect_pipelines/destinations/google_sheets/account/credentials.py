"""From a credentials file of Google's to an account that can sign in: service account or authorised user."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from collect_pipelines.destinations.google_sheets.wire.codes import NO_CREDENTIALS
from collect_pipelines.errors import Blocked

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

__all__ = ["Account", "account_of"]

SCOPES = ("https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive.file")
ACCOUNTS_KEPT = 64  # access tokens live for an hour; most installations have one or two accounts

_SERVICE_KEYS = ("client_email", "private_key")
_USER_KEYS = ("client_id", "client_secret", "refresh_token")


@dataclass(frozen=True)
class Account:
    """Who calls Google."""

    kind: str
    """`service_account` or `authorized_user`."""
    who: str
    """The address, as far as the file tells it."""
    project: str
    key: str
    """What the quota of the account is counted under; no secret."""
    credentials: "Credentials" = field(repr=False)


@lru_cache(maxsize=ACCOUNTS_KEPT)
def account_of(text: str, token_url: str) -> Account:
    """
    The account behind the JSON text; the same object for the same text, so that its access token is used again.

    token_url: where tokens are asked for unless the file names a place. Raises Blocked with the fix when the text is something else.
    """
    document = _document(text)
    kind = str(document.get("type"))
    if kind == "service_account" and all(document.get(name) for name in _SERVICE_KEYS):
        return _service_account(document, token_url)
    if kind in ("authorized_user", "None") and all(document.get(name) for name in _USER_KEYS):
        return _authorized_user(document, token_url)
    if "installed" in document or "web" in document:
        raise Blocked(
            "The credentials are those of an OAuth client, not of a person who granted access.",
            fix="Set COLLECT_GOOGLE_OAUTH_CLIENT to it and connect an account: collect connections add google NAME.",
            problem=NO_CREDENTIALS,
        )
    raise _unusable()


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise _unusable() from None  # the parser's message would quote the secret (promise 10)
    if not isinstance(document, dict):
        raise _unusable()
    return document


def _service_account(document: dict[str, Any], token_url: str) -> Account:
    from google.oauth2.service_account import Credentials

    info = {"token_uri": token_url, **document}
    try:
        made = Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
    except ValueError:
        raise _unusable() from None
    email = str(document["client_email"])
    return Account("service_account", email, str(document.get("project_id", email)), email, made)


def _authorized_user(document: dict[str, Any], token_url: str) -> Account:
    from google.oauth2.credentials import Credentials

    # not from_authorized_user_info: it ignores token_uri and always asks Google
    made = Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=document["refresh_token"],
        token_uri=document.get("token_uri") or token_url,
        client_id=document["client_id"],
        client_secret=document["client_secret"],
    )
    client = str(document["client_id"])
    who = str(document.get("account") or "the connected Google account")
    key = str(document.get("account") or sha256(document["refresh_token"].encode()).hexdigest()[:16])
    return Account("authorized_user", who, client.partition("-")[0], key, made)


def _unusable() -> Blocked:
    return Blocked(
        "The credentials are not a JSON file of a service account or of an authorised user.",
        fix="Let `credentials` point to the file Google Cloud gives for a service account key: docs/destinations/google_sheets.md.",
        problem=NO_CREDENTIALS,
    )
