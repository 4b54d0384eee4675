"""What a backfill or a replay will take, before it is begun: entries, calls and time. Arithmetic over what was measured."""

import math
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.rates import Rate, measured_rate

__all__ = ["Estimate", "estimate", "estimate_of"]

SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is to be expected. Live responses go first, so it takes longer while many come in."""

    entries: int
    batches: int
    calls: int | None
    """None: nothing is known about the receiver yet."""
    seconds: float | None
    basis: Literal["integration", "kind", "quota", "none"]
    """Measured on batches of this integration, or of others of its kind; else from the receiver's quota; `none`: not known."""
    measured_batches: int = 0


def estimate_of(connection: Connection, integration: Integration, destination: type[Destination], entries: int) -> Estimate:
    """By the integration's own batches, else by those of its kind, else by the quota its kind declares."""
    own = measured_rate(connection, integration.kind, integration.integration_id)
    if own is not None:
        return estimate(entries, destination, own, "integration")
    others = measured_rate(connection, integration.kind)
    return estimate(entries, destination, others, "kind" if others else "none")


def estimate(
    entries: int, destination: type[Destination], rate: Rate | None, basis: Literal["integration", "kind", "none"] = "integration"
) -> Estimate:
    """The same arithmetic for a rate that is known already; no faster than the kind's calls per minute."""
    batches = math.ceil(entries / destination.max_rows)
    quota = destination.calls_per_minute
    if rate is None:
        calls = batches if quota else None  # one call for a batch is the least
        return Estimate(entries, batches, calls, batches / quota * SECONDS_PER_MINUTE if quota else None, "quota" if quota else "none")
    calls = math.ceil(batches * rate.calls_per_batch + entries * rate.calls_per_row)
    seconds = batches * rate.seconds_per_batch + entries * rate.seconds_per_row
    if quota:
        # Promise 9: a share of a minute's calls is used at once, the rest trickles in
        seconds = max(seconds, (calls / quota - 1) * SECONDS_PER_MINUTE)
    return Estimate(entries, batches, calls, seconds, basis, rate.batches)
