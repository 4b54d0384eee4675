"""
Batches: membership before effect.

A batch is `planned` while surely nothing of it was applied, `sending` while it may have been. It ends `landed` or `parked`, or
`replaced` when its entries go out in other batches. How it ends is in `store.settlement`, where an entry went in `store.traces`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Float, Text, cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from collect_pipelines.errors import Conflict, LeaseLost
from collect_pipelines.model import BatchState, Purpose
from collect_pipelines.store.leases import Lease, hold_lease
from collect_pipelines.store.tables import batch, integration

__all__ = [
    "OPEN",
    "Counts",
    "Outline",
    "StoredBatch",
    "attempted_through",
    "begin_attempt",
    "hold_integration",
    "last_batches",
    "open_batch",
    "plan_batch",
    "planned_through",
    "told",
    "tried_through",
    "unclosed",
]

OPEN = ("planned", "sending")
HISTORY_ATTEMPTS = 20  # of a batch are kept, the last ones


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it stands. While it is open, its range, positions, form version, mapping and digest never change."""

    integration_id: int
    batch_no: int
    from_position: int
    to_position: int
    form_version: int
    """Newest version when it was planned: it fixes the columns."""
    digest: str
    state: BatchState
    purpose: Purpose
    backfill_id: int | None
    positions: list[int] | None
    """Only these of the range; None: all of it."""
    mapping: dict[str, Any] | None
    """How its rows are made, as it was at planning; None when it is closed, or was planned before mappings were kept."""
    history: list[dict[str, Any]]
    """How its attempts ended: `at`, `outcome`, `error`, `seconds`; the last 20."""
    epoch: int
    attempts: int
    unknown: bool
    """True once an attempt ended without a clear answer."""
    rows: int
    error: str | None
    last_attempt_at: datetime | None

    @property
    def entries(self) -> int:
        """How many entries it holds."""
        return self.to_position - self.from_position + 1 if self.positions is None else len(self.positions)

    @property
    def stumbles(self) -> int:
        """Its last attempts in a row that ended with an exception no destination should raise."""
        count = 0
        for attempt in reversed(self.history):
            if attempt["outcome"] != "failed":
                break
            count += 1
        return count


def open_batch(connection: Connection, integration_id: int) -> StoredBatch | None:
    """The batch that is planned or being sent; an integration has one at most."""
    row = connection.execute(select(batch).where(batch.c.integration_id == integration_id, batch.c.state.in_(OPEN))).one_or_none()
    return None if row is None else _stored(row)


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of each entry of a batch; the sum is their number (promise 4)."""

    delivered: int = 0
    filtered: int = 0
    quarantined: int = 0
    dead_lettered: int = 0
    erased: int = 0
    behind: int = 0
    """Set aside: pending, and tried again by itself."""

    @property
    def total(self) -> int:
        """Entries accounted for."""
        return self.delivered + self.filtered + self.quarantined + self.dead_lettered + self.erased + self.behind

    @property
    def settled(self) -> int:
        """Entries that are done with."""
        return self.total - self.behind


@dataclass(frozen=True, slots=True)
class Outline:
    """The outline of a batch."""

    state: BatchState
    purpose: Purpose
    to_position: int


def last_batches(connection: Connection, integration_id: int, count: int) -> list[Outline]:
    """The integration's last batches, the newest first."""
    columns = (batch.c.state, batch.c.purpose, batch.c.to_position)
    query = select(*columns).where(batch.c.integration_id == integration_id).order_by(batch.c.batch_no.desc()).limit(count)
    return [Outline(*row) for row in connection.execute(query)]


def tried_through(connection: Connection, integration_id: int, after: int) -> int | None:
    """The last position behind `after` that was in an attempt, although its batch was replaced since; None without one."""
    theirs = (batch.c.integration_id == integration_id, batch.c.to_position > after, batch.c.attempts > 0)
    query = select(func.max(batch.c.to_position)).where(*theirs, batch.c.purpose == "live", batch.c.state == "replaced")
    through: int | None = connection.execute(query).scalar()
    return through


def attempted_through(connection: Connection, integration_id: int) -> int:
    """The last position that is settled, or was in an attempt: the receiver may have it."""
    live = select(func.max(batch.c.to_position)).where(
        batch.c.integration_id == integration_id, batch.c.purpose == "live", batch.c.attempts > 0
    )
    query = select(func.greatest(integration.c.cursor, live.scalar_subquery())).where(integration.c.integration_id == integration_id)
    through: int = connection.execute(query).scalar_one()
    return through


def planned_through(connection: Connection, integration_id: int) -> int:
    """The last position that was in a batch, sent or not, or left out by `start`: what comes later is planned by the settings of then."""
    live = select(func.max(batch.c.to_position)).where(batch.c.integration_id == integration_id, batch.c.purpose == "live")
    query = select(func.greatest(integration.c.cursor, live.scalar_subquery())).where(integration.c.integration_id == integration_id)
    through: int = connection.execute(query).scalar_one()
    return through


def plan_batch(
    connection: Connection,
    integration_id: int,
    from_position: int,
    to_position: int,
    form_version: int,
    digest: str,
    rows: int,
    lease: Lease,
    *,
    purpose: Purpose = "live",
    positions: Sequence[int] | None = None,
    backfill_id: int | None = None,
    mapping: Mapping[str, Any] | None = None,
) -> StoredBatch:
    """
    Fixes what the next batch holds, before anything is sent.

    Raises LeaseLost; Conflict when a batch is open, a live range does not start right after the cursor, or another one passes it.
    """
    cursor = hold_integration(connection, integration_id, lease)
    fits = from_position == cursor + 1 if purpose == "live" else to_position <= cursor
    if not fits or open_batch(connection, integration_id) is not None:
        raise Conflict(f"Integration {integration_id} stands at {cursor}: a batch from {from_position} can't be planned now.")
    last = select(func.coalesce(func.max(batch.c.batch_no), 0) + 1).where(batch.c.integration_id == integration_id)
    values = {
        "integration_id": integration_id,
        "batch_no": last.scalar_subquery(),
        "from_position": from_position,
        "to_position": to_position,
        "form_version": form_version,
        "digest": digest,
        "rows": rows,
        "epoch": lease.epoch,
        "purpose": purpose,
        "backfill_id": backfill_id,
    }
    # absent is null in the database; a JSON null would be something
    values |= {"positions": list(positions)} if positions is not None else {}
    values |= {"mapping": dict(mapping)} if mapping is not None else {}
    return _stored(connection.execute(batch.insert().values(values).returning(batch)).one())


def begin_attempt(connection: Connection, batch_: StoredBatch, lease: Lease) -> StoredBatch:
    """Notes that the batch is about to be sent under this lease; commit before sending. Raises LeaseLost."""
    hold_integration(connection, batch_.integration_id, lease)
    values = {
        "state": "sending",
        "attempts": batch.c.attempts + 1,
        "epoch": lease.epoch,
        # Found in this state by a later attempt, the earlier one may have been applied: nobody saw its answer.
        "unknown": batch.c.unknown | (batch.c.state == "sending"),
        "last_attempt_at": func.clock_timestamp(),
    }
    values |= lost_attempt(batch_)
    row = connection.execute(update(batch).where(*unclosed(batch_)).values(values).returning(batch)).one_or_none()
    if row is None:
        raise LeaseLost(f"Batch {batch_.batch_no} of integration {batch_.integration_id} is settled already.")
    return _stored(row)


def hold_integration(connection: Connection, integration_id: int, lease: Lease) -> int:
    """The cursor, with the lease held and the integration locked until the transaction ends. Raises LeaseLost."""
    if lease.name != f"integration:{integration_id}":
        raise LeaseLost(f"The lease {lease.name} is not one of integration {integration_id}.")
    # Promise 5: the epoch is checked in the transaction that changes anything.
    hold_lease(connection, lease)
    query = select(integration.c.cursor).where(integration.c.integration_id == integration_id).with_for_update(key_share=True)
    cursor: int = connection.execute(query).scalar_one()
    return cursor


def unclosed(batch_: StoredBatch, lease: Lease | None = None) -> tuple[Any, ...]:
    """Conditions: this batch, still open and, with a lease, begun under it."""
    it = (batch.c.integration_id == batch_.integration_id, batch.c.batch_no == batch_.batch_no, batch.c.state.in_(OPEN))
    return it if lease is None else (*it, batch.c.epoch == lease.epoch)


def told(batch_: StoredBatch, outcome: str, error: str | None, seconds: float) -> Any:
    """The batch's history with one more attempt, which ended now. `error` holds no answer."""
    # an attempt nobody saw the end of is dated by its beginning
    at = batch.c.last_attempt_at if outcome == "lost" else func.clock_timestamp()
    words = (cast(literal(value), Text) for value in (outcome, error))
    entry = func.jsonb_build_object("at", at, "outcome", next(words), "error", next(words), "seconds", cast(round(seconds, 3), Float))
    return literal(batch_.history[1 - HISTORY_ATTEMPTS :], JSONB).op("||")(func.jsonb_build_array(entry))


def lost_attempt(batch_: StoredBatch) -> dict[str, Any]:
    """The history with the last attempt in it, where that was begun and never ended; else nothing to change."""
    if batch_.state != "sending" or batch_.last_attempt_at is None:
        return {}
    if batch_.history and datetime.fromisoformat(batch_.history[-1]["at"]) >= batch_.last_attempt_at:
        return {}
    return {"history": told(batch_, "lost", "Its worker was killed or lost touch with Postgres.", 0.0)}


def _stored(row: Any) -> StoredBatch:
    return StoredBatch(**{one.name: getattr(row, one.name) for one in fields(StoredBatch)})
