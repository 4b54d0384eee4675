"""The next piece of a backfill or a replay: as many older entries as a batch may hold, without those something newer replaced."""

from collections.abc import Sequence

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.store.backfill_records import Backfill, current_backfill, owed
from collect_pipelines.store.backfills import settle_backfill
from collect_pipelines.store.batches import Counts
from collect_pipelines.store.forms import form_by_id
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.older import OlderEntry, older_entries
from collect_pipelines.sync.pieces import Piece

__all__ = ["next_piece"]

EXTRA_ENTRIES = 500  # read beyond a full batch, so that entries left out do not make it a small one
MOST_WINDOWS = 40  # looked at in one transaction, which keeps people waiting who want to pause it: about a second of looking


def next_piece(connection: Connection, integration: Integration, destination: Destination, most_rows: int | None = None) -> Piece | None:
    """
    What the integration's backfill or replay sends next, in the transaction that plans the batch; None when there is nothing.

    Where all entries were replaced by newer ones it moves on without a batch: commit also when it returns None. After a long
    stretch of those it returns None although there is more; the next call goes on from there.
    most_rows: a bound below the destination's own.
    """
    if current_backfill(connection, integration.integration_id) is None:
        return None  # as nearly always, so it is asked first
    validated = form_by_id(connection, integration.form_id).validated_through
    if validated < integration.start_position:
        return None  # an older entry may have been replaced by one that nobody has judged yet
    rows = min(destination.max_rows, most_rows or destination.max_rows)
    append_only = integration.mapping.get("mode") == "append_only"
    for _ in range(MOST_WINDOWS):
        current = current_backfill(connection, integration.integration_id)
        if current is None:
            return None
        window = _window(owed(connection, current), rows + EXTRA_ENTRIES)
        first, last = window[0], window[-1]
        explicit = None if last - first + 1 == len(window) else window
        entries = older_entries(connection, integration.form_id, first, last, validated, explicit)
        left_out = set() if append_only else {one.position for one in entries if _left_out(one, current)}
        taken, through = _take(entries, left_out, rows, destination.max_bytes)
        if taken:
            positions = None if len(taken) == through - first + 1 else tuple(taken)
            return Piece(current.purpose, first, through, positions, current.backfill_id)
        settle_backfill(connection, current.backfill_id, last, Counts(), 0.0)
    return None


def _window(stretches: Sequence[tuple[int, int]], most: int) -> list[int]:
    """The first positions still owed, `most` at most: of one stretch, or single ones."""
    first, last = stretches[0]
    if first < last:
        return list(range(first, min(last, first + most - 1) + 1))
    single = []
    for first, last in stretches[:most]:
        if first < last:
            break
        single.append(first)
    return single


def _left_out(entry: OlderEntry, current: Backfill) -> bool:
    # Promise 6: an older revision never comes after a newer one. Its turn, if it has one, comes with the newer one.
    if entry.held:
        return False  # counted as quarantined, with the batch
    # A deletion of what the destination never had: all of it was accepted before the integration began.
    return entry.replaced or (entry.operation == "delete" and current.purpose == "backfill")


def _take(entries: Sequence[OlderEntry], left_out: set[int], rows: int, most_bytes: int) -> tuple[list[int], int]:
    """The positions of one batch, and the position up to which everything is accounted for then."""
    taken: list[int] = []
    size, through = 0, 0
    for entry in entries:
        if entry.position not in left_out:
            if taken and (len(taken) >= rows or size + entry.bytes > most_bytes):
                break
            taken.append(entry.position)
            size += entry.bytes
        through = entry.position
    return taken, through
