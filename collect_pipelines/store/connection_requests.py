"""Invitations to connect an account: a link that works once and for minutes, and what is known while its person is at Google."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from collect_pipelines.errors import Conflict
from collect_pipelines.store.tables import connection_request, organization
from collect_pipelines.store.vault import Sealed, Vault

__all__ = ["VALID_MINUTES", "Invitation", "begin_consent", "find_invitation", "finish_invitation", "invite", "take_consent"]

VALID_MINUTES = 15  # time to open the link, choose an account and grant; RFC 6749 4.1.2 has codes live 10 minutes at most
MOST_OPEN = 50  # of one organization; more is a script gone wrong
KEPT_DAYS = 1  # so that a link that is a little too old is told from one that never was

Digest = bytes
"""SHA-256 of a random text that only a link, a cookie or Google's answer holds."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """To connect an account as `name`, for an organization."""

    ticket: Digest
    organization_id: int
    organization: str
    """Slug."""
    organization_title: str
    name: str
    created_by: str
    expires_at: datetime
    is_open: bool
    """It has not been used and has time left."""
    used: bool


def invite(connection: Connection, organization_id: int, name: str, ticket: Digest, by: str) -> datetime:
    """
    Makes an invitation, in the place of earlier ones for the name that nobody used; returns when it ends.

    Raises Conflict when the organization has too many open ones.
    """
    request = connection_request.c
    outdated = request.expires_at < func.clock_timestamp() - timedelta(days=KEPT_DAYS)
    connection.execute(connection_request.delete().where(outdated))
    earlier = (request.organization_id == organization_id) & (request.name == name) & _OPEN
    connection.execute(update(connection_request).where(earlier).values(expires_at=func.clock_timestamp()))
    of_organization = select(func.count()).select_from(connection_request).where(request.organization_id == organization_id, _OPEN)
    if connection.execute(of_organization).scalar_one() >= MOST_OPEN:
        raise Conflict(f"The organization has {MOST_OPEN} open invitations.", fix=f"Wait {VALID_MINUTES} minutes, until they have expired.")
    made = connection_request.insert().values(
        ticket=ticket,
        organization_id=organization_id,
        name=name,
        created_by=by,
        expires_at=func.clock_timestamp() + timedelta(minutes=VALID_MINUTES),
    )
    expires_at: datetime = connection.execute(made.returning(request.expires_at)).scalar_one()
    return expires_at


def find_invitation(connection: Connection, ticket: Digest) -> Invitation | None:
    """The invitation of a link; None when there is none."""
    return _invitation(connection, connection_request.c.ticket == ticket)


def begin_consent(
    connection: Connection, vault: Vault, ticket: Digest, *, state: Digest, browser: Digest, verifier: str
) -> Invitation | None:
    """
    A browser goes to Google with the invitation: what comes back must have this state and this browser.

    Whoever went before with the same invitation can't come back any more. None when it is not open.
    """
    found = _invitation(connection, connection_request.c.ticket == ticket, locked=True)
    if found is None or not found.is_open:
        return None
    sealed = vault.seal(found.organization_id, _sealed_name(ticket), verifier)
    values = {"oauth_state": state, "browser": browser, "key_id": sealed.key_id, "nonce": sealed.nonce, "sealed": sealed.sealed}
    connection.execute(update(connection_request).where(connection_request.c.ticket == ticket).values(values))
    return found


def take_consent(connection: Connection, vault: Vault, state: Digest, browser: Digest) -> tuple[Invitation, str] | None:
    """
    A browser came back: its invitation and the PKCE verifier, once. None when nobody went with this state, or it came back before.

    Raises Conflict when another browser went; then the one that went may still come.
    """
    row = connection.execute(select(connection_request).where(connection_request.c.oauth_state == state).with_for_update()).one_or_none()
    if row is None:
        return None
    if row.browser != browser:
        raise Conflict("Another browser began this.")
    found = _invitation(connection, connection_request.c.ticket == row.ticket)
    assert found is not None, "its row is locked"
    verifier = vault.open(row.organization_id, _sealed_name(row.ticket), Sealed(row.key_id, row.nonce, row.sealed))
    nothing = dict.fromkeys(("oauth_state", "browser", "key_id", "nonce", "sealed"))
    connection.execute(update(connection_request).where(connection_request.c.ticket == row.ticket).values(nothing))
    return found, verifier


def finish_invitation(connection: Connection, ticket: Digest) -> bool:
    """Uses the invitation up; False when it was used before. It may have run out while its person was at Google."""
    place = (connection_request.c.ticket == ticket) & connection_request.c.used_at.is_(None)
    return connection.execute(update(connection_request).where(place).values(used_at=func.clock_timestamp())).rowcount > 0


_OPEN = connection_request.c.used_at.is_(None) & (connection_request.c.expires_at > func.clock_timestamp())


def _sealed_name(ticket: Digest) -> str:
    """What a verifier is sealed for: no secret can have such a name."""
    return f"connection_request:{ticket.hex()}"


def _invitation(connection: Connection, place: ColumnElement[bool], *, locked: bool = False) -> Invitation | None:
    query = select(
        connection_request,
        _OPEN.label("is_open"),
        organization.c.slug.label("organization"),
        organization.c.title.label("organization_title"),
    ).join_from(connection_request, organization)
    if locked:
        query = query.with_for_update(of=connection_request)
    row = connection.execute(query.where(place)).one_or_none()
    return None if row is None else _read(row)


def _read(row: Row[tuple[object, ...]]) -> Invitation:
    fields = {name: getattr(row, name) for name in Invitation.__slots__ if name != "used"}
    return Invitation(**fields, used=row.used_at is not None)
