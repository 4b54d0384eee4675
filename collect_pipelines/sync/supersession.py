"""Which entries of an older stretch of the log are not to be sent any more, because a newer revision went before them."""

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.log import superseded_positions
from collect_pipelines.sync.pieces import Piece

__all__ = ["current_entries"]


def current_entries(connection: Connection, integration: Integration, piece: Piece, entries: pl.DataFrame) -> pl.DataFrame:
    """
    The entries without those of responses that have a newer revision up to the cursor, outside the piece.

    For destinations that keep one row per response; with one row per revision nothing supersedes anything.
    """
    # Promise 6: an older revision never goes out after a newer one. A live piece is the newest there is.
    if piece.purpose == "live" or entries.is_empty():
        return entries
    positions = entries["_position"].to_list()
    gone = superseded_positions(connection, integration.form_id, positions, integration.cursor)
    return entries.filter(~pl.col("_position").is_in(list(gone))) if gone else entries
