"""The journal: what is known of effects outside that can't be undone, and whom nobody may write to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select
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


def read_journal(connection: Connection, integration_id: int, keys: Sequence[str]) -> dict[str, JournalLine]:
    """The lines with these keys, by key."""
    columns = [journal.c[name] for name in JournalLine.__dataclass_fields__]
    query = select(*columns).where(journal.c.integration_id == integration_id, journal.c.key.in_(keys))
    return {row.key: JournalLine(**row._mapping) for row in connection.execute(query)}


def write_journal(connection: Connection, integration_id: int, lines: Sequence[JournalLine]) -> None:
    """Each line in the place of the earlier one with its key; when it was first written stays."""
    values = [
        {
            "integration_id": integration_id,
            "key": line.key,
            "state": line.state,
            "reference": line.reference,
            "subject": line.subject,
            "detail": line.detail,
        }
        for line in lines
    ]
    if not values:
        return
    statement = insert(journal)
    changed: dict[str, Any] = {name: statement.excluded[name] for name in ("state", "reference", "subject", "detail")}
    changed["updated_at"] = func.clock_timestamp()
    connection.execute(statement.on_conflict_do_update(index_elements=["integration_id", "key"], set_=changed), values)


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
