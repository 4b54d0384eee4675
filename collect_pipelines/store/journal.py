"""The journal: what is known of effects outside that can't be undone, and whom nobody may write to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.model import JsonValue
from collect_pipelines.store.tables import integration, journal, opt_out

__all__ = ["JournalLine", "noted_since", "opted_out", "read_journal", "write_journal"]


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


def opted_out(connection: Connection, integration_id: int, channel: str, addresses: Sequence[str]) -> frozenset[str]:
    """Those of the addresses that the integration's organization must not write to on this channel."""
    query = (
        select(opt_out.c.address)
        .join(integration, integration.c.organization_id == opt_out.c.organization_id)
        .where(integration.c.integration_id == integration_id, opt_out.c.channel == channel, opt_out.c.address.in_(addresses))
    )
    return frozenset(connection.execute(query).scalars())
