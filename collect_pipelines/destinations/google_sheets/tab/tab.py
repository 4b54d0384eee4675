"""One tab of ours: made once, then found by the marks it carries, wherever people put it and its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.google_sheets.content.rows import ID, SheetColumn, cell_data
from collect_pipelines.destinations.google_sheets.tab.memory import Layout, Memory, Numbers, knows_unique, remember_unique
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, foreign, ids_repeat
from collect_pipelines.destinations.interface import Context
from collect_pipelines.errors import TryLater

__all__ = ["Tab", "column_filter", "created", "layout_of", "sanitized"]

OWN = "collect"  # key of the SHEET metadata whose value is our token
BOUND = "q"  # key of the COLUMN metadata; short, since all keys and values of a tab share 30,000 characters
MAX_TITLE = 90  # of the 100 characters of a tab's title; leaves room for a number
DEFAULT_TAB = 0  # sheet id of the empty tab every new spreadsheet has
GRID_ROWS = 2  # empty cells count against the 10 million; appending adds rows
TAB_FIELDS = "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount)),developerMetadata(metadataKey,metadataValue))"

Json = dict[str, Any]


@dataclass
class Tab:
    """The tab of one integration in one spreadsheet, with what is remembered about it."""

    context: Context
    api: Api
    spreadsheet: str
    memory: Memory
    numbers: Numbers

    def save(self) -> None:
        """Commits the memory."""
        self.memory.save(self.context, self.spreadsheet)

    def prepare(self, title: str, columns: Sequence[SheetColumn], *, own_file_title: str | None) -> None:
        """
        Makes the tab unless it was made before; can be repeated after a crash at any point.

        own_file_title: title for a spreadsheet that we created: its empty first tab is removed too.
        """
        if self.memory.ready:
            return
        if not self.memory.tab:
            self.memory.tab = self.numbers.tab()
            self.save()  # the token must be known before it is written into the sheet
        tabs = self.api.spreadsheet(self.spreadsheet, TAB_FIELDS).get("sheets", [])
        ours = next((one for one in tabs if one["properties"].get("sheetId", 0) == self.memory.tab), None)
        if ours is None:
            self._create(_free_title(title, tabs), columns, tabs, own_file_title)
        elif self.memory.token not in [one.get("metadataValue") for one in ours.get("developerMetadata", [])]:
            raise foreign()
        self.memory.bound = [column.name for column in columns]
        self.memory.layout = {column.name: place for place, column in enumerate(columns)}
        self.memory.ready = True
        self.save()

    def require_unique_ids(self) -> None:
        """Sees once that the server refuses a metadata id that exists: without it a resent batch would be written twice."""
        if self.memory.markers:
            return  # seen before the first batch
        if knows_unique(self.context, self.spreadsheet):
            return
        try:
            self.api.update(self.spreadsheet, [self._mark()])
        except BadRequest as refusal:
            if not refusal.already_exists:
                raise
        else:
            raise ids_repeat()
        remember_unique(self.context, self.spreadsheet)

    def layout(self) -> Layout:
        """Where our columns stand now. Raises Blocked when the tab or the id column is gone."""
        return layout_of(self.entries())

    def entries(self, *more: Json) -> list[Json]:
        """The metadata of our columns and what else the lookups match. Raises Blocked when the tab or the id column is gone."""
        lookups = [{"metadataKey": OWN, "metadataValue": self.memory.token}, *more]
        filters = [self._bound_filter(), *({"developerMetadataLookup": lookup} for lookup in lookups)]
        found = self.api.search(self.spreadsheet, *filters)
        if not any(one["metadataKey"] == OWN for one in found):
            raise self.api.http.explain.tab_missing()
        if ID not in layout_of(found):
            raise self.api.http.explain.column_missing(ID)
        return found

    def layout_question(self) -> Json:
        """A request that changes nothing and whose reply tells where our columns stood when the batch was applied."""
        wanted = {"dataFilters": [self._bound_filter()], "developerMetadata": {"visibility": "DOCUMENT"}, "fields": "visibility"}
        return {"updateDeveloperMetadata": wanted}

    def layout_answer(self, replies: Sequence[Json]) -> Layout:
        """The layout in the reply to `layout_question`, the last request of the batch."""
        entries = replies[-1].get("updateDeveloperMetadata", {}).get("developerMetadata", []) if replies else []
        return layout_of(entries) if entries else self.layout()

    def grid_columns(self) -> int:
        """How many columns the tab has now."""
        for one in self.api.spreadsheet(self.spreadsheet, TAB_FIELDS).get("sheets", []):
            if one["properties"].get("sheetId", 0) == self.memory.tab:
                return int(one["properties"]["gridProperties"]["columnCount"])
        raise self.api.http.explain.tab_missing()

    def binding(self, column: SheetColumn, position: int) -> Json:
        """Binds a column to what it holds, for ever."""
        span = {"sheetId": self.memory.tab, "dimension": "COLUMNS", "startIndex": position, "endIndex": position + 1}
        return created(self.numbers.column(column.name), BOUND, column.name, {"dimensionRange": span})

    def header(self, columns: Sequence[SheetColumn], position: int) -> Json:
        """Writes the headers of columns that stand side by side."""
        bold = {"userEnteredFormat": {"textFormat": {"bold": True}}}
        cells = [cell_data(column.header) | bold | ({"note": column.note} if column.note else {}) for column in columns]
        start = {"sheetId": self.memory.tab, "rowIndex": 0, "columnIndex": position}
        fields = "userEnteredValue,userEnteredFormat.textFormat.bold,note"
        return {"updateCells": {"start": start, "rows": [{"values": cells}], "fields": fields}}

    def is_ours(self, number: int, key: str, value: str) -> bool:
        """Whether the metadata of an id is what we would have written: an id taken by somebody else is never taken for success."""
        found = self.api.metadata(self.spreadsheet, number)
        return (found.get("metadataKey"), found.get("metadataValue")) == (key, value)

    def _create(self, title: str, columns: Sequence[SheetColumn], tabs: Sequence[Json], own_file_title: str | None) -> None:
        grid = {"rowCount": GRID_ROWS, "columnCount": len(columns), "frozenRowCount": 1}
        requests: list[Json] = [
            {"addSheet": {"properties": {"sheetId": self.memory.tab, "title": title, "gridProperties": grid}}},
            self._mark(),
            *(self.binding(column, place) for place, column in enumerate(columns)),
            self.header(columns, 0),
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

    def _mark(self) -> Json:
        return created(self.memory.tab, OWN, self.memory.token, {"sheetId": self.memory.tab})

    def _bound_filter(self) -> Json:
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


def layout_of(entries: Sequence[Json]) -> Layout:
    """Where the columns stand that these metadata bind."""
    return {
        one["metadataValue"]: one["location"]["dimensionRange"].get("startIndex", 0)
        for one in entries
        if one["metadataKey"] == BOUND and "dimensionRange" in one.get("location", {})
    }


def _free_title(title: str, tabs: Sequence[Json]) -> str:
    taken = {str(one["properties"]["title"]).casefold() for one in tabs}
    free, number = title, 2
    while free.casefold() in taken:
        free, number = f"{title} ({number})", number + 1
    return free
