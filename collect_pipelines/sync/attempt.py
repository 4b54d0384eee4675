"""From the cursor of an integration to a batch that is ready to be sent: resumed as it was planned, or planned anew."""

from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Batch, Column, Destination
from collect_pipelines.errors import Blocked
from collect_pipelines.forms.definition import label_in
from collect_pipelines.store.batches import StoredBatch, begin_attempt, open_batch, plan_batch
from collect_pipelines.store.forms import FormRecord, form_by_id
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.log import batch_end, read_entries
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.rendering import digest_of, render_display, render_typed
from collect_pipelines.sync.versions import Versions

__all__ = ["Attempt", "begin", "render", "render_range"]

CHANGED = "What batch {number} was planned to hold ({first} to {last}) renders differently now."
CHANGED_FIX = (
    "Undo what was changed since it was planned (the release of collect-pipelines, or the integration's language), then "
    "`collect integrations resume {name}`."
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver one batch."""

    stored: StoredBatch
    batch: Batch
    membership: Membership
    full: bool
    """The batch was as large as it may be."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    membership: Membership
    columns: tuple[Column, ...]
    frame: pl.DataFrame
    digest: str


def begin(connection: Connection, integration: Integration, destination: Destination, lease: Lease, versions: Versions) -> Attempt | None:
    """
    The open batch as it was, or else the next one, noted as being sent; None when nothing is validated beyond the cursor.

    Commit before sending (R3: membership before effect). Raises LeaseLost, and Blocked when an open batch can't be made again.
    """
    form = form_by_id(connection, integration.form_id)
    stored = open_batch(connection, integration.integration_id)
    if stored is not None:
        first, last = stored.from_position, stored.to_position
        rendered = render_range(connection, integration, destination, versions, first, last, stored.form_version)
        # Promise 5: what comes again after a crash is the same, byte for byte, or it does not go out at all
        if rendered.digest != stored.digest:
            raise Blocked(CHANGED.format(number=stored.batch_no, first=first, last=last), fix=CHANGED_FIX.format(name=integration.name))
    else:
        through = form.validated_through
        last = batch_end(connection, form.form_id, integration.cursor, through, destination.max_rows, destination.max_bytes)
        if last <= integration.cursor:
            return None
        first = integration.cursor + 1
        rendered = render_range(connection, integration, destination, versions, first, last, form.version)
        stored = plan_batch(
            connection, integration.integration_id, first, last, form.version, rendered.digest, rendered.frame.height, lease
        )
    stored = begin_attempt(connection, stored, lease)
    full = stored.to_position < form.validated_through
    return Attempt(stored, _batch(integration, form, stored, rendered), rendered.membership, full)


def render_range(
    connection: Connection, integration: Integration, destination: Destination, versions: Versions, first: int, last: int, version: int
) -> _Rendered:
    """The rows of the positions `first`..`last`, rendered with the columns of the form's versions up to `version`."""
    columns = versions.columns(connection, integration.form_id, version, integration.language)
    keys = [column.keys for column in columns]
    csv = read_entries(connection, integration.form_id, first - 1, last, keys, without_quarantined=True)
    membership = Membership(first, last, text_frame(csv, columns), destination.supports)
    frame = render(membership.rows, columns, destination.values, integration.language)
    return _Rendered(membership, columns, frame, digest_of(frame))


def render(rows: pl.DataFrame, columns: tuple[Column, ...], values: str, language: str | None) -> pl.DataFrame:
    """The rows in the form the destination declares: `display` or `typed`."""
    return render_display(rows, columns, language) if values == "display" else render_typed(rows, columns)


def _batch(integration: Integration, form: FormRecord, stored: StoredBatch, rendered: _Rendered) -> Batch:
    return Batch(
        form=integration.form,
        form_title=label_in(form.title, integration.language, form.slug),
        integration_id=integration.integration_id,
        batch_no=stored.batch_no,
        from_position=stored.from_position,
        to_position=stored.to_position,
        digest=stored.digest,
        columns=rendered.columns,
        frame=rendered.frame,
        attempt=stored.attempts,
    )
