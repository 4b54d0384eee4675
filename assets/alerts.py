"""
The alerts of a minute: judged from the ledger, posted to the operator's webhook, recorded in Postgres.

The schedule does it in its tick, in the code server: a run each minute would cost more than everything it watches. The job does
the same once, for a person.
"""

from collections import Counter
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Connection

from collect_pipelines.store.alerts import mark_notified, open_alerts, record_alert, resolve_alert
from collect_pipelines.store.ledger import ledger
from collect_pipelines.store.profiles import batch_warnings
from collect_pipelines.store.reconciliations import newest_reconciliations
from collect_pipelines.store.validation import list_quarantined
from collect_pipelines.telemetry.alerts import Alert, evaluate, message, post
from resources.installation import Installation

__all__ = ["alerts", "alerts_every_minute", "look"]

HELD_LIMIT = 10_000  # quarantine entries counted; an alert needs no exact number beyond


def look(installation: Installation) -> str:
    """
    Evaluates, records and tells what changed, and returns it as a sentence.

    While the webhook is away this raises TryLater: everything is recorded, and the next look tells what was not told.
    """
    settings = installation.settings()
    with installation.database() as database:
        with database.begin() as connection:
            current = _record(connection, settings.alert_late_seconds)
            known = open_alerts(connection)
        untold = [alert for alert in known if alert.notified_at is None and (alert.kind, alert.subject) in current]
        over = [alert for alert in known if (alert.kind, alert.subject) not in current]
        told = [{"kind": alert.kind, "subject": alert.subject, "message": alert.message} for alert in over if alert.notified_at]
        if settings.alert_webhook_url and (untold or told):
            fired = [current[alert.kind, alert.subject] for alert in untold]
            post(settings.alert_webhook_url, message(fired, told, datetime.now(UTC)))
        with database.begin() as connection:
            for alert in untold if settings.alert_webhook_url else ():
                mark_notified(connection, alert.alert_id)
            for alert in over:
                resolve_alert(connection, alert.kind, alert.subject)
    return f"{len(current)} alerts are open, {len(untold)} of them new; {len(over)} are over."


def _record(connection: Connection, late_after_seconds: float) -> dict[tuple[str, str], Alert]:
    """What is wrong now, by kind and subject; opened or kept open in the same transaction."""
    held = Counter(entry.form for entry in list_quarantined(connection, limit=HELD_LIMIT))
    found = evaluate(
        ledger(connection), held, late_after_seconds, batch_warnings(connection), newest_reconciliations(connection, active=True)
    )
    current: dict[tuple[str, str], Alert] = {(alert.kind, alert.subject): alert for alert in found}
    for alert in current.values():
        record_alert(connection, alert.kind, alert.subject, alert.message, alert.fix)
    return current


@dg.op(out=dg.Out(dg.Nothing, is_required=False), description="Looks for alerts once, tells the webhook and records them.")
def look_for_alerts(context: dg.OpExecutionContext, installation: Installation) -> None:
    """The schedule's look, by hand."""
    context.log.info(look(installation))


@dg.job(
    description="Looks for late, blocked, quarantined and refused responses once. The schedule does the same each minute without a run.",
    executor_def=dg.in_process_executor,
)
def alerts() -> None:
    """One step."""
    look_for_alerts()


@dg.schedule(
    name="alerts_every_minute",
    job=alerts,
    cron_schedule="* * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Looks for alerts and posts changes to COLLECT_ALERT_WEBHOOK_URL, in the tick itself: it starts no run.",
)
def alerts_every_minute(context: dg.ScheduleEvaluationContext, installation: Installation) -> dg.SkipReason:
    """A webhook that is away makes the tick fail, for all to see, and the next one tells it again."""
    return dg.SkipReason(look(installation))
