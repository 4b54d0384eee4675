"""What an integration sends next: new entries first, and never only those."""

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.model import Purpose
from collect_pipelines.store.batches import last_batches
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.letters import due_letters
from collect_pipelines.store.log import batch_end
from collect_pipelines.sync.backfill import next_piece as backfill_piece
from collect_pipelines.sync.pieces import Piece

__all__ = ["live_piece", "next_piece"]

LIVE_TURNS = 4  # batches of new entries in a row, then what is older gets a turn, so that it is never starved


def next_piece(connection: Connection, integration: Integration, destination: Destination, validated_through: int) -> Piece | None:
    """What the next batch holds, when none is open; None when there is nothing to send now. Call it under the lease."""
    live = live_piece(connection, integration, destination, validated_through)
    # Promise 9: older entries never delay new ones, which come first for as long as there is more than one batch of them
    if live is not None and live.to_position < validated_through:
        return live
    recent = [one.purpose for one in last_batches(connection, integration.integration_id, LIVE_TURNS)]
    older_first = len(recent) == LIVE_TURNS and set(recent) == {"live"}
    if live is not None and not older_first:
        return live
    return _older(connection, integration, destination, recent) or live


def live_piece(connection: Connection, integration: Integration, destination: Destination, validated_through: int) -> Piece | None:
    """The entries after the cursor, as many as a batch may have."""
    cursor = integration.cursor
    most = _most(integration, destination)
    last = batch_end(connection, integration.form_id, cursor, validated_through, most, destination.max_bytes)
    return Piece("live", cursor + 1, last) if last > cursor else None


def _older(connection: Connection, integration: Integration, destination: Destination, recent: list[Purpose]) -> Piece | None:
    """What was set aside, or a piece of a backfill or replay, by turns when there is both."""
    makers = [_retry, _backfill]
    if next((purpose for purpose in recent if purpose != "live"), None) == "retry":
        makers.reverse()
    found = (make(connection, integration, destination) for make in makers)
    return next((piece for piece in found if piece is not None), None)


def _retry(connection: Connection, integration: Integration, destination: Destination) -> Piece | None:
    if not integration.behind:
        return None
    most = _most(integration, destination)
    due = due_letters(connection, integration.integration_id, integration.form_id, most, destination.max_bytes)
    return Piece("retry", due[0], due[-1], tuple(due)) if due else None


def _backfill(connection: Connection, integration: Integration, destination: Destination) -> Piece | None:
    return backfill_piece(connection, integration, destination, integration.batch_rows)


def _most(integration: Integration, destination: Destination) -> int:
    return min(destination.max_rows, integration.batch_rows or destination.max_rows)
