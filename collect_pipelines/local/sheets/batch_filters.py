"""Requests about a tab's basic filter."""

from collections.abc import Callable
from typing import Any

from collect_pipelines.local.sheets import dimensions
from collect_pipelines.local.sheets.context import BatchContext, grid_area
from collect_pipelines.local.sheets.filters import hides, with_specs
from collect_pipelines.local.sheets.grid import Rectangle, Tab

__all__ = ["HANDLERS"]


def set_basic_filter(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """
    Sets the tab's filter: sorts below its header as it says, then hides rows by value and condition.

    Rows that come later are not filtered until the filter is set again (samples/filters of the guide).
    """
    wanted = request.get("filter", {})
    span = wanted.get("range", {})
    tab = context.workbook.edit(span.get("sheetId", 0), "sheet")
    area = context.workbook.inside(tab, grid_area(span))
    context.check_sheet_protection(tab)
    _unhide(tab)
    rest = {name: value for name, value in wanted.items() if name not in ("range", "criteria", "filterSpecs")}
    criteria = with_specs(wanted)
    if criteria:
        rest["criteria"] = {str(column): one for column, one in criteria.items()}
    tab.basic_filter = {"area": [area.row_start, area.row_end, area.column_start, area.column_end], "rest": rest}
    _sort(context, tab, area, wanted.get("sortSpecs", []))
    for column, one in criteria.items():
        _hide(tab, area, column, one)
    return {}


def clear_basic_filter(context: BatchContext, request: dict[str, Any]) -> dict[str, Any]:
    """Removes the tab's filter; what it hid is seen again."""
    tab = context.workbook.edit(request.get("sheetId", 0), "sheet")
    context.check_sheet_protection(tab)
    _unhide(tab)
    tab.basic_filter = None
    return {}


def _sort(context: BatchContext, tab: Tab, area: Rectangle, specs: list[dict[str, Any]]) -> None:
    if specs and area.row_end > area.row_start + 1:
        below = Rectangle(area.row_start + 1, area.row_end, area.column_start, area.column_end)
        context.check_protection(tab, below)
        keys = [(spec.get("dimensionIndex", 0), spec.get("sortOrder") == "DESCENDING") for spec in specs]
        mapping = dimensions.sort(tab, below, keys)
        if mapping is not None:
            context.workbook.metadata.follow(tab.tab_id, "ROWS", mapping)


def _hide(tab: Tab, area: Rectangle, column: int, criteria: dict[str, Any]) -> None:
    if not (criteria.get("hiddenValues") or criteria.get("condition")):
        return
    for index in range(area.row_start + 1, area.row_end):
        cells = tab.row_cells(index)
        cell = cells[column] if column < len(cells) else None
        if hides(criteria, cell, tab.column_formats.get(column)):
            tab.row_properties[index] = {**tab.row_properties.get(index, {}), "hiddenByFilter": True}


def _unhide(tab: Tab) -> None:
    for index, properties in list(tab.row_properties.items()):
        if "hiddenByFilter" in properties:
            tab.row_properties[index] = {name: value for name, value in properties.items() if name != "hiddenByFilter"}
            if not tab.row_properties[index]:
                del tab.row_properties[index]


HANDLERS: dict[str, Callable[[BatchContext, dict[str, Any]], dict[str, Any]]] = {
    "setBasicFilter": set_basic_filter,
    "clearBasicFilter": clear_basic_filter,
}
