"""One spreadsheet in memory: its file record, its tabs in order, its metadata. A change is made on a copy and takes its place at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from collect_pipelines.local.sheets.a1 import Area, parse_range, split_range
from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.limits import COLUMNS, TABS, TITLE_CHARACTERS
from collect_pipelines.local.sheets.metadata import MetadataBook

__all__ = ["FileRecord", "Permission", "Workbook"]


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may do what with a file; `kind` is user, group, domain or anyone."""

    permission_id: str
    kind: str
    role: str
    email: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The Permission resource of Drive."""
        document = {"kind": "drive#permission", "id": self.permission_id, "type": self.kind, "role": self.role}
        return document | ({"emailAddress": self.email} if self.email else {})


@dataclass
class FileRecord:
    """The Drive side of a spreadsheet. Times are RFC 3339 in UTC."""

    file_id: str
    owner: str
    created: str
    modified: str
    clients: list[str] = field(default_factory=list)
    """OAuth clients that created or were given the file: all that scope drive.file may see."""
    permissions: dict[str, Permission] = field(default_factory=dict)
    app_properties: dict[str, str] = field(default_factory=dict)
    trashed: bool = False
    drive_id: str | None = None
    """The shared drive that owns it: then `owner` is empty."""


@dataclass
class Workbook:
    """The whole state of a spreadsheet; never changed once it is committed."""

    file: FileRecord
    title: str
    properties: dict[str, Any] = field(default_factory=dict)
    """SpreadsheetProperties besides the title."""
    tabs: dict[int, Tab] = field(default_factory=dict)
    """By sheet id, in the order they stand."""
    metadata: MetadataBook = field(default_factory=MetadataBook)
    version: int = 0
    complete: bool = True
    """False while only the header was read: rows and metadata are on disk."""
    _own: set[int] = field(default_factory=set)
    """Tabs already copied for this draft."""

    def draft(self) -> "Workbook":
        """A copy to change; tabs are copied when first edited."""
        record = FileRecord(
            self.file.file_id,
            self.file.owner,
            self.file.created,
            self.file.modified,
            list(self.file.clients),
            dict(self.file.permissions),
            dict(self.file.app_properties),
            self.file.trashed,
            self.file.drive_id,
        )
        return Workbook(record, self.title, dict(self.properties), dict(self.tabs), self.metadata.copy(), self.version + 1)

    def header(self) -> "Workbook":
        """A copy without rows and metadata: enough for lists and access checks."""
        tabs = {tab_id: replace(tab, rows=[]) for tab_id, tab in self.tabs.items()}
        return Workbook(self.file, self.title, self.properties, tabs, version=self.version, complete=False)

    @property
    def stored_rows(self) -> int:
        """Rows it holds in memory."""
        return sum(len(tab.rows) for tab in self.tabs.values())

    def tab(self, tab_id: int, noun: str = "grid") -> Tab:
        """The tab of this id for reading; raises InvalidRequest in Google's words when there is none."""
        if tab_id not in self.tabs:
            raise InvalidRequest(f"No {noun} with id: {tab_id}")
        return self.tabs[tab_id]

    def edit(self, tab_id: int, noun: str = "grid") -> Tab:
        """The tab of this id for changing; raises InvalidRequest in Google's words when there is none."""
        self.tab(tab_id, noun)
        if tab_id not in self._own:
            self.tabs[tab_id] = self.tabs[tab_id].copy()
            self._own.add(tab_id)
        return self.tabs[tab_id]

    def add_tab(self, tab: Tab, index: int | None) -> None:
        """Adds a tab at its place; raises InvalidRequest for a taken id or title and past 200 tabs."""
        if tab.tab_id in self.tabs:
            raise InvalidRequest(f"A sheet with ID {tab.tab_id} already exists. Please enter another ID.")
        if len(self.tabs) >= TABS:
            raise InvalidRequest(f"You can't add more than {TABS} sheets to a document.")
        self.check_title(tab.title, None)
        ordered = list(self.tabs.values())
        place = len(ordered) if index is None else index
        if not 0 <= place <= len(ordered):
            raise InvalidRequest(f"Invalid sheet index: {place}.")
        self.place(tab, place)
        self._own.add(tab.tab_id)

    def place(self, tab: Tab, index: int) -> None:
        """Puts a tab, new or old, before what stands at `index`."""
        ordered = list(self.tabs.values())
        if tab.tab_id in self.tabs:
            old = [one.tab_id for one in ordered].index(tab.tab_id)
            del ordered[old]
            index -= index > old
        ordered.insert(index, tab)
        self.tabs = {one.tab_id: one for one in ordered}

    def check_title(self, title: str, besides: int | None) -> None:
        """Titles are unique in a spreadsheet, upper and lower case alike ([?] secondary sources), and not endless."""
        if not title:
            raise InvalidRequest("The sheet name cannot be empty.")
        if len(title) > TITLE_CHARACTERS:
            raise InvalidRequest(f"The sheet name cannot be greater than {TITLE_CHARACTERS} characters.")
        folded = title.casefold()
        if any(tab.title.casefold() == folded and tab.tab_id != besides for tab in self.tabs.values()):
            raise InvalidRequest(f'A sheet with the name "{title}" already exists. Please enter another name.')

    def check_size(self, most_cells: int) -> None:
        """Raises InvalidRequest when the allocated grid is past the cell or column limit (support.google.com answer 37603)."""
        if sum(tab.cell_count for tab in self.tabs.values()) > most_cells:
            text = f"This action would increase the number of cells in the workbook above the limit of {most_cells} cells."
            raise InvalidRequest(text)
        if any(tab.column_count > COLUMNS for tab in self.tabs.values()):
            raise InvalidRequest(f"This action would increase the number of columns in the sheet above the limit of {COLUMNS} columns.")

    def tab_titled(self, title: str) -> Tab | None:
        """The tab of a title; A1 notation does not mind upper and lower case."""
        folded = title.casefold()
        return next((tab for tab in self.tabs.values() if tab.title.casefold() == folded), None)

    def first_tab(self) -> Tab:
        """The first visible tab: what a range without a tab means."""
        return next((tab for tab in self.tabs.values() if not tab.properties.get("hidden")), next(iter(self.tabs.values())))

    def resolve(self, text: str) -> tuple[Tab, Area]:
        """The tab and area of an A1 text; raises InvalidRequest `Unable to parse range: ...` ([L1])."""
        title, cells = split_range(text)
        if title is None and cells is not None:
            area = parse_range(cells)
            if area is not None:
                return self.first_tab(), area
            title, cells = cells, None
        tab = self.tab_titled(title or "")
        area = Area() if cells is None else parse_range(cells)
        if tab is None or area is None:
            raise InvalidRequest(f"Unable to parse range: {text}")
        return tab, area

    def resolve_inside(self, text: str) -> tuple[Tab, Rectangle]:
        """Like `resolve`, clipped to the grid; an area that starts past the grid is refused ([L2])."""
        tab, area = self.resolve(text)
        return tab, self.inside(tab, area)

    def inside(self, tab: Tab, area: Area) -> Rectangle:
        """The area clipped to the grid; raises InvalidRequest when it starts past it."""
        row, column = area.row_start or 0, area.column_start or 0
        if row >= tab.row_count or column >= tab.column_count:
            place = tab.range_text(Rectangle(row, row + 1, column, column + 1))
            raise InvalidRequest(f"Range ({place}) exceeds grid limits. Max rows: {tab.row_count}, max columns: {tab.column_count}")
        return tab.clipped(area)

    def ordered(self) -> Iterable[Tab]:
        """The tabs as they stand."""
        return self.tabs.values()
