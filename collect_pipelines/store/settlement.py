"""How a batch ends or is put off: cursor, ledger, batch and letters move together, or not at all (promise 4)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, case, func, select, update

from collect_pipelines.errors import LeaseLost
from collect_pipelines.store.batches import Counts, StoredBatch, hold_integration, lost_attempt, told, unclosed
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.letters import Letter, write_letters
from collect_pipelines.store.tables import batch, integration

__all__ = ["LONGEST_WAIT_SECONDS", "Spent", "close_batch", "postpone_batch", "replace_batch"]

LONGEST_WAIT_SECONDS = 3600.0  # asking once an hour harms nobody; what lies further ahead comes from a clock that was set back


@dataclass(frozen=True, slots=True)
class Spent:
    """What an attempt cost."""

    rows: int = 0
    api_calls: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    quota_wait_seconds: float = 0.0


def close_batch(
    connection: Connection,
    batch_: StoredBatch,
    lease: Lease,
    counts: Counts,
    letters: Sequence[Letter] = (),
    spent: Spent = Spent(),
    *,
    state: Literal["landed", "parked"] = "landed",
    error: str | None = None,
    dropped: Collection[int] = (),
    through: int | None = None,
    wait_seconds: float | None = None,
    progress: bool = True,
) -> None:
    """
    The batch is over: its counts go to the ledger, and the cursor moves behind a live one. Those of a backfill or a replay are a matter
    of `store.backfills.settle_backfill`, in the same transaction.

    letters: its entries that were not delivered. dropped: positions that were set aside before and are not to be sent any more.
    through: the last position that is settled; what follows stays in the log. wait_seconds: until the next batch.
    progress: False when it says nothing good of the receiver: the integration's failures in a row go on.
    Raises LeaseLost when another worker took over since `begin_attempt`; then nothing is changed.
    """
    cursor = hold_integration(connection, batch_.integration_id, lease)
    if batch_.purpose == "live" and cursor != batch_.from_position - 1:
        raise _fenced(batch_)
    through = batch_.to_position if through is None else through
    numbers = {one.name: getattr(counts, one.name) for one in fields(Counts)}
    values: dict[str, Any] = {**numbers, **_spent(spent), "state": state, "error": error, "mapping": None, "rows": spent.rows}
    values |= _shortened(batch_, through) | {"landed_at": func.clock_timestamp()}
    values["history"] = told(batch_, "landed" if state == "landed" else "refused", error, spent.seconds)
    _change(connection, batch_, lease, values)
    by_replay = _covered(connection, batch_, write_letters(connection, batch_, letters, dropped, through))
    # Promise 4: cursor and counters move together; the database refuses a sum that is not the cursor.
    moved = numbers if batch_.purpose in ("live", "retry") else by_replay
    changes: dict[str, Any] = {name: integration.c[name] + number for name, number in moved.items()}
    if batch_.purpose == "live":
        changes["cursor"] = through
    elif batch_.purpose == "retry":
        changes["behind"] = integration.c.behind + counts.behind - counts.total
    changes["next_attempt_at"] = None if wait_seconds is None else _from_now(wait_seconds)
    changes |= {"failures": 0} if progress and counts.settled else {}
    connection.execute(update(integration).where(integration.c.integration_id == batch_.integration_id).values(changes))


def postpone_batch(
    connection: Connection,
    batch_: StoredBatch,
    lease: Lease,
    after_seconds: float,
    *,
    unknown: bool,
    error: str,
    begun: bool = True,
    failed: bool = True,
    outcome: str = "postponed",
    seconds: float = 0.0,
) -> None:
    """
    Keeps the batch for another attempt after so many seconds, an hour at most. Raises LeaseLost.

    unknown: True when this attempt may have been applied.
    begun: False when it only waited for its turn under a quota; then it counts as no attempt.
    failed: False when the receiver said itself when to come again; then it counts as no failure of the integration.
    """
    hold_integration(connection, batch_.integration_id, lease)
    maybe = batch.c.unknown | unknown
    values: dict[str, Any] = {"unknown": maybe, "state": case((maybe, "sending"), else_="planned"), "error": error}
    if begun:
        values |= {"history": told(batch_, outcome, error, seconds), "seconds": batch.c.seconds + seconds}
    else:
        ended = datetime.fromisoformat(batch_.history[-1]["at"]) if batch_.history else None
        values |= {"attempts": batch.c.attempts - 1, "last_attempt_at": ended}
    _change(connection, batch_, lease, values)
    changes: dict[str, Any] = {"next_attempt_at": _from_now(after_seconds)}
    changes |= {"failures": integration.c.failures + 1} if begun and failed else {}
    connection.execute(update(integration).where(integration.c.integration_id == batch_.integration_id).values(changes))


def replace_batch(
    connection: Connection, batch_: StoredBatch, lease: Lease, *, error: str, outcome: str | None = None, seconds: float = 0.0
) -> None:
    """
    Closes the batch with nothing settled: its entries go out in other batches. Raises LeaseLost.

    Only for a batch of which surely nothing was applied, or whose destination is keyed. outcome: how the attempt ended that this
    follows from; None when it follows from none.
    """
    hold_integration(connection, batch_.integration_id, lease)
    values: dict[str, Any] = {"state": "replaced", "error": error, "mapping": None, "epoch": lease.epoch}
    if outcome is None:
        values |= lost_attempt(batch_)
    else:
        values |= {"history": told(batch_, outcome, error, seconds), "seconds": batch.c.seconds + seconds}
    # a batch another worker began and lost may be replaced as well: the lease is held, and nobody settles an old epoch
    changed = connection.execute(update(batch).where(*unclosed(batch_), batch.c.epoch <= lease.epoch).values(values))
    if not changed.rowcount:
        raise _fenced(batch_)
    settled = update(integration).where(integration.c.integration_id == batch_.integration_id)
    connection.execute(settled.values(next_attempt_at=None))


def _covered(connection: Connection, batch_: StoredBatch, moved: Mapping[str, int]) -> Mapping[str, int]:
    """The same, with what was never delivered taken from where a mapping that was changed since had put it."""
    if moved.get("delivered", 0) >= 0:
        return moved
    query = select(integration.c.delivered).where(integration.c.integration_id == batch_.integration_id)
    missing = -min(connection.execute(query).scalar_one() + moved.get("delivered", 0), 0)
    if not missing:
        return moved
    return {**moved, "delivered": moved.get("delivered", 0) + missing, "filtered": moved.get("filtered", 0) - missing}


def _change(connection: Connection, batch_: StoredBatch, lease: Lease, values: dict[str, Any]) -> None:
    if not connection.execute(update(batch).where(*unclosed(batch_, lease)).values(values)).rowcount:
        raise _fenced(batch_)


def _spent(spent: Spent) -> dict[str, Any]:
    added = ("api_calls", "sent_bytes", "seconds", "quota_wait_seconds")
    return {name: batch.c[name] + getattr(spent, name) for name in added}


def _shortened(batch_: StoredBatch, through: int) -> dict[str, Any]:
    if through == batch_.to_position:
        return {}
    kept = None if batch_.positions is None else [position for position in batch_.positions if position <= through]
    return {"to_position": through} | ({} if kept is None else {"positions": kept})


def _from_now(seconds: float) -> Any:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, min(seconds, LONGEST_WAIT_SECONDS))


def _fenced(batch_: StoredBatch) -> LeaseLost:
    return LeaseLost(f"Batch {batch_.batch_no} of integration {batch_.integration_id} belongs to another worker now or is settled.")
