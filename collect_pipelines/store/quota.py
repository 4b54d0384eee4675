"""Token buckets shared by all processes. `burst + 60 x rate` tokens is the most any minute can see."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.tables import quota

__all__ = ["drain_quota", "quota_levels", "take_quota"]

SLOW_SECONDS = 300.0  # the receiver said "too many": half the rate for so long
SLOW_FACTOR = 0.5
PATIENCE_SECONDS = 0.05  # least wait told to a caller, so that it does not spin
LONGEST_PAUSE_SECONDS = 900.0  # no receiver's window is longer; what lies further ahead comes from a clock that was set back


def take_quota(connection: Connection, buckets: Sequence[QuotaBucket]) -> float:
    """
    Takes one token of every bucket and returns 0.0, or takes none and returns the seconds until all may have one.

    The buckets are locked until the transaction ends: commit at once.
    """
    rows = _lock(connection, buckets)
    waits = [_wait(row) for row in rows if row["tokens"] < 1.0]
    # Promise 9: all or none, so that a request that one limit stops costs no share of the others.
    if not waits:
        for row in rows:
            row["tokens"] -= 1.0
    _save(connection, rows)
    return max(waits, default=0.0)


def drain_quota(connection: Connection, buckets: Sequence[QuotaBucket], seconds: float) -> None:
    """Nobody gets a token of these buckets for so many seconds, and for some minutes they fill at half their rate."""
    rows = _lock(connection, buckets)
    for row in rows:
        row["tokens"] = 0.0
    _save(connection, rows)
    seconds = min(seconds, LONGEST_PAUSE_SECONDS)
    pause = func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    slow = func.make_interval(0, 0, 0, 0, 0, 0, seconds + SLOW_SECONDS)
    now = func.clock_timestamp()
    values = {"refilled_at": func.greatest(quota.c.refilled_at, now + pause), "slow_until": now + slow}
    connection.execute(update(quota).where(quota.c.key.in_([row["key"] for row in rows])).values(values))


def quota_levels(connection: Connection) -> list[tuple[str, float]]:
    """How full each bucket is now, by key: 1.0 is untouched, 0.0 makes everybody wait."""
    passed = func.greatest(func.extract("epoch", func.clock_timestamp() - quota.c.refilled_at), 0)
    rate = quota.c.rate * case((quota.c.slow_until > func.clock_timestamp(), SLOW_FACTOR), else_=1.0)
    level = func.least(quota.c.tokens + passed * rate, quota.c.burst) / func.nullif(quota.c.burst, 0)
    return [(key, float(ratio or 0.0)) for key, ratio in connection.execute(select(quota.c.key, level).order_by(quota.c.key))]


def _lock(connection: Connection, buckets: Sequence[QuotaBucket]) -> list[dict[str, Any]]:
    """The buckets filled up to now, locked in the order of their keys so that two callers can't block each other for ever."""
    wanted = {bucket.key: bucket for bucket in buckets}
    keys = sorted(wanted)
    if not keys:
        return []
    new = [
        {
            "key": key,
            "tokens": wanted[key].burst,
            "burst": wanted[key].burst,
            "rate": wanted[key].rate,
            "refilled_at": func.clock_timestamp(),
        }
        for key in keys
    ]
    for values in new:
        connection.execute(insert(quota).values(values).on_conflict_do_nothing())
    locked = select(quota).where(quota.c.key.in_(keys)).order_by(quota.c.key).with_for_update()
    rows = [dict(row._mapping) for row in connection.execute(locked)]
    # Read after the last lock is held: a wait for it must not be credited twice.
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    return [_filled(row, wanted[row["key"]], now) for row in rows]


def _filled(row: dict[str, Any], bucket: QuotaBucket, now: Any) -> dict[str, Any]:
    passed = (now - row["refilled_at"]).total_seconds()
    if passed < -LONGEST_PAUSE_SECONDS:
        row["refilled_at"] = now
    passed = max(passed, 0.0)
    rate = bucket.rate * (SLOW_FACTOR if row["slow_until"] is not None and row["slow_until"] > now else 1.0)
    row["waiting"] = max((row["refilled_at"] - now).total_seconds(), 0.0)
    row["current_rate"] = rate
    row["tokens"] = min(row["tokens"] + passed * rate, bucket.burst)
    row["burst"], row["rate"] = bucket.burst, bucket.rate
    row["refilled_at"] = max(now, row["refilled_at"])
    return row


def _wait(row: dict[str, Any]) -> float:
    missing = (1.0 - row["tokens"]) / row["current_rate"] if row["current_rate"] > 0 else SLOW_SECONDS
    return float(max(row["waiting"] + missing, PATIENCE_SECONDS))


def _save(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = (
        update(quota)
        .where(quota.c.key == bindparam("of"))
        .values(tokens=bindparam("left"), burst=bindparam("size"), rate=bindparam("speed"), refilled_at=bindparam("at"))
    )
    values = [{"of": r["key"], "left": r["tokens"], "size": r["burst"], "speed": r["rate"], "at": r["refilled_at"]} for r in rows]
    connection.execute(statement, values)
