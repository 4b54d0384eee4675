"""Totals of a form as Dagster's events: the same keys on every one, so that the web page draws them as plots."""

from collections.abc import Iterator

import dagster as dg

# Not exported by Dagster, and without it the page stores a partition's check result but does not show it as its status.
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from assets.coalescing import Totals
from assets.names import CHECK, RESPONSES, VALIDATED, VALIDATION_LANE

__all__ = ["Event", "check_evaluation", "check_metadata", "events_of", "metadata_of"]

Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation

WORDS = {"blocked", "parked", "failed"}


def metadata_of(totals: Totals) -> dict[str, int | float | str]:
    """The metadata of every materialization and observation. No answers, no secrets (Promise 10)."""
    document: dict[str, int | float | str] = {
        "rows_new": totals.rows,
        "rows_delivered": totals.delivered,
        "rows_rejected": totals.rejected,
        "rows_set_aside": totals.set_aside,
        "rows_skipped": totals.skipped,
        "rows_quarantined": totals.quarantined,
        "batches": totals.batches,
        "batch_seconds": round(totals.seconds, 3),
        "api_calls": totals.api_calls,
        "quota_wait_seconds": round(totals.quota_wait_seconds, 3),
        "oldest_age_seconds": round(totals.oldest_age_seconds, 3),
        "state": totals.state,
    }
    if totals.through_position or not totals.batches:
        document["through_position"] = totals.through_position  # older entries alone say nothing of it, and 0 would fall out of its plot
    if totals.message and (totals.outcome in WORDS or totals.warnings):
        document["message"] = totals.message
    if totals.problem:
        document["problem"] = totals.problem
    if totals.notices:
        document["notices"] = "\n".join(totals.notices)
    return document


def events_of(instance: dg.DagsterInstance, totals: Totals) -> Iterator[Event]:
    """What a lane run yields for one form, in the order in which the graph reads."""
    validating = totals.lane == VALIDATION_LANE
    if validating and totals.batches:
        yield _materialization(RESPONSES, totals)
    asset = VALIDATED if validating else totals.lane
    yield _materialization(asset, totals) if totals.batches else _observation(asset, totals)
    if validating:
        # Dagster has stored the materialization when the generator is resumed: the check result can point to it.
        yield check_evaluation(instance, totals)


def check_evaluation(instance: dg.DagsterInstance, totals: Totals) -> dg.AssetCheckEvaluation:
    """
    The verdict on the form's newest batches.

    Never blocking here: the lane itself has held the rows back, and a blocking failure would end the run of all forms.
    """
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(VALIDATED),
        check_name=CHECK,
        passed=check_passed(totals),
        severity=check_severity(totals),
        metadata={name: dg.MetadataValue.int(count) for name, count in check_metadata(totals).items()},
        description=totals.message,
        blocking=False,
        partition=totals.form,
        target_materialization_data=_newest_materialization(instance, totals.form),
    )


def check_passed(totals: Totals) -> bool:
    """True when every row went on, and the newest batch as a whole is as it should be."""
    return totals.outcome in ("", "validated", "postponed") and not totals.quarantined and not totals.warnings


def check_severity(totals: Totals) -> dg.AssetCheckSeverity:
    """A warning when rows were held back and the others went on, or for a batch as a whole; an error when it could not be judged."""
    return dg.AssetCheckSeverity.WARN if totals.outcome == "validated" else dg.AssetCheckSeverity.ERROR


def check_metadata(totals: Totals) -> dict[str, int]:
    """Rows seen, rows held back, rows failed per expectation, and how many rules over batches the newest batch breaks."""
    warned = {"rules_warned": len(totals.warnings)} if totals.warnings else {}
    return {"rows": totals.rows, "rows_quarantined": totals.quarantined, **warned, **totals.checks}


def _materialization(asset: str, totals: Totals) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(asset_key=asset, partition=totals.form, metadata=metadata_of(totals))


def _observation(asset: str, totals: Totals) -> dg.AssetObservation:
    return dg.AssetObservation(asset_key=asset, partition=totals.form, metadata=metadata_of(totals))


def _newest_materialization(instance: dg.DagsterInstance, form: str) -> AssetCheckEvaluationTargetMaterializationData | None:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(VALIDATED), asset_partitions=[form])
    records = instance.fetch_materializations(wanted, limit=1).records
    if not records:
        return None
    newest = records[0]
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=newest.storage_id, run_id=newest.event_log_entry.run_id, timestamp=newest.timestamp
    )
