"""Requests about protected ranges: a person can lock others out at any time."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets.a1 import Area
from collect_pipelines.local.sheets.context import PROTECTED, BatchContext, grid_area, is_whole
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Tab
from collect_pipelines.local.sheets.masks import update_paths
from collect_pipelines.local.sheets.views import protected_range

__all__ = ["HANDLERS"]

WARNING_HAS_EDITORS = "ProtectedRange is warningOnly. Editors cannot be set on it."  # [U] burnash/gspread#1437


def add(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Protects a range; it is an error to choose an id that exists (reference of AddProtectedRangeRequest)."""
    wanted = request.get("protectedRange", {})
    tab = context.workbook.edit(wanted.get("range", {}).get("sheetId", 0), "sheet")
    number = wanted.get("protectedRangeId") or context.new_number()
    if number < 1:
        raise InvalidRequest("protectedRangeId must be a positive number.")
    if any(one["protectedRangeId"] == number for other in context.workbook.ordered() for one in other.protected):
        raise InvalidRequest(f"A protected range with ID [{number}] already exists.")
    area = grid_area(wanted.get("range", {}))
    if wanted.get("warningOnly") and "editors" in wanted:
        raise InvalidRequest(WARNING_HAS_EDITORS)
    if is_whole(area) and any(is_whole(Area(*one["area"])) for one in tab.protected):
        # [U] googleapis/google-api-python-client#1064: a range of the whole sheet is possible once.
        raise InvalidRequest(f'Sheet "{tab.title}" already has sheet protection.')
    context.check_sheet_protection(tab)
    editors = {} if wanted.get("warningOnly") else _editors(context, wanted.get("editors", {}))
    stored = {
        "protectedRangeId": number,
        "area": [area.row_start, area.row_end, area.column_start, area.column_end],
        "description": wanted.get("description", ""),
        "warningOnly": wanted.get("warningOnly", False),
        "editors": editors,
        "unprotected": [_numbers(one) for one in wanted.get("unprotectedRanges", [])],
    }
    tab.protected.append(stored)
    return {"addProtectedRange": {"protectedRange": protected_range(tab, stored, context.caller, context.workbook.file.owner)}}


def update(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Changes description, warning, editors or range."""
    wanted = request.get("protectedRange", {})
    tab, stored = _find(context, wanted.get("protectedRangeId", 0))
    _check_editor(context, stored)
    try:
        paths = update_paths(request.get("fields"), "ProtectedRange")
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    names = {path.split(".")[0] for path in paths}
    after = dict(stored)
    for name, empty in (("description", ""), ("warningOnly", False), ("editors", {})):
        if name in names or "*" in names:
            after[name] = wanted.get(name, empty)
    if after["warningOnly"] and wanted.get("editors"):
        raise InvalidRequest(WARNING_HAS_EDITORS)
    after["editors"] = {} if after["warningOnly"] else _editors(context, after["editors"])
    if "range" in names:
        after["area"] = _numbers(wanted.get("range", {}))
    tab.protected[tab.protected.index(stored)] = after
    return {}


def delete(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Removes a protection; only its editors may."""
    tab, stored = _find(context, request.get("protectedRangeId", 0))
    _check_editor(context, stored)
    tab.protected.remove(stored)
    return {}


def _check_editor(context: BatchContext, stored: dict[str, Any]) -> None:
    """Who may not edit the range may not change its protection either."""
    if not stored["warningOnly"] and context.caller not in {context.workbook.file.owner, *stored["editors"].get("users", [])}:
        raise InvalidRequest(PROTECTED)


def _editors(context: BatchContext, wanted: dict[str, Any]) -> dict[str, Any]:
    """The editors asked for, with the owner and who asks: neither can lock himself out."""
    users = {*wanted.get("users", []), context.caller, context.workbook.file.owner} - {""}
    return {**wanted, "users": sorted(users)}


def _find(context: BatchContext, number: int) -> tuple[Tab, dict[str, Any]]:
    for tab in list(context.workbook.ordered()):
        for stored in tab.protected:
            if stored["protectedRangeId"] == number:
                return context.workbook.edit(tab.tab_id), stored
    raise InvalidRequest(f"No protected range with id: {number}")


def _numbers(span: dict[str, Any]) -> list[int | None]:
    area = grid_area(span)
    return [area.row_start, area.row_end, area.column_start, area.column_end]


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "addProtectedRange": add,
    "updateProtectedRange": update,
    "deleteProtectedRange": delete,
}
