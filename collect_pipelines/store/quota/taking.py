"""Taking tokens in Postgres: the buckets of a request are locked, the queue is read, and what was decided is written."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Text, bindparam, cast, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.quota.levels import LONGEST_PAUSE_SECONDS, Level
from collect_pipelines.store.quota.queue import Claim, Ticket, decide
from collect_pipelines.store.tables import quota, quota_ticket

__all__ = ["choose_quota", "drain_quota", "filled", "settle_quota", "take_quota", "ticket_of"]

FORGOTTEN_SECONDS = 3600.0  # who asked for nothing for so long begins anew; what it remembers is only how far it had come


def take_quota(connection: Connection, buckets: Sequence[QuotaBucket], claim: Claim | None = None) -> float:
    """
    Takes one token of every bucket and returns 0.0, or takes none and returns the seconds until its turn comes.

    A bucket that is listed several times gives so many; more than its burst is never there. claim: who asks; None asks outside the
    queue. The buckets are locked until the transaction ends: commit at once.
    """
    return choose_quota(connection, [buckets], claim)[1]


def choose_quota(connection: Connection, choices: Sequence[Sequence[QuotaBucket]], claim: Claim | None = None) -> tuple[int, float]:
    """As `take_quota`, of that choice which can be had first; which one that was or will be, and the wait."""
    counted = [Counter(bucket.key for bucket in buckets) for buckets in choices]
    levels = _locked(connection, [bucket for buckets in choices for bucket in buckets])
    for costs in counted:
        for key, count in costs.items():
            if count > max(levels[key].bucket.burst, 1.0):
                raise ValueError(f"{count} tokens of {key} at once are more than it ever holds")
    if not levels:
        return 0, 0.0
    now = next(iter(levels.values())).now
    # Promise 9: all or none, so that a request that one limit stops costs no share of the others
    decision = decide(levels, _tickets(connection, levels, claim), counted, claim, now)
    _save(connection, levels.values())
    if decision.ticket is not None:
        _write(connection, decision.ticket, now)
    if decision.overtaken is not None:
        one = quota_ticket.c
        its = (one.integration_id == decision.overtaken.integration_id, one.background)
        connection.execute(update(quota_ticket).where(*its).values(overtaken=decision.overtaken.overtaken))
    return decision.choice, decision.wait


def drain_quota(connection: Connection, buckets: Sequence[QuotaBucket], seconds: float) -> None:
    """The receiver refused a call: nobody gets a token of these buckets for so long, and for some minutes they fill at half their rate."""
    levels = _locked(connection, buckets)
    for level in levels.values():
        level.drain(seconds)
    _save(connection, levels.values())
    counted = {"refused": quota.c.refused + 1, "last_refused_at": func.clock_timestamp()}
    connection.execute(update(quota).where(quota.c.key.in_(levels)).values(counted))


def settle_quota(connection: Connection, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
    """
    Tokens that were taken so many seconds ago are used only now, so that they count in the receiver's minute of now; or not at all.

    A bucket that is listed several times stands for so many tokens.
    """
    levels = _locked(connection, buckets)
    for key, count in Counter(bucket.key for bucket in buckets).items():
        change: Callable[[int, float], None] = levels[key].use_late if used else levels[key].give_back
        change(count, held_seconds)
    _save(connection, levels.values())


def filled(row: Any, bucket: QuotaBucket, now: float) -> Level:
    """The bucket of a row, at this moment (seconds since the epoch, by Postgres's clock)."""
    level = Level(
        bucket,
        now,
        min(row.tokens, bucket.burst),
        row.refilled_at.timestamp(),
        0.0 if row.paused_until is None else row.paused_until.timestamp(),
        0.0 if row.slow_until is None else row.slow_until.timestamp(),
        list(row.recent),
        row.recent_second,
        row.served,
        row.served_background,
        row.taken,
    )
    level.fill()
    return level


def ticket_of(row: Any) -> Ticket:
    """The ticket of a row."""
    return Ticket(
        row.integration_id,
        row.background,
        dict(zip(row.keys_, row.costs, strict=True)),
        row.start,
        row.finish,
        row.asked_at.timestamp(),
        row.due_at.timestamp(),
        row.overtaken,
        row.begun,
    )


def _locked(connection: Connection, buckets: Iterable[QuotaBucket]) -> dict[str, Level]:
    """The buckets filled up to now, locked in the order of their keys so that two callers can't block each other for ever."""
    wanted = {bucket.key: bucket for bucket in buckets}
    if not wanted:
        return {}
    query = select(quota).where(quota.c.key.in_(wanted)).order_by(quota.c.key).with_for_update()
    rows = connection.execute(query).all()
    if len(rows) < len(wanted):
        new = [{"key": key, "tokens": one.burst, "burst": one.burst, "rate": one.rate} for key, one in sorted(wanted.items())]
        for values in new:
            connection.execute(insert(quota).values(**values, refilled_at=func.clock_timestamp()).on_conflict_do_nothing())
        rows = connection.execute(query).all()
    # read after the last lock is held: a wait for it must not be credited twice
    now = connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
    return {row.key: filled(row, wanted[row.key], float(now)) for row in rows}


def _tickets(connection: Connection, levels: Mapping[str, Level], claim: Claim | None) -> list[Ticket]:
    if claim is None:
        return []
    one = quota_ticket.c
    wanted = one["keys"].op("&&")(cast(list(levels), ARRAY(Text)))
    query = select(quota_ticket, one["keys"].label("keys_")).where(or_(wanted, one.integration_id == claim.integration_id))
    rows = connection.execute(query)
    return [ticket_of(row) for row in rows]


def _write(connection: Connection, ticket: Ticket, now: float) -> None:
    values: dict[str, Any] = {
        "keys": list(ticket.costs),
        "costs": list(ticket.costs.values()),
        "start": ticket.start,
        "finish": ticket.finish,
        "overtaken": ticket.overtaken,
        "begun": ticket.begun,
        "asked_at": func.to_timestamp(ticket.asked_at),
        "due_at": func.to_timestamp(ticket.due_at),
    }
    statement = insert(quota_ticket).values(integration_id=ticket.integration_id, background=ticket.background, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["integration_id", "background"], set_=values))
    if not ticket.costs:
        # whoever is served cleans up
        one = quota_ticket.c
        old = or_(one.due_at < func.to_timestamp(now - FORGOTTEN_SECONDS), one.due_at > func.to_timestamp(now + LONGEST_PAUSE_SECONDS))
        locked = select(one.integration_id, one.background).where(old).with_for_update(skip_locked=True).subquery()
        of = (one.integration_id == locked.c.integration_id, one.background == locked.c.background)
        connection.execute(delete(quota_ticket).where(*of))


def _save(connection: Connection, levels: Iterable[Level]) -> None:
    """What changed. A bucket that only filled is left as it was: it fills the same again."""
    changed = [level for level in levels if level.dirty]
    if not changed:
        return
    connection.execute(_SAVED, [_saved(level) for level in changed])


def _saved(level: Level) -> dict[str, Any]:
    return {
        "of": level.bucket.key,
        "left": level.tokens,
        "size": level.bucket.burst,
        "speed": level.bucket.rate,
        "most": level.bucket.per_minute,
        "at": level.refilled_at,
        "pause": level.paused_until or None,
        "slow": level.slow_until or None,
        "counts": level.recent,
        "second_": level.second,
        "virtual": level.served,
        "virtual_background": level.served_background,
        "all": level.taken,
    }


_SAVED = (
    update(quota)
    .where(quota.c.key == bindparam("of"))
    .values(
        tokens=bindparam("left"),
        burst=bindparam("size"),
        rate=bindparam("speed"),
        per_minute=bindparam("most"),
        refilled_at=func.to_timestamp(bindparam("at")),
        paused_until=func.to_timestamp(bindparam("pause")),
        slow_until=func.to_timestamp(bindparam("slow")),
        recent=bindparam("counts"),
        recent_second=bindparam("second_"),
        served=bindparam("virtual"),
        served_background=bindparam("virtual_background"),
        taken=bindparam("all"),
    )
)
