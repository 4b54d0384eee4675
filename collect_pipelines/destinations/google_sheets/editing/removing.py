"""Rows that leave the sheet altogether."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import revision_in
from collect_pipelines.destinations.google_sheets.content.tables import ID, REVISION, Row
from collect_pipelines.destinations.google_sheets.editing.anchors import ANCHORS_AT_ONCE, Held, anchored, group_of, look, row_places
from collect_pipelines.destinations.google_sheets.landing import leftovers
from collect_pipelines.destinations.google_sheets.landing.leftovers import ANCHOR
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, created
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest
from collect_pipelines.errors import TryLater

__all__ = ["COPIES_AT_ONCE", "remove"]

COPIES_AT_ONCE = ANCHORS_AT_ONCE // 2  # rows that go in one call, when for each of them another one is held that stays

BEING_DELETED = "This row is being deleted."  # what people see of a guard, for the moment
GUARDING = ("createDeveloperMetadata", "addProtectedRange", "updateProtectedRange", "deleteProtectedRange")
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
    group, layout = _hold(book, tab, rows, now(), kept)
    look(tab, [*rows, *kept])
    gone = {one.row.key for one in kept if not _stands(one, layout, with_revision=True)}
    right = [one for one in rows if _stands(one, layout) and one.row.key not in gone]
    places = row_places(book, tab, group)
    there = sorted(((places[one.anchor], one.anchor) for one in right if one.anchor in places), reverse=True)
    requests = [request for index, anchor in there for request in _deletion(tab, index, anchor, group)]
    deleted = {anchor for _, anchor in there}
    requests += [_unguarded(one.anchor) for one in rows if one.anchor not in deleted]
    # those of the rows that go are there once more when they are gone; where none goes, all may be gone
    requests += [_unanchored(group)] if there else []
    with _guarded():
        book.api.update(book.spreadsheet, requests)
    if not there:
        book.memory.anchors = [*book.memory.anchors, group]
    if len(there) < len(rows):
        raise _moving()


def _hold(book: Book, tab: Tab, rows: Sequence[Held], now: float, kept: Sequence[Held]) -> tuple[int, Layout]:
    """
    Hangs an anchor on each row, and guards those that are to go; returns the group of the anchors and where our columns stood then.

    Ends what an earlier removal left behind, guards and anchors at once: while both stand, a late copy of it may still land, rightly.
    """
    left = _guards_left(book, tab)
    book.memory.anchors = list(dict.fromkeys([*book.memory.anchors, *_groups(left)]))  # the update takes their deletion along
    ended = [_unguarded(number) for number in left]
    group, anchors = anchored(tab, [*rows, *kept])
    guards = [{"addProtectedRange": {"protectedRange": _guard(tab, one.index, one.anchor)}} for one in rows]
    with _guarded():
        return group, leftovers.update(book, [*ended, *anchors, *guards], now)[tab.name]


def _stands(held: Held, layout: Layout, *, with_revision: bool = False) -> bool:
    """Whether the row that is held is the one that was meant."""
    cells = dict(enumerate(held.cells))
    if str(cells.get(layout[ID], "")) != held.row.key:
        return False
    return not with_revision or revision_in(cells.get(layout.get(REVISION, -1), "")) == held.row.revision


def _groups(guards: Sequence[int]) -> list[int]:
    return sorted({group for number in guards if (group := group_of(number)) is not None})


def _unguarded(number: int) -> Json:
    return {"deleteProtectedRange": {"protectedRangeId": number}}


def _unanchored(group: int) -> Json:
    lookup = {"metadataKey": ANCHOR, "metadataValue": str(group)}
    return {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}


def _guard(tab: Tab, index: int, number: int) -> Json:
    span = {"sheetId": tab.number, "startRowIndex": index, "endRowIndex": index + 1}
    return {"protectedRangeId": number, "range": span, "warningOnly": True, "description": BEING_DELETED}


def _guards_left(book: Book, tab: Tab) -> list[int]:
    """Guards of a removal that came to no end."""
    sheets = book.api.spreadsheet(book.spreadsheet, GUARD_FIELDS).get("sheets", [])
    ours = [one for one in sheets if one["properties"].get("sheetId", 0) == tab.number]
    numbers = [guard["protectedRangeId"] for one in ours for guard in one.get("protectedRanges", [])]
    return [number for number in numbers if group_of(number) is not None]


def _deletion(tab: Tab, index: int, anchor: int, group: int) -> list[Json]:
    """
    Deletes the row, if it is the one that the anchor hangs on and the guard stands on; else Google refuses all requests of the call.

    Promise 6: anchor and guard go with the row, and their id is unique. The first request is refused when the guard is gone, so a
    second or late copy deletes nothing, nor does one whose row a person deleted. The others are refused when anchor or guard are still
    there: an anchor follows its row when people sort, a guard when they insert and move. The requests are carried out in order.
    """
    span = {"sheetId": tab.number, "dimension": "ROWS", "startIndex": index, "endIndex": index + 1}
    described = {"protectedRangeId": anchor, "description": BEING_DELETED}
    return [
        {"updateProtectedRange": {"protectedRange": described, "fields": "description"}},
        {"deleteDimension": {"range": span}},
        created(anchor, ANCHOR, str(group), {"sheetId": tab.number}),
        # on the header, which is always there, and only until the next request
        {"addProtectedRange": {"protectedRange": _guard(tab, 0, anchor)}},
        _unguarded(anchor),
    ]


@contextmanager
def _guarded() -> Iterator[None]:
    """A guard that is gone, or still there, is no fault of ours: nothing was applied, and the next try looks anew."""
    try:
        yield
    except BadRequest as refusal:
        if refusal.kind not in GUARDING:
            raise
        raise _moving() from refusal


def _moving() -> TryLater:
    return TryLater("Rows are being moved at this moment.", after=1.0, unknown=True)
