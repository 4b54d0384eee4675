"""From the cursor of an integration to a batch that is ready to be sent: resumed as it was planned, or planned anew."""

from dataclasses import dataclass

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.errors import Blocked
from collect_pipelines.forms.definition import label_in
from collect_pipelines.store.batches import StoredBatch, begin_attempt, open_batch, plan_batch
from collect_pipelines.store.forms import FormRecord, form_by_id
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.log import batch_end
from collect_pipelines.sync.mapping.render import Rendered, rendered
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.versions import Versions

__all__ = ["Attempt", "begin"]

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


def begin(connection: Connection, integration: Integration, destination: Destination, lease: Lease, versions: Versions) -> Attempt | None:
    """
    The open batch as it was, or else the next one, noted as being sent; None when nothing is validated beyond the cursor.

    Commit before sending (R3: membership before effect). Raises LeaseLost, and Blocked when an open batch can't be made again.
    """
    form = form_by_id(connection, integration.form_id)
    stored = open_batch(connection, integration.integration_id)
    if stored is not None:
        first, last = stored.from_position, stored.to_position
        rows = rendered(
            connection, integration, destination, versions, Piece("live", first, last), stored.form_version, integration.mapping
        )
        # Promise 5: what comes again after a crash is the same, byte for byte, or it does not go out at all
        if rows.digest != stored.digest:
            raise Blocked(CHANGED.format(number=stored.batch_no, first=first, last=last), fix=CHANGED_FIX.format(name=integration.name))
    else:
        through = form.validated_through
        last = batch_end(connection, form.form_id, integration.cursor, through, destination.max_rows, destination.max_bytes)
        if last <= integration.cursor:
            return None
        first = integration.cursor + 1
        rows = rendered(connection, integration, destination, versions, Piece("live", first, last), form.version, integration.mapping)
        stored = plan_batch(connection, integration.integration_id, first, last, form.version, rows.digest, rows.frame.height, lease)
    stored = begin_attempt(connection, stored, lease)
    full = stored.to_position < form.validated_through
    return Attempt(stored, _batch(integration, form, stored, rows), rows.membership, full)


def _batch(integration: Integration, form: FormRecord, stored: StoredBatch, rows: Rendered) -> Batch:
    return Batch(
        form=integration.form,
        form_title=label_in(form.title, integration.language, form.slug),
        integration_id=integration.integration_id,
        batch_no=stored.batch_no,
        from_position=stored.from_position,
        to_position=stored.to_position,
        digest=stored.digest,
        columns=rows.columns,
        frame=rows.frame,
        attempt=stored.attempts,
    )
