"""
What a person's Materialize button, a backfill and `dagster asset materialize --partition FORM` do: drain one form here and now.

A backfill is a run per form, Dagster's default (`BackfillPolicy.multi_run`): each form succeeds or fails for itself.
"""

import dagster as dg

from assets.coalescing import Totals
from assets.lines import log_reports
from assets.names import run_owner
from collect_pipelines.errors import Blocked
from resources.installation import Installation

__all__ = ["drain_form", "require_success"]


def drain_form(context: dg.AssetExecutionContext, installation: Installation, kind: str) -> Totals:
    """The same micro-batches as in a lane run, for the run's form only, until nothing is pending."""
    form = context.partition_key
    totals = Totals(kind, form)
    lane = installation.lane(kind, run_owner(context.run.run_id))
    for report in lane.drain(frozenset({form})):
        log_reports([report], context.run.run_id)
        totals.add(report)
    return totals


def require_success(totals: Totals) -> None:
    """Fails the run, with what to do, when the form can't go on without a person."""
    if totals.outcome in ("blocked", "failed"):
        raise Blocked(
            totals.message or f"{totals.lane} of {totals.form} is {totals.outcome}.", fix="collect integrations list names the fix."
        )
