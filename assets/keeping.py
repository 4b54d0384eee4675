"""
Decides which lane runs to start and which dead ones to end. Pure: facts in, decision out; no Dagster, no clock of its own.

The lease `lane:<kind>` in Postgres tells which run works. A run that works renews it; a successor that waits takes it within
about a second once it is free. So a run that has started and neither holds the lease nor can be waiting for it is dead, whatever
Dagster says: a run whose code server died with it would stay "started" for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Decision", "LaneRun", "Situation", "decide"]

STARTUP_SECONDS = 60.0  # from "started" to the lease: Great Expectations is imported, on a busy machine
DEAD_SECONDS = 15.0  # a suspect this long is dead: more than a waiting successor needs, and than Postgres to come back
HEAD_START_SECONDS = 60.0  # a successor is started so much before the end of a life
MOST_RUNS = 2  # as the limit in dagster.yaml


@dataclass(frozen=True, slots=True)
class LaneRun:
    """A run of the lane that Dagster thinks is on its way or alive."""

    run_id: str
    started_at: float | None
    """Seconds since the epoch; None while it is queued or starting."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the sensor found at one moment."""

    now: float
    runs: tuple[LaneRun, ...]
    lease_held: bool
    holder: str | None
    """Run id of the lease's owner, also of an expired lease; None when it is nobody's or something else than a run has it."""
    work: bool
    lifetime: float
    suspects: Mapping[str, float] = field(default_factory=dict)
    """Run id -> when it was first found suspect; from the previous decision."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and what to remember for the next time."""

    reap: tuple[str, ...]
    start: bool
    reason: str
    suspects: dict[str, float]


def decide(situation: Situation) -> Decision:
    """At most one run works and one waits; dead ones are reaped first, so that they don't take a place."""
    suspects = {run.run_id: situation.suspects.get(run.run_id, situation.now) for run in situation.runs if _is_suspect(run, situation)}
    reap = tuple(run_id for run_id, since in suspects.items() if situation.now - since >= DEAD_SECONDS)
    remaining = {run_id: since for run_id, since in suspects.items() if run_id not in reap}
    alive = [run for run in situation.runs if run.run_id not in reap]
    start, reason = _start(situation, alive, remaining)
    return Decision(reap, start, reason, remaining)


def _is_suspect(run: LaneRun, situation: Situation) -> bool:
    if run.started_at is None:
        return False
    if not situation.lease_held and situation.holder == run.run_id:
        return True  # it had the lease, so it is past its start, and let it expire
    if situation.now - run.started_at < STARTUP_SECONDS:
        return False
    if not situation.lease_held:
        return True
    holder = next((other for other in situation.runs if other.run_id == situation.holder), None)
    # Started before the one that works: it has handed over and should have ended.
    return holder is not None and holder.started_at is not None and run.started_at < holder.started_at


def _start(situation: Situation, alive: list[LaneRun], suspects: Mapping[str, float]) -> tuple[bool, str]:
    if len(alive) >= MOST_RUNS:
        return False, "one run works and its successor waits"
    sound = [run for run in alive if run.run_id not in suspects]
    if not sound:
        return situation.work, "there is work and no run" if situation.work else "nothing new"
    run = sound[0]
    if run.started_at is None:
        return False, "a run is starting"
    if situation.now - run.started_at > situation.lifetime - min(HEAD_START_SECONDS, situation.lifetime / 2):
        return True, "the run at work ends soon; its successor starts early"
    return False, f"run {run.run_id[:8]} is at work"
