"""The responses that passed the form's expectations: what every destination takes."""

from collections.abc import Iterator

import dagster as dg

from assets.checks import answers_hold
from assets.events import check_metadata, check_passed, check_severity, metadata_of
from assets.materializing import drain_form
from assets.names import OWNERS, RESPONSES, VALIDATED, VALIDATION_LANE
from assets.partitions import forms
from resources.installation import Installation

__all__ = ["validated"]


@dg.asset(
    key=VALIDATED,
    deps=[RESPONSES],
    description=(
        "Responses judged by Great Expectations, in order. Rows that fail are quarantined with their reasons; the lane keeps this "
        "current by itself, and materializing a form judges what is waiting now."
    ),
    partitions_def=forms,
    check_specs=[answers_hold],
    group_name="responses",
    kinds={"greatexpectations", "polars"},
    owners=OWNERS,
)
def validated(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Judges the pending responses of one form."""
    totals = drain_form(context, installation, VALIDATION_LANE)
    yield dg.MaterializeResult(metadata=metadata_of(totals))
    yield dg.AssetCheckResult(
        passed=check_passed(totals), severity=check_severity(totals), metadata=check_metadata(totals), description=totals.message
    )
