"""Rows that leave the sheet altogether."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collect_pipelines.destinations.google_sheets.content.tables import ID, Row
from collect_pipelines.destinations.google_sheets.editing.anchors import ANCHORS_AT_ONCE, Held, hold, look, row_places
from collect_pipelines.destinations.google_sheets.landing.leftovers import ANCHOR
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, created
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest
from collect_pipelines.errors import TryLater

__all__ = ["remove"]

Json = dict[str, Any]


def remove(book: Book, tab: Tab, rows: Mapping[int, Row], now: Callable[[], float]) -> None:
    """
    Deletes the rows that stand at these indexes, with whatever people wrote beside them. Can be repeated at any time.

    Raises TryLater while somebody moves rows under our hands; then none of those that were to go with them is deleted.
    """
    held = [Held(row, {}, index) for index, row in rows.items()]
    for start in range(0, len(held), ANCHORS_AT_ONCE):
        _remove(book, tab, held[start : start + ANCHORS_AT_ONCE], now)


def _remove(book: Book, tab: Tab, rows: Sequence[Held], now: Callable[[], float]) -> None:
    standing = hold(book, tab, rows, now())
    look(tab, rows)
    ours = standing.layout[ID]
    right = [one for one in rows if ours < len(one.cells) and str(one.cells[ours]) == one.row.key]
    places = row_places(book, tab, standing.group)
    there = sorted(((places[one.anchor], one) for one in right if one.anchor in places), key=lambda pair: -pair[0])
    requests = [request for index, one in there for request in _deletion(tab, index, one.anchor, standing.group)]
    if requests:
        try:
            book.api.update(book.spreadsheet, requests)
        except BadRequest as refusal:
            if not refusal.already_exists:
                raise
            raise _moving() from refusal
    if len(there) < len(rows):
        raise _moving()


def _deletion(tab: Tab, index: int, anchor: int, group: int) -> list[Json]:
    """
    Deletes the row, if it is the one that the anchor hangs on; else Google refuses all requests of the call.

    Promise 6: an anchor goes with its row and its id is unique, so its id is free again just when the right row is gone. The requests
    of a call are carried out in order, all or none.
    """
    span = {"sheetId": tab.number, "dimension": "ROWS", "startIndex": index, "endIndex": index + 1}
    return [{"deleteDimension": {"range": span}}, created(anchor, ANCHOR, str(group), {"sheetId": tab.number})]


def _moving() -> TryLater:
    return TryLater("Rows are being moved at this moment.", after=1.0, unknown=True)
