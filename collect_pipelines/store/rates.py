"""How fast integrations have been delivering, from their batches."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, true

from collect_pipelines.store.backfill_records import Backfill
from collect_pipelines.store.tables import batch, integration

__all__ = ["Pace", "Rate", "measured_rate", "pace_of"]

RATE_BATCHES = 100  # of the latest: enough to tell what a batch costs from what a row costs, and all of about the same time
PACE_BATCHES = 20  # of the latest: what a backfill did some minutes ago tells when it ends, what it did yesterday does not


@dataclass(frozen=True, slots=True)
class Rate:
    """What batches cost: so much each, and so much per row. Waits for quota included, waits after failures not."""

    batches: int
    """How many it was measured over."""
    seconds_per_batch: float
    seconds_per_row: float
    calls_per_batch: float
    calls_per_row: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How a backfill goes lately."""

    entries: int
    began_at: datetime
    landed_at: datetime
    seconds: float
    """Spent on its batches."""
    quota_wait_seconds: float


def measured_rate(connection: Connection, kind: str, integration_id: int | None = None) -> Rate | None:
    """Over the latest landed batches of the integration, or of all integrations of the kind; None when there is none."""
    landed = batch.c.state == "landed", batch.c.rows > 0
    query = select(batch.c.rows, batch.c.api_calls, (batch.c.seconds + batch.c.quota_wait_seconds).label("seconds")).where(*landed)
    # per integration, so that the index is read from its end and not the whole history
    own = query.where(batch.c.integration_id == integration.c.integration_id).order_by(batch.c.batch_no.desc()).limit(RATE_BATCHES)
    each = own.lateral("each")
    these = integration.c.kind == kind if integration_id is None else integration.c.integration_id == integration_id
    latest = select(each).select_from(integration.join(each, true())).where(these).subquery()
    seconds, calls = _fit(latest.c.seconds, latest.c.rows), _fit(latest.c.api_calls, latest.c.rows)
    row = connection.execute(select(func.count(), *seconds, *calls).select_from(latest)).one()
    return Rate(row[0], *(float(number or 0.0) for number in row[1:])) if row[0] else None


def pace_of(connection: Connection, one: Backfill) -> Pace | None:
    """The latest landed batches of the backfill or replay; None when it has none."""
    landed = batch.c.backfill_id == one.backfill_id, batch.c.state == "landed"
    # it goes from the front to the back, so its latest batches end last; the index of what is sent again is read from there
    places = batch.c.integration_id == one.integration_id, batch.c.purpose == one.purpose, batch.c.to_position <= one.to_position
    latest = select(batch).where(*landed, *places).order_by(batch.c.to_position.desc()).limit(PACE_BATCHES).subquery()
    query = select(
        func.sum(func.coalesce(func.cardinality(latest.c.positions), latest.c.to_position - latest.c.from_position + 1)),
        func.min(latest.c.planned_at),
        func.max(latest.c.landed_at),
        func.sum(latest.c.seconds),
        func.sum(latest.c.quota_wait_seconds),
    )
    row = connection.execute(query).one()
    return None if row[0] is None else Pace(int(row[0]), row[1], row[2], float(row[3]), float(row[4]))


def _fit(value: ColumnElement[float], rows: ColumnElement[int]) -> tuple[ColumnElement[float], ColumnElement[float]]:
    """
    A share per batch and a share per row, neither below zero, by least squares.

    The share per row is believed as far as rows explain what batches took: that of a few small batches is chance, and 20,000 rows at
    such a price would be anything.
    """
    slope = func.greatest(func.coalesce(func.regr_slope(value, rows) * func.regr_r2(value, rows), 0.0), 0.0)
    return func.greatest(func.avg(value) - slope * func.avg(rows), 0.0), slope
