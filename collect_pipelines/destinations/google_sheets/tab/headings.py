"""Headers follow the form when a question gets another label, unless a person has given the column a name of their own."""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

from collect_pipelines.destinations.google_sheets.content.tables import SheetColumn, Table
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, column_filter

__all__ = ["refresh_headers"]

THEIRS = -1
"""In the place of what we wrote: a person named the column, for ever."""

Json = dict[str, Any]


def refresh_headers(book: Book, table: Table, layout: Layout) -> None:
    """
    Writes the headers that are others than those we wrote, where ours still stand. A read and a write when there are any, else nothing.

    Can be repeated at any time. Each is written into the first cell of its column, wherever people move it meanwhile.
    """
    tab = book.tab(table.name)
    known = tab.memory.headers
    there = [column for column in table.columns if column.name in layout]
    new = {column.name: _sum(column.header) for column in there if column.name not in known}
    known |= new
    changed = [column for column in there if known[column.name] not in (THEIRS, _sum(column.header))]
    if changed:
        _rename(tab, changed, known)
    if new or changed:
        book.save()


def _rename(tab: Tab, changed: Sequence[SheetColumn], known: dict[str, int]) -> None:
    standing = _headers(tab, changed)
    ours = [column for column in changed if _sum(standing.get(column.name, "")) in (known[column.name], _sum(column.header))]
    if ours:
        # Promise 8: by the column's mark, so that no column of a person gets it
        cells = [{"dataFilter": column_filter(tab, one.name), "majorDimension": "COLUMNS", "values": [[one.header]]} for one in ours]
        tab.api.write_values(tab.spreadsheet, cells)
    known |= {column.name: THEIRS for column in changed} | {column.name: _sum(column.header) for column in ours}


def _headers(tab: Tab, columns: Sequence[SheetColumn]) -> dict[str, str]:
    """What stands in the first row of the columns now."""
    row = {"gridRange": {"sheetId": tab.number, "startRowIndex": 0, "endRowIndex": 1}}
    entries = tab.api.search(tab.spreadsheet, tab.bound_filter())
    layout = {one["metadataValue"]: one["location"]["dimensionRange"].get("startIndex", 0) for one in entries}
    found = tab.api.values(tab.spreadsheet, [row])
    cells = [str(cell) for one in found for line in one["valueRange"].get("values", []) for cell in line]
    return {one.name: cells[layout[one.name]] for one in columns if layout.get(one.name, len(cells)) < len(cells)}


def _sum(header: str) -> int:
    """Tells a header from others in a few characters: a form may have a thousand."""
    return crc32(header.encode())
