"""
Dead letters: entries one integration could not deliver, each with its reason.

A `waiting` one is pending and tried again by itself; an `open` one waits for a person, who lets it be tried again or discards it.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.batches import OPEN
from collect_pipelines.store.database import ring
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import batch, dead_letter, form, integration, organization, response

__all__ = [
    "Decided",
    "LetterState",
    "StoredDeadLetter",
    "discard_letters",
    "letters_at",
    "list_dead_letters",
    "retry_letters",
    "retry_unknown",
]

LetterState = Literal["waiting", "open", "redelivered", "discarded", "superseded"]
UNDECIDED: tuple[LetterState, ...] = ("waiting", "open")


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One entry one integration could not deliver; `reason` holds no answer."""

    integration_id: int
    integration: str
    kind: str
    form_id: int
    form: str
    position: int
    batch_no: int
    """The batch that last failed with it."""
    response_id: str
    revision: int
    reason: str
    unknown: bool
    """True when the receiver may have it all the same."""
    state: LetterState
    attempts: int
    """Of its own, since it was set aside."""
    next_attempt_at: datetime | None
    """When a waiting one is tried again by itself."""
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to."""

    changed: int
    """Letters it was about."""
    busy: int
    """Letters left as they are, because they are being sent right now."""


def list_dead_letters(
    connection: Connection,
    form_id: int | None = None,
    integration_id: int | None = None,
    limit: int | None = 100,
    *,
    states: Collection[LetterState] = UNDECIDED,
) -> list[StoredDeadLetter]:
    """Those in one of these states, by integration and position; of one form, one integration, or both. No limit: all."""
    query = _LETTERS.where(dead_letter.c.state.in_(states)).order_by(dead_letter.c.integration_id, dead_letter.c.position).limit(limit)
    if form_id is not None:
        query = query.where(form.c.form_id == form_id)
    if integration_id is not None:
        query = query.where(integration.c.integration_id == integration_id)
    return _letters(connection, query)


def letters_at(connection: Connection, form_id: int, position: int, integration_id: int | None = None) -> list[StoredDeadLetter]:
    """The letters of one entry, whatever became of them; of one integration when it is named."""
    query = _LETTERS.where(form.c.form_id == form_id, dead_letter.c.position == position).order_by(dead_letter.c.integration_id)
    return _letters(connection, query if integration_id is None else query.where(dead_letter.c.integration_id == integration_id))


def retry_letters(
    connection: Connection, integration_id: int, actor: str, *, positions: Sequence[int] | None = None, cause: str | None = None
) -> Decided:
    """
    Lets undecided letters be tried again, now: all of the integration, those of `positions`, those whose reason contains `cause`.

    They are pending until then. Raises NotFound when there is none; Conflict when all of them are being sent.
    """
    letters, busy = _taken(connection, integration_id, positions, cause)
    values = {"state": "waiting", "attempts": 0, "next_attempt_at": func.clock_timestamp(), "decided_at": None, "decided_by": None}
    _set(connection, integration_id, letters, values)
    # Promise 4: what a person waited for is pending again.
    opened = sum(state == "open" for state in letters.values())
    _move(connection, integration_id, dead_lettered=-opened, behind=opened)
    _record(connection, actor, "dead_letter.retry", integration_id, letters, {})
    ring(connection)
    return Decided(len(letters), busy)


def retry_unknown(connection: Connection, integration_id: int, response_id: str, actor: str) -> None:
    """
    Lets what may have been delivered of a response be looked at again, now that more is known of it.

    Changes nothing when no letter says so, or when all of them are being sent anyway.
    """
    # by way of the log, which finds positions by response
    of_response = (response.c.form_id == integration.c.form_id) & (response.c.position == dead_letter.c.position)
    query = (
        select(dead_letter.c.position)
        .join(integration, integration.c.integration_id == dead_letter.c.integration_id)
        .join(response, of_response)
        .where(dead_letter.c.integration_id == integration_id, response.c.response_id == response_id)
        .where(dead_letter.c.unknown, dead_letter.c.state.in_(UNDECIDED))
    )
    positions = connection.execute(query).scalars().all()
    if positions:
        with suppress(Conflict, NotFound):
            retry_letters(connection, integration_id, actor, positions=positions)


def discard_letters(
    connection: Connection,
    integration_id: int,
    actor: str,
    reason: str,
    *,
    positions: Sequence[int] | None = None,
    cause: str | None = None,
) -> Decided:
    """
    Decides that undecided letters are never delivered by this integration; `reason` goes to the audit trail.

    The ledger goes on counting them as dead-lettered. Raises NotFound when there is none; Conflict when all are being sent.
    """
    letters, busy = _taken(connection, integration_id, positions, cause)
    values = {"state": "discarded", "next_attempt_at": None, "decided_at": func.clock_timestamp(), "decided_by": actor}
    _set(connection, integration_id, letters, values)
    waited = sum(state == "waiting" for state in letters.values())
    _move(connection, integration_id, behind=-waited, dead_lettered=waited)
    _record(connection, actor, "dead_letter.discarded", integration_id, letters, {"reason": reason})
    return Decided(len(letters), busy)


_LETTERS = (
    select(dead_letter, integration.c.name, integration.c.kind, form.c.form_id, form.c.slug, organization.c.slug.label("organization"))
    .join(integration, integration.c.integration_id == dead_letter.c.integration_id)
    .join(form, form.c.form_id == integration.c.form_id)
    .join(organization, organization.c.organization_id == integration.c.organization_id)
)


def _letters(connection: Connection, query: Any) -> list[StoredDeadLetter]:
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        values["integration"] = values.pop("name")
        found.append(StoredDeadLetter(**values))
    return found


def _taken(
    connection: Connection, integration_id: int, positions: Sequence[int] | None, cause: str | None
) -> tuple[dict[int, LetterState], int]:
    """Positions and states of the undecided letters that nobody is sending now, locked, and how many somebody is."""
    # The integration's row before its letters, like every settlement: no batch begins or lands meanwhile.
    locked = select(integration.c.name).where(integration.c.integration_id == integration_id).with_for_update(key_share=True)
    name = connection.execute(locked).scalar()
    letters = _undecided(connection, integration_id, positions, cause)
    if not letters:
        raise NotFound(f"{name} has no such response set aside or refused.", fix="`collect failures list` shows those it has.")
    sending = _being_sent(connection, integration_id)
    free = {position: state for position, state in letters.items() if position not in sending}
    if not free:
        raise Conflict(f"{name} is sending it right now.", fix="Look again in a minute: collect failures list")
    return free, len(letters) - len(free)


def _undecided(connection: Connection, integration_id: int, positions: Sequence[int] | None, cause: str | None) -> dict[int, LetterState]:
    conditions: list[ColumnElement[bool]] = [dead_letter.c.integration_id == integration_id, dead_letter.c.state.in_(UNDECIDED)]
    if positions is not None:
        conditions.append(dead_letter.c.position.in_(positions))
    if cause is not None:
        conditions.append(func.strpos(func.lower(dead_letter.c.reason), cause.lower()) > 0)
    query = select(dead_letter.c.position, dead_letter.c.state).where(*conditions)
    return {row.position: row.state for row in connection.execute(query)}


def _being_sent(connection: Connection, integration_id: int) -> Collection[int]:
    query = select(batch.c.positions, batch.c.from_position, batch.c.to_position)
    row = connection.execute(query.where(batch.c.integration_id == integration_id, batch.c.state.in_(OPEN))).one_or_none()
    if row is None:
        return ()
    return set(row.positions) if row.positions is not None else range(row.from_position, row.to_position + 1)


def _set(connection: Connection, integration_id: int, letters: Collection[int], values: dict[str, Any]) -> None:
    if letters:
        these = dead_letter.c.integration_id == integration_id, dead_letter.c.position.in_(list(letters))
        connection.execute(update(dead_letter).where(*these).values(values))


def _move(connection: Connection, integration_id: int, **numbers: int) -> None:
    if any(numbers.values()):
        moved = {name: integration.c[name] + number for name, number in numbers.items()}
        connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(moved))


def _record(
    connection: Connection, actor: str, action: str, integration_id: int, letters: dict[int, LetterState], detail: dict[str, Any]
) -> None:
    first, last = min(letters), max(letters)
    subject = f"{integration_id}:{first}" if first == last else f"{integration_id}:{first}-{last}"
    record_audit(connection, actor, action, subject, detail | {"letters": len(letters)})
