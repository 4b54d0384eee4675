"""
Batches: membership before effect, and the settlement that moves cursor, ledger and batch together.

A batch is `planned` while surely nothing of it was applied, `sending` while it may have been, then `landed` or `parked`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from collect_pipelines.errors import Conflict, LeaseLost
from collect_pipelines.model import BatchState
from collect_pipelines.store.leases import Lease, hold_lease
from collect_pipelines.store.tables import batch, dead_letter, integration

__all__ = [
    "LONGEST_WAIT_SECONDS",
    "BatchTrace",
    "Counts",
    "DeadLetter",
    "StoredBatch",
    "attempts_of",
    "begin_attempt",
    "open_batch",
    "park_batch",
    "plan_batch",
    "postpone_batch",
    "settle_batch",
]

OPEN = ("planned", "sending")
LONGEST_WAIT_SECONDS = 3600.0  # asking once an hour harms nobody; what lies further ahead comes from a clock that was set back


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch as it stands. Its range, form version and digest never change."""

    integration_id: int
    batch_no: int
    from_position: int
    to_position: int
    form_version: int
    """Newest version when it was planned: it fixes the columns."""
    digest: str
    state: BatchState
    epoch: int
    attempts: int
    unknown: bool
    """True once an attempt ended without a clear answer."""
    rows: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of each entry of a batch; the sum is the length of its range (promise 4)."""

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


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry the receiver will never take; `reason` is for operators and holds no answer."""

    position: int
    response_id: str
    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class BatchTrace:
    """One batch that covers a position: where a response went through one integration."""

    integration_id: int
    integration: str
    kind: str
    batch_no: int
    state: BatchState
    attempts: int
    planned_at: datetime
    last_attempt_at: datetime | None
    landed_at: datetime | None
    error: str | None
    dead_letter: str | None
    """Why this very entry was refused; None when it was not."""


def open_batch(connection: Connection, integration_id: int) -> StoredBatch | None:
    """The batch that is planned or being sent; an integration has one at most."""
    row = connection.execute(select(batch).where(batch.c.integration_id == integration_id, batch.c.state.in_(OPEN))).one_or_none()
    return None if row is None else _stored(row)


def plan_batch(
    connection: Connection,
    integration_id: int,
    from_position: int,
    to_position: int,
    form_version: int,
    digest: str,
    rows: int,
    lease: Lease,
) -> StoredBatch:
    """
    Fixes what the next batch holds, before anything is sent.

    Raises LeaseLost; Conflict when a batch is open or the range does not start right after the cursor.
    """
    cursor = _own(connection, integration_id, lease)
    if from_position != cursor + 1 or open_batch(connection, integration_id) is not None:
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
    }
    return _stored(connection.execute(batch.insert().values(values).returning(batch)).one())


def begin_attempt(connection: Connection, batch_: StoredBatch, lease: Lease) -> StoredBatch:
    """Notes that the batch is about to be sent under this lease; commit before sending. Raises LeaseLost."""
    _own(connection, batch_.integration_id, lease)
    values = {
        "state": "sending",
        "attempts": batch.c.attempts + 1,
        "epoch": lease.epoch,
        # Found in this state by a later attempt, the earlier one may have been applied: nobody saw its answer.
        "unknown": batch.c.unknown | (batch.c.state == "sending"),
        "last_attempt_at": func.clock_timestamp(),
    }
    row = connection.execute(update(batch).where(*_is(batch_), batch.c.state.in_(OPEN)).values(values).returning(batch)).one_or_none()
    if row is None:
        raise LeaseLost(f"Batch {batch_.batch_no} of integration {batch_.integration_id} is settled already.")
    return _stored(row)


def postpone_batch(
    connection: Connection, batch_: StoredBatch, lease: Lease, after_seconds: float, *, unknown: bool, error: str, begun: bool = True
) -> None:
    """
    Keeps the batch for another attempt after so many seconds, an hour at most. Raises LeaseLost.

    unknown: True when this attempt may have been applied.
    begun: False when it only waited for its turn under a quota; then it counts as no attempt.
    """
    _own(connection, batch_.integration_id, lease)
    maybe = batch.c.unknown | unknown
    values = {"unknown": maybe, "state": case((maybe, "sending"), else_="planned"), "error": error}
    values |= {} if begun else {"attempts": batch.c.attempts - 1}
    changed = connection.execute(update(batch).where(*_is(batch_), *_ours(lease)).values(values))
    if not changed.rowcount:
        raise _fenced(batch_)
    wait = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, min(after_seconds, LONGEST_WAIT_SECONDS))
    connection.execute(update(integration).where(integration.c.integration_id == batch_.integration_id).values(next_attempt_at=wait))


def settle_batch(
    connection: Connection,
    batch_: StoredBatch,
    lease: Lease,
    counts: Counts,
    dead_letters: Sequence[DeadLetter] = (),
    *,
    rows: int,
    api_calls: int = 0,
    sent_bytes: int = 0,
    seconds: float = 0.0,
    quota_wait_seconds: float = 0.0,
) -> None:
    """
    The batch has landed: moves the cursor behind it, adds its counts to the ledger and keeps its dead letters.

    Raises LeaseLost when another worker took over since `begin_attempt`; then nothing is changed.
    """
    spent = {
        "rows": rows,
        "api_calls": batch.c.api_calls + api_calls,
        "sent_bytes": batch.c.sent_bytes + sent_bytes,
        "seconds": batch.c.seconds + seconds,
        "quota_wait_seconds": batch.c.quota_wait_seconds + quota_wait_seconds,
        "error": None,
    }
    _close(connection, batch_, lease, counts, dead_letters, {"state": "landed", **spent})


def park_batch(
    connection: Connection, batch_: StoredBatch, lease: Lease, counts: Counts, dead_letters: Sequence[DeadLetter], *, error: str
) -> None:
    """Gives the batch up: what would have been sent is kept as dead letters and the cursor moves on. Raises LeaseLost."""
    _close(connection, batch_, lease, counts, dead_letters, {"state": "parked", "error": error})


def attempts_of(connection: Connection, form_id: int, position: int) -> list[BatchTrace]:
    """The batches that cover this entry, by integration: one each at most, none where it is still pending."""
    covering = (
        select(batch)
        .where(batch.c.integration_id == integration.c.integration_id, batch.c.to_position >= position)
        .order_by(batch.c.to_position)
        .limit(1)
        .lateral("covering")
    )
    letter = (dead_letter.c.integration_id == integration.c.integration_id) & (dead_letter.c.position == position)
    query = (
        select(
            integration.c.integration_id,
            integration.c.name.label("integration"),
            integration.c.kind,
            covering.c.batch_no,
            covering.c.state,
            covering.c.attempts,
            covering.c.planned_at,
            covering.c.last_attempt_at,
            covering.c.landed_at,
            covering.c.error,
            dead_letter.c.reason.label("dead_letter"),
        )
        .select_from(integration.join(covering, covering.c.from_position <= position).outerjoin(dead_letter, letter))
        .where(integration.c.form_id == form_id)
        .order_by(integration.c.integration_id)
    )
    return [BatchTrace(**row._mapping) for row in connection.execute(query)]


def _own(connection: Connection, integration_id: int, lease: Lease) -> int:
    """The cursor, with the lease held and the integration locked until the transaction ends."""
    if lease.name != f"integration:{integration_id}":
        raise LeaseLost(f"The lease {lease.name} is not one of integration {integration_id}.")
    # Promise 5: the epoch is checked in the transaction that changes anything.
    hold_lease(connection, lease)
    query = select(integration.c.cursor).where(integration.c.integration_id == integration_id).with_for_update(key_share=True)
    cursor: int = connection.execute(query).scalar_one()
    return cursor


def _close(
    connection: Connection, batch_: StoredBatch, lease: Lease, counts: Counts, dead_letters: Sequence[DeadLetter], values: dict[str, Any]
) -> None:
    cursor = _own(connection, batch_.integration_id, lease)
    if cursor != batch_.from_position - 1:
        raise _fenced(batch_)
    numbers = {name: getattr(counts, name) for name in Counts.__dataclass_fields__}
    landed = {**values, **numbers, "landed_at": func.clock_timestamp()}
    if not connection.execute(update(batch).where(*_is(batch_), *_ours(lease)).values(landed)).rowcount:
        raise _fenced(batch_)
    # Promise 4: cursor and counters move together; the database refuses a sum that is not the cursor.
    moved: dict[str, Any] = {name: integration.c[name] + number for name, number in numbers.items()}
    moved |= {"cursor": batch_.to_position, "next_attempt_at": None}
    connection.execute(update(integration).where(integration.c.integration_id == batch_.integration_id).values(moved))
    letters = [
        {
            "integration_id": batch_.integration_id,
            "batch_no": batch_.batch_no,
            "position": letter.position,
            "response_id": letter.response_id,
            "revision": letter.revision,
            "reason": letter.reason,
        }
        for letter in dead_letters
    ]
    if letters:
        connection.execute(dead_letter.insert(), letters)


def _is(batch_: StoredBatch) -> tuple[Any, ...]:
    return batch.c.integration_id == batch_.integration_id, batch.c.batch_no == batch_.batch_no


def _ours(lease: Lease) -> tuple[Any, ...]:
    return batch.c.state.in_(OPEN), batch.c.epoch == lease.epoch


def _fenced(batch_: StoredBatch) -> LeaseLost:
    return LeaseLost(f"Batch {batch_.batch_no} of integration {batch_.integration_id} belongs to another worker now or is settled.")


def _stored(row: Any) -> StoredBatch:
    return StoredBatch(**{name: getattr(row, name) for name in StoredBatch.__dataclass_fields__})
