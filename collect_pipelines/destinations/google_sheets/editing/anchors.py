"""Holding on to rows while they are edited: temporary marks that follow rows and columns wherever people move them."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import Cell
from collect_pipelines.destinations.google_sheets.content.tables import Row
from collect_pipelines.destinations.google_sheets.landing import leftovers
from collect_pipelines.destinations.google_sheets.landing.leftovers import ANCHOR
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, created

__all__ = ["ANCHORS_AT_ONCE", "Held", "Standing", "anchored", "group_of", "hold", "look", "row_places", "standing", "write"]

ANCHORS_AT_ONCE = 500  # rows: their marks take 4,000 of the 30,000 characters a tab has
ANCHOR_BASE = 2**30  # anchors live above every id of the sequence, so a stray one never meets a marker
ANCHOR_GROUPS = 2**20
GROUP_SIZE = 2**10
COLUMNS_FROM = 2**9  # of a group: below are rows, above columns

Json = dict[str, Any]


@dataclass
class Held:
    """A row of the sheet and what should stand in it."""

    row: Row
    wanted: Mapping[str, Cell]
    """Name of the column -> cell; columns left out are left alone."""
    index: int
    """Where it was seen; another place as soon as somebody sorts."""
    anchor: int = 0
    cells: list[Any] = field(default_factory=list)
    """The whole row at the last look; empty when the row is gone."""


@dataclass(frozen=True)
class Standing:
    """Where the columns stand, compared with the moment the marks were hung."""

    group: int
    layout: Layout
    """Ours, by name."""
    origins: Mapping[int, int]
    """Every marked column, people's too: where it stands now -> where it stood then."""

    def moved(self) -> bool:
        """True when any column stands elsewhere, or one is gone."""
        return any(now != then for now, then in self.origins.items())


def hold(book: Book, tab: Tab, rows: Sequence[Held], now: float, *, width: int = 0) -> Standing:
    """
    Hangs marks on the rows, and on so many columns; returns where the columns stood at that moment.

    The marks are removed with a later write, or when their row or column goes.
    """
    group, requests = anchored(tab, rows)
    width = min(width, GROUP_SIZE - COLUMNS_FROM)
    for position in range(width):
        span = {"sheetId": tab.memory.tab, "dimension": "COLUMNS", "startIndex": position, "endIndex": position + 1}
        requests.append(created(ANCHOR_BASE + group * GROUP_SIZE + COLUMNS_FROM + position, ANCHOR, str(group), {"dimensionRange": span}))
    memory = book.memory
    before = memory.anchors
    memory.anchors = [*before, group]
    book.save()  # known before they exist, so that a crash leaves none behind
    memory.anchors = before
    layouts = leftovers.update(book, requests, now)
    memory.anchors = [*memory.anchors, group]
    return Standing(group, layouts[tab.name], {position: position for position in range(width)})


def anchored(tab: Tab, rows: Sequence[Held]) -> tuple[int, list[Json]]:
    """Gives each row an anchor; returns their group and the requests that hang them there."""
    # A new group each time: a late copy of an earlier request finds no mark to write by (promise 6).
    group = secrets.randbelow(ANCHOR_GROUPS)
    requests = []
    for place, held in enumerate(rows):
        held.anchor = ANCHOR_BASE + group * GROUP_SIZE + place
        span = {"sheetId": tab.memory.tab, "dimension": "ROWS", "startIndex": held.index, "endIndex": held.index + 1}
        requests.append(created(held.anchor, ANCHOR, str(group), {"dimensionRange": span}))
    return group, requests


def group_of(anchor: int) -> int | None:
    """The group of an anchor; None for any other number."""
    group = (anchor - ANCHOR_BASE) // GROUP_SIZE
    return group if 0 <= group < ANCHOR_GROUPS else None


def standing(book: Book, tab: Tab, held: Standing) -> Standing:
    """Where the columns stand now."""
    lookup = {"metadataKey": ANCHOR, "metadataValue": str(held.group), "locationType": "COLUMN"}
    entries = book.entries(lookup)
    origins = {
        one["location"]["dimensionRange"].get("startIndex", 0): one["metadataId"] % GROUP_SIZE - COLUMNS_FROM
        for one in entries
        if one["metadataKey"] == ANCHOR
    }
    return Standing(held.group, book.layouts_in(entries)[tab.name], origins)


def row_places(book: Book, tab: Tab, group: int) -> dict[int, int]:
    """Where the rows of a group stand now, by anchor."""
    location = {"sheetId": tab.number}
    lookup = {"metadataKey": ANCHOR, "metadataValue": str(group), "locationType": "ROW", "metadataLocation": location}
    found = book.api.search(book.spreadsheet, {"developerMetadataLookup": lookup})
    return {one["metadataId"]: one["location"]["dimensionRange"].get("startIndex", 0) for one in found}


def look(tab: Tab, rows: Sequence[Held]) -> None:
    """Reads each held row as it is now."""
    found: dict[int, list[Any]] = {}
    for one in tab.api.values(tab.spreadsheet, [_filter(held) for held in rows]):
        values = one["valueRange"].get("values") or [[]]
        for data_filter in one["dataFilters"]:
            found[data_filter["developerMetadataLookup"]["metadataId"]] = values[0]
    for held in rows:
        held.cells = found.get(held.anchor, [])


def write(tab: Tab, rows: Sequence[Held], cells_of: Callable[[Held], dict[int, Cell]]) -> int:
    """Writes cells by position into the held rows, leaving all others alone; returns how many rows were still held."""
    data = []
    for held in rows:
        cells = cells_of(held)
        values = [cells.get(position) for position in range(max(cells) + 1)]  # null leaves a cell as it is
        data.append({"dataFilter": _filter(held), "majorDimension": "ROWS", "values": [values]})
    return tab.api.write_values(tab.spreadsheet, data)


def _filter(held: Held) -> Json:
    return {"developerMetadataLookup": {"metadataId": held.anchor}}
