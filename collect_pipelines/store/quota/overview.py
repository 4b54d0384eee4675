"""What the quotas look like now, for people and metrics: how full, how fast, who waits."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.quota.levels import MINUTE_SECONDS, Level
from collect_pipelines.store.quota.queue import Ticket
from collect_pipelines.store.quota.taking import filled, ticket_of
from collect_pipelines.store.tables import form, integration, organization, quota, quota_ticket

__all__ = ["QuotaState", "QuotaWaiting", "quota_levels", "quota_states", "quota_waiting"]


@dataclass(frozen=True, slots=True)
class QuotaState:
    """One bucket."""

    quota: str
    remaining_ratio: float
    """1.0 is untouched, 0.0 makes everybody wait."""
    left: int
    """Tokens that can be taken at once."""
    used_last_minute: int
    per_minute: int | None
    """Most that any minute may see; None where the receiver counts no minutes."""
    rate_per_minute: float
    """Tokens that come back in a minute, as things are."""
    paused_seconds: float
    """Nobody gets a token for so long, because the receiver refused a call."""
    slow_seconds: float
    """It fills at half its rate for so long, for the same reason."""
    waiting: int
    """Integrations that wait for it with new entries."""
    waiting_background: int
    """Integrations that wait for it with older entries."""
    taken: int
    """Tokens taken since it is counted."""
    refused: int
    """How often the receiver refused a call all the same."""
    last_refused_at: datetime | None


@dataclass(frozen=True, slots=True)
class QuotaWaiting:
    """An integration that waits for its turn."""

    integration: str
    form: str
    quotas: tuple[str, ...]
    background: bool
    """With older entries."""
    weight: float
    waited_seconds: float
    due_seconds: float
    """Until its turn is expected."""


def quota_levels(connection: Connection) -> list[tuple[str, float]]:
    """How full each bucket is now, by key: 1.0 is untouched, 0.0 makes everybody wait."""
    return [(one.quota, one.remaining_ratio) for one in quota_states(connection)]


def quota_states(connection: Connection) -> list[QuotaState]:
    """All buckets, by key."""
    now = _now(connection)
    rows = connection.execute(select(quota_ticket, quota_ticket.c["keys"].label("keys_")))
    tickets = [one for one in map(ticket_of, rows) if one.waits(now)]
    return [_state(row, tickets, now) for row in connection.execute(select(quota).order_by(quota.c.key))]


def quota_waiting(connection: Connection) -> list[QuotaWaiting]:
    """Those that wait, the next one first."""
    now = _now(connection)
    names = (integration.c.name, form.c.slug, organization.c.slug.label("organization"), integration.c.weight)
    query = (
        select(quota_ticket, quota_ticket.c["keys"].label("keys_"), *names)
        .join(integration, integration.c.integration_id == quota_ticket.c.integration_id)
        .join(form, form.c.form_id == integration.c.form_id)
        .join(organization, organization.c.organization_id == integration.c.organization_id)
    )
    found = [(ticket_of(row), row) for row in connection.execute(query)]
    waiting = sorted((pair for pair in found if pair[0].waits(now)), key=lambda pair: pair[0].due_at)
    return [
        QuotaWaiting(
            row.name,
            form_reference(row.organization, row.slug),
            tuple(ticket.costs),
            ticket.background,
            row.weight,
            max(now - ticket.asked_at, 0.0),
            max(ticket.due_at - now, 0.0),
        )
        for ticket, row in waiting
    ]


def _now(connection: Connection) -> float:
    return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())


def _state(row: Any, tickets: list[Ticket], now: float) -> QuotaState:
    level: Level = filled(row, QuotaBucket(row.key, row.burst, row.rate, row.per_minute), now)
    waiting = [one for one in tickets if row.key in one.costs]
    return QuotaState(
        row.key,
        min(level.left / row.burst, 1.0) if row.burst else 0.0,
        int(level.left),
        sum(level.recent[-MINUTE_SECONDS:]),
        row.per_minute,
        level.rate * MINUTE_SECONDS,
        level.pause_seconds,
        max(level.slow_until - now, 0.0) if level.slow else 0.0,
        sum(not one.background for one in waiting),
        sum(one.background for one in waiting),
        row.taken,
        row.refused,
        row.last_refused_at,
    )
