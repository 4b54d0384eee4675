"""Requests about rows and columns: append, insert, delete, move, properties."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets import dimensions
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.dimensions import Dimension
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.masks import update_paths

__all__ = ["HANDLERS"]


def append_dimension(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Adds empty rows or columns at the end."""
    tab = context.workbook.edit(request.get("sheetId", 0), "sheet")
    context.check_sheet_protection(tab)
    length = request.get("length", 0)
    if length < 1:
        raise InvalidRequest("length must be greater than 0.")
    if _dimension(request.get("dimension")) == "ROWS":
        tab.row_count += length
    else:
        tab.column_count += length
    context.check_size()
    return {}


def insert_dimension(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Inserts empty rows or columns that look like a neighbour (reference/rest/v4/spreadsheets/request#InsertDimensionRequest)."""
    tab, dimension, start, end = _span(context, request.get("range", {}))
    size = _size(tab, dimension)
    inherits_before = request.get("inheritFromBefore", False)
    if start > size:
        raise InvalidRequest(f"range.startIndex is larger than current grid size ({size})")
    if start == size and not inherits_before:
        # [U] nithinmurali/pygsheets#46: there is nothing behind to inherit from.
        raise InvalidRequest(f"range.startIndex must be less than the grid size ({size}) if inheritFromBefore is false.")
    if start == 0 and inherits_before:
        raise InvalidRequest("range.startIndex must be greater than 0 if inheritFromBefore is true.")
    context.check_protection(tab, _stripe(tab, dimension, start, start + 1))
    mapping = dimensions.insert(tab, dimension, start, end - start)
    dimensions.inherit(tab, dimension, start, end, start - 1 if inherits_before else end)
    context.check_size()
    context.workbook.metadata.follow(tab.tab_id, dimension, mapping)
    return {}


def delete_dimension(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Deletes rows or columns with what hangs on them; not all of them, and not all below the frozen ones."""
    span = request.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0), "sheet")
    dimension = _dimension(span.get("dimension"))
    size, noun = _size(tab, dimension), dimension[:-1].lower()
    start, end = span.get("startIndex", 0), span.get("endIndex", size)
    if start >= size:
        text = f"Cannot delete a {noun} that doesn't exist. Tried to delete {noun} index {start} but there are only {size} {noun}s."
        raise InvalidRequest(text)
    end = min(end, size)
    if end <= start:
        raise InvalidRequest("range.endIndex must be greater than range.startIndex.")
    if end - start == size:
        raise InvalidRequest(f"You can't delete all the {noun}s on the sheet.")
    frozen = tab.grid_properties.get("frozenRowCount" if dimension == "ROWS" else "frozenColumnCount", 0)
    if start <= frozen < size and end == size:
        raise InvalidRequest(f"Sorry, it is not possible to delete all non-frozen {noun}s.")
    context.check_protection(tab, _stripe(tab, dimension, start, end))
    mapping = dimensions.delete(tab, dimension, start, end)
    context.workbook.metadata.follow(tab.tab_id, dimension, mapping)
    return {}


def move_dimension(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Moves rows or columns; `destinationIndex` counts before anything is taken out."""
    tab, dimension, start, end = _span(context, request.get("source", {}))
    size, destination = _size(tab, dimension), request.get("destinationIndex", 0)
    if end > size or not 0 <= destination <= size:
        raise InvalidRequest(f"Cannot move {dimension.lower()} outside the grid of {size}.")
    if start < destination < end:
        raise InvalidRequest("destinationIndex must not lie inside the source.")
    context.check_protection(tab, _stripe(tab, dimension, start, end))
    mapping = dimensions.move(tab, dimension, start, end, destination)
    context.workbook.metadata.follow(tab.tab_id, dimension, mapping)
    return {}


def update_dimension_properties(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Hides rows and columns and sets their size."""
    tab, dimension, start, end = _span(context, request.get("range", {}))
    context.check_sheet_protection(tab)
    try:
        paths = update_paths(request.get("fields"), "DimensionProperties")
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    names = ["hiddenByUser", "pixelSize"] if "*" in paths else [path for path in paths if path in ("hiddenByUser", "pixelSize")]
    wanted = request.get("properties", {})
    properties = tab.row_properties if dimension == "ROWS" else tab.column_properties
    for index in range(start, min(end, _size(tab, dimension))):
        after = {name: value for name, value in properties.get(index, {}).items() if name not in names}
        after |= {name: wanted[name] for name in names if wanted.get(name)}
        if after:
            properties[index] = after
        else:
            properties.pop(index, None)
    return {}


def auto_resize(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Accepted: what fits a text is for the browser to decide."""
    _span(context, request.get("dimensions", {}))
    return {}


def _dimension(text: str | None) -> Dimension:
    if text == "ROWS":
        return "ROWS"
    if text == "COLUMNS":
        return "COLUMNS"
    raise InvalidRequest("No dimension specified.")


def _size(tab: Tab, dimension: Dimension) -> int:
    return tab.row_count if dimension == "ROWS" else tab.column_count


def _span(context: BatchContext, span: dict[str, Any]) -> tuple[Tab, Dimension, int, int]:
    tab = context.workbook.edit(span.get("sheetId", 0), "sheet")
    dimension = _dimension(span.get("dimension"))
    start, end = span.get("startIndex", 0), span.get("endIndex", _size(tab, dimension))
    if not 0 <= start < end:
        raise InvalidRequest("range.endIndex must be greater than range.startIndex.")
    return tab, dimension, start, end


def _stripe(tab: Tab, dimension: Dimension, start: int, end: int) -> Rectangle:
    if dimension == "ROWS":
        return Rectangle(start, end, 0, tab.column_count)
    return Rectangle(0, tab.row_count, start, end)


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "appendDimension": append_dimension,
    "insertDimension": insert_dimension,
    "deleteDimension": delete_dimension,
    "moveDimension": move_dimension,
    "updateDimensionProperties": update_dimension_properties,
    "autoResizeDimensions": auto_resize,
}
