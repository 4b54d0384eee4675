"""Rows that leave the sheet altogether."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import revision_in
from collect_pipelines.destinations.google_sheets.content.tables import ID, REVISION, Row
from collect_pipelines.destinations.google_sheets.editing.anchors import (
    ANCHOR_BASE,
    ANCHOR_GROUPS,
    ANCHORS_AT_ONCE,
    GROUP_SIZE,
    Held,
    hold,
    look,
    row_places,
)
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest
from collect_pipelines.errors import TryLater

__all__ = ["COPIES_AT_ONCE", "remove"]

COPIES_AT_ONCE = ANCHORS_AT_ONCE // 2  # rows that go in one call, when for each of them another one is held that stays

GUARD_FIELDS = "sheets(properties.sheetId,protectedRanges.protectedRangeId)"

Json = dict[str, Any]


def remove(
    book: Book, tab: Tab, rows: Mapping[int, Row], now: Callable[[], float], *, kept: Mapping[int, Row] = MappingProxyType({})
) -> None:
    """
    Deletes the rows that stand at these indexes, with whatever people wrote beside them. Can be repeated at any time.

    kept: rows with the same ids, COPIES_AT_ONCE at most. Only while they stand there with their revisions the others are deleted.
    Raises TryLater while somebody moves rows under our hands; then none of those that were to go with them is deleted.
    """
    held = [Held(row, {}, index) for index, row in rows.items()]
    staying = [Held(row, {}, index) for index, row in kept.items()]
    if staying:
        _remove(book, tab, held, now, staying)
        return
    for start in range(0, len(held), ANCHORS_AT_ONCE):
        _remove(book, tab, held[start : start + ANCHORS_AT_ONCE], now)


def _remove(book: Book, tab: Tab, rows: Sequence[Held], now: Callable[[], float], kept: Sequence[Held] = ()) -> None:
    left = _guards_left(book, tab)
    with _guarded():
        standing = hold(book, tab, [*rows, *kept], now(), also=lambda: _guards(tab, rows, left))
    look(tab, [*rows, *kept])
    right = [one for one in rows if _stands(one, standing.layout)]
    gone = {one.row.key for one in kept if not _stands(one, standing.layout, with_revision=True)}
    right = [one for one in right if one.row.key not in gone]
    places = row_places(book, tab, standing.group)
    there = sorted(((places[one.anchor], one) for one in right if one.anchor in places), key=lambda pair: -pair[0])
    requests = [request for index, one in there for request in _deletion(tab, index, one.anchor)]
    requests += [{"deleteProtectedRange": {"protectedRangeId": one.anchor}} for one in rows if one not in [other for _, other in there]]
    with _guarded():
        book.api.update(book.spreadsheet, requests)
    if len(there) < len(rows):
        raise _moving()


def _stands(held: Held, layout: Layout, *, with_revision: bool = False) -> bool:
    """Whether the row that is held is the one that was meant."""
    cells = dict(enumerate(held.cells))
    if str(cells.get(layout[ID], "")) != held.row.key:
        return False
    return not with_revision or revision_in(cells.get(layout.get(REVISION, -1), "")) == held.row.revision


def _guards(tab: Tab, rows: Sequence[Held], before: Sequence[int]) -> list[Json]:
    """A guard for each row: a protected range that only warns, for the moment. Guards that were left behind go."""
    guards: list[Json] = [{"deleteProtectedRange": {"protectedRangeId": number}} for number in before]
    return guards + [{"addProtectedRange": {"protectedRange": _guard(tab, one.index, one.anchor)}} for one in rows]


def _guard(tab: Tab, index: int, number: int) -> Json:
    span = {"sheetId": tab.number, "startRowIndex": index, "endRowIndex": index + 1}
    return {"protectedRangeId": number, "range": span, "warningOnly": True, "description": "This row is being deleted."}


def _guards_left(book: Book, tab: Tab) -> list[int]:
    """Guards of a removal that came to no end. While they stand, a late copy of it may still land."""
    sheets = book.api.spreadsheet(book.spreadsheet, GUARD_FIELDS).get("sheets", [])
    ours = [one for one in sheets if one["properties"].get("sheetId", 0) == tab.number]
    numbers = [guard["protectedRangeId"] for one in ours for guard in one.get("protectedRanges", [])]
    return [number for number in numbers if ANCHOR_BASE <= number < ANCHOR_BASE + ANCHOR_GROUPS * GROUP_SIZE]


def _deletion(tab: Tab, index: int, guard: int) -> list[Json]:
    """
    Deletes the row, if it is the one that its guard stands on; else Google refuses all requests of the call.

    Promise 6: a guard goes with its row. The first request is refused when the guard is gone, so a second or late copy deletes nothing,
    nor does one whose row a person deleted; the third when it is still there, so a row that is moved away saves the one in its place.
    The requests of a call are carried out in order, all or none.
    """
    span = {"sheetId": tab.number, "dimension": "ROWS", "startIndex": index, "endIndex": index + 1}
    described = {"protectedRangeId": guard, "description": "This row is being deleted"}
    return [
        {"updateProtectedRange": {"protectedRange": described, "fields": "description"}},
        {"deleteDimension": {"range": span}},
        # on the header, which is always there, and only until the next request
        {"addProtectedRange": {"protectedRange": _guard(tab, 0, guard)}},
        {"deleteProtectedRange": {"protectedRangeId": guard}},
    ]


@contextmanager
def _guarded() -> Iterator[None]:
    """A guard that is gone, or still there, is no fault of ours: nothing was applied, and the next try looks anew."""
    try:
        yield
    except BadRequest as refusal:
        if refusal.kind not in ("addProtectedRange", "updateProtectedRange", "deleteProtectedRange"):
            raise
        raise _moving() from refusal


def _moving() -> TryLater:
    return TryLater("Rows are being moved at this moment.", after=1.0, unknown=True)
