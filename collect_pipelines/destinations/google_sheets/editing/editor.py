"""Rows that are in the sheet already, changed in place wherever people moved them, and never a row beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import Cell, revision_in, same
from collect_pipelines.destinations.google_sheets.content.tables import ID, REVISION, SUBMITTED, Mark, Row, Table
from collect_pipelines.destinations.google_sheets.editing.anchors import ANCHORS_AT_ONCE, Held, Standing, hold, look, standing, write
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, column_filter
from collect_pipelines.errors import TryLater

__all__ = ["Editor", "Found", "Place"]

PASSES = 3  # writes in a row while somebody moves columns; then we wait for them


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row was seen."""

    index: int
    """Row from 0; another one as soon as somebody sorts."""
    revision: int


@dataclass(frozen=True, slots=True)
class Found:
    """The ids a tab holds."""

    places: dict[str, Place]
    """By what stands in the id column; of several rows with one id the first."""
    width: int
    """Columns of the tab, people's too."""


@dataclass
class Editor:
    """Edits rows of the table's tab in one spreadsheet."""

    book: Book
    table: Table
    now: Callable[[], float]

    @property
    def tab(self) -> Tab:
        """The table's tab."""
        return self.book.tab(self.table.name)

    def find(self) -> Found:
        """Where each row stands, by the id column: one read, however many there are."""
        first_row = {"gridRange": {"sheetId": self.tab.memory.tab, "startRowIndex": 0, "endRowIndex": 1}}
        filters = [column_filter(self.tab, ID), column_filter(self.tab, REVISION), first_row]
        columns: dict[str, list[Any]] = {}
        width = 0
        for one in self.tab.api.values(self.tab.spreadsheet, filters, by="COLUMNS"):
            lookup = one["dataFilters"][0].get("developerMetadataLookup")
            if lookup is None:
                width = _last_column(one["valueRange"]["range"])
            else:
                columns[lookup["metadataValue"]] = (one["valueRange"].get("values") or [[]])[0]
        places: dict[str, Place] = {}
        for index, cell in enumerate(columns.get(ID, [])):
            if index and cell != "" and str(cell) not in places:
                places[str(cell)] = Place(index, revision_in(_at(columns.get(REVISION, []), index)))
        return Found(places, width)

    def edit(self, rows: Mapping[int, Row], width: int, *, anew: bool = False) -> None:
        """
        Writes the rows over what stands at these indexes, unless something as new stands there. Can be repeated at any time.

        width: columns of the tab. anew: over the same revision too. Raises TryLater while somebody moves rows or columns under our hands.
        """
        for some in _some([Held(row, self._edited(row), index) for index, row in rows.items()]):
            held = hold(self.book, self.tab, some, self.now(), width=width)
            look(self.tab, some)
            now = standing(self.book, self.tab, held)
            if now.layout != held.layout or now.moved():
                raise _moving()  # nothing is written yet: what the rows held must be known by column, to be put back if need be
            # compared as `find` does: an id that a person typed in again may be a number now
            right = [one for one in some if str(_at(one.cells, now.layout.get(ID))) == one.row.key]
            # Promise 6: an older revision never overwrites a newer one
            older = [one for one in right if revision_in(_at(one.cells, now.layout.get(REVISION))) < one.row.revision + anew]
            self._write(older, now, [], {one.anchor: one.cells for one in older})
            if len(right) < len(some):
                raise _moving()

    def straighten(self, rows: Sequence[Row], suspects: Sequence[Layout]) -> None:
        """
        Puts right what rows just appended hold, if they landed while a person moved a column.

        suspects: layouts the rows may have been written with. Cells of other columns that got our values are emptied again.
        """
        layouts = [self.book.layouts()[self.tab.name], *suspects]
        wanted = {row.mark: row for row in rows}
        appended = any(row.appended for row in rows)
        wrong = []
        for index, cells in enumerate(self._all_rows()):
            row = next((wanted[mark] for mark in _marks(cells, layouts, appended) if mark in wanted), None) if index else None
            if row is None:
                continue
            one = Held(row, dict(zip(self.table.names, row.cells, strict=True)), index, cells=cells)
            if self._is_wrong(one, Standing(0, layouts[0], {}), suspects, []):
                wrong.append(one)
        for some in _some(wrong):
            held = hold(self.book, self.tab, some, self.now())
            look(self.tab, some)
            right = [one for one in some if one.row.mark in _marks(one.cells, [held.layout, *suspects], appended)]
            self._write(right, held, list(suspects), {})
            if len(right) < len(some):
                raise _moving()

    def _write(self, rows: list[Held], now: Standing, used: list[Layout], earlier: Mapping[int, list[Any]]) -> None:
        """Writes until the columns stood still from look to look; `earlier` is what the rows held when the marks were hung."""
        for _ in range(PASSES):
            if not rows:
                return
            written = write(self.tab, rows, lambda one: self._cells(one, now, used, earlier.get(one.anchor, [])))  # noqa: B023
            if written < len(rows):
                raise _moving()
            before, now = now, standing(self.book, self.tab, now)
            if (now.layout, now.origins) == (before.layout, before.origins):
                return
            # Promise 8: somebody moved a column around our write, so it may have hit one that is not ours
            used = [*used, before.layout]
            look(self.tab, rows)
            rows = [one for one in rows if self._is_wrong(one, now, used, earlier.get(one.anchor, []))]
        raise _moving()

    def _cells(self, held: Held, now: Standing, used: Sequence[Layout], earlier: Sequence[Any]) -> dict[int, Cell]:
        cells = self._put_back(held, now, used, earlier)
        for name, cell in held.wanted.items():
            if name in now.layout:
                cells[now.layout[name]] = "" if cell is None else cell
        return cells

    def _is_wrong(self, held: Held, now: Standing, used: Sequence[Layout], earlier: Sequence[Any]) -> bool:
        layout = now.layout
        ours = any(name in layout and not same(cell, _at(held.cells, layout[name])) for name, cell in held.wanted.items())
        return ours or bool(self._put_back(held, now, used, earlier))

    def _put_back(self, held: Held, now: Standing, used: Sequence[Layout], earlier: Sequence[Any]) -> dict[int, Cell]:
        """What to write into columns that hold what we wrote there under an earlier layout, and should not: what they held before."""
        ours = {now.layout[name] for name in held.wanted if name in now.layout}
        cells: dict[int, Cell] = {}
        for layout in used:
            for name, cell in held.wanted.items():
                position = layout.get(name)
                if position is None or position in ours or not same(cell, _at(held.cells, position)):
                    continue
                before = _at(earlier, now.origins.get(position))  # a column without a mark is new and was empty
                if not same(before, _at(held.cells, position)):
                    cells[position] = before
        return cells

    def _edited(self, row: Row) -> dict[str, Cell]:
        """What an edit writes: all but when the response first came, unless the whole row is to be emptied."""
        cells = dict(zip(self.table.names, row.cells, strict=True))
        if row.cells[-1] is None:
            return cells
        return {name: cell for name, cell in cells.items() if not name.startswith(SUBMITTED)}

    def _all_rows(self) -> list[list[Any]]:
        found = self.tab.api.values(self.tab.spreadsheet, [{"gridRange": {"sheetId": self.tab.memory.tab}}])
        return [row for one in found for row in one["valueRange"].get("values", [])]


def _moving() -> TryLater:
    return TryLater("Rows or columns are being moved at this moment.", after=1.0, unknown=True)


def _some(rows: Sequence[Held]) -> Iterator[list[Held]]:
    for start in range(0, len(rows), ANCHORS_AT_ONCE):
        yield list(rows[start : start + ANCHORS_AT_ONCE])


def _marks(cells: Sequence[Any], layouts: Sequence[Layout], appended: bool) -> list[Mark]:
    """What tells the row from others under each of the layouts: its id, and the revision where every one has a row."""
    known = [layout for layout in layouts if ID in layout]
    return [(str(_at(cells, one[ID])), revision_in(_at(cells, one.get(REVISION))) if appended else 0) for one in known]


def _at(cells: Sequence[Any], position: int | None) -> Any:
    return cells[position] if position is not None and position < len(cells) else ""


def _last_column(span: str) -> int:
    """`'Visits'!A1:AB1` -> 28."""
    letters = span.rpartition("!")[2].rpartition(":")[2].rstrip("0123456789")
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
