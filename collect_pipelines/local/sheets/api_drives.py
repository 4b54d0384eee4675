"""Drive's shared drives: create, list, get."""

import re
from typing import Any

from collect_pipelines.local.sheets.access import DRIVE_READ, DRIVE_WRITE
from collect_pipelines.local.sheets.api_drive import drive_body, drive_operation
from collect_pipelines.local.sheets.call import Call
from collect_pipelines.local.sheets.errors import DriveError
from collect_pipelines.local.sheets.masks import select

__all__ = ["OPERATIONS"]

DRIVES = "/drive/v3/drives"
DEFAULT_PAGE = 10  # developers.google.com/workspace/drive/api/reference/rest/v3/drives/list


def create(call: Call) -> Any:
    """Makes a shared drive; who creates it is its manager (reference/rest/v3/drives/create)."""
    if not call.text("requestId"):
        raise DriveError(400, "required", "Required parameter: requestId", location="requestId")
    if call.caller.account.kind == "service_account":
        # Only users of a Workspace organisation can: a service account belongs to none.
        raise DriveError(403, "teamDrivesUserCannotCreateTeamDrives", "The user cannot create shared drives.")
    body = drive_body(call, "SharedDrive")
    return _shown(call, call.service.drives.add(body.get("name", "Untitled"), {call.caller.account.email: "organizer"}).as_json())


def list_drives(call: Call) -> Any:
    """The caller's shared drives."""
    drives = [drive.as_json() for drive in call.service.drives.of(call.caller.account.email)]
    return {"kind": "drive#driveList", "drives": drives[: int(call.text("pageSize", str(DEFAULT_PAGE)))]}


def get(call: Call) -> Any:
    """One shared drive."""
    drive_id = call.arguments["drive"]
    drive = call.service.drives.find(drive_id, call.caller.account.email)
    if drive is None:
        raise DriveError(404, "notFound", f"Shared drive not found: {drive_id}", location="driveId")
    return _shown(call, drive.as_json())


def _shown(call: Call, document: dict[str, Any]) -> Any:
    mask = call.mask()
    return document if mask is None else select(document, mask)


OPERATIONS = (
    drive_operation("drives.create", "POST", re.escape(DRIVES), DRIVE_WRITE, create, ("requestId",)),
    drive_operation(
        "drives.list", "GET", re.escape(DRIVES), DRIVE_READ, list_drives, ("pageSize", "pageToken", "q", "useDomainAdminAccess")
    ),
    drive_operation("drives.get", "GET", DRIVES + r"/(?P<drive>[^/]+)", DRIVE_READ, get, ("useDomainAdminAccess",)),
)
