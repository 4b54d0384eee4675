"""What the grid page shows: windows of cells and the layout around them, as small as a screen needs."""

from typing import Any

from collect_pipelines.local.sheets.a1 import column_letters
from collect_pipelines.local.sheets.cells import rendered
from collect_pipelines.local.sheets.grid import Cell, Tab, cell_value
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["COLUMNS_SHOWN", "ROWS_SHOWN", "layout", "shown_cell", "shown_rows"]

ROWS_SHOWN = 500_000  # of one page: browsers cut elements higher than about 17 million pixels
COLUMNS_SHOWN = 200  # of one page: more would make every row slow to draw
FROZEN_SHOWN = 10  # rows; more would leave no room to scroll
SAMPLED_ROWS = 60  # rows looked at to choose the width of columns
TEXT_SHOWN = 2_000  # characters of a cell sent to the page; the rest is told as a number
CHARACTER_PIXELS, PADDING_PIXELS = 7.3, 26
NARROWEST, WIDEST = 64, 320


def layout(workbook: Workbook, tab: Tab, first_row: int, first_column: int) -> dict[str, Any]:
    """Tabs, size, frozen rows and columns of a tab."""
    last = min(first_column + COLUMNS_SHOWN, tab.column_count)
    frozen = min(tab.grid_properties.get("frozenRowCount", 0), FROZEN_SHOWN)
    return {
        "title": workbook.title,
        "trashed": workbook.file.trashed,
        "tabs": [{"id": one.tab_id, "title": one.title, "hidden": bool(one.properties.get("hidden"))} for one in workbook.ordered()],
        "rows": tab.row_count,
        "columns": tab.column_count,
        "filled": tab.data_end(),
        "first": max(first_row, frozen),
        "end": min(first_row + ROWS_SHOWN, tab.row_count),
        "head": shown_rows(tab, 0, frozen, first_column),
        "frozen": min(tab.grid_properties.get("frozenColumnCount", 0), last) if not first_column else 0,
        "across": [_column(tab, index) for index in range(first_column, last)],
    }


def shown_rows(tab: Tab, start: int, end: int, first_column: int) -> list[list[Any]]:
    """The cells of rows `start` to `end` (not included), without trailing empties; None is an empty cell."""
    rows = []
    for index in range(start, min(end, tab.row_count)):
        cells = tab.row_cells(index)[first_column : first_column + COLUMNS_SHOWN]
        rows.append([shown_cell(cell, tab.column_formats.get(column)) for column, cell in enumerate(cells, first_column)])
    return rows


def shown_cell(cell: Cell, column_format: dict[str, Any] | None) -> Any:
    """
    A plain text as it is, None for nothing, else a dict.

    t text, m characters left out, k kind (n number, b boolean, f formula), s style, n note.
    """
    if cell is None or (type(cell) is str and len(cell) <= TEXT_SHOWN and column_format is None):
        return cell
    text = str(rendered(cell, "FORMATTED_VALUE", "SERIAL_NUMBER", column_format))
    shown: dict[str, Any] = {"t": text[:TEXT_SHOWN]}
    if len(text) > TEXT_SHOWN:
        shown["m"] = len(text) - TEXT_SHOWN
    kind = _kind(cell)
    if kind:
        shown["k"] = kind
    rich = cell if type(cell) is dict else {}
    style = _style(rich.get("f") or column_format or {})
    if style:
        shown["s"] = style
    if "n" in rich:
        shown["n"] = rich["n"]
    return shown


def _kind(cell: Cell) -> str:
    if type(cell) is dict and "x" in cell:
        return "f"
    value = cell_value(cell)
    if isinstance(value, bool):
        return "b"
    return "n" if isinstance(value, int | float) else ""


def _style(shape: dict[str, Any]) -> dict[str, Any]:
    """The part of a CellFormat the page draws: bold, italic, text and background colour."""
    text = shape.get("textFormat", {})
    style: dict[str, Any] = {name: True for name in ("bold", "italic") if text.get(name)}
    for name, part, key in (("fill", shape, "backgroundColor"), ("ink", text, "foregroundColor")):
        color = part.get(f"{key}Style", {}).get("rgbColor") or part.get(key)
        if color:
            style[name] = "#" + "".join(f"{round(min(max(color.get(one, 0), 0), 1) * 255):02x}" for one in ("red", "green", "blue"))
    return style


def _column(tab: Tab, index: int) -> list[Any]:
    """[letters, pixels, hidden]"""
    properties = tab.column_properties.get(index, {})
    return [column_letters(index), properties.get("pixelSize") or _width(tab, index), bool(properties.get("hiddenByUser"))]


def _width(tab: Tab, index: int) -> int:
    longest = 0
    for row in range(min(SAMPLED_ROWS, len(tab.rows))):
        cells = tab.row_cells(row)
        if index < len(cells):
            longest = max(longest, len(str(cell_value(cells[index]) or "")))
    return int(min(max(longest * CHARACTER_PIXELS + PADDING_PIXELS, NARROWEST), WIDEST))
