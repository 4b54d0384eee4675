"""Requests about cells: append, update, repeat, sort, merge."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets import dimensions
from collect_pipelines.local.sheets.cells import CellWriter
from collect_pipelines.local.sheets.context import BatchContext, grid_area
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Rectangle, Tab, make_row
from collect_pipelines.local.sheets.masks import update_paths

__all__ = ["HANDLERS", "write_rows"]

Rows = list[dict[str, Any]]


def append_cells(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Writes after the last row with data of the whole sheet, past gaps; grows rows, never columns ([L1])."""
    tab = context.workbook.edit(request.get("sheetId", 0))
    writer = _writer(request)
    rows: Rows = request.get("rows", [])
    _check_columns(tab, rows, 0)
    start, end = tab.data_end(), tab.data_end() + len(rows)
    context.check_protection(tab, Rectangle(start, max(end, start + 1), 0, tab.column_count))
    tab.row_count = max(tab.row_count, end)
    context.check_size()
    write_rows(tab, writer, start, 0, rows)
    return {}


def update_cells(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Writes from a cell, or fills a range: what the rows do not cover of a range is cleared of the masked fields."""
    writer = _writer(request)
    rows: Rows = request.get("rows", [])
    if "start" in request:
        start = request["start"]
        tab = context.workbook.edit(start.get("sheetId", 0))
        row, column = start.get("rowIndex", 0), start.get("columnIndex", 0)
    elif "range" in request:
        tab = context.workbook.edit(request["range"].get("sheetId", 0))
        area = context.workbook.inside(tab, grid_area(request["range"]))
        row, column = area.row_start, area.column_start
        rows = _filled(rows, area)
    else:
        raise InvalidRequest("Must specify either 'start' or 'range'.")
    _check_columns(tab, rows, column)
    if row + len(rows) > tab.row_count:
        raise InvalidRequest(f"Attempting to write row: {tab.row_count}, beyond the last requested row of: {tab.row_count - 1}")
    width = max((len(one.get("values", ())) for one in rows), default=0)
    context.check_protection(tab, Rectangle(row, row + len(rows), column, column + width))
    write_rows(tab, writer, row, column, rows)
    return {}


def repeat_cell(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """The same fields in every cell of a range; a format on whole columns becomes the columns' format."""
    span = request.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0))
    writer = _writer(request)
    area = context.workbook.inside(tab, grid_area(span))
    context.check_protection(tab, area)
    data = request.get("cell", {})
    if writer.formats_only and area.row_end == tab.row_count and area.row_start <= 1:
        _format_columns(tab, writer, area, data)
        last = len(tab.rows)
    else:
        last = area.row_end
    repeated = [data] * (area.column_end - area.column_start)
    for index in range(area.row_start, last):
        tab.set_row(index, writer.row(tab.row_cells(index), area.column_start, repeated))
    return {}


def sort_range(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Sorts rows; developer metadata of whole rows goes with them ([L1])."""
    span = request.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0))
    area = context.workbook.inside(tab, grid_area(span))
    context.check_protection(tab, area)
    if any(merge.touches(area) and merge.row_end - merge.row_start > 1 for merge in tab.merges):
        raise InvalidRequest("You can't sort a range that contains vertical merges.")
    keys = [(spec.get("dimensionIndex", 0), spec.get("sortOrder") == "DESCENDING") for spec in request.get("sortSpecs", [])]
    mapping = dimensions.sort(tab, area, keys)
    if mapping is not None:
        context.workbook.metadata.follow(tab.tab_id, "ROWS", mapping)
    return {}


def merge_cells(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Merges a range as a whole, by row or by column."""
    span = request.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0))
    area = context.workbook.inside(tab, grid_area(span))
    context.check_protection(tab, area)
    kind = request.get("mergeType", "MERGE_ALL")
    if kind == "MERGE_ROWS":
        parts = [Rectangle(row, row + 1, area.column_start, area.column_end) for row in range(area.row_start, area.row_end)]
    elif kind == "MERGE_COLUMNS":
        parts = [Rectangle(area.row_start, area.row_end, column, column + 1) for column in range(area.column_start, area.column_end)]
    else:
        parts = [area]
    tab.merges = [merge for merge in tab.merges if not merge.touches(area)] + parts
    return {}


def unmerge_cells(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Takes apart every merge that touches a range."""
    span = request.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0))
    area = context.workbook.inside(tab, grid_area(span))
    context.check_protection(tab, area)
    tab.merges = [merge for merge in tab.merges if not merge.touches(area)]
    return {}


def _writer(request: dict[str, Any]) -> CellWriter:
    try:
        return CellWriter(update_paths(request.get("fields"), "CellData"))
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc


def _check_columns(tab: Tab, rows: Rows, start: int) -> None:
    width = max((len(row.get("values", ())) for row in rows), default=0)
    if start + width > tab.column_count:
        text = f"Attempting to write column: {tab.column_count}, beyond the last requested column of: {tab.column_count - 1}"
        raise InvalidRequest(text)


def _filled(rows: Rows, area: Rectangle) -> Rows:
    """The rows cut and padded to a range, so that every cell of it is written."""
    width = area.column_end - area.column_start
    filled = []
    for index in range(area.row_end - area.row_start):
        values = rows[index].get("values", []) if index < len(rows) else []
        filled.append({"values": (values + [{}] * (width - len(values)))[:width]})
    return filled


def write_rows(tab: Tab, writer: CellWriter, start: int, column: int, rows: Rows) -> None:
    """Writes RowData from a cell of the grid on; the caller has checked that it fits."""
    if start >= len(tab.rows):
        tab.rows.extend([None] * (start - len(tab.rows)))
        tab.rows.extend([make_row(writer.row([], column, row.get("values", []))) for row in rows])
        tab.trim()
        return
    for index, row in enumerate(rows, start):
        tab.set_row(index, writer.row(tab.row_cells(index), column, row.get("values", [])))


def _format_columns(tab: Tab, writer: CellWriter, area: Rectangle, data: dict[str, Any]) -> None:
    for column in range(area.column_start, area.column_end):
        old = tab.column_formats.get(column)
        cell = writer.cell({"f": old} if old else None, data)
        if type(cell) is dict and "f" in cell:
            tab.column_formats[column] = cell["f"]
        else:
            tab.column_formats.pop(column, None)


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "appendCells": append_cells,
    "updateCells": update_cells,
    "repeatCell": repeat_cell,
    "sortRange": sort_range,
    "mergeCells": merge_cells,
    "unmergeCells": unmerge_cells,
}
