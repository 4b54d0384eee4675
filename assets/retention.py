"""
Removes what Dagster itself never removes: events, runs and compute logs of old runs. No definitions in here.

Kept for ever is the newest event of each kind per asset and partition, with the run it belongs to, so that no form ever looks
as if it had never been delivered. Nothing of the product depends on the rest: the history of a response is in our own tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import Connection, text

__all__ = ["Removed", "remove_old_runs"]

SLICE = 200  # runs per transaction: locks stay short

OLD_RUNS = text("""
    select run_id from runs
    where status in ('SUCCESS', 'FAILURE', 'CANCELED') and end_time < :before and run_id > :after
    order by run_id limit :size
""")

# Event ids grow in the order of storing.
NEWEST_EVENTS = text("""
    select max(id) from event_logs where asset_key is not null
    group by asset_key, coalesce(partition, ''), dagster_event_type
""")
NEWEST_CHECKS = text("select max(id) from asset_check_executions group by asset_key, check_name, coalesce(partition, '')")

DELETE_TAGS = text("""
    delete from asset_event_tags where event_id in (select id from event_logs where run_id = any(:runs) and not id = any(:events))
""")
DELETE_EVENTS = text("delete from event_logs where run_id = any(:runs) and not id = any(:events)")
DELETE_CHECKS = text("delete from asset_check_executions where run_id = any(:runs) and not id = any(:checks)")
# The tags of a run go with it.
DELETE_RUNS = text("""
    delete from runs where run_id = any(:runs)
        and not exists (select 1 from event_logs where event_logs.run_id = runs.run_id)
        and not exists (select 1 from asset_check_executions where asset_check_executions.run_id = runs.run_id)
""")


@dataclass(slots=True)
class Removed:
    """What was removed."""

    runs: int = 0
    events: int = 0
    emptied: list[str] = field(default_factory=list)
    """Every run looked at: its compute logs can go too."""


def remove_old_runs(instance: dg.DagsterInstance, before: float) -> Removed:
    """Removes events and rows of runs that ended before the moment (seconds since the epoch). Needs storage on Postgres."""
    storage = instance.event_log_storage
    if not isinstance(storage, PostgresEventLogStorage):
        fix = "Use the repository's dagster.yaml as DAGSTER_HOME/dagster.yaml."
        raise dg.Failure("Dagster's storage is not Postgres.", metadata={"fix": fix})
    removed = Removed()
    with storage.index_connection() as connection:
        newest = {
            "events": list(connection.execute(NEWEST_EVENTS).scalars()),
            "checks": list(connection.execute(NEWEST_CHECKS).scalars()),
        }
        for runs in _slices(connection, before):
            _remove(connection, runs, newest, removed)
    for run_id in removed.emptied:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return removed


def _slices(connection: Connection, before: float) -> Iterator[list[str]]:
    after = ""
    while runs := list(connection.execute(OLD_RUNS, {"before": before, "after": after, "size": SLICE}).scalars()):
        yield runs
        after = runs[-1]


def _remove(connection: Connection, runs: list[str], newest: dict[str, list[int]], removed: Removed) -> None:
    # Every statement commits for itself (Dagster's connections do): in this order, a crash in between leaves nothing dangling.
    connection.execute(DELETE_TAGS, {"runs": runs, "events": newest["events"]})
    removed.events += connection.execute(DELETE_EVENTS, {"runs": runs, "events": newest["events"]}).rowcount
    connection.execute(DELETE_CHECKS, {"runs": runs, "checks": newest["checks"]})
    removed.runs += connection.execute(DELETE_RUNS, {"runs": runs}).rowcount
    removed.emptied += runs
