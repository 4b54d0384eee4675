"""One tab of ours: made once, then found by the marks it carries, wherever people put it and its columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import cell_data
from collect_pipelines.destinations.google_sheets.content.tables import SheetColumn
from collect_pipelines.destinations.google_sheets.tab.dressing import column_formats, header_protection
from collect_pipelines.destinations.google_sheets.tab.memory import Layout, Numbers, TabMemory
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, foreign
from collect_pipelines.destinations.interface import Context
from collect_pipelines.errors import TryLater

__all__ = ["BOUND", "OWN", "Tab", "column_filter", "created", "free_title", "layout_of", "sanitized"]

OWN = "collect"  # key of the SHEET metadata whose value is our token
BOUND = "q"  # key of the COLUMN metadata; short, since all keys and values of a tab share 30,000 characters
MAX_TITLE = 90  # of the 100 characters of a tab's title; leaves room for a number
DEFAULT_TAB = 0  # sheet id of the empty tab every new spreadsheet has
GRID_ROWS = 2  # empty cells count against the 10 million; appending adds rows
TAB_FIELDS = "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount)),developerMetadata(metadataKey,metadataValue))"

Json = dict[str, Any]


@dataclass
class Tab:
    """The tab of one table of one integration in one spreadsheet."""

    context: Context
    api: Api
    spreadsheet: str
    token: str
    memory: TabMemory
    numbers: Numbers
    name: str
    """Of its table."""
    save: Callable[[], None]
    """Commits the memory."""

    @property
    def number(self) -> int:
        """Its sheet id."""
        return self.memory.tab

    def prepare(self, title: str, columns: Sequence[SheetColumn], *, own_file_title: str | None) -> int | None:
        """
        Makes the tab unless it was made before; can be repeated after a crash at any point.

        own_file_title: title for a spreadsheet that we created: its empty first tab is removed too. Returns how many cells the
        spreadsheet has, if it looked; those of an empty first tab that was removed count.
        """
        if self.memory.ready:
            return None
        if not self.memory.tab:
            self.memory.tab = self.numbers.tab(self.name)
            self.save()  # the token must be known before it is written into the sheet
        tabs = self.api.spreadsheet(self.spreadsheet, TAB_FIELDS).get("sheets", [])
        ours = next((one for one in tabs if one["properties"].get("sheetId", 0) == self.memory.tab), None)
        if ours is None:
            self._create(free_title(title, tabs), columns, tabs, own_file_title)
        elif self.token not in [one.get("metadataValue") for one in ours.get("developerMetadata", [])]:
            raise foreign()
        self.memory.bound = [column.name for column in columns]
        self.memory.layout = {column.name: place for place, column in enumerate(columns)}
        self.memory.ready = True
        self.save()
        grids = [one["properties"].get("gridProperties", {}) for one in tabs]
        return sum(int(one.get("rowCount", 0)) * int(one.get("columnCount", 0)) for one in grids) + GRID_ROWS * len(columns)

    def binding(self, column: SheetColumn, position: int) -> Json:
        """Binds a column to what it holds, for ever."""
        span = {"sheetId": self.memory.tab, "dimension": "COLUMNS", "startIndex": position, "endIndex": position + 1}
        return created(self.numbers.column(self.name, column.name), BOUND, column.name, {"dimensionRange": span})

    def header(self, columns: Sequence[SheetColumn], position: int) -> Json:
        """Writes the headers of columns that stand side by side."""
        bold = {"userEnteredFormat": {"textFormat": {"bold": True}, "wrapStrategy": "WRAP"}}
        cells = [cell_data(column.header) | bold | ({"note": column.note} if column.note else {}) for column in columns]
        start = {"sheetId": self.memory.tab, "rowIndex": 0, "columnIndex": position}
        fields = "userEnteredValue,userEnteredFormat.textFormat.bold,userEnteredFormat.wrapStrategy,note"
        return {"updateCells": {"start": start, "rows": [{"values": cells}], "fields": fields}}

    def _create(self, title: str, columns: Sequence[SheetColumn], tabs: Sequence[Json], own_file_title: str | None) -> None:
        grid = {"rowCount": GRID_ROWS, "columnCount": len(columns), "frozenRowCount": 1}
        requests: list[Json] = [
            {"addSheet": {"properties": {"sheetId": self.memory.tab, "title": title, "gridProperties": grid}}},
            self.mark(),
            *(self.binding(column, place) for place, column in enumerate(columns)),
            self.header(columns, 0),
            *column_formats(self.number, columns, 0),
            header_protection(self.number, self.numbers.protection(self.name)),
        ]
        if own_file_title is not None:
            requests.append({"updateSpreadsheetProperties": {"properties": {"title": own_file_title}, "fields": "title"}})
            if self._only_default(tabs):
                requests.append({"deleteSheet": {"sheetId": DEFAULT_TAB}})
        try:
            self.api.update(self.spreadsheet, requests)
        except BadRequest as refusal:
            if not refusal.already_exists:
                raise
            if refusal.index == 0:  # a copy of this request landed late, or somebody took the title just now: the next look tells
                raise TryLater("The tab appeared at this moment.", after=1.0) from refusal
            raise foreign() from refusal

    def _only_default(self, tabs: Sequence[Json]) -> bool:
        if [one["properties"].get("sheetId", 0) for one in tabs] != [DEFAULT_TAB]:
            return False
        found = self.api.values(self.spreadsheet, [{"gridRange": {"sheetId": DEFAULT_TAB}}])
        return not any(one["valueRange"].get("values") for one in found)

    def mark(self) -> Json:
        """The request that marks the tab as ours; refused when it is marked."""
        return created(self.memory.tab, OWN, self.token, {"sheetId": self.memory.tab})

    def bound_filter(self) -> Json:
        """A data filter for the metadata of all our columns."""
        location = {"sheetId": self.memory.tab}
        return {"developerMetadataLookup": {"metadataKey": BOUND, "locationType": "COLUMN", "metadataLocation": location}}


def created(number: int, key: str, value: str, location: Json) -> Json:
    """The request that creates developer metadata with an id of our choice."""
    wanted = {"metadataId": number, "metadataKey": key, "metadataValue": value, "location": location, "visibility": "DOCUMENT"}
    return {"createDeveloperMetadata": {"developerMetadata": wanted}}


def column_filter(tab: Tab, name: str) -> Json:
    """A data filter for the whole column of a name, wherever it stands."""
    lookup = {"metadataKey": BOUND, "metadataValue": name, "locationType": "COLUMN", "metadataLocation": {"sheetId": tab.memory.tab}}
    return {"developerMetadataLookup": lookup}


def sanitized(title: str) -> str:
    """A title Sheets takes for a tab: without the characters that mean something in a range, and not endless."""
    kept = "".join(" " if char in "[]*?:/\\'" or ord(char) < 32 else char for char in title)
    return " ".join(kept.split())[:MAX_TITLE].strip() or "Responses"


def layout_of(entries: Sequence[Json], tab: int) -> Layout:
    """Where the columns stand that these metadata bind in the tab with this sheet id."""
    spans = ((one, one.get("location", {}).get("dimensionRange")) for one in entries if one["metadataKey"] == BOUND)
    return {one["metadataValue"]: span.get("startIndex", 0) for one, span in spans if span and span.get("sheetId", 0) == tab}


def free_title(title: str, tabs: Sequence[Json]) -> str:
    """The title, with a number when one of the tabs has it already."""
    taken = {str(one["properties"]["title"]).casefold() for one in tabs}
    free, number = title, 2
    while free.casefold() in taken:
        free, number = f"{title} ({number})", number + 1
    return free
