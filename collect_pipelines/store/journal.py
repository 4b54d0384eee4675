"""The journal: what is known of effects outside that can't be undone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.model import JsonValue
from collect_pipelines.store.tables import integration, journal

__all__ = [
    "FormLine",
    "JournalLine",
    "change_line",
    "journal_of",
    "list_journal",
    "noted_since",
    "read_journal",
    "write_journal",
]

MOST_REVISIONS = 100  # of a response whose effects are told


@dataclass(frozen=True, slots=True)
class JournalLine:
    """What is known of one effect."""

    key: str
    state: str
    reference: str | None = None
    subject: str | None = None
    detail: dict[str, JsonValue] = field(default_factory=dict)
    created_at: datetime | None = None
    """Set by Postgres; aware, UTC."""
    updated_at: datetime | None = None
    anew: bool = False
    """When it was first written is now."""
    over: tuple[str, ...] | None = None
    """Only in the place of a line in one of these states, or of none. None: of any."""


_READ = ("key", "state", "reference", "subject", "detail", "created_at", "updated_at")


def read_journal(connection: Connection, integration_id: int, keys: Sequence[str]) -> dict[str, JournalLine]:
    """The lines with these keys, by key."""
    columns = [journal.c[name] for name in _READ]
    query = select(*columns).where(journal.c.integration_id == integration_id, journal.c.key.in_(keys))
    return {row.key: JournalLine(**row._mapping) for row in connection.execute(query)}


def write_journal(connection: Connection, integration_id: int, lines: Sequence[JournalLine]) -> int:
    """
    Each line in the place of the earlier one with its key; when that was first written stays, unless the line says `anew`.

    Returns how many were written: a line stays out when the one that is there is in none of the states it may replace.
    """
    return sum(_write(connection, integration_id, line) for line in lines)


def _write(connection: Connection, integration_id: int, line: JournalLine) -> int:
    values = {name: getattr(line, name) for name in ("key", "state", "reference", "subject", "detail")}
    statement = insert(journal).values(integration_id=integration_id, **values)
    fresh = statement.excluded
    changed: dict[str, Any] = {name: fresh[name] for name in ("state", "reference", "subject", "detail")}
    changed |= {"updated_at": fresh.updated_at, "created_at": case((literal(line.anew), fresh.created_at), else_=journal.c.created_at)}
    allowed = None if line.over is None else journal.c.state.in_(line.over)
    done = connection.execute(
        statement.on_conflict_do_update(index_elements=["integration_id", "key"], set_=changed, where=allowed).returning(journal.c.key)
    )
    return len(done.all())


def noted_since(connection: Connection, integration_id: int, seconds: float, states: Sequence[str], subject: str | None = None) -> int:
    """How many lines in one of these states were first written within the last so many seconds; of one subject when it is given."""
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    query = select(func.count()).where(
        journal.c.integration_id == integration_id, journal.c.state.in_(states), journal.c.created_at >= since
    )
    if subject is not None:
        query = query.where(journal.c.subject == subject)
    return int(connection.execute(query).scalar_one())


@dataclass(frozen=True, slots=True)
class FormLine:
    """A line of the journal, with the integration it belongs to."""

    integration: str
    kind: str
    line: JournalLine


def journal_of(connection: Connection, form_id: int, response_id: str, revisions: int) -> list[FormLine]:
    """What the integrations of the form noted of a response, oldest first. revisions: how many it has."""
    # the keys are known, so that the primary key finds them
    keys = [response_id, *(f"{response_id}@{number}" for number in range(1, min(revisions, MOST_REVISIONS) + 1))]
    query = (
        select(integration.c.name, integration.c.kind, *(journal.c[name] for name in _READ))
        .join_from(integration, journal, journal.c.integration_id == integration.c.integration_id)
        .where(integration.c.form_id == form_id, journal.c.key.in_(keys))
        .order_by(journal.c.created_at, journal.c.key)
    )
    return [FormLine(row.name, row.kind, JournalLine(**{name: row._mapping[name] for name in _READ})) for row in connection.execute(query)]


def list_journal(connection: Connection, integration_id: int, states: Sequence[str] = (), limit: int = 100) -> list[JournalLine]:
    """Lines about responses, those first written last at first. states: only in these."""
    query = select(*(journal.c[name] for name in _READ)).where(journal.c.integration_id == integration_id, ~journal.c.key.contains("/"))
    if states:
        query = query.where(journal.c.state.in_(states))
    return [
        JournalLine(**row._mapping) for row in connection.execute(query.order_by(journal.c.created_at.desc(), journal.c.key).limit(limit))
    ]


def change_line(
    connection: Connection, integration_id: int, key: str, state: str, *, over: Sequence[str], reference: str | None, facts: dict[str, Any]
) -> JournalLine | None:
    """
    A line that is there takes another state, keeps its detail and gets `facts` besides; None when it is in none of `over`.

    A line that names another effect than `reference` stays as it is.
    """
    rows = connection.execute(
        select(*(journal.c[name] for name in _READ))
        .where(journal.c.integration_id == integration_id, journal.c.key == key, journal.c.state.in_(over))
        .with_for_update()
    ).all()
    for row in rows:
        if row.reference is not None and reference not in (None, row.reference):
            return None
        line = JournalLine(key, state, reference or row.reference, row.subject, {**row.detail, **facts})
        write_journal(connection, integration_id, [line])
        return line
    return None
