"""
The sensors: one per lane keeps its run alive, and one makes every form a partition.

They are doorbells and supervisors only. What was delivered is a matter of cursors in Postgres: a tick that fails, comes late or
comes twice loses nothing. A failure stays visible as a failed tick.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Connection

from assets.keeping import Decision, LaneRun, Situation, decide
from assets.names import VALIDATION_LANE, job_name, run_of, sensor_name
from assets.partitions import FORMS, forms
from collect_pipelines.store.forms import list_forms
from collect_pipelines.store.integrations import due_integrations, list_integrations
from collect_pipelines.store.leases import list_leases
from collect_pipelines.store.validation import forms_to_validate
from resources.installation import Installation

__all__ = ["forms_sensor", "keep", "lane_sensor"]

LANE_SECONDS = 5  # Dagster's own loop: less would have no effect
FORMS_SECONDS = 30
KEYS_PER_TICK = 200  # Dagster asks for each key whether it exists; a tick must end within a minute

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(slots=True)
class Memory:
    """What a lane's sensor keeps between ticks, as its cursor."""

    lease: str = ""
    """When the lane's lease expires, as last seen: a lease that is renewed moves."""
    suspects: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """An empty memory for the first tick."""
        return cls(**json.loads(cursor)) if cursor else cls()

    def write(self) -> str:
        """The cursor."""
        return json.dumps({"lease": self.lease, "suspects": dict(self.suspects)})


def lane_sensor(kind: str) -> dg.SensorDefinition:
    """Keeps one run of the lane at work while there is something to do, and ends those that died unnoticed."""

    @dg.sensor(
        name=sensor_name(kind),
        job_name=job_name(kind),
        minimum_interval_seconds=LANE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Keeps one run of the lane `{kind}` at work while there is something to do; ends runs that died unnoticed.",
    )
    def keep_lane(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult:
        return keep(kind, context.instance, installation, context.cursor, time.time())

    return keep_lane


def keep(kind: str, instance: dg.DagsterInstance, installation: Installation, cursor: str | None, now: float) -> dg.SensorResult:
    """One tick at the moment `now` (seconds since the epoch): ends the dead, and asks for a run when one is needed."""
    situation, memory = _look(kind, instance, installation, cursor, now)
    decision = decide(situation)
    _reap(instance, decision)
    memory.suspects = decision.suspects
    if decision.start:
        # No run key: a failed run of the same key would keep the next one from starting for ever.
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=memory.write())
    return dg.SensorResult(skip_reason=f"{kind}: {decision.reason}.", cursor=memory.write())


@dg.sensor(
    name=FORMS,
    minimum_interval_seconds=FORMS_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes every published form a partition, and removes the partitions of archived ones.",
)
def forms_sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult:
    """Only the difference: Dagster looks each key up one by one."""
    with installation.database() as database, database.begin() as connection:
        wanted = {form.reference for form in list_forms(connection) if form.state != "archived"}
    known = set(context.instance.get_dynamic_partitions(FORMS))
    new, gone = sorted(wanted - known)[:KEYS_PER_TICK], sorted(known - wanted)[:KEYS_PER_TICK]
    if not new and not gone:
        return dg.SensorResult(skip_reason=f"{len(known)} forms, nothing changed.")
    requests = [build(keys) for build, keys in ((forms.build_add_request, new), (forms.build_delete_request, gone)) if keys]
    return dg.SensorResult(dynamic_partitions_requests=requests)


def _look(kind: str, instance: dg.DagsterInstance, installation: Installation, cursor: str | None, now: float) -> tuple[Situation, Memory]:
    memory = Memory.read(cursor)
    with installation.database() as database, database.begin() as connection:
        lease = next(iter(list_leases(connection, f"lane:{kind}")), None)
        work = _has_work(connection, kind)
    held, holder, seen = False, None, ""
    if lease is not None and lease.owner is not None:
        seen = lease.expires_at.isoformat()
        # The clock of Postgres may differ from ours: a lease that has moved since the last tick is held whatever ours says.
        moved = bool(memory.lease) and memory.lease != seen
        held = moved or lease.expires_at > datetime.fromtimestamp(now, UTC)
        holder = run_of(lease.owner)
    situation = Situation(
        now=now,
        runs=_runs(instance, kind),
        lease_held=held,
        holder=holder,
        work=work,
        lifetime=installation.settings().lane_lifetime_seconds,
        suspects=memory.suspects,
    )
    return situation, Memory(lease=seen)


def _has_work(connection: Connection, kind: str) -> bool:
    """A destination's lane starts together with validation, not after it: on the cold path their start-ups overlap."""
    unvalidated = {form.form_id for form in forms_to_validate(connection)}
    if kind == VALIDATION_LANE:
        return bool(unvalidated)
    if due_integrations(connection, kind):
        return True
    return bool(unvalidated) and any(
        one.state == "active" and one.form_id in unvalidated for one in list_integrations(connection, kind=kind)
    )


def _runs(instance: dg.DagsterInstance, kind: str) -> tuple[LaneRun, ...]:
    records = instance.get_run_records(dg.RunsFilter(job_name=job_name(kind), statuses=UNFINISHED), ascending=True)
    return tuple(
        LaneRun(record.dagster_run.run_id, record.start_time if record.dagster_run.status == dg.DagsterRunStatus.STARTED else None)
        for record in records
    )


def _reap(instance: dg.DagsterInstance, decision: Decision) -> None:
    for run_id in decision.reap:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The run's process is gone: its lane's lease was not renewed. Nothing is lost.")
