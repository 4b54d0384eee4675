"""From the cursor of an integration to a batch that is ready to be sent: resumed as it was planned, or planned anew."""

from dataclasses import dataclass

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.errors import Blocked
from collect_pipelines.settings import Settings
from collect_pipelines.store.batches import StoredBatch, begin_attempt, open_batch, plan_batch
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.log import batch_end
from collect_pipelines.sync.mapping.freezing import frozen
from collect_pipelines.sync.mapping.render import rendered
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


def begin(
    connection: Connection, settings: Settings, integration: Integration, destination: Destination, lease: Lease, versions: Versions
) -> Attempt | None:
    """
    The open batch as it was, or else the next one, noted as being sent; None when nothing is validated beyond the cursor.

    Commit before sending (R3: membership before effect). Raises LeaseLost, and Blocked when an open batch can't be made again.
    """
    form = form_by_id(connection, integration.form_id)
    stored = open_batch(connection, integration.integration_id)
    mapping = frozen(connection, integration)
    if stored is not None:
        first, last = stored.from_position, stored.to_position
        piece = Piece("live", first, last)
        rows = rendered(connection, integration, destination, versions, piece, stored.form_version, mapping, settings=settings)
        # Promise 5: what comes again after a crash is the same, byte for byte, or it does not go out at all
        if rows.digest != stored.digest:
            raise Blocked(CHANGED.format(number=stored.batch_no, first=first, last=last), fix=CHANGED_FIX.format(name=integration.name))
    else:
        through = form.validated_through
        last = batch_end(connection, form.form_id, integration.cursor, through, destination.max_rows, destination.max_bytes)
        if last <= integration.cursor:
            return None
        first = integration.cursor + 1
        piece = Piece("live", first, last)
        rows = rendered(connection, integration, destination, versions, piece, form.version, mapping, settings=settings)
        stored = plan_batch(connection, integration.integration_id, first, last, form.version, rows.digest, rows.frame.height, lease)
    stored = begin_attempt(connection, stored, lease)
    full = stored.to_position < form.validated_through
    batch = rows.batch(integration, form, piece, stored.batch_no, stored.attempts)
    return Attempt(stored, batch, rows.membership, full)
