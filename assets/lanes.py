"""
One job per lane: validation, and one per installed kind of destination.

A run of it is resident: it takes micro-batches for all forms of its lane until nothing came for a while or its life is over,
and then hands over to the successor that its sensor has started. Which run may work is decided by a lease in Postgres.
"""

import time
from collections.abc import Iterator

import dagster as dg

from assets.coalescing import Coalescer, Totals
from assets.draining import Drain
from assets.events import Event, events_of
from assets.lines import log_reports
from assets.names import LANE_TAG, VALIDATION_LANE, job_name, run_owner
from assets.partitions import FORMS
from collect_pipelines.sync.report import Report
from resources.installation import Installation

__all__ = ["lane_job", "pool_storage"]

STATEMENT_TIMEOUT_MS = 15_000
POOL_RECYCLE_SECONDS = 3600
POOL_OVERFLOW = 2


def pool_storage(instance: dg.DagsterInstance) -> None:
    """
    Keeps a connection for the run's events.

    dagster-postgres connects anew for every call, which costs Postgres 24 ms per event instead of 1. This is the public way
    to a pool; the name tells where Dagster itself uses it.
    """
    instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_SECONDS, POOL_OVERFLOW)


class Teller:
    """Turns reports into log lines and, coalesced, into events, and makes sure that each form is known as a partition."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._coalescer = Coalescer()
        self._known: set[str] = set()

    def tell(self, reports: list[Report]) -> Iterator[Event]:
        """The events that are due now that these reports came in."""
        log_reports(reports, self._run_id)
        for report in reports:
            self._coalescer.add(report)
        yield from self._events(self._coalescer.due(time.monotonic()))

    def rest(self, reports: list[Report]) -> Iterator[Event]:
        """Everything not told yet."""
        log_reports(reports, self._run_id)
        for report in reports:
            self._coalescer.add(report)
        yield from self._events(self._coalescer.rest())

    def _events(self, due: list[Totals]) -> Iterator[Event]:
        new = sorted({totals.form for totals in due} - self._known)
        if new:
            self._instance.add_dynamic_partitions(FORMS, new)
            self._known.update(new)
        for totals in due:
            yield from events_of(self._instance, totals)


def lane_job(kind: str) -> dg.JobDefinition:
    """The job whose runs drain the lane of this kind."""

    @dg.op(
        name=f"drain_{kind}",
        out=dg.Out(dg.Nothing, is_required=False),
        description="Takes micro-batches for all forms until the lane is idle or handed over. Terminate it at any time: nothing is lost.",
    )
    def drain(context: dg.OpExecutionContext, installation: Installation) -> Iterator[Event]:
        pool_storage(context.instance)
        teller = Teller(context.instance, context.run_id)
        with Drain(installation.lane(kind, run_owner(context.run_id))) as working:
            try:
                # Yielded, not logged: what goes through context.log_event would be stored only when the run ends.
                for reports in working.rounds():
                    yield from teller.tell(reports)
            except dg.DagsterExecutionInterruptedError:
                yield from teller.rest(working.stop())
                # Dagster takes a signal without a request to terminate for a crash. It is a supervisor that stops or restarts us.
                if _is_canceling(context):
                    raise
            except Exception:
                yield from teller.rest(working.stop())
                raise
            else:
                yield from teller.rest(working.stop())

    @dg.job(
        name=job_name(kind),
        description=f"Drains the lane `{kind}`. Its sensor keeps a run alive while there is something to do.",
        tags={LANE_TAG: kind},
        run_tags={LANE_TAG: kind, "dagster/priority": _priority(kind), "dagster/max_retries": "0"},
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        drain()

    return job


def _priority(kind: str) -> str:
    """Before what people launch; and validation first, because it starts slowest and the others wait for it."""
    return "20" if kind == VALIDATION_LANE else "10"


def _is_canceling(context: dg.OpExecutionContext) -> bool:
    """True when a person asked to terminate the run: it must then end as canceled."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status == dg.DagsterRunStatus.CANCELING
