"""
What a person's Materialize button, a backfill and `dagster asset materialize --partition FORM` do: drain one form here and now.

A backfill is a run per form, Dagster's default (`BackfillPolicy.multi_run`): each form succeeds or fails for itself.
"""

import dagster as dg

from assets.coalescing import Totals
from assets.lines import log_reports
from assets.names import VALIDATION_LANE, run_owner
from collect_pipelines.errors import Blocked, NotFound
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
    if not totals.batches:
        # nothing moved: the event tells where the form stands, and not that it stands at its beginning
        totals.through_position = _position(installation, kind, form)
    return totals


def _position(installation: Installation, kind: str, form: str) -> int:
    """How far the form is validated, or delivered by every integration of the kind; 0 without one, or for a form that is gone."""
    from collect_pipelines.store.forms import find_form
    from collect_pipelines.store.integrations import list_integrations

    with installation.database() as database, database.begin() as connection:
        try:
            record = find_form(connection, form)
        except NotFound:
            return 0
        if kind == VALIDATION_LANE:
            return record.validated_through
        return min((one.cursor for one in list_integrations(connection, record.form_id, kind)), default=0)


def require_success(totals: Totals) -> None:
    """Fails the run, with what to do, when the form can't go on without a person."""
    if totals.outcome in ("blocked", "failed"):
        raise Blocked(
            totals.message or f"{totals.lane} of {totals.form} is {totals.outcome}.", fix="collect integrations list names the fix."
        )
