"""Rows and columns inserted, deleted, moved and sorted; each change also says where every index went, so that other things can follow."""

from collections.abc import Callable
from typing import Any, Literal

from collect_pipelines.local.sheets.grid import Cell, Rectangle, Row, Tab, cell_value, make_row

__all__ = ["Dimension", "Follow", "delete", "follow", "inherit", "insert", "move", "sort"]

Dimension = Literal["ROWS", "COLUMNS"]
Follow = Callable[[int], int | None]
"""Where an index is after a change; None when it was deleted."""


def insert(tab: Tab, dimension: Dimension, start: int, count: int) -> Follow:
    """Inserts `count` empty rows or columns before `start`; the grid grows."""
    if dimension == "ROWS":
        if start < len(tab.rows):
            tab.rows[start:start] = [None] * count
        tab.row_count += count
    else:
        _change_columns(tab, lambda cells: cells[:start] + [None] * count + cells[start:] if len(cells) > start else cells)
        tab.column_count += count
    return follow(tab, dimension, lambda index: index + count if index >= start else index)


def inherit(tab: Tab, dimension: Dimension, start: int, end: int, neighbour: int) -> None:
    """Gives inserted rows or columns the formats and the size of a neighbour."""
    properties = tab.row_properties if dimension == "ROWS" else tab.column_properties
    size = properties.get(neighbour, {}).get("pixelSize")
    for index in range(start, end) if size else ():
        properties[index] = {**properties.get(index, {}), "pixelSize": size}
    if dimension == "ROWS":
        shape = [_shape(cell) for cell in tab.row_cells(neighbour)]
        for index in range(start, end) if any(shape) else ():
            tab.set_row(index, list(shape))
        return
    if neighbour in tab.column_formats:
        tab.column_formats |= dict.fromkeys(range(start, end), tab.column_formats[neighbour])
    for index, row in enumerate(tab.rows):
        if row is not None and b'"f"' in row.data:
            cells = row.cells()
            shaped = _shape(cells[neighbour]) if neighbour < len(cells) else None
            if shaped is not None:
                cells += [None] * (end - len(cells))
                cells[start:end] = [shaped] * (end - start)
                tab.rows[index] = make_row(cells)


def _shape(cell: Cell) -> Cell:
    """The format of a cell alone."""
    return {"f": cell["f"]} if type(cell) is dict and "f" in cell else None


def delete(tab: Tab, dimension: Dimension, start: int, end: int) -> Follow:
    """Deletes rows or columns `start` to `end` (not included)."""
    count = end - start
    if dimension == "ROWS":
        del tab.rows[start:end]
        tab.row_count -= count
        tab.trim()
    else:
        _change_columns(tab, lambda cells: cells[:start] + cells[end:])
        tab.column_count -= count
    _shrink_frozen(tab, dimension, start, end)
    return follow(tab, dimension, lambda index: None if start <= index < end else index - count if index >= end else index)


def move(tab: Tab, dimension: Dimension, start: int, end: int, destination: int) -> Follow:
    """Moves `start` to `end` so that they stand before what was at `destination` (counted before the move)."""
    if dimension == "ROWS":
        tab.rows.extend([None] * (tab.row_count - len(tab.rows)))
        tab.rows[:] = _moved(tab.rows, start, end, destination)
        tab.trim()
    else:
        width = tab.column_count
        _change_columns(tab, lambda cells: _moved(cells + [None] * (width - len(cells)), start, end, destination))
    order = _moved(list(range(max(end, destination))), start, end, destination)
    places = {old: new for new, old in enumerate(order)}
    return follow(tab, dimension, lambda index: places.get(index, index))


def sort(tab: Tab, area: Rectangle, keys: list[tuple[int, bool]]) -> Follow | None:
    """
    Sorts the rows of an area by (column, descending) keys; hidden rows stay, blanks go last, text above numbers when descending.

    The row mapping is answered only for an area of all columns: then whole rows move and metadata moves with them.
    """
    places = [index for index in range(area.row_start, area.row_end) if not _hidden(tab, index)]
    tab.rows.extend([None] * (area.row_end - len(tab.rows)))
    order = list(places)
    for column, descending in reversed(keys):
        order = _sorted(tab, order, column, descending)
    whole = area.column_start == 0 and area.column_end >= tab.column_count
    if whole:
        taken = [tab.rows[index] for index in order]
        for place, row in zip(places, taken, strict=True):
            tab.rows[place] = row
    else:
        _sort_part(tab, area, places, order)
    tab.trim()
    moved = dict(zip(order, places, strict=True))
    return (lambda index: moved.get(index, index)) if whole else None


def follow(tab: Tab, dimension: Dimension, mapping: Follow) -> Follow:
    """Moves what hangs on the tab by index: dimension properties, formats, protected ranges, merges, the filter. Answers `mapping`."""
    if dimension == "ROWS":
        tab.row_properties = _keys(tab.row_properties, mapping)
    else:
        tab.column_properties = _keys(tab.column_properties, mapping)
        tab.column_formats = _keys(tab.column_formats, mapping)
    kept = []
    for protected in tab.protected:
        area = _area(protected["area"], dimension, mapping)
        if area is not None:
            kept.append({**protected, "area": area})
    tab.protected = kept
    merges = [_area([one.row_start, one.row_end, one.column_start, one.column_end], dimension, mapping) for one in tab.merges]
    tab.merges = [Rectangle(*merge) for merge in merges if merge is not None]
    if tab.basic_filter is not None:
        area = _area(tab.basic_filter["area"], dimension, mapping)
        rest = tab.basic_filter["rest"]
        if dimension == "COLUMNS" and "criteria" in rest:
            rest = {**rest, "criteria": {str(new): one for old, one in rest["criteria"].items() if (new := mapping(int(old))) is not None}}
        tab.basic_filter = None if area is None else {"area": area, "rest": rest}
    return mapping


def _keys(items: dict[int, Any], mapping: Follow) -> dict[int, Any]:
    return {new: value for old, value in items.items() if (new := mapping(old)) is not None}


def _area(area: list[Any], dimension: Dimension, mapping: Follow) -> list[Any] | None:
    """[row_start, row_end, column_start, column_end] after the change; None when nothing of it is left."""
    first = 0 if dimension == "ROWS" else 2
    start, end = area[first], area[first + 1]
    if start is None and end is None:
        return area
    last = None if end is None else end - 1
    span = range(start or 0, (end if end is not None else (start or 0) + 1))
    alive = [new for index in span if (new := mapping(index)) is not None]
    if not alive:
        return None
    result = list(area)
    result[first] = None if start is None else min(alive)
    result[first + 1] = None if last is None else max(alive) + 1
    return result


def _moved(items: list[Any], start: int, end: int, destination: int) -> list[Any]:
    block = items[start:end]
    rest = items[:start] + items[end:]
    place = destination if destination <= start else destination - (end - start)
    return rest[:place] + block + rest[place:]


def _change_columns(tab: Tab, change: Callable[[list[Cell]], list[Cell]]) -> None:
    changed: list[Row | None] = []
    for row in tab.rows:
        cells = row.cells() if row is not None else []
        after = change(cells)
        changed.append(row if after is cells else make_row(after))
    tab.rows = changed
    tab.trim()


def _shrink_frozen(tab: Tab, dimension: Dimension, start: int, end: int) -> None:
    name = "frozenRowCount" if dimension == "ROWS" else "frozenColumnCount"
    frozen = tab.grid_properties.get(name, 0)
    gone = max(min(end, frozen) - start, 0)
    if gone:
        tab.grid_properties[name] = frozen - gone
        if not tab.grid_properties[name]:
            del tab.grid_properties[name]


def _hidden(tab: Tab, index: int) -> bool:
    properties = tab.row_properties.get(index)
    return properties is not None and bool(properties.get("hiddenByUser") or properties.get("hiddenByFilter"))


def _sorted(tab: Tab, order: list[int], column: int, descending: bool) -> list[int]:
    """Numbers before texts before booleans going up, turned round going down; blanks last either way ([L3])."""
    ranked: list[tuple[tuple[int, Any], int]] = []
    blank: list[int] = []
    for index in order:
        cells = tab.row_cells(index)
        value = cell_value(cells[column]) if column < len(cells) else None
        if value is None:
            blank.append(index)
        elif isinstance(value, bool):
            ranked.append(((2, value), index))
        elif isinstance(value, int | float):
            ranked.append(((0, value), index))
        else:
            ranked.append(((1, str(value).casefold()), index))
    ranked.sort(key=lambda item: item[0], reverse=descending)
    return [index for _, index in ranked] + blank


def _sort_part(tab: Tab, area: Rectangle, places: list[int], order: list[int]) -> None:
    taken = []
    for index in order:
        cells = tab.row_cells(index)
        part = cells[area.column_start : area.column_end]
        taken.append(part + [None] * (area.column_end - area.column_start - len(part)))
    for place, part in zip(places, taken, strict=True):
        cells = tab.row_cells(place)
        cells += [None] * (area.column_end - len(cells))
        cells[area.column_start : area.column_end] = part
        tab.rows[place] = make_row(cells)
