"""The daily clean-up of Dagster's own records."""

import time

import dagster as dg

from assets.retention import remove_old_runs
from resources.installation import Installation

__all__ = ["retention", "retention_daily"]

DAY_SECONDS = 86_400.0


@dg.op(
    out=dg.Out(dg.Nothing, is_required=False),
    description="Removes runs, events and compute logs that ended more than COLLECT_DAGSTER_KEEP_DAYS days ago.",
)
def remove_old_records(context: dg.OpExecutionContext, installation: Installation) -> None:
    """Keeps the newest event of each kind per form."""
    days = installation.settings().dagster_keep_days
    removed = remove_old_runs(context.instance, time.time() - days * DAY_SECONDS)
    context.log.info(f"{removed.events} events and {removed.runs} runs older than {days} days are removed.")


@dg.job(
    description="Removes Dagster's old runs, events and compute logs; the newest per form stay.",
    executor_def=dg.in_process_executor,
)
def retention() -> None:
    """One step."""
    remove_old_records()


retention_daily = dg.ScheduleDefinition(
    name="retention_daily",
    job=retention,
    cron_schedule="17 3 * * *",
    description="Every night.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
