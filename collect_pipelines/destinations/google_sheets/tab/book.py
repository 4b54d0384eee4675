"""The tabs of one integration in one spreadsheet, looked at and written together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.destinations.google_sheets.content.parts import Part
from collect_pipelines.destinations.google_sheets.content.tables import ID, MAIN, Table
from collect_pipelines.destinations.google_sheets.tab.memory import Layout, Memory, Numbers, knows_unique, remember_unique
from collect_pipelines.destinations.google_sheets.tab.tab import GRID_ROWS, OWN, Tab, layout_of, sanitized
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, ids_repeat
from collect_pipelines.destinations.interface import Context

__all__ = ["Book", "Layouts", "Rider"]

Layouts = dict[str, Layout]
"""Where our columns stand, by the name of the table."""

GRID_FIELDS = "sheets(properties(sheetId,gridProperties(columnCount)))"
SIZE_FIELDS = "sheets(properties(sheetId,gridProperties(rowCount,columnCount)))"

Json = dict[str, Any]


@dataclass(frozen=True)
class Rider:
    """Requests that go along with a write and are left out of it when they can't be carried out."""

    requests: Sequence[Json]
    landed: Callable[[], None]
    refused: Callable[[], None]


@dataclass
class Book:
    """One spreadsheet, as far as it is ours. Not safe for threads: one worker at a time has an integration."""

    context: Context
    api: Api
    spreadsheet: str
    memory: Memory
    numbers: Numbers
    rider: Rider | None = None
    """What goes along with the next write."""
    _tabs: dict[str, Tab] = field(default_factory=dict)

    @classmethod
    def open(cls, context: Context, api: Api, spreadsheet: str) -> "Book":
        """With what was remembered; asks nobody."""
        memory = Memory.recall(context, spreadsheet)
        return cls(context, api, spreadsheet, memory, Numbers(context, spreadsheet, memory.base))

    def save(self) -> None:
        """Commits the memory."""
        self.memory.save(self.context, self.spreadsheet)

    def tab(self, name: str) -> Tab:
        """The tab of a table."""
        if name not in self._tabs:
            self._tabs[name] = Tab(
                self.context, self.api, self.spreadsheet, self.memory.token, self.memory.tab(name), self.numbers, name, self.save
            )
        return self._tabs[name]

    @property
    def ready(self) -> list[Tab]:
        """The tabs that were made, the main one first."""
        return [self.tab(name) for name, one in self.memory.tabs.items() if one.ready]

    def prepare(self, tables: Sequence[Table], now: float, *, own_file_title: str | None = None) -> None:
        """Makes the tabs that are missing; can be repeated after a crash at any point. See Tab.prepare."""
        for table in tables:
            own = own_file_title if table.name == MAIN else None
            cells = self.tab(table.name).prepare(sanitized(table.title), table.columns, own_file_title=own)
            if cells is not None and own is None:
                self._seen(cells, now)
            elif cells is not None:
                self._seen(GRID_ROWS * len(table.columns), now)  # the empty first tab is gone

    def require_unique_ids(self) -> None:
        """Sees once that the server refuses a metadata id that exists: without it a resent batch would be written twice."""
        if self.memory.markers:
            return  # seen before the first batch
        if knows_unique(self.context, self.spreadsheet):
            return
        try:
            self.api.update(self.spreadsheet, [self.tab(MAIN).mark()])
        except BadRequest as refusal:
            if not refusal.already_exists:
                raise
        else:
            raise ids_repeat()
        remember_unique(self.context, self.spreadsheet)

    def layouts(self) -> Layouts:
        """Where our columns stand now, in one call. Raises Blocked when a tab or its id column is gone."""
        return self.layouts_in(self.entries())

    def entries(self, *more: Json) -> list[Json]:
        """The metadata of our columns in all tabs and what else the lookups match. Raises as `layouts` does."""
        lookups = [{"metadataKey": OWN, "metadataValue": self.memory.token}, *more]
        filters = [*(tab.bound_filter() for tab in self.ready), *({"developerMetadataLookup": lookup} for lookup in lookups)]
        found = self.api.search(self.spreadsheet, *filters)
        there = {one["location"].get("sheetId", 0) for one in found if one["metadataKey"] == OWN}
        for name, layout in self.layouts_in(found).items():
            if self.tab(name).number not in there:
                raise self.api.http.explain.tab_missing()
            if ID not in layout:
                raise self.api.http.explain.column_missing(ID)
        return found

    def layouts_in(self, entries: Sequence[Json]) -> Layouts:
        """Where the columns stand that these metadata bind, of each tab."""
        return {tab.name: layout_of(entries, tab.number) for tab in self.ready}

    def layout_question(self) -> Json:
        """A request that changes nothing and whose reply tells where our columns stood when the batch was applied."""
        wanted = {
            "dataFilters": [tab.bound_filter() for tab in self.ready],
            "developerMetadata": {"visibility": "DOCUMENT"},
            "fields": "visibility",
        }
        return {"updateDeveloperMetadata": wanted}

    def layout_answer(self, replies: Sequence[Json]) -> Layouts:
        """The layouts in the reply to `layout_question`, the last request of the batch."""
        entries = replies[-1].get("updateDeveloperMetadata", {}).get("developerMetadata", []) if replies else []
        return self.layouts_in(entries) if entries else self.layouts()

    def grid_columns(self, names: Sequence[str]) -> Mapping[str, int]:
        """How many columns the tabs of these tables have now; no call when there are none."""
        grids = self.api.spreadsheet(self.spreadsheet, GRID_FIELDS).get("sheets", []) if names else []
        widths = {one["properties"].get("sheetId", 0): int(one["properties"]["gridProperties"]["columnCount"]) for one in grids}
        if any(self.tab(name).number not in widths for name in names):
            raise self.api.http.explain.tab_missing()
        return {name: widths[self.tab(name).number] for name in names}

    def measure(self, now: float) -> None:
        """Looks how many cells the spreadsheet has, all tabs together. Saved with the next batch."""
        grids = self.api.spreadsheet(self.spreadsheet, SIZE_FIELDS).get("sheets", [])
        sizes = {one["properties"].get("sheetId", 0): one["properties"].get("gridProperties", {}) for one in grids}
        self._seen(sum(one.get("rowCount", 0) * one.get("columnCount", 0) for one in sizes.values()), now)
        for tab in self.ready:
            tab.memory.width = sizes.get(tab.number, {}).get("columnCount", 0)

    def grown(self, rows: Part) -> int:
        """The cells that the rows add, about."""
        kept = {name: self.memory.tab(name) for name in rows}
        return sum(len(some) * max(kept[name].width, len(kept[name].bound)) for name, some in rows.items())

    def _seen(self, cells: int, now: float) -> None:
        self.memory.cells = self.memory.cells_seen = cells
        self.memory.looked_at = now

    def is_ours(self, number: int, key: str, value: str) -> bool:
        """Whether the metadata of an id is what we would have written: an id taken by somebody else is never taken for success."""
        found = self.api.metadata(self.spreadsheet, number)
        return (found.get("metadataKey"), found.get("metadataValue")) == (key, value)
