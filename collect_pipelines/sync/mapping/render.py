"""The rows of a piece of a form's log, as an integration's mapping makes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Column, Destination
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.log import read_entries
from collect_pipelines.sync.entries import newest, text_frame
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.rendering import digest_of, render_display, render_typed
from collect_pipelines.sync.supersession import current_entries
from collect_pipelines.sync.versions import Versions

__all__ = ["Rendered", "rendered"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A piece as it goes out."""

    membership: Membership
    columns: tuple[Column, ...]
    frame: pl.DataFrame
    """One line per row of the membership, in its order."""
    digest: str


def rendered(
    connection: Connection,
    integration: Integration,
    destination: Destination,
    versions: Versions,
    piece: Piece,
    version: int,
    mapping: Mapping[str, Any],
) -> Rendered:
    """
    The rows of the piece, with the columns of the form's versions up to `version`.

    Deterministic: the same piece, version, mapping and language of the integration give the same digest while its cursor stands.
    """
    columns = versions.columns(connection, integration.form_id, version, integration.language)
    keys = [column.keys for column in columns]
    first, last = piece.from_position, piece.to_position
    csv = read_entries(connection, integration.form_id, first - 1, last, keys, without_quarantined=True, positions=piece.positions)
    entries = text_frame(csv, columns)
    rows = newest(current_entries(connection, integration, piece, entries))
    if "delete" not in destination.supports:
        rows = rows.filter(pl.col("_operation") != "delete")
    display = destination.values == "display"
    frame = render_display(rows, columns, integration.language) if display else render_typed(rows, columns)
    return Rendered(Membership(piece, entries, rows), columns, frame, digest_of(frame))
