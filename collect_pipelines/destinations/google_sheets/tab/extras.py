"""Tabs of ours beside the tables: made when they are written first, and left alone once a person deleted them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.tab import free_title

__all__ = ["Extra", "sheet_rows"]

MADE, GONE = "made", "gone"
TITLES = "sheets(properties(sheetId,title))"

Json = dict[str, Any]


@dataclass(frozen=True)
class Extra:
    """A tab beside the tables, in one spreadsheet."""

    book: Book
    name: str
    title: str
    rows: int
    columns: int
    hidden: bool = False

    @property
    def gone(self) -> bool:
        """A person deleted it."""
        return self.book.memory.extras.get(self.name) == GONE

    @property
    def number(self) -> int:
        """Its sheet id."""
        return self.book.numbers.beside(self.name)

    def requests(self, cells: Sequence[Sequence[Json]]) -> list[Json]:
        """What makes it, if it has to be made, and writes its cells from the first one on. Takes a read as long as it is not made."""
        write = sheet_rows(self.number, cells)
        if self.book.memory.extras.get(self.name) == MADE:
            return [write]
        tabs = self.book.api.spreadsheet(self.book.spreadsheet, TITLES).get("sheets", [])
        if any(one["properties"].get("sheetId", 0) == self.number for one in tabs):
            return [write]
        grid = {"rowCount": self.rows, "columnCount": self.columns, "frozenRowCount": 1}
        properties = {"sheetId": self.number, "title": free_title(self.title, tabs), "gridProperties": grid, "hidden": self.hidden}
        return [{"addSheet": {"properties": properties}}, write]

    def made(self) -> None:
        """The requests were carried out. Saved with the next batch."""
        self.book.memory.extras[self.name] = MADE

    def refused(self) -> None:
        """They were not: a person deleted the tab, if it was made before. It stays away."""
        if self.book.memory.extras.get(self.name) == MADE:
            self.book.memory.extras[self.name] = GONE


def sheet_rows(tab: int, rows: Sequence[Sequence[Json]]) -> Json:
    """The request that writes cells from the first one on."""
    data = [{"values": list(cells)} for cells in rows]
    fields = "userEnteredValue,userEnteredFormat.textFormat.link"
    return {"updateCells": {"start": {"sheetId": tab, "rowIndex": 0, "columnIndex": 0}, "rows": data, "fields": fields}}
