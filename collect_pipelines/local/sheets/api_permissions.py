"""Drive's permissions: with whom a spreadsheet is shared."""

from typing import Any

from collect_pipelines.local.sheets.access import DRIVE_READ, DRIVE_WRITE, drive_file
from collect_pipelines.local.sheets.api_drive import FILE, drive_body, drive_operation
from collect_pipelines.local.sheets.call import Answer, Call
from collect_pipelines.local.sheets.errors import DriveError
from collect_pipelines.local.sheets.masks import Mask, select
from collect_pipelines.local.sheets.workbook import Permission

__all__ = ["OPERATIONS"]

ANYONE_ID = "anyoneWithLink"
ROLES = ("reader", "commenter", "writer")
DEFAULT_FIELDS: Mask = {"kind": {}, "id": {}, "type": {}, "role": {}}


def create(call: Call) -> dict[str, Any]:
    """Shares a file with a user or with everybody who has the link."""
    body = drive_body(call, "DrivePermission")
    kind, role, email = body.get("type"), body.get("role"), body.get("emailAddress")
    if kind not in ("user", "group", "anyone") or role not in ROLES:
        raise DriveError(400, "badRequest", "The permission type or role is not supported here.", location="permission")
    if kind != "anyone" and not email:
        raise DriveError(
            400, "invalidSharingRequest", "The specified emailAddress is invalid or not applicable for the given permission type."
        )
    permission_id = ANYONE_ID if kind == "anyone" else call.service.identity.permission_id(email or "")
    permission = Permission(permission_id, kind, role, email if kind != "anyone" else None)
    with drive_file(call, writing=True).change() as draft:
        if (draft.file.owner == email) and kind != "anyone":
            raise DriveError(403, "invalidSharingRequest", "The owner of a file cannot be removed.")
        draft.file.permissions[permission_id] = permission
    return _shown(call, permission)


def list_permissions(call: Call) -> dict[str, Any]:
    """Everybody a file is shared with, the owner first."""
    record = drive_file(call, writing=True).header.file
    listed = [one.as_json() for one in record.permissions.values()]
    if call.mask() is None:
        listed = select(listed, DEFAULT_FIELDS)
    return {"kind": "drive#permissionList", "permissions": listed}


def get(call: Call) -> dict[str, Any]:
    """One share."""
    return _shown(call, _find(call, drive_file(call).header.file.permissions))


def update(call: Call) -> dict[str, Any]:
    """Changes the role of a share."""
    body = drive_body(call, "DrivePermission")
    if body.get("role") not in ROLES:
        raise DriveError(400, "badRequest", "The permission role field is required.", location="permission.role")
    with drive_file(call, writing=True).change() as draft:
        old = _find(call, draft.file.permissions)
        changed = Permission(old.permission_id, old.kind, body["role"], old.email)
        draft.file.permissions[old.permission_id] = changed
    return _shown(call, changed)


def delete(call: Call) -> Answer:
    """Ends a share; the owner keeps the file."""
    with drive_file(call, writing=True).change() as draft:
        gone = _find(call, draft.file.permissions)
        if gone.role == "owner":
            raise DriveError(403, "insufficientFilePermissions", "The owner of a file cannot be removed.")
        del draft.file.permissions[gone.permission_id]
    return Answer(204)


def _find(call: Call, permissions: dict[str, Permission]) -> Permission:
    permission_id = call.arguments["permission"]
    if permission_id not in permissions:
        raise DriveError(404, "notFound", f"Permission not found: {permission_id}.", location="permissionId")
    return permissions[permission_id]


def _shown(call: Call, permission: Permission) -> dict[str, Any]:
    document = permission.as_json()
    shown: dict[str, Any] = select(document, call.mask() or DEFAULT_FIELDS)
    return shown


_ALL = FILE + "/permissions"
_ONE = _ALL + r"/(?P<permission>[^/]+)"
_SHARING = ("sendNotificationEmail", "emailMessage", "transferOwnership", "moveToNewOwnersRoot", "useDomainAdminAccess")

OPERATIONS = (
    drive_operation("permissions.create", "POST", _ALL, DRIVE_WRITE, create, _SHARING),
    drive_operation("permissions.list", "GET", _ALL, DRIVE_READ, list_permissions, ("pageSize", "pageToken", "useDomainAdminAccess")),
    drive_operation("permissions.get", "GET", _ONE, DRIVE_READ, get, ("useDomainAdminAccess",)),
    drive_operation("permissions.update", "PATCH", _ONE, DRIVE_WRITE, update, ("removeExpiration", *_SHARING)),
    drive_operation("permissions.delete", "DELETE", _ONE, DRIVE_WRITE, delete, ("useDomainAdminAccess",)),
)
