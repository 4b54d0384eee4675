"""
Backfills and replays: older entries of a log sent to one integration, piece by piece, behind what comes in live.

A backfill sends what `start` left out: its entries move from `filtered` to `behind` in the ledger when it begins, and on to where
they belong as it goes. A replay sends once more what is settled already, and leaves the ledger as it is.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, null, select, update

from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.backfill_records import (
    UNFINISHED,
    Backfill,
    BackfillState,
    find_backfill,
    owed,
    require_none_unfinished,
    sent,
    unsent,
)
from collect_pipelines.store.batches import Counts
from collect_pipelines.store.database import ring
from collect_pipelines.store.stretches import entries_in, without
from collect_pipelines.store.tables import backfill, batch, form, integration

__all__ = [
    "LIVE_FIRST_ENTRIES",
    "begin_backfill",
    "begin_replay",
    "cancel_backfill",
    "live_first",
    "pause_backfill",
    "replayable",
    "resume_backfill",
    "settle_backfill",
]

LIVE_FIRST_ENTRIES = 100  # fewer are sent in a batch or two: not worth a backfill


def live_first(connection: Connection, integration_id: int, actor: str = "cli") -> Backfill | None:
    """
    Lets an integration that was just added over a long log begin with what comes in from now on, and backfill the rest behind it.

    Call it in the transaction that added the integration. None, and nothing changes, when little or nothing waits for it.
    """
    row = _lock(connection, integration_id)
    # Locked, so that the head is a definite position: the next number is given after this transaction.
    head = connection.execute(select(form.c.head).where(form.c.form_id == row.form_id).with_for_update(key_share=True)).scalar_one()
    waiting = head - row.cursor
    begun = select(batch.c.batch_no).where(batch.c.integration_id == integration_id).limit(1)
    if waiting <= LIVE_FIRST_ENTRIES or connection.execute(begun).first() is not None:
        return None
    # Promise 9: what is sent now waits for nobody's history.
    moved = {"cursor": head, "start_position": head, "filtered": integration.c.filtered + waiting}
    connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(moved))
    return begin_backfill(connection, integration_id, row.cursor + 1, head, actor=actor)


def begin_backfill(
    connection: Connection, integration_id: int, first: int = 1, through: int | None = None, *, actor: str = "cli"
) -> Backfill | None:
    """
    Begins to send what `start` left out of the positions `first`..`through` (None: all of it) and no backfill has sent since.

    None when there is nothing of the kind. Raises NotFound, and Conflict while another backfill of the integration is unfinished.
    """
    row = _lock(connection, integration_id)
    require_none_unfinished(connection, integration_id, row.name)
    wanted = (first, row.start_position if through is None else min(through, row.start_position))
    stretches = without([wanted], sent(connection, integration_id))
    count = entries_in(stretches)
    if not count:
        return None
    made = _insert(connection, integration_id, "backfill", stretches[0][0], stretches[-1][1], None, actor, count)
    # Promise 4: they were accounted for as filtered and are pending from now on.
    moved = {"filtered": integration.c.filtered - count, "behind": integration.c.behind + count}
    connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(moved))
    return made


def begin_replay(
    connection: Connection,
    integration_id: int,
    first: int,
    through: int | None = None,
    positions: Sequence[int] | None = None,
    *,
    actor: str = "cli",
) -> Backfill:
    """
    Begins to send settled entries once more: those of the range, or only `positions` of it.

    `through` ends at the cursor in any case. Raises NotFound when nothing of it is settled yet, and Conflict when `start` left
    some of it out and no backfill sent it: those have never been sent.
    """
    row = _lock(connection, integration_id)
    first, last, chosen = _settled(connection, row, first, through, positions)
    return _insert(connection, integration_id, "replay", first, last, chosen, actor, last - first + 1 if chosen is None else len(chosen))


def replayable(
    connection: Connection, integration_id: int, first: int, through: int | None = None, positions: Sequence[int] | None = None
) -> int:
    """How many entries `begin_replay` would send again. Raises as it does."""
    first, last, chosen = _settled(connection, _lock(connection, integration_id), first, through, positions)
    return last - first + 1 if chosen is None else len(chosen)


def _settled(
    connection: Connection, row: Any, first: int, through: int | None, positions: Sequence[int] | None
) -> tuple[int, int, list[int] | None]:
    """The stretch of a replay, and the positions of it if only some are meant."""
    last = row.cursor if through is None else min(through, row.cursor)
    chosen = None if positions is None else sorted({one for one in positions if first <= one <= last})
    if last < first or chosen == []:
        raise NotFound(f"{row.name} has settled nothing of that yet: it stands at position {row.cursor}.", fix="Nothing: it is sent soon.")
    never = [(max(a, first), min(b, last)) for a, b in unsent(connection, row.integration_id) if a <= last and b >= first]
    if chosen is not None:
        never = [(one, one) for one in chosen if any(a <= one <= b for a, b in never)]
    if never:
        named = ", ".join(f"{a}-{b}" if a != b else str(a) for a, b in never[:3])
        raise Conflict(
            f"{row.name} has never been sent position {named}: it began at {row.start_position + 1}, so there is nothing to repeat.",
            fix=f"To send them: collect backfill start {row.name}",
        )
    return (first, last, None) if chosen is None else (chosen[0], chosen[-1], chosen)


def settle_backfill(connection: Connection, backfill_id: int, through: int, counts: Counts, seconds: float) -> None:
    """
    A batch of it has landed, which accounts for everything up to `through`; call it in the transaction that closes the batch.

    `counts` is about the batch's own entries. What lies between and is in no batch was left out and counts as filtered. Moves the
    ledger of the integration for a backfill, not for a replay.
    """
    integration_id = connection.execute(select(backfill.c.integration_id).where(backfill.c.backfill_id == backfill_id)).scalar_one()
    _lock(connection, integration_id)
    one = find_backfill(connection, backfill_id)
    before = owed(connection, one)
    passed = sum(min(last, through) - first + 1 for first, last in before if first <= through)
    left_out = passed - counts.total
    if left_out < 0:
        raise Conflict(f"Backfill {backfill_id} does not owe {counts.total} entries up to position {through}.")
    following = next((max(first, through + 1) for first, last in before if last > through), one.to_position + 1)
    values: dict[str, Any] = {
        "delivered": backfill.c.delivered + counts.delivered,
        "filtered": backfill.c.filtered + counts.filtered + counts.erased + left_out,
        "quarantined": backfill.c.quarantined + counts.quarantined,
        "dead_lettered": backfill.c.dead_lettered + counts.dead_lettered,
        "behind": backfill.c.behind + counts.behind,
        "seconds": backfill.c.seconds + seconds,
        "next_position": following,
    }
    if following > one.to_position and one.state in UNFINISHED:
        values |= {"state": "done", "finished_at": func.clock_timestamp()}
    connection.execute(update(backfill).where(backfill.c.backfill_id == backfill_id).values(values))
    if one.purpose == "backfill":
        _move(connection, one, passed, left_out, counts)


def pause_backfill(connection: Connection, backfill_id: int, *, actor: str = "cli") -> Backfill:
    """Stops it after the batch that is being sent; what is left stays pending. Raises Conflict when it is not active."""
    return _turn(connection, backfill_id, ("active",), "paused", actor)


def resume_backfill(connection: Connection, backfill_id: int, *, actor: str = "cli") -> Backfill:
    """Goes on where it was paused. Raises Conflict when it is not paused."""
    resumed = _turn(connection, backfill_id, ("paused",), "active", actor)
    ring(connection)
    return resumed


def cancel_backfill(connection: Connection, backfill_id: int, *, actor: str = "cli") -> Backfill:
    """
    Ends it where it is: what was sent stays sent, the rest counts as filtered again. Raises Conflict when it is finished.

    A batch that is being sent is still finished, because the receiver may have it already.
    """
    one = _turn(connection, backfill_id, UNFINISHED, "cancelled", actor)
    if one.purpose == "backfill":
        left = entries_in(owed(connection, one))
        moved = {"filtered": integration.c.filtered + left, "behind": integration.c.behind - left}
        connection.execute(update(integration).where(integration.c.integration_id == one.integration_id).values(moved))
    return one


def _lock(connection: Connection, integration_id: int) -> Any:
    """The integration's row, locked before any of its backfills: always in this order."""
    query = select(integration).where(integration.c.integration_id == integration_id).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no integration number {integration_id}.", fix="`collect integrations list` shows them.")
    return row


def _insert(
    connection: Connection, integration_id: int, purpose: str, first: int, last: int, positions: list[int] | None, actor: str, count: int
) -> Backfill:
    values = {
        "integration_id": integration_id,
        "purpose": purpose,
        "from_position": first,
        "to_position": last,
        "positions": positions,
        "next_position": first,
        "created_by": actor,
    }
    made = connection.execute(backfill.insert().values(values).returning(backfill.c.backfill_id)).scalar_one()
    record_audit(connection, actor, f"{purpose}.start", f"{integration_id}:{made}", {"from": first, "to": last, "entries": count})
    ring(connection)
    return find_backfill(connection, made)


def _move(connection: Connection, one: Backfill, passed: int, left_out: int, counts: Counts) -> None:
    # Promise 4: cancelled meanwhile, the entries of the batch count as filtered already.
    source = "filtered" if one.state == "cancelled" else "behind"
    change = {name: getattr(counts, name) for name in Counts.__dataclass_fields__}
    change["filtered"] += left_out
    change[source] -= passed
    moved = {name: integration.c[name] + number for name, number in change.items()}
    connection.execute(update(integration).where(integration.c.integration_id == one.integration_id).values(moved))


def _turn(connection: Connection, backfill_id: int, states: Sequence[str], state: BackfillState, actor: str) -> Backfill:
    one = find_backfill(connection, backfill_id)
    _lock(connection, one.integration_id)
    values: dict[str, Any] = {"state": state, "finished_at": func.clock_timestamp() if state == "cancelled" else None}
    changed = update(backfill).where(backfill.c.backfill_id == backfill_id, backfill.c.state.in_(states)).values(values)
    if not connection.execute(changed).rowcount:
        one = find_backfill(connection, backfill_id)
        raise Conflict(
            f"The {one.purpose} {backfill_id} of {one.integration} is {one.state}.", fix=f"`collect backfill show {one.integration}` tells."
        )
    if state != "active":
        _take_back(connection, one)
    record_audit(connection, actor, f"{one.purpose}.{state}", f"{one.integration_id}:{backfill_id}")
    return find_backfill(connection, backfill_id)


def _take_back(connection: Connection, one: Backfill) -> None:
    """Its batch that is planned, of which surely nothing was applied, is not sent any more."""
    planned = (batch.c.integration_id == one.integration_id, batch.c.backfill_id == one.backfill_id, batch.c.state == "planned")
    # Promise 5: one that may have been applied is finished as it was planned.
    taken = update(batch).where(*planned, batch.c.unknown.is_(False)).values(state="replaced", mapping=null())
    if connection.execute(taken).rowcount:
        connection.execute(update(integration).where(integration.c.integration_id == one.integration_id).values(next_attempt_at=None))
