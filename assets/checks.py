"""
Asset checks.

`answers_hold` is Great Expectations' verdict per form. The lane tells it with each materialization of `validated`; when a person
materializes `validated`, it blocks what comes after it in the same run. `ledger` per destination is evaluated on demand.
"""

import warnings

import dagster as dg

from assets.names import CHECK, VALIDATED, destination_kinds
from assets.partitions import forms
from collect_pipelines.model import Ledger
from collect_pipelines.store.ledger import ledger
from resources.installation import Installation

__all__ = ["answers_hold", "ledger_checks"]

with warnings.catch_warnings():
    # A check per partition is a preview in Dagster 1.13; without it one form's failure would hide another's success.
    warnings.simplefilter("ignore", dg.PreviewWarning)
    answers_hold = dg.AssetCheckSpec(
        CHECK,
        asset=VALIDATED,
        description="Every answer meets what its form version expects. Rows that don't are held back; the others go on.",
        blocking=True,
        partitions_def=forms,
    )


def ledger_checks() -> list[dg.AssetChecksDefinition]:
    """One check per kind of destination."""
    return [_ledger_check(kind) for kind in destination_kinds()]


def _ledger_check(kind: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=kind,
        name="ledger",
        description="Every accepted response is delivered, filtered, quarantined, dead-lettered, erased or pending, and none is late.",
    )
    def ledger_check(installation: Installation) -> dg.AssetCheckResult:
        with installation.database() as database, database.begin() as connection:
            rows = [row for row in ledger(connection) if row.kind == kind]
        return _verdict(rows, installation.settings().alert_late_seconds)

    return ledger_check


def _verdict(rows: list[Ledger], late_seconds: float) -> dg.AssetCheckResult:
    """Promise 4 for all integrations of one kind."""
    unbalanced = [row.integration for row in rows if row.accepted != _accounted(row)]
    late = [row.integration for row in rows if (row.oldest_pending_seconds or 0.0) > late_seconds and row.state != "paused"]
    return dg.AssetCheckResult(
        passed=not unbalanced and not late,
        severity=dg.AssetCheckSeverity.ERROR if unbalanced else dg.AssetCheckSeverity.WARN,
        metadata={
            "integrations": len(rows),
            "accepted": sum(row.accepted for row in rows),
            "pending": sum(row.pending for row in rows),
            "late": ", ".join(late) or "none",
            "unbalanced": ", ".join(unbalanced) or "none",
        },
    )


def _accounted(row: Ledger) -> int:
    return row.delivered + row.filtered + row.quarantined + row.dead_lettered + row.erased + row.pending
