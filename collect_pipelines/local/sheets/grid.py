"""A tab and its rows. Rows are immutable and hold their cells as one JSON text: 100,000 rows stay small and a copy of a tab is cheap."""

from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from collect_pipelines.local.sheets.a1 import Area, column_letters, quoted_title

__all__ = ["Cell", "Rectangle", "Row", "Tab", "cell_value", "has_value", "make_row"]

Cell = Any
"""A plain JSON value (None is empty), or a dict with any of: v value, x formula, f format, n note, o other CellData fields."""


class Row:
    """One row's content. `key` is its key in storage, None until it is stored; equal means the same object."""

    __slots__ = ("data", "key", "solid", "width")

    def __init__(self, data: bytes, width: int, key: int | None = None) -> None:
        """`data` is a JSON array without trailing empties; `width` counts the columns up to the last value (formats don't count)."""
        self.data = data
        self.width = width
        self.key = key
        self.solid = bool(width) and b"null" not in data and b"{" not in data
        """True when every column up to `width` surely has a value."""

    def cells(self) -> list[Cell]:
        """The cells, without trailing empties."""
        decoded: list[Cell] = orjson.loads(self.data)
        return decoded


def cell_value(cell: Cell) -> Any:
    """The value of a cell, None when it has none; a formula's value is what stands under `v`."""
    return cell.get("v") if type(cell) is dict else cell


def has_value(cell: Cell) -> bool:
    """True for a cell that counts as data: a value or a formula, not a mere format or note."""
    if type(cell) is dict:
        return cell.get("v") is not None or "x" in cell
    return cell is not None


def make_row(cells: list[Cell]) -> Row | None:
    """A row of these cells; None when nothing is left after trimming."""
    end = len(cells)
    while end and cells[end - 1] is None:
        end -= 1
    if not end:
        return None
    trimmed = cells if end == len(cells) else cells[:end]
    width = end
    while width and not has_value(trimmed[width - 1]):
        width -= 1
    # orjson writes into a block of some kB and shrinks it, which leaves a hole of no use behind each row: keep a copy of the right size.
    return Row(bytes(memoryview(orjson.dumps(trimmed))), width)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A half-open rectangle inside a tab's grid, 0-based."""

    row_start: int
    row_end: int
    column_start: int
    column_end: int

    def holds(self, other: "Rectangle") -> bool:
        """True when `other` lies wholly inside."""
        rows = self.row_start <= other.row_start and other.row_end <= self.row_end
        return rows and self.column_start <= other.column_start and other.column_end <= self.column_end

    def touches(self, other: "Rectangle") -> bool:
        """True when they share a cell."""
        rows = self.row_start < other.row_end and other.row_start < self.row_end
        return rows and self.column_start < other.column_end and other.column_start < self.column_end


@dataclass
class Tab:
    """One sheet of a spreadsheet: its properties, its grid and what hangs on rows and columns by index."""

    tab_id: int
    title: str
    row_count: int
    column_count: int
    properties: dict[str, Any] = field(default_factory=dict)
    """SheetProperties besides id, title, index and gridProperties (hidden, tabColor, rightToLeft ...)."""
    grid_properties: dict[str, Any] = field(default_factory=dict)
    """GridProperties besides the two counts (frozenRowCount ...)."""
    rows: list[Row | None] = field(default_factory=list)
    """Never longer than `row_count`; rows past its end are empty."""
    row_properties: dict[int, dict[str, Any]] = field(default_factory=dict)
    column_properties: dict[int, dict[str, Any]] = field(default_factory=dict)
    column_formats: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The format of cells that have none of their own, by column."""
    protected: list[dict[str, Any]] = field(default_factory=list)
    """Protected ranges: protectedRangeId, area (an Area as four numbers or None), description, warningOnly, editors."""
    merges: list[Rectangle] = field(default_factory=list)
    basic_filter: dict[str, Any] | None = None

    def copy(self) -> "Tab":
        """A copy that can be changed; rows are shared since they never change."""
        return replace(
            self,
            properties=dict(self.properties),
            grid_properties=dict(self.grid_properties),
            rows=list(self.rows),
            row_properties=dict(self.row_properties),
            column_properties=dict(self.column_properties),
            column_formats=dict(self.column_formats),
            protected=list(self.protected),
            merges=list(self.merges),
        )

    @property
    def cell_count(self) -> int:
        """Allocated cells; empty ones count (support.google.com answer 37603)."""
        return self.row_count * self.column_count

    def whole(self) -> Rectangle:
        """The whole grid."""
        return Rectangle(0, self.row_count, 0, self.column_count)

    def row_cells(self, index: int) -> list[Cell]:
        """The cells of a row, possibly fewer than there are columns."""
        row = self.rows[index] if index < len(self.rows) else None
        return row.cells() if row is not None else []

    def set_row(self, index: int, cells: list[Cell]) -> None:
        """Replaces a row; `index` must lie inside the grid."""
        row = make_row(cells)
        missing = index + 1 - len(self.rows)
        if missing > 0:
            if row is None:
                return
            self.rows.extend([None] * missing)
        self.rows[index] = row
        self.trim()

    def trim(self) -> None:
        """Drops empty rows at the end of `rows`; the grid keeps its size."""
        while self.rows and self.rows[-1] is None:
            self.rows.pop()

    def data_end(self) -> int:
        """One past the last row that has data anywhere."""
        for index in range(len(self.rows) - 1, -1, -1):
            row = self.rows[index]
            if row is not None and row.width:
                return index + 1
        return 0

    def clipped(self, area: Area) -> Rectangle:
        """The part of an area inside the grid; may be empty when the area starts past it."""
        row_start = min(area.row_start or 0, self.row_count)
        column_start = min(area.column_start or 0, self.column_count)
        row_end = self.row_count if area.row_end is None else min(area.row_end, self.row_count)
        column_end = self.column_count if area.column_end is None else min(area.column_end, self.column_count)
        return Rectangle(row_start, max(row_end, row_start), column_start, max(column_end, column_start))

    def range_text(self, rectangle: Rectangle) -> str:
        """`Tab!A1:B2`, or `Tab!A1` for a single cell."""
        start = f"{column_letters(rectangle.column_start)}{rectangle.row_start + 1}"
        end = f"{column_letters(max(rectangle.column_end - 1, rectangle.column_start))}{max(rectangle.row_end, rectangle.row_start + 1)}"
        return f"{quoted_title(self.title)}!{start}" + ("" if start == end else f":{end}")
