"""One asset per installed kind of destination: a plug-in grows the graph by being installed. Integrations are rows, not assets."""

import dagster as dg

from assets.events import metadata_of
from assets.materializing import drain_form, require_success
from assets.names import OWNERS, VALIDATED, destination_kinds
from assets.partitions import forms
from resources.installation import Installation

__all__ = ["destination_asset", "destination_assets"]


def destination_asset(kind: str) -> dg.AssetsDefinition:
    """The asset of the kind. Materializing a form delivers what is pending for all its integrations of the kind."""

    @dg.asset(
        key=kind,
        deps=[VALIDATED],
        description=(
            f"Validated responses delivered to every `{kind}` integration of the form. The lane keeps this current by itself; "
            "materializing a form delivers what is pending now."
        ),
        partitions_def=forms,
        group_name="destinations",
        kinds={kind.replace("_", "")},  # Dagster draws an icon for the kinds it knows, e.g. googlesheets
        owners=OWNERS,
    )
    def destination(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult[None]:
        totals = drain_form(context, installation, kind)
        require_success(totals)
        return dg.MaterializeResult(metadata=metadata_of(totals))

    return destination


def destination_assets() -> list[dg.AssetsDefinition]:
    """One asset per installed kind."""
    return [destination_asset(kind) for kind in destination_kinds()]
