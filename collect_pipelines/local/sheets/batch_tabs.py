"""Requests about the spreadsheet and its tabs: properties, add, delete, duplicate."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets import dimensions
from collect_pipelines.local.sheets.batch_protection import HANDLERS as PROTECTION
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Row, Tab
from collect_pipelines.local.sheets.masks import update_paths
from collect_pipelines.local.sheets.views import sheet_properties
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["HANDLERS", "SPREADSHEET_NAMES", "copied_tab", "new_tab"]

DEFAULT_ROWS = 1000  # of a new tab; [L1]
DEFAULT_COLUMNS = 26
GRID_COUNTS = ("rowCount", "columnCount")
GRID_NAMES = ("frozenRowCount", "frozenColumnCount", "hideGridlines", "rowGroupControlAfter", "columnGroupControlAfter")
TAB_NAMES = ("hidden", "tabColor", "tabColorStyle", "rightToLeft")
SPREADSHEET_NAMES = (
    "locale",
    "autoRecalc",
    "timeZone",
    "defaultFormat",
    "iterativeCalculationSettings",
    "spreadsheetTheme",
    "importFunctionsExternalUrlAccessAllowed",
)


def new_tab(wanted: dict[str, Any], tab_id: int, title: str) -> Tab:
    """A tab with these SheetProperties; 1000 x 26 unless said otherwise."""
    grid = wanted.get("gridProperties", {})
    if wanted.get("sheetType", "GRID") not in ("GRID", "SHEET_TYPE_UNSPECIFIED"):
        raise InvalidRequest("Only sheets of type GRID can be added.")
    rows, columns = grid.get("rowCount", DEFAULT_ROWS), grid.get("columnCount", DEFAULT_COLUMNS)
    if rows < 1 or columns < 1:
        raise InvalidRequest("A sheet must have at least one row and one column.")
    tab = Tab(wanted.get("sheetId", tab_id), wanted.get("title", title), rows, columns)
    tab.properties = {name: wanted[name] for name in TAB_NAMES if wanted.get(name)}
    tab.grid_properties = {name: grid[name] for name in GRID_NAMES if grid.get(name)}
    _check_frozen(tab)
    return tab


def add_sheet(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Adds a tab; a chosen id or a title that exists is refused."""
    wanted = request.get("properties", {})
    workbook = context.workbook
    if wanted.get("sheetId", 0) < 0:
        raise InvalidRequest("sheetId must be a non-negative number.")
    tab = new_tab(wanted, _free_tab_id(context), _free_title(workbook))
    workbook.add_tab(tab, wanted.get("index"))
    context.check_size()
    return {"addSheet": {"properties": sheet_properties(workbook, tab)}}


def delete_sheet(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Deletes a tab with its metadata; the last visible one stays."""
    tab = context.workbook.edit(request.get("sheetId", 0), "sheet")
    context.check_protection(tab, tab.whole())
    others = [one for one in context.workbook.ordered() if one.tab_id != tab.tab_id and not one.properties.get("hidden")]
    if not others:
        raise InvalidRequest("You can't remove all the sheets in a document.")
    del context.workbook.tabs[tab.tab_id]
    context.workbook.metadata.drop_tab(tab.tab_id)
    return {}


def duplicate_sheet(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Copies a tab inside the spreadsheet; developer metadata stays with the original unless a switch says otherwise."""
    workbook = context.workbook
    source = workbook.edit(request.get("sourceSheetId", 0), "sheet")
    copy = copied_tab(context, source)
    copy.tab_id = request.get("newSheetId", copy.tab_id)
    copy.title = request.get("newSheetName") or copy.title
    workbook.add_tab(copy, request.get("insertSheetIndex", 0))
    context.check_size()
    if context.switches.copies_carry_metadata:
        workbook.metadata.duplicate(source.tab_id, copy.tab_id, context.new_number)
    return {"duplicateSheet": {"properties": sheet_properties(workbook, copy)}}


def copied_tab(context: BatchContext, source: Tab) -> Tab:
    """A copy of a tab with an id and a title that are free in the context's spreadsheet, not added yet."""
    copy = source.copy()
    copy.tab_id = _free_tab_id(context)
    copy.title = title = f"Copy of {source.title}"
    number = 2
    while context.workbook.tab_titled(copy.title) is not None:
        copy.title, number = f"{title} {number}", number + 1
    copy.rows = [Row(row.data, row.width) if row is not None else None for row in source.rows]
    copy.protected = []
    return copy


def update_sheet_properties(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Renames, moves, hides, freezes, resizes; rowCount is applied before columnCount ([U] robin900/gspread-dataframe#37)."""
    wanted = request.get("properties", {})
    tab = context.workbook.edit(wanted.get("sheetId", 0), "sheet")
    context.check_sheet_protection(tab)
    paths = _paths(request, "SheetProperties", "properties")
    names = {path.split(".")[0] for path in paths}
    everything = "*" in paths
    if everything or "title" in names:
        context.workbook.check_title(wanted.get("title", ""), tab.tab_id)
        tab.title = wanted["title"]
    if "index" in names or (everything and "index" in wanted):
        context.workbook.place(tab, min(max(wanted.get("index", 0), 0), len(context.workbook.tabs)))
    for name in TAB_NAMES:
        if everything or name in names:
            _put(tab.properties, name, wanted.get(name))
    if tab.properties.get("hidden") and all(one.properties.get("hidden") for one in context.workbook.ordered()):
        raise InvalidRequest("You can't hide all the sheets in a document.")
    _update_grid(context, tab, wanted.get("gridProperties", {}), _grid_names(paths))
    return {}


def update_spreadsheet_properties(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Title, locale, time zone and the like."""
    wanted = request.get("properties", {})
    paths = _paths(request, "SpreadsheetProperties", "properties")
    names = list(wanted) if "*" in paths else [path.split(".")[0] for path in paths]
    for name in names:
        if name == "title":
            if not wanted.get("title"):
                raise InvalidRequest("The spreadsheet title cannot be empty.")
            context.workbook.title = wanted["title"]
        else:
            _put(context.workbook.properties, name, wanted.get(name))
    return {}


def _paths(request: dict[str, Any], message: str, root: str) -> list[str]:
    try:
        return update_paths(request.get("fields"), message, root)
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc


def _grid_names(paths: list[str]) -> list[str]:
    if "*" in paths or "gridProperties" in paths or "gridProperties.*" in paths:
        return ["*"]
    return [path.split(".")[1] for path in paths if path.startswith("gridProperties.")]


def _update_grid(context: BatchContext, tab: Tab, wanted: dict[str, Any], names: list[str]) -> None:
    everything = names == ["*"]
    if "rowCount" in names or (everything and "rowCount" in wanted):
        _resize(context, tab, "ROWS", wanted.get("rowCount", 0))
    if "columnCount" in names or (everything and "columnCount" in wanted):
        _resize(context, tab, "COLUMNS", wanted.get("columnCount", 0))
    for name in GRID_NAMES:
        if name in names or (everything and name in wanted):
            _put(tab.grid_properties, name, wanted.get(name))
    _check_frozen(tab)
    context.check_size()


def _resize(context: BatchContext, tab: Tab, dimension: dimensions.Dimension, size: int) -> None:
    if size < 1:
        noun = dimension.lower()
        raise InvalidRequest(f"You can't delete all the {noun} on the sheet.")
    before = tab.row_count if dimension == "ROWS" else tab.column_count
    if size < before:
        context.workbook.metadata.follow(tab.tab_id, dimension, dimensions.delete(tab, dimension, size, before))
    elif dimension == "ROWS":
        tab.row_count = size
    else:
        tab.column_count = size


def _check_frozen(tab: Tab) -> None:
    for name, size, noun in (("frozenRowCount", tab.row_count, "rows"), ("frozenColumnCount", tab.column_count, "columns")):
        if tab.grid_properties.get(name, 0) >= size:
            raise InvalidRequest(f"You can't freeze all visible {noun} on the sheet.")


def _put(properties: dict[str, Any], name: str, value: Any) -> None:
    if value:
        properties[name] = value
    else:
        properties.pop(name, None)


def _free_tab_id(context: BatchContext) -> int:
    tab_id = context.new_number()
    while tab_id in context.workbook.tabs:
        tab_id = context.new_number()
    return tab_id


def _free_title(workbook: Workbook) -> str:
    number = len(workbook.tabs) + 1
    while workbook.tab_titled(f"Sheet{number}") is not None:
        number += 1
    return f"Sheet{number}"


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "addSheet": add_sheet,
    "deleteSheet": delete_sheet,
    "duplicateSheet": duplicate_sheet,
    "updateSheetProperties": update_sheet_properties,
    "updateSpreadsheetProperties": update_spreadsheet_properties,
    **PROTECTION,
}
