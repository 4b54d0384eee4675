"""Accounts outside that organizations connected: sealed, lent to the organization's own integrations, and connected anew when they end."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, Row, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.errors import Conflict, Invalid, NotFound
from collect_pipelines.model import RECONNECT_NEEDED
from collect_pipelines.store.database import ring
from collect_pipelines.store.organizations import DEFAULT_ORGANIZATION
from collect_pipelines.store.secrets import OF_CONNECTION, remove_secret, secrets_of, write_secret
from collect_pipelines.store.tables import connection as connected
from collect_pipelines.store.tables import integration, organization
from collect_pipelines.store.vault import Vault

__all__ = [
    "KINDS",
    "ConnectedAccount",
    "ConnectionKind",
    "check_connection",
    "connect_account",
    "connect_command",
    "connection_users",
    "connections_named",
    "find_connection",
    "is_refused",
    "list_connections",
    "mark_refused",
    "mark_working",
    "remove_connection",
    "resume_users",
    "secret_in_use",
]

ConnectionKind = Literal["google_user", "google_service_account"]
KINDS: dict[str, str] = {"google_user": "Google account", "google_service_account": "Google service account"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
REFERENCE = re.compile(rf'"connection:({NAME.pattern})"')
ENDED_BY_CONNECTING = (RECONNECT_NEEDED, "google_sheets.no_credentials", "google_sheets.scopes")
"""Codes of blocks that a new consent repairs."""


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """What may be told about a connection."""

    name: str
    organization: str
    kind: ConnectionKind
    account: str
    """Address of the account."""
    scopes: tuple[str, ...]
    """What was granted; empty for a service account, which asks for what it needs."""
    secret: str
    """Name of the organization's sealed secret that holds the credentials."""
    state: Literal["connected", "reconnect_needed"]
    reason: str | None
    created_at: datetime
    changed_at: datetime
    created_by: str


def connect_command(name: str, organization_slug: str, kind: ConnectionKind = "google_user") -> str:
    """The command that connects the account, also once more."""
    of = "" if organization_slug == DEFAULT_ORGANIZATION else f" --organization {organization_slug}"
    if kind == "google_service_account":
        return f"collect connections add google-service-account {name} --file KEY.json{of}"
    return f"collect connections add google {name}{of}"


def check_connection(connection: Connection, organization_id: int, name: str, kind: ConnectionKind) -> ConnectedAccount | None:
    """
    What the name stands for already, if it may be connected (anew) as this kind.

    Raises Invalid for a name that can't be one, Conflict when it is taken by another kind, or by a secret that is no connection's.
    """
    if not NAME.fullmatch(name):
        raise Invalid(
            "A connection's name has 1 to 80 letters, digits, `.`, `_` and `-`, and starts with a letter or digit.", fix="Rename it."
        )
    known = _find(connection, organization_id, name)
    if known is not None and known.kind != kind:
        raise Conflict(f"{name} is the connection of a {KINDS[known.kind]}.", fix="Choose another name, or remove that one first.")
    if known is None and OF_CONNECTION + name in secrets_of(connection, organization_id):
        raise Conflict(
            f"There is a stored secret {OF_CONNECTION}{name}, which a connection of this name needs.", fix="Choose another name."
        )
    return known


def connect_account(
    connection: Connection,
    vault: Vault,
    organization_id: int,
    name: str,
    kind: ConnectionKind,
    *,
    account: str,
    credentials: str,
    scopes: Sequence[str] = (),
    by: str,
) -> list[str]:
    """
    Keeps the credentials sealed under the name, in the place of earlier ones; names of the integrations that go on because of it.

    Raises as `check_connection` does, and Conflict when the vault lacks a key that other secrets were sealed with.
    """
    check_connection(connection, organization_id, name, kind)
    _lock_users(connection, organization_id, name)
    secret = OF_CONNECTION + name
    write_secret(connection, vault, organization_id, secret, credentials)
    values = {"kind": kind, "account": account, "scopes": list(scopes), "secret": secret, "state": "connected", "reason": None}
    statement = insert(connected).values(organization_id=organization_id, name=name, created_by=by, **values)
    changed = {**values, "changed_at": func.clock_timestamp()}
    connection.execute(statement.on_conflict_do_update(index_elements=["organization_id", "name"], set_=changed))
    return resume_users(connection, organization_id, name)


def find_connection(connection: Connection, organization_id: int, name: str) -> ConnectedAccount:
    """The organization's connection of this name. Raises NotFound."""
    found = _find(connection, organization_id, name)
    if found is None:
        raise NotFound(f"There is no connection {name!r}.", fix="`collect connections list` shows them.")
    return found


def list_connections(connection: Connection, organization_slug: str | None = None) -> list[ConnectedAccount]:
    """All connections by organization and name; of one organization when it is named."""
    query = _CONNECTIONS.order_by(organization.c.slug, connected.c.name)
    if organization_slug is not None:
        query = query.where(organization.c.slug == organization_slug)
    return [_account(row) for row in connection.execute(query)]


def remove_connection(connection: Connection, organization_id: int, name: str) -> None:
    """Removes the connection and its sealed credentials for good. Raises NotFound."""
    found = find_connection(connection, organization_id, name)
    connection.execute(connected.delete().where(_named(organization_id, name)))
    if found.secret in secrets_of(connection, organization_id):
        remove_secret(connection, organization_id, found.secret)


def connection_users(connection: Connection, organization_id: int, name: str) -> list[str]:
    """Names of the organization's integrations whose configuration refers to the connection."""
    query = select(integration.c.name).where(_uses(organization_id, name)).order_by(integration.c.name)
    return list(connection.execute(query).scalars())


def secret_in_use(connection: Connection, organization_id: int, secret_name: str) -> bool:
    """Whether a connection of the organization keeps its credentials in this secret."""
    place = (connected.c.organization_id == organization_id) & (connected.c.secret == secret_name)
    return connection.execute(select(connected.c.name).where(place)).first() is not None


def connections_named(config_text: str) -> list[str]:
    """Names of the connections that a configuration, as JSON, refers to."""
    return sorted({found[1] for found in REFERENCE.finditer(config_text)})


def mark_refused(connection: Connection, organization_id: int, name: str, changed_at: datetime, reason: str) -> bool:
    """
    Google refused the credentials that the connection had at `changed_at`; False when it was made anew since.

    Integrations that use it are told so without asking Google again.
    """
    place = _named(organization_id, name) & (connected.c.changed_at == changed_at) & (connected.c.state == "connected")
    marked = update(connected).where(place).values(state="reconnect_needed", reason=reason, changed_at=func.clock_timestamp())
    return connection.execute(marked).rowcount > 0


def mark_working(connection: Connection, organization_id: int, name: str) -> list[str]:
    """Google accepts the credentials (again); names of the integrations that go on because of it."""
    _lock_users(connection, organization_id, name)
    place = _named(organization_id, name) & (connected.c.state == "reconnect_needed")
    connection.execute(update(connected).where(place).values(state="connected", reason=None, changed_at=func.clock_timestamp()))
    return resume_users(connection, organization_id, name)


def is_refused(connection: Connection, integration_id: int, organization_slug: str, names: Sequence[str]) -> bool:
    """
    Whether one of the connections has to be made anew, or is not there; asked before the integration is blocked because of it.

    Whoever asks either sees that it was made anew, or is seen by who makes it anew: both lock the integration first.
    """
    connection.execute(select(integration.c.integration_id).where(integration.c.integration_id == integration_id).with_for_update())
    query = (
        select(connected.c.state)
        .join_from(connected, organization)
        .where(organization.c.slug == organization_slug, connected.c.name.in_(names))
    )
    states = list(connection.execute(query).scalars())
    return len(states) < len(set(names)) or "reconnect_needed" in states


def resume_users(connection: Connection, organization_id: int, name: str) -> list[str]:
    """Lets the integrations go on that were blocked because of the connection; their names. Their backlog drains from here on."""
    # Promise 7: what was kept meanwhile is sent from where it stopped
    blocked = (integration.c.state == "blocked") & integration.c.problem.in_(ENDED_BY_CONNECTING)
    resumed = (
        update(integration)
        .where(_uses(organization_id, name) & blocked)
        .values(state="active", reason=None, fix=None, problem=None, next_attempt_at=None, failures=0)
        .returning(integration.c.name)
    )
    names = sorted(connection.execute(resumed).scalars())
    if names:
        ring(connection)
    return names


_CONNECTIONS = select(connected, organization.c.slug.label("organization")).join_from(connected, organization)


def _lock_users(connection: Connection, organization_id: int, name: str) -> None:
    """Before the connection changes, and always in this order: a worker that is about to block one of them waits, or is waited for."""
    users = select(integration.c.integration_id).where(_uses(organization_id, name)).order_by(integration.c.integration_id)
    connection.execute(users.with_for_update())


def _named(organization_id: int, name: str) -> ColumnElement[bool]:
    # Promise 10: a name of another organization is no name here
    return (connected.c.organization_id == organization_id) & (connected.c.name == name)


def _uses(organization_id: int, name: str) -> ColumnElement[bool]:
    mentions = cast(integration.c.config, Text).regexp_match(f'"connection:{re.escape(name)}"')
    return (integration.c.organization_id == organization_id) & mentions


def _find(connection: Connection, organization_id: int, name: str) -> ConnectedAccount | None:
    row = connection.execute(_CONNECTIONS.where(_named(organization_id, name))).one_or_none()
    return None if row is None else _account(row)


def _account(row: Row[tuple[object, ...]]) -> ConnectedAccount:
    fields = {name: getattr(row, name) for name in ConnectedAccount.__slots__}
    return ConnectedAccount(**fields | {"scopes": tuple(fields["scopes"])})
