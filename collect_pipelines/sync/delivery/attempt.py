"""From an integration to a batch that is ready to be sent: resumed as it was planned, or planned anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.errors import Blocked
from collect_pipelines.settings import Settings
from collect_pipelines.store.batches import StoredBatch, begin_attempt, open_batch, plan_batch
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration, overtakes
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.letters import WaitingLetter, waiting_letters
from collect_pipelines.store.settlement import replace_batch
from collect_pipelines.sync.delivery.choice import live_piece, next_piece
from collect_pipelines.sync.mapping.freezing import frozen
from collect_pipelines.sync.mapping.model import FrozenMapping
from collect_pipelines.sync.mapping.render import Rendered, rendered
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.versions import Versions

__all__ = ["Attempt", "Desk"]

PATIENCE_ATTEMPTS = 3  # then a batch that may be sent in other pieces goes together with what came since
CHANGED = "What batch {number} was planned to hold ({first} to {last}) renders differently now."
CHANGED_FIX = "Undo what was changed since it was planned (the release of collect-pipelines), then `collect integrations resume {name}`."


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver one batch."""

    stored: StoredBatch
    batch: Batch
    membership: Membership
    full: bool
    """There is more to send at once."""
    letters: Mapping[int, WaitingLetter] = field(default_factory=dict)
    """Its entries that were set aside before, by position."""

    @property
    def rows(self) -> int:
        """So many are handed to the destination."""
        return self.batch.frame.height


class Desk:
    """Prepares the next batch of one integration; call it under the lease."""

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        versions: Versions,
        integration: Integration,
        destination: Destination,
        lease: Lease,
    ) -> None:
        self._connection, self._settings, self._versions = connection, settings, versions
        self._integration, self._destination, self._lease = integration, destination, lease
        self._form = form_by_id(connection, integration.form_id)

    def begin(self) -> Attempt | None:
        """
        The open batch as it was, or else the next one, noted as being sent; None when there is nothing to send now.

        Commit before sending (R3: membership before effect). Raises LeaseLost, and Blocked when an open batch can't be made again.
        """
        stored = open_batch(self._connection, self._integration.integration_id)
        if stored is not None and (why := self._reason_to_move(stored)):
            self._replaced(stored, why)
            stored = None
        if stored is not None:
            resumed = self._resumed(stored)
            if resumed is not None:
                return resumed
        return self._planned()

    def _resumed(self, stored: StoredBatch) -> Attempt | None:
        """The batch as it was planned; None when it had to be replaced, because it can't be made again and may be sent otherwise."""
        positions = None if stored.positions is None else tuple(stored.positions)
        piece = Piece(stored.purpose, stored.from_position, stored.to_position, positions, stored.backfill_id)
        mapping = frozen(self._connection, self._integration) if stored.mapping is None else FrozenMapping.model_validate(stored.mapping)
        made = self._made(piece, stored.form_version, mapping)
        # Promise 5: what comes again after a crash is the same, byte for byte, or it does not go out at all
        if made.digest == stored.digest:
            return self._begun(stored, piece, made)
        words: dict[str, Any] = {"number": stored.batch_no, "first": stored.from_position, "last": stored.to_position}
        if not self._movable(stored):
            raise Blocked(CHANGED.format(**words), fix=CHANGED_FIX.format(name=self._integration.name))
        self._replaced(stored, CHANGED.format(**words))
        return None

    def _planned(self) -> Attempt | None:
        piece = next_piece(self._connection, self._integration, self._destination, self._form.validated_through)
        if piece is None:
            return None
        mapping = frozen(self._connection, self._integration)
        made = self._made(piece, self._form.version, mapping)
        stored = plan_batch(
            self._connection,
            self._integration.integration_id,
            piece.from_position,
            piece.to_position,
            self._form.version,
            made.digest,
            made.frame.height,
            self._lease,
            purpose=piece.purpose,
            positions=piece.positions,
            backfill_id=piece.backfill_id,
            mapping=mapping.document(),
        )
        return self._begun(stored, piece, made)

    def _begun(self, stored: StoredBatch, piece: Piece, made: Rendered) -> Attempt:
        stored = begin_attempt(self._connection, stored, self._lease)
        batch = made.batch(self._integration, self._form, piece, stored.batch_no, stored.attempts)
        letters = (
            waiting_letters(self._connection, self._integration.integration_id, piece.positions or ()) if piece.purpose == "retry" else {}
        )
        return Attempt(stored, batch, made.membership, self._full(piece), letters)

    def _made(self, piece: Piece, version: int, mapping: FrozenMapping) -> Rendered:
        return rendered(
            self._connection, self._integration, self._destination, self._versions, piece, version, mapping, settings=self._settings
        )

    def _full(self, piece: Piece) -> bool:
        # of a backfill there is more, or it is over and the next look finds that out
        return piece.to_position < self._form.validated_through if piece.purpose == "live" else piece.backfill_id is not None

    def _movable(self, stored: StoredBatch) -> bool:
        """Whether its entries may go out in other batches: surely nothing was applied, or a second time has no effect."""
        return self._destination.keyed or (stored.state == "planned" and not stored.unknown)

    def _reason_to_move(self, stored: StoredBatch) -> str | None:
        if not self._movable(stored):
            return None
        through = self._form.validated_through
        if stored.purpose != "live":
            if not stored.attempts and not overtakes(self._connection, self._integration.integration_id):
                return None  # it was planned in the knowledge of what is new
            return "New entries go first." if self._integration.cursor < through else None
        if (
            not stored.attempts
            or not self._destination.keyed
            or stored.attempts < PATIENCE_ATTEMPTS
            or self._integration.batch_rows is not None
        ):
            return None
        live = live_piece(self._connection, self._integration, self._destination, through)
        more = live is not None and live.to_position > stored.to_position
        return f"Goes together with what came since, after {stored.attempts} attempts." if more else None

    def _replaced(self, stored: StoredBatch, why: str) -> None:
        replace_batch(self._connection, stored, self._lease, error=why)
