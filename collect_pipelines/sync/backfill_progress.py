"""How a backfill or a replay is getting on: how far, how fast, until when, and what holds it up now."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from collect_pipelines.store.backfill_records import UNFINISHED, Backfill, list_backfills, owed
from collect_pipelines.store.batches import open_batch
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.leases import list_leases
from collect_pipelines.store.rates import Pace, pace_of
from collect_pipelines.store.stretches import entries_in

__all__ = ["Progress", "progress_of"]

QUOTA_SHARE = 0.5  # waiting for quota longer than working: the quota decides
VALIDATION = "validation"  # the name of its lane
NOBODY = "nobody {does} now: collect up begins within a minute where it runs; else start it, or run collect sync"


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
    """At this rate; None while it is not known, or it stands."""
    limiter: str | None
    """What decides how fast it goes, or why it stands, in words; None when it is over."""


def progress_of(connection: Connection, backfill: Backfill, now: datetime | None = None) -> Progress:
    """How it stands now."""
    now = now or datetime.now(UTC)
    pace = pace_of(connection, backfill)
    rate = None if pace is None else pace.entries / max((pace.landed_at - pace.began_at).total_seconds(), 1e-3)
    if backfill.state not in UNFINISHED:
        return Progress(backfill, backfill.settled, 0, rate, None, None)
    remaining = entries_in(owed(connection, backfill))
    integration = integration_by_id(connection, backfill.integration_id)
    stands = _standstill(connection, backfill, integration, now)
    left = remaining / rate if rate and stands is None else None
    limiter = stands or _turn(connection, backfill, integration) or _speed(pace)
    return Progress(backfill, backfill.settled + remaining, remaining, rate, left, limiter)


def _standstill(connection: Connection, backfill: Backfill, integration: Integration, now: datetime) -> str | None:
    """Why nothing of it is sent for now."""
    if backfill.state == "paused":
        return f"it is paused; collect backfill resume {backfill.integration} goes on"
    if integration.state != "active":
        reason = f": {integration.reason}" if integration.reason else ""
        return f"the integration is {integration.state}{reason}"
    validated = form_by_id(connection, integration.form_id).validated_through
    if validated < integration.start_position:
        first = f"validation comes first: it is at position {validated} of {integration.start_position}"
        return first if _at_work(connection, VALIDATION, now) else f"{first}, and {NOBODY.format(does='validates')}"
    if not _at_work(connection, integration.kind, now):
        return NOBODY.format(does="delivers")
    return _waiting(connection, integration, now)


def _at_work(connection: Connection, lane: str, now: datetime) -> bool:
    return any(lease.owner is not None and lease.expires_at > now for lease in list_leases(connection, f"lane:{lane}"))


def _waiting(connection: Connection, integration: Integration, now: datetime) -> str | None:
    """The wait after a failure that is in force."""
    if integration.next_attempt_at is None or integration.next_attempt_at <= now:
        return None
    batch = open_batch(connection, integration.integration_id)
    why = f": {batch.error}" if batch is not None and batch.error else ""
    return f"the receiver; next attempt in {(integration.next_attempt_at - now).total_seconds():.0f} s{why}"


def _turn(connection: Connection, backfill: Backfill, integration: Integration) -> str | None:
    """What goes before it."""
    validated = form_by_id(connection, integration.form_id).validated_through
    if integration.cursor < validated:
        # Promise 9: a backfill never delays live responses
        waiting = validated - integration.cursor
        return f"live responses go first: {waiting} {'is' if waiting == 1 else 'are'} waiting"
    for other in list_backfills(connection, backfill.integration_id, unfinished=True):
        before = (other.purpose == "replay", -other.backfill_id) > (backfill.purpose == "replay", -backfill.backfill_id)
        if other.state == "active" and before:
            return f"{other.purpose} {other.backfill_id} goes first"
    return None


def _speed(pace: Pace | None) -> str:
    if pace is not None and pace.quota_wait_seconds > QUOTA_SHARE * (pace.seconds + pace.quota_wait_seconds):
        return "the receiver's quota"
    return "the receiver's own speed"
