"""Who may do what: scopes of a token, shares of a file, and what scope drive.file does not see."""

from collections.abc import Iterator
from contextlib import contextmanager

from collect_pipelines.local.sheets.call import Call
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import DriveError, caller_has_no_permission, drive_file_not_found, missing_entity
from collect_pipelines.local.sheets.library import Shelf
from collect_pipelines.local.sheets.tokens import Caller
from collect_pipelines.local.sheets.workbook import FileRecord, Workbook

__all__ = [
    "DRIVE_READ",
    "DRIVE_WRITE",
    "REMOVERS",
    "SHEETS_READ",
    "SHEETS_WRITE",
    "WRITERS",
    "changed_spreadsheet",
    "drive_file",
    "role_of",
    "sees_file",
    "spreadsheet",
]

SHEETS_WRITE = frozenset({"spreadsheets", "drive", "drive.file"})
SHEETS_READ = SHEETS_WRITE | {"spreadsheets.readonly", "drive.readonly"}
DRIVE_WRITE = frozenset({"drive", "drive.file"})
DRIVE_READ = DRIVE_WRITE | {"drive.readonly", "drive.metadata", "drive.metadata.readonly"}
WRITERS = ("owner", "organizer", "fileOrganizer", "writer")
# In a shared drive content managers and managers may remove files, contributors may not; guides/about-shareddrives.
REMOVERS = ("owner", "organizer", "fileOrganizer")
RANK = ("none", "reader", "commenter", "writer", "fileOrganizer", "organizer", "owner")


def role_of(file: FileRecord, email: str) -> str:
    """The strongest role an address has on a file, by name or because anyone has it; `none` without one."""
    roles = ["none"]
    for permission in file.permissions.values():
        if permission.kind == "anyone" or (permission.email or "").casefold() == email.casefold():
            roles.append(permission.role)
    return "owner" if file.owner and file.owner == email else max(roles, key=RANK.index)


def sees_file(caller: Caller, file: FileRecord, scopes: frozenset[str]) -> bool:
    """False when drive.file is the only scope that would let the caller in and the file was not given to its client."""
    usable = caller.scopes & scopes
    return usable != {"drive.file"} or caller.account.client_id in file.clients


def spreadsheet(call: Call) -> Workbook:
    """The committed state of the spreadsheet a Sheets call names; 404 or 403 when the caller may not read it."""
    return _shelf(call, writing=False).read()


@contextmanager
def changed_spreadsheet(call: Call) -> Iterator[BatchContext]:
    """A draft of the spreadsheet a Sheets call names; it is committed when the block ends well."""
    service = call.service
    with _shelf(call, writing=True).change() as draft:
        draft.file.modified = service.clock.text()
        account = call.caller.account
        yield BatchContext(draft, account.email, account.project, service.limits, service.switches, service.new_number)


def drive_file(call: Call, *, writing: bool = False, removing: bool = False) -> Shelf:
    """The file a Drive call names; Drive answers 404 for what the caller can't see, or does not support."""
    file_id = call.arguments["file"]
    shelf = call.service.library.find(file_id)
    if shelf is None:
        raise drive_file_not_found(file_id)
    record = shelf.header.file
    role = role_of(record, call.caller.account.email)
    hidden = record.drive_id is not None and not call.flag("supportsAllDrives")  # guides/enable-shareddrives
    if hidden or role == "none" or not sees_file(call.caller, record, call.operation.scopes):
        raise drive_file_not_found(file_id)
    if (writing and role not in WRITERS) or (removing and role not in REMOVERS):
        raise DriveError(403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file.")
    return shelf


def _shelf(call: Call, *, writing: bool) -> Shelf:
    shelf = call.service.library.find(call.arguments["spreadsheet"])
    if shelf is None:
        raise missing_entity()
    record = shelf.header.file
    if record.trashed and call.service.switches.trashed_is_missing:
        raise missing_entity()
    if not sees_file(call.caller, record, call.operation.scopes):
        raise missing_entity()
    role = role_of(record, call.caller.account.email)
    if role == "none" or (writing and role not in WRITERS):
        raise caller_has_no_permission()
    return shelf
