"""What the spreadsheets of an integration hold, read back for comparison; and rows that are there twice, taken away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import revision_in
from collect_pipelines.destinations.google_sheets.content.tables import ID, MAIN, REVISION, Row
from collect_pipelines.destinations.google_sheets.editing.removing import COPIES_AT_ONCE, remove
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import column_filter
from collect_pipelines.destinations.interface import Held
from collect_pipelines.errors import TryLater

__all__ = ["Copies", "read_back", "remove_copies"]

CHUNK_ROWS = 50_000  # ids and revisions of so many rows are about 3 MB of answer
PLACE_FIELDS = "sheets(properties(sheetId,title,gridProperties(rowCount)))"
DELETED = "deleted"  # stands behind the revision of a row that was emptied because its response was deleted

Json = dict[str, Any]
Headers = list[list[Any]]
Copies = Sequence[tuple[str, int | None]]
"""Responses with rows too many; with the revision, where every revision has a row."""


@dataclass(frozen=True)
class Stretch:
    """Where the id and the revision of rows stand, and the header above each."""

    book: Book
    title: str
    rows: int
    layout: Layout

    def chunk(self, first: int, headers: Headers | None) -> tuple[list[Held], Headers]:
        """The rows from index `first` on. Raises TryLater when the columns are not below these headers any more."""
        last = min(first + CHUNK_ROWS, self.rows)
        columns = [self.layout[name] for name in (ID, REVISION) if name in self.layout]
        ranges = [self._range(column, rows) for column in columns for rows in ((0, 1), (first, last))]
        found: dict[tuple[int, int], list[Any]] = {}
        for one in self.book.api.values(self.book.spreadsheet, ranges, by="COLUMNS"):
            cells = (one["valueRange"].get("values") or [[]])[0]
            found.update({_key(each["gridRange"]): cells for each in one["dataFilters"]})
        seen = [found.get((column, 0), []) for column in columns]
        if headers not in (None, seen):
            raise _moved()
        ids, *revisions = (found.get((column, first), []) for column in columns)
        numbered = enumerate(
            zip_longest(ids, revisions[0][: len(ids)], fillvalue="") if revisions else ((cell, None) for cell in ids), first
        )
        return [self._held(index, *cells) for index, cells in numbered if cells[0] != ""], seen

    def _held(self, index: int, cell: Any, revision: Any) -> Held:
        place = f"{self.title}!{_letters(self.layout[ID])}{index + 1}"
        # somebody deleted the column: who did has to live with less
        return Held(str(cell), None if revision is None else revision_in(revision), DELETED in str(revision), place)

    def _range(self, column: int, rows: tuple[int, int]) -> Json:
        grid = {"sheetId": self.book.tab(MAIN).number, "startRowIndex": rows[0], "endRowIndex": rows[1]}
        return {"gridRange": grid | {"startColumnIndex": column, "endColumnIndex": column + 1}}


def read_back(books: Sequence[Book]) -> Iterator[list[Held]]:
    """
    Every row of the main tabs that has an id, in chunks of rows: a call each, and three more per spreadsheet.

    A row that somebody moves meanwhile may be told twice or not at all. Raises TryLater when the columns themselves are moved.
    """
    for book in books:
        if not book.memory.tab(MAIN).ready:
            continue
        stretch = _stretch(book)
        headers: Headers | None = None
        for first in range(1, stretch.rows, CHUNK_ROWS):
            held, headers = stretch.chunk(first, headers)
            yield held
        # by their marks, which tell columns apart whatever stands above them
        if book.layouts()[MAIN] != stretch.layout:
            raise _moved()


def remove_copies(books: Sequence[Book], copies: Copies, now: Callable[[], float]) -> int:
    """
    Deletes the rows beyond one of each of these, and says how many: the newest revision stays, of equal ones the uppermost.

    All rows are looked at in one call, so that none is seen twice; each is held by a mark and looked at again before it goes.
    """
    removed = 0
    while too_many := _too_many(books, copies):
        book, rows, kept = too_many
        remove(book, book.tab(MAIN), rows, now, kept=kept)
        removed += len(rows)
    return removed


@dataclass(frozen=True)
class _Copy:
    book: Book
    index: int
    revision: int

    def row(self, response_id: str) -> Row:
        """As the removal knows it by."""
        return Row(0, response_id, response_id, self.revision, False, False, ())


def _too_many(books: Sequence[Book], copies: Copies) -> tuple[Book, dict[int, Row], dict[int, Row]] | None:
    """Rows of one spreadsheet that are to go, and those that stay instead, by index; None when nothing is there twice."""
    wanted = set(copies)
    found: dict[tuple[str, int | None], list[_Copy]] = {}
    for book in books:
        for response_id, copy in _seen(book):
            for key in ((response_id, None), (response_id, copy.revision)):
                if key in wanted:
                    found.setdefault(key, []).append(copy)
    chosen: Book | None = None
    rows: dict[int, Row] = {}
    kept: dict[int, Row] = {}
    for (response_id, _), several in found.items():
        # the last spreadsheet is the one that edits look at first
        best, *others = sorted(several, key=lambda one: (-one.revision, -books.index(one.book), one.index))
        for other in others:
            chosen = chosen or other.book
            if other.book is chosen and len(rows) < COPIES_AT_ONCE:
                rows[other.index] = other.row(response_id)
                if best.book is chosen:
                    kept[best.index] = best.row(response_id)
    return None if chosen is None else (chosen, rows, kept)


def _seen(book: Book) -> Iterator[tuple[str, _Copy]]:
    if not book.memory.tab(MAIN).ready:
        return
    tab = book.tab(MAIN)
    columns: dict[str, list[Any]] = {}
    for one in book.api.values(book.spreadsheet, [column_filter(tab, name) for name in (ID, REVISION)], by="COLUMNS"):
        cells = (one["valueRange"].get("values") or [[]])[0]
        columns.update({each["developerMetadataLookup"]["metadataValue"]: cells for each in one["dataFilters"]})
    revisions = columns.get(REVISION, [])
    for index, cell in enumerate(columns.get(ID, [])):
        if index and cell != "":
            yield str(cell), _Copy(book, index, revision_in(revisions[index] if index < len(revisions) else ""))


def _stretch(book: Book) -> Stretch:
    layout = book.layouts()[MAIN]
    number = book.tab(MAIN).number
    for one in book.api.spreadsheet(book.spreadsheet, PLACE_FIELDS).get("sheets", []):
        if one["properties"].get("sheetId", 0) == number:
            return Stretch(book, str(one["properties"]["title"]), int(one["properties"]["gridProperties"]["rowCount"]), layout)
    raise book.api.http.explain.tab_missing()


def _key(grid: Json) -> tuple[int, int]:
    return int(grid.get("startColumnIndex", 0)), int(grid.get("startRowIndex", 0))


def _letters(column: int) -> str:
    letters = ""
    while column >= 0:
        letters, column = chr(ord("A") + column % 26) + letters, column // 26 - 1
    return letters


def _moved() -> TryLater:
    return TryLater("Columns were moved while the sheet was read.", after=1.0)
