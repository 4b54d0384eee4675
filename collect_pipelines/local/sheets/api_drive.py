"""The part of Drive v3 that spreadsheets need: files create, list, get, update, delete, copy, export."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from typing import Any

from collect_pipelines.local.sheets.access import DRIVE_READ, DRIVE_WRITE, REMOVERS, WRITERS, drive_file, role_of, sees_file
from collect_pipelines.local.sheets.call import Answer, Call, Operation
from collect_pipelines.local.sheets.create import empty_spreadsheet, may_own, new_spreadsheet
from collect_pipelines.local.sheets.drive_query import parse_query
from collect_pipelines.local.sheets.errors import DriveError, drive_file_not_found, drive_storage_exceeded
from collect_pipelines.local.sheets.grid import Row
from collect_pipelines.local.sheets.masks import Mask, select
from collect_pipelines.local.sheets.shared_drives import CREATORS, SharedDrive
from collect_pipelines.local.sheets.values import Rendering, read_values
from collect_pipelines.local.sheets.wire import checked, load_json
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["FILE", "OPERATIONS", "drive_body", "drive_operation"]

SPREADSHEET_TYPE = "application/vnd.google-apps.spreadsheet"
DEFAULT_FIELDS: Mask = {"kind": {}, "id": {}, "name": {}, "mimeType": {}}  # what files.get answers without a mask
DEFAULT_PAGE, LARGEST_PAGE = 100, 1000  # developers.google.com/drive/api/reference/rest/v3/files/list
SEPARATORS = {"text/csv": ",", "text/tab-separated-values": "\t"}


def create(call: Call) -> Any:
    """Creates an empty spreadsheet in the caller's Drive, if there is room, or in a shared drive."""
    body = drive_body(call, "DriveFile")
    drive = _shared_drive(call, body)
    if drive is None and not may_own(call):
        raise drive_storage_exceeded()
    if body.get("mimeType") != SPREADSHEET_TYPE:
        raise DriveError(400, "badRequest", "The local Sheets server holds spreadsheets only.", location="mimeType")
    workbook = new_spreadsheet(call, {"properties": {"title": body.get("name") or "Untitled"}}, body.get("appProperties"), drive)
    call.service.library.add(workbook)
    return _shown(call, workbook)


def list_files(call: Call) -> Any:
    """The caller's files that a query matches, newest first unless ordered by name."""
    wanted = parse_query(call.text("q"))
    files = [shelf.header for shelf in call.service.library.all()]
    mine = [one for one in files if _listed(call, one) and wanted(one)]
    by_name = call.text("orderBy").startswith("name")
    mine.sort(key=(lambda one: one.title.casefold()) if by_name else (lambda one: one.file.modified), reverse=not by_name)
    start, size = _page(call)
    document: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": False}
    document["files"] = [_resource(call, one) for one in mine[start : start + size]]
    if start + size < len(mine):
        document["nextPageToken"] = str(start + size)
    if call.mask() is None:
        document["files"] = select(document["files"], DEFAULT_FIELDS)
    return document


def get(call: Call) -> Any:
    """One file."""
    return _shown(call, drive_file(call).header)


def update(call: Call) -> Any:
    """Renames a file, moves it to the trash and back, sets its properties."""
    body = drive_body(call, "DriveFile")
    shelf = drive_file(call, writing=True, removing="trashed" in body)
    with shelf.change() as draft:
        draft.title = body.get("name", draft.title)
        draft.file.trashed = body.get("trashed", draft.file.trashed)
        draft.file.app_properties |= body.get("appProperties", {})
        draft.file.modified = call.service.clock.text()
    return _shown(call, draft)


def delete(call: Call) -> Answer:
    """Deletes a file for good, past the trash."""
    shelf = drive_file(call, removing=True)
    call.service.library.remove(shelf.header.file.file_id)
    return Answer(204)


def copy(call: Call) -> Any:
    """Copies a file for the caller; shares stay with the original, and developer metadata unless a switch says otherwise."""
    body = drive_body(call, "DriveFile")
    source = drive_file(call).read()
    drive = _shared_drive(call, body)
    if drive is None and not may_own(call):
        raise drive_storage_exceeded()
    workbook = empty_spreadsheet(call, body.get("name") or f"Copy of {source.title}", body.get("appProperties"), drive)
    if call.service.switches.copies_carry_metadata:
        workbook.metadata = source.metadata.copy()
    workbook.properties = dict(source.properties)
    for tab in source.ordered():
        copied = tab.copy()
        copied.rows = [Row(row.data, row.width) if row is not None else None for row in tab.rows]
        copied.protected = []
        workbook.tabs[tab.tab_id] = copied
    call.service.library.add(workbook)
    return _shown(call, workbook)


def export(call: Call) -> Answer:
    """The first tab as CSV or TSV."""
    kind = call.text("mimeType")
    if kind not in SEPARATORS:
        raise DriveError(400, "badRequest", "The requested conversion is not supported.", location="convertTo")
    tab = drive_file(call).read().first_tab()
    text = io.StringIO()
    csv.writer(text, delimiter=SEPARATORS[kind]).writerows(read_values(tab, tab.whole(), Rendering()))
    return Answer(200, text.getvalue().encode(), kind)


def comments(call: Call) -> Any:
    """The comments of a file: it can have none here, but gspread asks when it copies one."""
    drive_file(call)
    return {"kind": "drive#commentList", "comments": []}


def drive_body(call: Call, message: str) -> dict[str, Any]:
    """The JSON body of a Drive call."""
    return checked(message, load_json(call.request.body))


def _shown(call: Call, workbook: Workbook) -> dict[str, Any]:
    document = _resource(call, workbook)
    chosen: dict[str, Any] = select(document, call.mask() or DEFAULT_FIELDS)
    return chosen


def _resource(call: Call, workbook: Workbook) -> dict[str, Any]:
    record = workbook.file
    role = role_of(record, call.caller.account.email)
    writes, removes = role in WRITERS, role in REMOVERS
    document: dict[str, Any] = {
        "kind": "drive#file",
        "id": record.file_id,
        "name": workbook.title,
        "mimeType": SPREADSHEET_TYPE,
        "createdTime": record.created,
        "modifiedTime": record.modified,
        "trashed": record.trashed,
        "explicitlyTrashed": record.trashed,
        "ownedByMe": role == "owner",
        "shared": len(record.permissions) > 1,
        "version": str(workbook.version),
        "parents": ["root"],
        "webViewLink": f"{call.service.base_url}/spreadsheets/d/{record.file_id}/edit",
        "capabilities": {"canEdit": writes, "canShare": writes, "canTrash": removes, "canDelete": removes},
    }
    if record.drive_id is not None:
        document |= {"driveId": record.drive_id, "parents": [record.drive_id]}
    else:
        document["owners"] = [{"kind": "drive#user", "emailAddress": record.owner, "me": role == "owner"}]
    if writes:
        document["permissions"] = [one.as_json() for one in record.permissions.values()]
    return document | ({"appProperties": record.app_properties} if record.app_properties else {})


def _listed(call: Call, workbook: Workbook) -> bool:
    record, account = workbook.file, call.caller.account
    if record.drive_id is not None and not (call.flag("supportsAllDrives") and call.flag("includeItemsFromAllDrives")):
        return False
    # A link share does not put a file into everybody's list.
    named = any((one.email or "").casefold() == account.email.casefold() for one in record.permissions.values())
    return named and sees_file(call.caller, record, call.operation.scopes)


def _page(call: Call) -> tuple[int, int]:
    start, size = call.text("pageToken", "0") or "0", call.text("pageSize", str(DEFAULT_PAGE))
    if not (start.isdecimal() and size.isdecimal() and 1 <= int(size) <= LARGEST_PAGE):
        raise DriveError(400, "invalid", "Invalid Value", location="pageToken" if not start.isdecimal() else "pageSize")
    return int(start), int(size)


def _shared_drive(call: Call, body: dict[str, Any]) -> SharedDrive | None:
    """The shared drive named as the parent; only clients that say they support them see it (guides/enable-shareddrives)."""
    for parent in body.get("parents", []):
        drive = call.service.drives.find(parent, call.caller.account.email) if call.flag("supportsAllDrives") else None
        if parent != "root" and drive is None:
            raise drive_file_not_found(parent)
        if drive is not None and drive.role(call.caller.account.email) not in CREATORS:
            raise DriveError(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.")
        return drive
    return None


_FILES = r"/drive/v3/files"
FILE = _FILES + r"/(?P<file>[^/]+)"
_ALWAYS = frozenset({"supportsAllDrives", "supportsTeamDrives", "enforceSingleParent", "includePermissionsForView", "includeLabels"})


def drive_operation(
    name: str, verb: str, pattern: str, scopes: frozenset[str], handler: Callable[[Call], Any], parameters: Iterable[str] = ()
) -> Operation:
    """An operation of the Drive API."""
    return Operation(f"drive.{name}", verb, re.compile(pattern), "drive", scopes, handler, _ALWAYS | frozenset(parameters))


_LISTING = (
    "q",
    "pageSize",
    "pageToken",
    "orderBy",
    "corpora",
    "driveId",
    "spaces",
    "includeItemsFromAllDrives",
    "includeTeamDriveItems",
)
_CREATING = ("ignoreDefaultVisibility", "keepRevisionForever", "ocrLanguage", "useContentAsIndexableText")

OPERATIONS = (
    drive_operation("files.create", "POST", _FILES, DRIVE_WRITE, create, _CREATING),
    drive_operation("files.list", "GET", _FILES, DRIVE_READ, list_files, _LISTING),
    drive_operation("files.get", "GET", FILE, DRIVE_READ, get, ("acknowledgeAbuse", "includeItemsFromAllDrives")),
    drive_operation("files.update", "PATCH", FILE, DRIVE_WRITE, update, ("addParents", "removeParents", *_CREATING)),
    drive_operation("files.delete", "DELETE", FILE, DRIVE_WRITE, delete),
    drive_operation("files.copy", "POST", FILE + "/copy", DRIVE_WRITE, copy, _CREATING),
    drive_operation("comments.list", "GET", FILE + "/comments", DRIVE_READ, comments, ("includeDeleted", "pageSize", "pageToken")),
    drive_operation("files.export", "GET", FILE + "/export", DRIVE_READ, export, ("mimeType",)),
)
