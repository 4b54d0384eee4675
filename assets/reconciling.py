"""
Every night: each active integration compared with what its destination holds, one after the other.

What was found is in Postgres and in `collect reconcile`; here it becomes an observation per integration and a check per kind.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.names import destination_kinds
from assets.partitions import FORMS
from collect_pipelines.errors import CollectError
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, list_integrations
from collect_pipelines.store.reconciliations import Reconciliation, newest_reconciliations
from resources.installation import Installation

__all__ = ["RECONCILED", "reconcile", "reconcile_nightly", "reconciled_checks"]

RECONCILED = "reconciled"
LONGEST_SECONDS = 43_200  # a night and some: whoever delivers goes first, and the net for all runs is shorter
COUNTS = ("expected", "found", "missing", "duplicated", "strange", "stale")


def reconciled_checks() -> list[dg.AssetChecksDefinition]:
    """One check per kind of destination, by what its newest comparisons found."""
    return [_reconciled_check(kind) for kind in destination_kinds()]


def _reconciled_check(kind: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=kind,
        name=RECONCILED,
        description="By the newest comparison of each integration: every row that the ledger says is there, once and up to date.",
    )
    def reconciled_check(installation: Installation) -> dg.AssetCheckResult:
        with installation.database() as database, database.begin() as connection:
            return _verdict(newest_reconciliations(connection, kind))

    return reconciled_check


@dg.op(
    out=dg.Out(dg.Nothing, is_required=False),
    description="Compares each active integration that can be compared; one that fails stops no other. Terminate it at any time.",
)
def compare_destinations(
    context: dg.OpExecutionContext, installation: Installation
) -> Iterator[dg.AssetObservation | dg.AssetCheckEvaluation]:
    """Yields what was found as soon as it is known."""
    from collect_pipelines.sync.reconcile.comparing import compare

    with installation.database() as database:
        chosen = list(_chosen(database, context))
        for one in chosen:
            try:
                found = compare(database, installation.settings(), one.integration_id).stored
            except CollectError as exc:  # gone meanwhile, or Postgres was away: the next one is asked all the same
                context.log.warning(f"{one.name} was not compared: {exc.message}")
                continue
            context.log.info(f"{found.integration}: {found.state}, {found.right} of {found.expected} rows are as they should be.")
            context.instance.add_dynamic_partitions(FORMS, [found.form])
            yield dg.AssetObservation(asset_key=found.kind, partition=found.form, metadata=_metadata(found))
        for kind in sorted({one.kind for one in chosen}):
            with database.begin() as connection:
                verdict = _verdict(newest_reconciliations(connection, kind))
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(kind),
                check_name=RECONCILED,
                passed=verdict.passed,
                severity=verdict.severity,
                metadata=verdict.metadata,
                blocking=False,
            )


@dg.job(
    description="Compares what every destination holds with what the ledger says. Changes nothing: collect reconcile NAME --repair does.",
    executor_def=dg.in_process_executor,
    run_tags={"dagster/max_runtime": str(LONGEST_SECONDS)},
)
def reconcile() -> None:
    """One step."""
    compare_destinations()


reconcile_nightly = dg.ScheduleDefinition(
    name="reconcile_nightly",
    job=reconcile,
    cron_schedule="41 2 * * *",
    description="Every night, when people are asleep; it reads behind whoever delivers all the same.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def _chosen(database: Database, context: dg.OpExecutionContext) -> Iterator[Integration]:
    from collect_pipelines.sync.reconcile.comparing import can_compare

    with database.begin() as connection:
        integrations = list_integrations(connection)
    for one in integrations:
        try:
            if one.state == "active" and can_compare(one):
                yield one
        except CollectError as exc:
            context.log.warning(f"{one.name} was not compared: {exc.message}")


def _metadata(one: Reconciliation) -> dict[str, int | float | str]:
    # Promise 10: numbers, and words of the destination that hold no answers
    document: dict[str, int | float | str] = {f"rows_{name}": getattr(one, name) for name in COUNTS}
    document |= {"integration": one.integration, "state": one.state, "through_position": one.through_position}
    if one.finished_at is not None:
        document["seconds"] = round((one.finished_at - one.started_at).total_seconds(), 3)
    return document | ({"message": one.error} if one.error else {})


def _verdict(found: Sequence[Reconciliation]) -> dg.AssetCheckResult:
    """What a check says of the newest comparisons of one kind."""
    wrong = [one.integration for one in found if one.state == "different" and one.unexplained]
    failed = [one.integration for one in found if one.state == "failed"]
    return dg.AssetCheckResult(
        passed=not wrong and not failed,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        metadata={
            "integrations": len(found),
            **{f"rows_{name}": sum(getattr(one, name) for one in found) for name in COUNTS},
            "different": ", ".join(wrong) or "none",
            "failed": ", ".join(failed) or "none",
        },
    )
