"""What `probe` does: proves access by using it, and leaves nothing behind."""

import secrets
from typing import Any

from collect_pipelines.destinations.google_sheets.content.tables import MAIN
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import knows_unique, remember_unique
from collect_pipelines.destinations.google_sheets.tab.tab import created
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, ids_repeat
from collect_pipelines.destinations.interface import ProbeReport

__all__ = ["prove"]

KEY = "probe"
PROBE_BASE = 2**30  # above every id of the sequence
FIELDS = "properties(title),spreadsheetUrl,sheets(properties(sheetId,title,gridProperties(rowCount,columnCount)))"

Json = dict[str, Any]


def prove(book: Book) -> ProbeReport:
    """Reads the spreadsheet, writes a mark nobody sees and removes it; sees once that ids are unique. Raises Blocked."""
    document = book.api.spreadsheet(book.spreadsheet, FIELDS)
    if book.ready:
        book.layouts()
    _try_writing(book)
    return _report(book, document)


def _try_writing(book: Book) -> None:
    number = PROBE_BASE + secrets.randbelow(PROBE_BASE)  # a fresh one: two probes at once must not meet
    create = created(number, KEY, "", {"spreadsheet": True})
    delete: Json = {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataId": number}}}}
    if knows_unique(book.context, book.spreadsheet):
        book.api.update(book.spreadsheet, [create, delete])
        return
    book.api.update(book.spreadsheet, [create])
    try:
        book.api.update(book.spreadsheet, [create])
        unique = False
    except BadRequest as refusal:
        if not refusal.already_exists:
            raise
        unique = True
    book.api.update(book.spreadsheet, [delete])
    if not unique:
        raise ids_repeat()
    remember_unique(book.context, book.spreadsheet)


def _report(book: Book, document: Json) -> ProbeReport:
    properties = [one["properties"] for one in document.get("sheets", [])]
    main = book.memory.tab(MAIN)
    ours = next((one for one in properties if main.ready and one.get("sheetId", 0) == main.tab), None)
    grids = [one.get("gridProperties", {}) for one in properties]
    cells = sum(grid.get("rowCount", 0) * grid.get("columnCount", 0) for grid in grids)
    title, url = document["properties"]["title"], document.get("spreadsheetUrl", "")
    place = f"tab {ours['title']!r}" if ours else "a tab will be made for the first responses"
    return ProbeReport(
        summary=f"Spreadsheet {title!r} can be read and written as {book.api.http.explain.who}; {place}.",
        facts={
            "spreadsheet": book.spreadsheet,
            "title": title,
            "tab": ours["title"] if ours else None,
            "allocated_cells": cells,
            "truncated_cells": book.memory.truncated,
        },
        url=f"{url}#gid={main.tab}" if ours else url,
    )
