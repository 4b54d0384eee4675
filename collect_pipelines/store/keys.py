"""API keys: shown once, kept as a prefix and a SHA-256."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.errors import Conflict, Invalid, NotFound
from collect_pipelines.store.names import check_name
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.tables import api_key, organization

__all__ = [
    "SCOPES",
    "ApiKey",
    "CreatedKey",
    "Scope",
    "create_key",
    "find_key",
    "is_key_text",
    "list_keys",
    "new_key_text",
    "revoke_key",
    "set_key_scopes",
    "touch_key",
]

Scope = Literal["ingest", "read", "admin"]

SCOPES: frozenset[Scope] = frozenset(("ingest", "read", "admin"))
KEY_START = "cp_live_"  # tells secret scanners and people what they look at
TOKEN_BYTES = 32  # 256 random bits need no slow hash
KEY_TEXT = re.compile(re.escape(KEY_START) + r"[A-Za-z0-9_-]{43}")  # 43 characters are 32 bytes in base64
PREFIX_CHARACTERS = len(KEY_START) + 6
TOUCH_SECONDS = 60  # a key in use is written once a minute, not at every request


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is stored; whether it may be used is the caller's decision."""

    key_id: int
    organization_id: int
    organization: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key; `text` can't be shown again."""

    key_id: int
    text: str


def create_key(
    connection: Connection,
    organization: str,
    name: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None = None,
    *,
    text: str | None = None,
) -> CreatedKey:
    """
    Makes a key of the organization (which is made when missing). Raises Invalid for a name that can't be one, no or an unknown scope.

    text: a key made elsewhere by `new_key_text`; without it, a new one is made. Raises Conflict when it is in use already.
    """
    check_name("key", name)
    if not scopes or not scopes <= SCOPES:
        raise Invalid(f"A key has one or more of the scopes {', '.join(sorted(SCOPES))}.", fix="Name them with --scope.")
    text = text or new_key_text()
    values = {
        "organization_id": ensure_organization(connection, organization),
        "name": name,
        "prefix": text[:PREFIX_CHARACTERS],
        "digest": _digest(text),
        "scopes": sorted(scopes),
        "expires_at": expires_at,
    }
    key_id = connection.execute(insert(api_key).values(values).on_conflict_do_nothing().returning(api_key.c.key_id)).scalar()
    if key_id is None:
        # Promise 10: not told whose it is, which may be another organization
        raise Conflict(f"The key given as {name!r} is in use under another name.", fix="Each key has one name: make another one.")
    return CreatedKey(key_id, text)


def new_key_text() -> str:
    """A key that nobody has yet."""
    return KEY_START + secrets.token_urlsafe(TOKEN_BYTES)


def is_key_text(text: str) -> bool:
    """Whether the text looks like a key of ours: something weaker is never taken for one."""
    return KEY_TEXT.fullmatch(text) is not None


def set_key_scopes(connection: Connection, key_id: int, scopes: frozenset[Scope]) -> None:
    """What the key may be used for from now on; running servers notice within seconds. Raises NotFound, and Invalid."""
    if not scopes or not scopes <= SCOPES:
        raise Invalid(f"A key has one or more of the scopes {', '.join(sorted(SCOPES))}.", fix="Name them with --scope.")
    if not connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(scopes=sorted(scopes))).rowcount:
        raise NotFound(f"There is no API key {key_id}.", fix="`collect keys list` shows them.")


def find_key(connection: Connection, text: str) -> ApiKey:
    """The key with this text, also when it is expired or revoked: the caller judges. Raises NotFound."""
    row = connection.execute(_KEYS.where(api_key.c.digest == _digest(text))).one_or_none()
    if row is None:
        raise NotFound("There is no such API key.", fix="Make one with `collect keys create`.")
    return _key(row)


def touch_key(connection: Connection, key_id: int) -> None:
    """Notes that the key was used just now, at most once a minute."""
    used = api_key.c.last_used_at
    stale = used.is_(None) | (used < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, TOUCH_SECONDS))
    connection.execute(update(api_key).where(api_key.c.key_id == key_id, stale).values(last_used_at=func.clock_timestamp()))


def list_keys(connection: Connection, organization: str | None = None) -> list[ApiKey]:
    """All keys, oldest first; of one organization when it is named."""
    query = _KEYS.order_by(api_key.c.key_id)
    if organization is not None:
        query = query.where(_KEYS.selected_columns.organization == organization)
    return [_key(row) for row in connection.execute(query)]


def revoke_key(connection: Connection, key_id: int) -> None:
    """Ends the key for good; a second time changes nothing. Raises NotFound."""
    values = {"revoked_at": func.coalesce(api_key.c.revoked_at, func.clock_timestamp())}
    if not connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(values)).rowcount:
        raise NotFound(f"There is no API key {key_id}.", fix="`collect keys list` shows them.")


_KEYS = select(
    api_key.c.key_id,
    api_key.c.organization_id,
    organization.c.slug.label("organization"),
    api_key.c.name,
    api_key.c.prefix,
    api_key.c.scopes,
    api_key.c.created_at,
    api_key.c.expires_at,
    api_key.c.revoked_at,
    api_key.c.last_used_at,
).join_from(api_key, organization)


def _key(row: Any) -> ApiKey:
    return ApiKey(**{**row._mapping, "scopes": frozenset(row.scopes)})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
