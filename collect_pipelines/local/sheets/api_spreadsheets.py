"""The spreadsheets collection: create, get, batchUpdate, copyTo, and developer metadata by id and by search."""

import re
from typing import Any

from collect_pipelines.local.sheets.access import SHEETS_READ, SHEETS_WRITE, changed_spreadsheet, spreadsheet
from collect_pipelines.local.sheets.batch import apply_batch
from collect_pipelines.local.sheets.batch_metadata import found_by_filter
from collect_pipelines.local.sheets.batch_tabs import copied_tab
from collect_pipelines.local.sheets.call import Call, Operation
from collect_pipelines.local.sheets.context import BatchContext, grid_area
from collect_pipelines.local.sheets.create import new_spreadsheet
from collect_pipelines.local.sheets.errors import InvalidRequest, bad_request, missing_entity
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.masks import Mask
from collect_pipelines.local.sheets.views import sheet_properties, spreadsheet_view
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["OPERATIONS", "ranges_of_filter", "reading_context"]

Areas = list[tuple[Tab, Rectangle]]


def create(call: Call) -> dict[str, Any]:
    """Creates a spreadsheet of the caller's; a service account may not own one."""
    workbook = new_spreadsheet(call, call.message("Spreadsheet"))
    call.service.library.add(workbook)
    return view(call, workbook)


def get(call: Call) -> dict[str, Any]:
    """The spreadsheet, or the tabs and cells of the ranges asked for."""
    workbook = spreadsheet(call)
    try:
        areas = [workbook.resolve_inside(text) for text in call.texts("ranges")]
    except InvalidRequest as exc:
        raise bad_request(str(exc)) from exc
    return view(call, workbook, areas=areas, grid_data=call.flag("includeGridData"), mask=call.mask())


def get_by_data_filter(call: Call) -> dict[str, Any]:
    """Like get, for what data filters match."""
    body = call.message("GetSpreadsheetByDataFilterRequest")
    workbook = spreadsheet(call)
    context = reading_context(call, workbook)
    areas = [found for one in body.get("dataFilters", []) for found in ranges_of_filter(context, one)]
    return view(call, workbook, areas=areas, grid_data=bool(body.get("includeGridData")), mask=call.mask())


def batch_update(call: Call) -> dict[str, Any]:
    """All requests or none."""
    body = call.message("BatchUpdateSpreadsheetRequest")
    with changed_spreadsheet(call) as context:
        replies = apply_batch(context, body.get("requests", []))
        workbook = context.workbook
    document: dict[str, Any] = {"spreadsheetId": workbook.file.file_id, "replies": replies}
    if body.get("includeSpreadsheetInResponse"):
        areas = [workbook.resolve_inside(text) for text in body.get("responseRanges", [])]
        document["updatedSpreadsheet"] = view(call, workbook, areas=areas, grid_data=bool(body.get("responseIncludeGridData")))
    if call.service.switches.extra_fields:
        document["commentUpdateState"] = "NO_COMMENT_UPDATES"
    return document


def copy_to(call: Call) -> dict[str, Any]:
    """Copies a tab into another spreadsheet the caller may write."""
    body = call.message("CopySheetToAnotherSpreadsheetRequest")
    source = spreadsheet(call)
    tab = source.tabs.get(int(call.arguments["sheet"]))
    if tab is None:
        raise bad_request(f"No sheet with id: {call.arguments['sheet']}")
    target = Call(call.service, call.operation, call.caller, {"spreadsheet": body.get("destinationSpreadsheetId", "")}, call.request)
    with changed_spreadsheet(target) as context:
        copy = copied_tab(context, tab)
        context.workbook.add_tab(copy, None)
        context.check_size()
        return sheet_properties(context.workbook, copy)


def get_metadata(call: Call) -> dict[str, Any]:
    """One piece of developer metadata by its id."""
    found = spreadsheet(call).metadata.find({"metadataId": int(call.arguments["metadata"])}, call.caller.account.project)
    if not found:
        raise missing_entity()
    return found[0][1].as_json()


def search_metadata(call: Call) -> dict[str, Any]:
    """Every entry some filter matches, once, with the filters that match it."""
    body = call.message("SearchDeveloperMetadataRequest")
    context = reading_context(call, spreadsheet(call))
    matches: dict[int, dict[str, Any]] = {}
    for data_filter in body.get("dataFilters", []):
        for serial, entry in found_by_filter(context, data_filter):
            matches.setdefault(serial, {"developerMetadata": entry.as_json(), "dataFilters": []})["dataFilters"].append(data_filter)
    return {"matchedDeveloperMetadata": list(matches.values())} if matches else {}


def view(
    call: Call, workbook: Workbook, *, areas: Areas | None = None, grid_data: bool = False, mask: Mask | None = None
) -> dict[str, Any]:
    """The Spreadsheet resource as the caller sees it."""
    account = call.caller.account
    url = f"{call.service.base_url}/spreadsheets/d/{workbook.file.file_id}/edit"
    return spreadsheet_view(workbook, url, account.email, account.project, areas=areas or (), grid_data=grid_data, mask=mask)


def reading_context(call: Call, workbook: Workbook) -> BatchContext:
    """What data filters need to look things up; nothing may be changed through it."""
    account, service = call.caller.account, call.service
    return BatchContext(workbook, account.email, account.project, service.limits, service.switches, service.new_number)


def ranges_of_filter(context: BatchContext, data_filter: dict[str, Any]) -> Areas:
    """The tabs and areas a DataFilter means: rows, columns or tabs of metadata, or the range it gives."""
    workbook = context.workbook
    if "a1Range" in data_filter:
        return [workbook.resolve_inside(data_filter["a1Range"])]
    if "gridRange" in data_filter:
        tab = workbook.tab(data_filter["gridRange"].get("sheetId", 0))
        return [(tab, workbook.inside(tab, grid_area(data_filter["gridRange"])))]
    areas: Areas = []
    for _, entry in found_by_filter(context, data_filter):
        if entry.tab_id is None:
            continue
        tab = workbook.tab(entry.tab_id)
        area = tab.whole()
        if entry.index is not None and entry.location_type == "ROW":
            area = Rectangle(entry.index, entry.index + 1, 0, tab.column_count)
        elif entry.index is not None:
            area = Rectangle(0, tab.row_count, entry.index, entry.index + 1)
        areas.append((tab, area))
    return areas


_BASE = r"/v4/spreadsheets"
_ONE = _BASE + r"/(?P<spreadsheet>[^/:]+)"

OPERATIONS = (
    Operation("spreadsheets.create", "POST", re.compile(_BASE), "write", SHEETS_WRITE, create, answer_message="Spreadsheet"),
    Operation(
        "spreadsheets.get",
        "GET",
        re.compile(_ONE),
        "read",
        SHEETS_READ,
        get,
        frozenset({"ranges", "includeGridData", "excludeTablesInBandedRanges"}),
        "Spreadsheet",
    ),
    Operation(
        "spreadsheets.getByDataFilter",
        "POST",
        re.compile(_ONE + ":getByDataFilter"),
        "read",
        SHEETS_WRITE,
        get_by_data_filter,
        answer_message="Spreadsheet",
    ),
    Operation(
        "spreadsheets.batchUpdate",
        "POST",
        re.compile(_ONE + ":batchUpdate"),
        "write",
        SHEETS_WRITE,
        batch_update,
        answer_message="BatchUpdateSpreadsheetResponse",
    ),
    Operation(
        "spreadsheets.sheets.copyTo",
        "POST",
        re.compile(_ONE + r"/sheets/(?P<sheet>[0-9]{1,10}):copyTo"),
        "write",
        SHEETS_WRITE,
        copy_to,
        answer_message="SheetProperties",
    ),
    Operation(
        "spreadsheets.developerMetadata.get",
        "GET",
        re.compile(_ONE + r"/developerMetadata/(?P<metadata>[0-9]{1,10})"),
        "read",
        SHEETS_WRITE,
        get_metadata,
        answer_message="DeveloperMetadata",
    ),
    Operation(
        "spreadsheets.developerMetadata.search",
        "POST",
        re.compile(_ONE + "/developerMetadata:search"),
        "read",
        SHEETS_WRITE,
        search_metadata,
        answer_message="SearchDeveloperMetadataResponse",
    ),
)
