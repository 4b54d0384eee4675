"""Which entries of an older stretch of the log are not to be sent any more, because a newer revision went before them."""

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.store.batches import tried_through
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.log import superseded_positions
from collect_pipelines.sync.pieces import Piece

__all__ = ["current_entries"]


def current_entries(connection: Connection, integration: Integration, piece: Piece, entries: pl.DataFrame) -> pl.DataFrame:
    """
    The entries without those of responses that have a newer revision, outside the piece, that went out or may have gone out.

    That is what lies up to the cursor, and behind it what was in an attempt that is sent in other pieces now. For destinations that
    keep one row per response; with one row per revision nothing supersedes anything.
    """
    if entries.is_empty():
        return entries
    # Promise 6: an older revision never goes out after a newer one, not even one of which nobody knows whether it did
    tried = tried_through(connection, integration.integration_id, integration.cursor)
    through = tried if tried is not None else integration.cursor
    if through < piece.from_position:
        return entries  # live, and nothing behind it was ever sent
    positions = entries["_position"].to_list()
    gone = superseded_positions(connection, integration.form_id, positions, through)
    return entries.filter(~pl.col("_position").is_in(list(gone))) if gone else entries
