"""
The breaker of an integration: open while its receiver is not asked again yet, because attempt after attempt brought nothing forward.

It is no switch of its own: the waits between attempts are what spares the receiver, and this says where they stand.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from collect_pipelines.model import BreakerState
from collect_pipelines.store.tables import batch, integration

__all__ = ["BREAKER_FAILURES", "Breaker", "breaker_of", "breaker_state"]

BREAKER_FAILURES = 5  # attempts in a row: fewer are a stumble of the network


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where the attempts of an integration stand."""

    state: BreakerState
    """`closed`: they go well, or failed a few times only. `open`: the next one is waited for. `half_open`: the next one decides."""
    failures: int
    """Attempts in a row that brought nothing forward."""
    since: datetime | None
    """When what fails was planned first; None while it is closed."""
    error: str | None
    """How the last attempt ended."""
    next_attempt_at: datetime | None


def breaker_state() -> ColumnElement[str]:
    """The state as a column of a query about integrations."""
    waits = integration.c.next_attempt_at > func.clock_timestamp()
    return case((integration.c.failures < BREAKER_FAILURES, "closed"), (waits, "open"), else_="half_open")


def breaker_of(connection: Connection, integration_id: int) -> Breaker:
    """The integration's breaker."""
    theirs = batch.c.integration_id == integration_id
    newest = select(batch.c.error).where(theirs).order_by(batch.c.batch_no.desc()).limit(1)
    query = select(
        breaker_state().label("state"), integration.c.failures, newest.scalar_subquery().label("error"), integration.c.next_attempt_at
    ).where(integration.c.integration_id == integration_id)
    row: Any = connection.execute(query).one()
    failing = row.state != "closed"
    return Breaker(
        row.state,
        row.failures,
        _since(connection, integration_id) if failing else None,
        row.error if row.failures else None,
        row.next_attempt_at,
    )


def _since(connection: Connection, integration_id: int) -> datetime | None:
    theirs = batch.c.integration_id == integration_id
    # from the newest backwards: the one that went well is among the first that are read
    well = select(batch.c.batch_no).where(theirs, batch.c.state.in_(["landed", "parked"])).order_by(batch.c.batch_no.desc()).limit(1)
    after = func.coalesce(well.scalar_subquery(), 0)
    since: datetime | None = connection.execute(select(func.min(batch.c.planned_at)).where(theirs, batch.c.batch_no > after)).scalar()
    return since
