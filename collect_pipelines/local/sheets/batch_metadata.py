"""Requests about developer metadata."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from collect_pipelines.local.sheets.context import BatchContext, grid_area
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.masks import update_paths
from collect_pipelines.local.sheets.metadata import Entry, LocationType

__all__ = ["HANDLERS", "found_by_filter", "lookup_of_filter"]

Location = tuple[LocationType, int | None, int | None]


def create(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Adds an entry; the id may be chosen and must be new in the spreadsheet."""
    wanted = request.get("developerMetadata", {})
    if not wanted.get("metadataKey"):
        raise InvalidRequest("developerMetadata.metadataKey must be set.")
    if wanted.get("visibility") not in ("DOCUMENT", "PROJECT"):
        raise InvalidRequest("developerMetadata.visibility must be set.")
    if wanted.get("metadataId", 1) < 1:
        raise InvalidRequest("developerMetadata.metadataId must be a positive number.")
    book = context.workbook.metadata
    kind, tab_id, index = _location(context, wanted.get("location"))
    entry = Entry(
        wanted.get("metadataId") or book.free_id(context.new_number()),
        wanted["metadataKey"],
        wanted.get("metadataValue"),
        wanted["visibility"],
        kind,
        tab_id,
        index,
        context.project,
    )
    book.create(entry, unique=context.switches.unique_metadata_ids)
    return {"createDeveloperMetadata": {"developerMetadata": entry.as_json()}}


def update(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Changes every matching entry."""
    try:
        paths = {path.split(".")[0] for path in update_paths(request.get("fields"), "DeveloperMetadata", "developerMetadata")}
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    wanted = request.get("developerMetadata", {})
    found = {serial: entry for one in request.get("dataFilters", []) for serial, entry in found_by_filter(context, one)}
    _check_found(context, found)
    changed = []
    for serial, entry in found.items():
        after = _changed(context, entry, wanted, paths)
        context.workbook.metadata.change(serial, after)
        changed.append(after.as_json())
    return {"updateDeveloperMetadata": {"developerMetadata": changed}}


def delete(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Deletes every matching entry; whether no match is an error at Google is not known, so it is a switch."""
    found = dict(found_by_filter(context, request.get("dataFilter", {})))
    _check_found(context, found)
    gone = [context.workbook.metadata.delete(serial).as_json() for serial in found]
    return {"deleteDeveloperMetadata": {"deletedDeveloperMetadata": gone} if gone else {}}


def lookup_of_filter(data_filter: dict[str, Any]) -> dict[str, Any] | None:
    """The lookup inside a DataFilter; None for a filter by range."""
    return cast("dict[str, Any] | None", data_filter.get("developerMetadataLookup"))


def found_by_filter(context: BatchContext, data_filter: dict[str, Any]) -> list[tuple[int, Entry]]:
    """Entries a DataFilter selects: by lookup, or those inside a range."""
    lookup = lookup_of_filter(data_filter)
    if lookup is not None:
        return context.workbook.metadata.find(lookup, context.project)
    if "gridRange" in data_filter:
        tab_id, area = data_filter["gridRange"].get("sheetId", 0), grid_area(data_filter["gridRange"])
    elif "a1Range" in data_filter:
        tab, area = context.workbook.resolve(data_filter["a1Range"])
        tab_id = tab.tab_id
    else:
        raise InvalidRequest("A data filter must have a developerMetadataLookup, an a1Range or a gridRange.")
    spans = {"ROW": (area.row_start or 0, area.row_end), "COLUMN": (area.column_start or 0, area.column_end)}
    inside = []
    for serial, entry in context.workbook.metadata.find({}, context.project):
        if entry.tab_id != tab_id or entry.index is None:
            continue
        start, end = spans[entry.location_type]
        if start <= entry.index and (end is None or entry.index < end):
            inside.append((serial, entry))
    return inside


def _check_found(context: BatchContext, found: dict[int, Entry]) -> None:
    if not found and context.switches.missing_metadata_is_error:
        raise InvalidRequest("No developer metadata matched the given data filters.")


def _changed(context: BatchContext, entry: Entry, wanted: dict[str, Any], paths: set[str]) -> Entry:
    everything = "*" in paths
    if everything or "metadataKey" in paths:
        entry = replace(entry, key=wanted.get("metadataKey", entry.key))
    if everything or "metadataValue" in paths:
        entry = replace(entry, value=wanted.get("metadataValue"))
    if everything or "visibility" in paths:
        entry = replace(entry, visibility=wanted.get("visibility", entry.visibility))
    if "location" in wanted and (everything or "location" in paths):
        kind, tab_id, index = _location(context, wanted["location"])
        entry = replace(entry, location_type=kind, tab_id=tab_id, index=index)
    return entry


def _location(context: BatchContext, location: dict[str, Any] | None) -> Location:
    if not location:
        raise InvalidRequest("developerMetadata.location must be set.")
    if location.get("spreadsheet"):
        return "SPREADSHEET", None, None
    if "dimensionRange" not in location:
        return "SHEET", context.workbook.edit(location.get("sheetId", 0), "sheet").tab_id, None
    span = location["dimensionRange"]
    tab = context.workbook.edit(span.get("sheetId", 0), "sheet")
    start, end = span.get("startIndex", 0), span.get("endIndex", 0)
    if end != start + 1:
        raise InvalidRequest("developerMetadata.location.dimensionRange must represent a single row or column.")
    rows = span.get("dimension") == "ROWS"
    if not 0 <= start < (tab.row_count if rows else tab.column_count):
        raise InvalidRequest(f"developerMetadata.location.dimensionRange.startIndex[{start}] is outside the grid.")
    return ("ROW" if rows else "COLUMN"), tab.tab_id, start


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "createDeveloperMetadata": create,
    "updateDeveloperMetadata": update,
    "deleteDeveloperMetadata": delete,
}
