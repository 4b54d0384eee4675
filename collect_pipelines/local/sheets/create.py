"""New spreadsheets, as spreadsheets.create and Drive's files.create and copy make them."""

from collections.abc import Mapping
from typing import Any

from collect_pipelines.local.sheets import batch_metadata
from collect_pipelines.local.sheets.batch_cells import write_rows
from collect_pipelines.local.sheets.batch_tabs import SPREADSHEET_NAMES, new_tab
from collect_pipelines.local.sheets.call import Call
from collect_pipelines.local.sheets.cells import CellWriter
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import InvalidRequest, SheetsError, bad_request, caller_has_no_permission
from collect_pipelines.local.sheets.grid import Tab
from collect_pipelines.local.sheets.shared_drives import SharedDrive
from collect_pipelines.local.sheets.workbook import FileRecord, Permission, Workbook

__all__ = ["empty_spreadsheet", "may_own", "new_spreadsheet"]

UNTITLED = "Untitled spreadsheet"
SHEET_PARTS = ("properties", "data", "developerMetadata")
SPREADSHEET_PARTS = ("properties", "sheets", "developerMetadata", "spreadsheetId", "spreadsheetUrl")


def empty_spreadsheet(
    call: Call, title: str, app_properties: Mapping[str, str] | None = None, drive: SharedDrive | None = None
) -> Workbook:
    """A spreadsheet of the caller's, or of a shared drive, without tabs, not stored yet."""
    account, clock, service = call.caller.account, call.service.clock, call.service
    roles = {account.email: "owner"} if drive is None else drive.members
    permissions = [Permission(service.identity.permission_id(email), "user", role, email) for email, role in roles.items()]
    now = clock.text()
    owner = account.email if drive is None else ""
    record = FileRecord(service.library.new_id(), owner, now, now, [account.client_id], {one.permission_id: one for one in permissions})
    record.app_properties = dict(app_properties or {})
    record.drive_id = drive.drive_id if drive is not None else None
    return Workbook(record, title, version=1)


def may_own(call: Call) -> bool:
    """False for who has no room in a Drive of their own: service accounts since 2025 ([U] burnash/gspread#1592), and whoever is full."""
    return call.caller.account.kind != "service_account" and not call.service.switches.storage_full


def new_spreadsheet(
    call: Call, wanted: dict[str, Any], app_properties: Mapping[str, str] | None = None, drive: SharedDrive | None = None
) -> Workbook:
    """A spreadsheet as the Spreadsheet resource describes it; parts we can't make are refused, never dropped."""
    if drive is None and not may_own(call):
        # The Sheets API has no words of its own for it: [U] xing5/mcp-google-sheets#24.
        raise caller_has_no_permission()
    _check_parts(wanted, SPREADSHEET_PARTS, "spreadsheet")
    properties = wanted.get("properties", {})
    workbook = empty_spreadsheet(call, properties.get("title") or UNTITLED, app_properties, drive)
    workbook.properties = {name: properties[name] for name in SPREADSHEET_NAMES if properties.get(name)}
    account, service = call.caller.account, call.service
    context = BatchContext(workbook, account.email, account.project, service.limits, service.switches, service.new_number)
    try:
        for number, sheet in enumerate(wanted.get("sheets") or [{"properties": {"sheetId": 0}}], 1):
            _add_sheet(context, sheet, number)
        for entry in wanted.get("developerMetadata", []):
            batch_metadata.create(context, {"developerMetadata": entry})
        context.check_size()
    except InvalidRequest as exc:
        raise bad_request(str(exc)) from exc
    return workbook


def _add_sheet(context: BatchContext, sheet: dict[str, Any], number: int) -> None:
    _check_parts(sheet, SHEET_PARTS, f"sheets[{number - 1}]")
    tab = new_tab(sheet.get("properties", {}), context.new_number(), f"Sheet{number}")
    context.workbook.add_tab(tab, None)
    context.check_size()
    for block in sheet.get("data", []):
        _write_block(tab, block)
    for entry in sheet.get("developerMetadata", []):
        location = entry.get("location") or {"sheetId": tab.tab_id}
        batch_metadata.create(context, {"developerMetadata": {**entry, "location": location}})


def _write_block(tab: Tab, block: dict[str, Any]) -> None:
    rows, start, column = block.get("rowData", []), block.get("startRow", 0), block.get("startColumn", 0)
    width = max((len(row.get("values", ())) for row in rows), default=0)
    if start + len(rows) > tab.row_count or column + width > tab.column_count:
        raise InvalidRequest(f"Range ({tab.title}) exceeds grid limits. Max rows: {tab.row_count}, max columns: {tab.column_count}")
    write_rows(tab, CellWriter(["*"]), start, column, rows)


def _check_parts(document: dict[str, Any], known: tuple[str, ...], place: str) -> None:
    for name in document:
        if name not in known:
            raise SheetsError(501, f"Invalid {place}.{name}: the local Sheets server does not create this.")
