"""Spreadsheets as spreadsheets.get answers them; parts the mask does not ask for are not built."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.local.sheets.cells import cell_data
from collect_pipelines.local.sheets.context import grid_range
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.masks import Mask, wants
from collect_pipelines.local.sheets.metadata import Entry
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["protected_range", "sheet_properties", "spreadsheet_view"]

DEFAULT_PIXELS = {"ROWS": 21, "COLUMNS": 100}
DEFAULT_PROPERTIES = {"locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": "Etc/GMT"}


def spreadsheet_view(
    workbook: Workbook,
    url: str,
    caller: str,
    project: str,
    *,
    areas: Sequence[tuple[Tab, Rectangle]] = (),
    grid_data: bool = False,
    mask: Mask | None = None,
) -> dict[str, Any]:
    """
    The Spreadsheet resource.

    areas: when given, only their tabs are answered, and only their cells.
    grid_data: cells too; with a mask, the mask alone decides (reference of spreadsheets.get).
    """
    visible = [entry for entry in workbook.metadata.entries.values() if entry.visibility != "PROJECT" or entry.project == project]
    with_data = wants(mask, "sheets", "data") if mask is not None else grid_data
    chosen = list(dict.fromkeys(tab.tab_id for tab, _ in areas)) or list(workbook.tabs)
    sheets = []
    for tab in workbook.ordered():
        if tab.tab_id in chosen:
            rectangles = [rectangle for one, rectangle in areas if one.tab_id == tab.tab_id] or [tab.whole()]
            sheets.append(_sheet(workbook, tab, rectangles if with_data else [], visible, caller, mask))
    document: dict[str, Any] = {
        "spreadsheetId": workbook.file.file_id,
        "properties": {"title": workbook.title} | DEFAULT_PROPERTIES | workbook.properties,
        "sheets": sheets,
        "spreadsheetUrl": url,
    }
    own = [entry.as_json() for entry in visible if entry.location_type == "SPREADSHEET"]
    return document | ({"developerMetadata": own} if own else {})


def sheet_properties(workbook: Workbook, tab: Tab) -> dict[str, Any]:
    """The SheetProperties of a tab."""
    index = list(workbook.tabs).index(tab.tab_id)
    grid = {"rowCount": tab.row_count, "columnCount": tab.column_count} | tab.grid_properties
    document = {"sheetId": tab.tab_id, "title": tab.title, "index": index, "sheetType": "GRID", "gridProperties": grid}
    return document | tab.properties


def protected_range(tab: Tab, stored: dict[str, Any], caller: str, owner: str) -> dict[str, Any]:
    """The ProtectedRange resource; editors are shown to editors only."""
    may_edit = caller == owner or caller in stored["editors"].get("users", []) or stored["warningOnly"]
    document: dict[str, Any] = {"protectedRangeId": stored["protectedRangeId"], "range": grid_range(tab.tab_id, stored["area"])}
    if stored["description"]:
        document["description"] = stored["description"]
    if stored["warningOnly"]:
        document["warningOnly"] = True
    if stored["unprotected"]:
        document["unprotectedRanges"] = [grid_range(tab.tab_id, area) for area in stored["unprotected"]]
    document["requestingUserCanEdit"] = may_edit
    return document | ({"editors": stored["editors"]} if may_edit and not stored["warningOnly"] else {})


def _sheet(
    workbook: Workbook, tab: Tab, rectangles: list[Rectangle], visible: list[Entry], caller: str, mask: Mask | None
) -> dict[str, Any]:
    document: dict[str, Any] = {"properties": sheet_properties(workbook, tab)}
    if rectangles:
        document["data"] = [_grid_data(tab, rectangle, visible, mask) for rectangle in rectangles]
    if tab.merges:
        areas = [[merge.row_start, merge.row_end, merge.column_start, merge.column_end] for merge in tab.merges]
        document["merges"] = [grid_range(tab.tab_id, list(area)) for area in areas]
    if tab.protected:
        document["protectedRanges"] = [protected_range(tab, one, caller, workbook.file.owner) for one in tab.protected]
    if tab.basic_filter is not None:
        document["basicFilter"] = {"range": grid_range(tab.tab_id, tab.basic_filter["area"])} | tab.basic_filter["rest"]
    own = [entry.as_json() for entry in visible if entry.tab_id == tab.tab_id and entry.location_type == "SHEET"]
    return document | ({"developerMetadata": own} if own else {})


def _grid_data(tab: Tab, area: Rectangle, visible: list[Entry], mask: Mask | None) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if area.row_start:
        document["startRow"] = area.row_start
    if area.column_start:
        document["startColumn"] = area.column_start
    if wants(mask, "sheets", "data", "rowData"):
        document["rowData"] = _row_data(tab, area)
    if wants(mask, "sheets", "data", "rowMetadata"):
        document["rowMetadata"] = _dimension_data(tab, visible, "ROWS", range(area.row_start, area.row_end))
    if wants(mask, "sheets", "data", "columnMetadata"):
        document["columnMetadata"] = _dimension_data(tab, visible, "COLUMNS", range(area.column_start, area.column_end))
    return document


def _row_data(tab: Tab, area: Rectangle) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for index in range(area.row_start, min(area.row_end, len(tab.rows))):
        cells = tab.row_cells(index)[area.column_start : area.column_end]
        values = [cell_data(cell, tab.column_formats.get(column)) for column, cell in enumerate(cells, area.column_start)]
        rows.append({"values": values} if values else {})
    return rows


def _dimension_data(tab: Tab, visible: list[Entry], dimension: str, span: range) -> list[dict[str, Any]]:
    properties = tab.row_properties if dimension == "ROWS" else tab.column_properties
    default = {"pixelSize": DEFAULT_PIXELS[dimension]}
    documents = [default | properties.get(index, {}) for index in span]
    for entry in visible:
        if entry.tab_id == tab.tab_id and entry.location_type == dimension[:-1] and entry.index is not None and entry.index in span:
            documents[entry.index - span.start].setdefault("developerMetadata", []).append(entry.as_json())
    return documents
