"""Plain values in and out of ranges: what spreadsheets.values reads, updates, appends and clears."""

from dataclasses import dataclass
from typing import Any

from collect_pipelines.local.sheets import dimensions
from collect_pipelines.local.sheets.a1 import Area, column_letters
from collect_pipelines.local.sheets.cells import check_text, number, rendered, with_value
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.formats import entered
from collect_pipelines.local.sheets.grid import Cell, Rectangle, Tab, make_row
from collect_pipelines.local.sheets.links import formula_cell
from collect_pipelines.local.sheets.tables import append_place

__all__ = ["Rendering", "append_values", "clear_values", "read_values", "update_values", "value_range", "write_at"]

Values = list[list[Any]]
_NOTHING = type(None)
STORED_AS_SHOWN = {str, int, float, bool, _NOTHING}
"""Kinds of stored cells that an unformatted read answers as they are."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """How values are answered."""

    render: str = "FORMATTED_VALUE"
    dates: str = "SERIAL_NUMBER"
    dimension: str = "ROWS"


def read_values(tab: Tab, area: Rectangle, rendering: Rendering) -> Values:
    """The values of an area without trailing empty cells and rows."""
    rows: Values = []
    plain_columns = not any(area.column_start <= column < area.column_end for column in tab.column_formats)
    as_stored = rendering.render != "FORMATTED_VALUE" and (plain_columns or rendering.dates == "SERIAL_NUMBER")
    for index in range(area.row_start, min(area.row_end, len(tab.rows))):
        row = tab.rows[index]
        if row is None or row.width <= area.column_start:
            rows.append([])
            continue
        cells = row.cells()[area.column_start : min(area.column_end, row.width)]
        kinds = set(map(type, cells))
        if kinds == {str} or (as_stored and kinds <= STORED_AS_SHOWN):
            rows.append(_trimmed(["" if cell is None else cell for cell in cells]) if _NOTHING in kinds else cells)
            continue
        if plain_columns:
            shown = [rendered(cell, rendering.render, rendering.dates) for cell in cells]
        else:
            shown = [
                rendered(cell, rendering.render, rendering.dates, tab.column_formats.get(column))
                for column, cell in enumerate(cells, area.column_start)
            ]
        rows.append(_trimmed(shown))
    while rows and not rows[-1]:
        rows.pop()
    return _turned(rows) if rendering.dimension == "COLUMNS" else rows


def value_range(tab: Tab, area: Rectangle, rendering: Rendering) -> dict[str, Any]:
    """The ValueRange of an area; `values` is left out when all is empty."""
    values = read_values(tab, area, rendering)
    dimension = "COLUMNS" if rendering.dimension == "COLUMNS" else "ROWS"
    document: dict[str, Any] = {"range": tab.range_text(area), "majorDimension": dimension}
    return document | ({"values": values} if values else {})


def update_values(context: BatchContext, text: str, data: dict[str, Any], parse: bool) -> dict[str, Any]:
    """
    Writes a ValueRange at an A1 range; answers the UpdateValuesResponse without its spreadsheetId.

    Never grows the grid: [U] jroehl/gsheet.action#611.
    """
    tab, area = context.workbook.resolve(text)
    named = data.get("range")
    if named and context.workbook.resolve(named) != (tab, area):
        raise InvalidRequest(f"Requested writing within range [{text}], but body's range is [{named}].")
    rectangle = context.workbook.inside(tab, area)
    return write_at(context, tab.tab_id, area, rectangle, data, parse)


def write_at(context: BatchContext, tab_id: int, area: Area, start: Rectangle, data: dict[str, Any], parse: bool) -> dict[str, Any]:
    """Writes values from the first cell of `start`; `area` is what the caller named and may not be left."""
    tab = context.workbook.edit(tab_id)
    values = _by_rows(data)
    _check_bounds(tab, area, start, values)
    return _write(context, tab, start.row_start, start.column_start, values, parse)


def append_values(context: BatchContext, text: str, data: dict[str, Any], parse: bool, insert: bool) -> dict[str, Any]:
    """Writes after the last table the range touches; answers the AppendValuesResponse without its spreadsheetId."""
    found, area = context.workbook.resolve(text)
    rectangle = context.workbook.inside(found, area)
    tab = context.workbook.edit(found.tab_id)
    values = _by_rows(data)
    table, row, column = append_place(tab, rectangle, see_filtered=insert)
    width = max((len(one) for one in values), default=0)
    if column + width > tab.column_count:
        place = tab.range_text(Rectangle(row, row + len(values), column, column + width))
        raise InvalidRequest(f"Range ({place}) exceeds grid limits. Max rows: {tab.row_count}, max columns: {tab.column_count}")
    before = {} if table is None else {"tableRange": tab.range_text(table)}
    if insert and table is not None and row < tab.row_count:
        mapping = dimensions.insert(tab, "ROWS", row, len(values))
        context.workbook.metadata.follow(tab.tab_id, "ROWS", mapping)
    tab.row_count = max(tab.row_count, row + len(values))
    context.check_size()
    return before | {"updates": _write(context, tab, row, column, values, parse)}


def clear_values(context: BatchContext, tab_id: int, area: Rectangle) -> str:
    """Empties the values of an area, formats stay; answers the cleared range."""
    tab = context.workbook.edit(tab_id)
    context.check_protection(tab, area)
    for index in range(area.row_start, min(area.row_end, len(tab.rows))):
        cells = tab.row_cells(index)
        if len(cells) > area.column_start:
            end = min(area.column_end, len(cells))
            cells[area.column_start : end] = [with_value(cell, None) for cell in cells[area.column_start : end]]
            tab.rows[index] = make_row(cells)
    tab.trim()
    return tab.range_text(area)


def _trimmed(values: list[Any]) -> list[Any]:
    while values and values[-1] == "":
        values.pop()
    return values


def _turned(rows: Values) -> Values:
    width = max((len(row) for row in rows), default=0)
    columns = [[row[column] if column < len(row) else "" for row in rows] for column in range(width)]
    return [_trimmed(column) for column in columns]


def _by_rows(data: dict[str, Any]) -> Values:
    values: Values = data.get("values", [])
    if data.get("majorDimension") != "COLUMNS":
        return values
    height = max((len(column) for column in values), default=0)
    return [[column[row] if row < len(column) else None for column in values] for row in range(height)]


def _check_bounds(tab: Tab, area: Area, start: Rectangle, values: Values) -> None:
    """A range of one cell is only a start; a bigger one bounds what is written ([U] nithinmurali/pygsheets#132)."""
    height, width = len(values), max((len(row) for row in values), default=0)
    single = (area.row_end, area.column_end) == ((area.row_start or 0) + 1, (area.column_start or 0) + 1)
    row_end = tab.row_count if single or area.row_end is None else area.row_end
    column_end = tab.column_count if single or area.column_end is None else area.column_end
    within = tab.range_text(Rectangle(start.row_start, row_end, start.column_start, column_end))
    if not single and start.column_start + width > column_end:
        raise InvalidRequest(f"Requested writing within range [{within}], but tried writing to column [{column_letters(column_end)}]")
    if not single and start.row_start + height > row_end:
        raise InvalidRequest(f"Requested writing within range [{within}], but tried writing to row [{row_end + 1}]")
    if start.row_start + height > tab.row_count or start.column_start + width > tab.column_count:
        place = tab.range_text(Rectangle(start.row_start, start.row_start + height, start.column_start, start.column_start + width))
        raise InvalidRequest(f"Range ({place}) exceeds grid limits. Max rows: {tab.row_count}, max columns: {tab.column_count}")


def _write(context: BatchContext, tab: Tab, row: int, column: int, values: Values, parse: bool) -> dict[str, Any]:
    height, width = len(values), max((len(one) for one in values), default=0)
    area = Rectangle(row, row + height, column, column + width)
    context.check_protection(tab, area)
    touched_rows = touched_cells = 0
    touched_columns: set[int] = set()
    for offset, given in enumerate(values):
        cells = tab.row_cells(row + offset)
        cells += [None] * (column + len(given) - len(cells))
        written = [place for place, value in enumerate(given) if value is not None]
        for place in written:
            cells[column + place] = _stored(cells[column + place], given[place], parse, (offset, place))
        tab.set_row(row + offset, cells)
        touched_rows += bool(written)
        touched_cells += len(written)
        touched_columns.update(written)
    answer: dict[str, Any] = {"updatedRange": tab.range_text(area)}
    if touched_cells:
        answer |= {"updatedRows": touched_rows, "updatedColumns": len(touched_columns), "updatedCells": touched_cells}
    return answer


def _stored(old: Cell, value: Any, parse: bool, place: tuple[int, int]) -> Cell:
    if type(value) is str:
        check_text(value)
        if not parse:
            return with_value(old, value or None)
        typed, shape = entered(value)
        if isinstance(typed, dict):
            typed = formula_cell(typed["x"])
        typed = typed if isinstance(typed, bool | str | dict) else number(typed)
        if shape and not (type(old) is dict and "f" in old):
            old = {**old, "f": shape} if type(old) is dict else {"v": old, "f": shape}
        return with_value(old, typed or None if isinstance(typed, str) else typed)
    if type(value) is bool:
        return with_value(old, value)
    if isinstance(value, int | float):
        return with_value(old, number(value))
    kind = "list_value" if isinstance(value, list) else "struct_value"
    raise InvalidRequest(f"Invalid values[{place[0]}][{place[1]}]: {kind} {{\n}}")
