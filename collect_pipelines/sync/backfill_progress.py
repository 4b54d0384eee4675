"""How a backfill or a replay is getting on: how far, how fast, until when, and what holds it up now."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from collect_pipelines.store.backfill_records import Backfill, list_backfills, owed
from collect_pipelines.store.batches import open_batch
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.leases import list_leases
from collect_pipelines.store.rates import Pace, pace_of
from collect_pipelines.store.stretches import entries_in

__all__ = ["Progress", "progress_of"]

QUOTA_SHARE = 0.5  # waiting for quota longer than working: the quota decides


@dataclass(frozen=True, slots=True)
class Progress:
    """A backfill or a replay at one moment."""

    backfill: Backfill
    total: int
    """Entries it is about."""
    remaining: int
    per_second: float | None
    """Entries, over its latest batches, pauses between them included; None before the first has landed."""
    left_seconds: float | None
    """At this rate; None while it is not known, or it does not go on."""
    limiter: str | None
    """What decides how fast it goes, or why it stands, in words; None when it is over."""


def progress_of(connection: Connection, backfill: Backfill, now: datetime | None = None) -> Progress:
    """How it stands now."""
    remaining = entries_in(owed(connection, backfill)) if backfill.state in ("active", "paused") else 0
    pace = pace_of(connection, backfill.backfill_id)
    rate = None if pace is None else pace.entries / max((pace.landed_at - pace.began_at).total_seconds(), 1e-3)
    goes_on = backfill.state == "active"
    left = remaining / rate if rate and goes_on else None
    limiter = _limiter(connection, backfill, pace, now or datetime.now(UTC)) if backfill.state in ("active", "paused") else None
    return Progress(backfill, backfill.settled + remaining, remaining, rate, left, limiter)


def _limiter(connection: Connection, backfill: Backfill, pace: Pace | None, now: datetime) -> str:
    if backfill.state == "paused":
        return f"it is paused; collect backfill resume {backfill.integration} goes on"
    integration = integration_by_id(connection, backfill.integration_id)
    if integration.state != "active":
        reason = f": {integration.reason}" if integration.reason else ""
        return f"the integration is {integration.state}{reason}"
    validated = form_by_id(connection, integration.form_id).validated_through
    if validated < integration.start_position:
        return f"validation comes first: it is at position {validated} of {integration.start_position}"
    if not any(lease.owner is not None and lease.expires_at > now for lease in list_leases(connection, f"lane:{integration.kind}")):
        return "nobody delivers: start collect up, or run collect sync"
    return _waiting(connection, integration, now) or _turn(connection, backfill, integration, validated) or _speed(pace)


def _waiting(connection: Connection, integration: Integration, now: datetime) -> str | None:
    """The wait after a failure that is in force."""
    if integration.next_attempt_at is None or integration.next_attempt_at <= now:
        return None
    batch = open_batch(connection, integration.integration_id)
    why = f": {batch.error}" if batch is not None and batch.error else ""
    return f"the receiver; next attempt in {(integration.next_attempt_at - now).total_seconds():.0f} s{why}"


def _turn(connection: Connection, backfill: Backfill, integration: Integration, validated: int) -> str | None:
    """What goes before it."""
    if integration.cursor < validated:
        # Promise 9: a backfill never delays live responses
        return f"live responses go first: {validated - integration.cursor} are waiting"
    for other in list_backfills(connection, backfill.integration_id, unfinished=True):
        before = (other.purpose == "replay", -other.backfill_id) > (backfill.purpose == "replay", -backfill.backfill_id)
        if other.state == "active" and before:
            return f"{other.purpose} {other.backfill_id} goes first"
    return None


def _speed(pace: Pace | None) -> str:
    if pace is not None and pace.quota_wait_seconds > QUOTA_SHARE * (pace.seconds + pace.quota_wait_seconds):
        return "the receiver's quota"
    return "the receiver's own speed"
