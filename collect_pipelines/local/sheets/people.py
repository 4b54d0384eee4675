"""What people do to a spreadsheet while the pipeline writes into it; for tests. Everything goes the way a real change goes."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.local.sheets.a1 import Area
from collect_pipelines.local.sheets.batch import apply_batch
from collect_pipelines.local.sheets.context import BatchContext, is_whole
from collect_pipelines.local.sheets.library import Shelf
from collect_pipelines.local.sheets.service import Service
from collect_pipelines.local.sheets.values import Rendering, read_values, update_values
from collect_pipelines.local.sheets.workbook import Permission, Workbook

__all__ = ["People"]


class People:
    """A person with one spreadsheet open. Tabs are named by title, rows and columns by 0-based index."""

    def __init__(self, service: Service, spreadsheet_id: str, email: str | None = None) -> None:
        """`email` is the person's address; unset, the owner's."""
        self._service = service
        self._id = spreadsheet_id
        self._email = email

    @property
    def workbook(self) -> Workbook:
        """The committed state."""
        return self._shelf().read()

    def values(self, tab: str) -> list[list[Any]]:
        """All values of a tab, unformatted."""
        found, area = self.workbook.resolve_inside(_quoted(tab))
        return read_values(found, area, Rendering(render="UNFORMATTED_VALUE"))

    def request(self, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """Any batchUpdate requests, without quota; answers the replies."""
        with self._shelf().change() as draft:
            account = self._service.identity.by_email(self._email or draft.file.owner)
            project = account.project if account is not None else "none"
            email = self._email or draft.file.owner
            service = self._service
            context = BatchContext(draft, email, project, service.limits, service.switches, service.new_number)
            draft.file.modified = service.clock.text()
            return apply_batch(context, list(requests))

    def type_in(self, place: str, values: Sequence[Sequence[Any]]) -> None:
        """Types values as a person does: numbers, dates and formulas are recognised."""
        with self._shelf().change() as draft:
            service = self._service
            context = BatchContext(draft, draft.file.owner, "none", service.limits, service.switches, service.new_number)
            update_values(context, place, {"values": [list(row) for row in values]}, True)

    def sort(self, tab: str, column: int, *, descending: bool = False, header_rows: int = 1) -> None:
        """Sorts the whole tab below its header by one column."""
        order = "DESCENDING" if descending else "ASCENDING"
        area = {"sheetId": self.tab_id(tab), "startRowIndex": header_rows}
        self.request({"sortRange": {"range": area, "sortSpecs": [{"dimensionIndex": column, "sortOrder": order}]}})

    def insert_rows(self, tab: str, start: int, count: int = 1) -> None:
        """Inserts empty rows before `start`."""
        self.request({"insertDimension": {"range": self._span(tab, "ROWS", start, start + count)}})

    def insert_columns(self, tab: str, start: int, count: int = 1) -> None:
        """Inserts empty columns before `start`."""
        self.request({"insertDimension": {"range": self._span(tab, "COLUMNS", start, start + count)}})

    def move_rows(self, tab: str, start: int, end: int, destination: int) -> None:
        """Moves rows before what is at `destination`."""
        self.request({"moveDimension": {"source": self._span(tab, "ROWS", start, end), "destinationIndex": destination}})

    def move_columns(self, tab: str, start: int, end: int, destination: int) -> None:
        """Moves columns before what is at `destination`."""
        self.request({"moveDimension": {"source": self._span(tab, "COLUMNS", start, end), "destinationIndex": destination}})

    def delete_rows(self, tab: str, start: int, end: int) -> None:
        """Deletes rows."""
        self.request({"deleteDimension": {"range": self._span(tab, "ROWS", start, end)}})

    def delete_columns(self, tab: str, start: int, end: int) -> None:
        """Deletes columns."""
        self.request({"deleteDimension": {"range": self._span(tab, "COLUMNS", start, end)}})

    def hide_rows(self, tab: str, start: int, end: int) -> None:
        """Hides rows."""
        properties = {"range": self._span(tab, "ROWS", start, end), "properties": {"hiddenByUser": True}, "fields": "hiddenByUser"}
        self.request({"updateDimensionProperties": properties})

    def hide_columns(self, tab: str, start: int, end: int) -> None:
        """Hides columns."""
        properties = {"range": self._span(tab, "COLUMNS", start, end), "properties": {"hiddenByUser": True}, "fields": "hiddenByUser"}
        self.request({"updateDimensionProperties": properties})

    def filter(self, tab: str, column: int, hidden: Sequence[str]) -> None:
        """Filters the tab so that rows with these texts in a column are hidden."""
        criteria = {str(column): {"hiddenValues": list(hidden)}}
        self.request({"setBasicFilter": {"filter": {"range": {"sheetId": self.tab_id(tab)}, "criteria": criteria}}})

    def clear_filter(self, tab: str) -> None:
        """Removes the tab's filter."""
        self.request({"clearBasicFilter": {"sheetId": self.tab_id(tab)}})

    def paint(self, tab: str, row_start: int, row_end: int, column_start: int, column_end: int) -> None:
        """Colours cells yellow."""
        area = {"startRowIndex": row_start, "endRowIndex": row_end, "startColumnIndex": column_start, "endColumnIndex": column_end}
        cell = {"userEnteredFormat": {"backgroundColor": {"red": 1, "green": 1}}}
        span = {"sheetId": self.tab_id(tab), **area}
        self.request({"repeatCell": {"range": span, "cell": cell, "fields": "userEnteredFormat.backgroundColor"}})

    def trim(self, tab: str, rows: int, columns: int) -> None:
        """Cuts the grid to a size."""
        self._properties(tab, {"gridProperties": {"rowCount": rows, "columnCount": columns}}, "gridProperties(rowCount,columnCount)")

    def rename_tab(self, tab: str, title: str) -> None:
        """Gives a tab another title."""
        self._properties(tab, {"title": title}, "title")

    def move_tab(self, tab: str, index: int) -> None:
        """Puts a tab at another place."""
        self._properties(tab, {"index": index}, "index")

    def duplicate_tab(self, tab: str, title: str) -> None:
        """Copies a tab inside the file."""
        self.request({"duplicateSheet": {"sourceSheetId": self.tab_id(tab), "newSheetName": title}})

    def add_tab(self, title: str) -> None:
        """Adds a tab."""
        self.request({"addSheet": {"properties": {"title": title}}})

    def delete_tab(self, tab: str) -> None:
        """Deletes a tab with all it holds."""
        self.request({"deleteSheet": {"sheetId": self.tab_id(tab)}})

    def protect(self, tab: str, *, warning_only: bool = False) -> int:
        """Protects a whole tab for its owner, in place of the protection it may have; answers the id of the protection."""
        wanted = {"range": {"sheetId": self.tab_id(tab)}, "warningOnly": warning_only, "description": "Please ask me first"}
        for before in self.workbook.tabs[self.tab_id(tab)].protected:
            if is_whole(Area(*before["area"])):
                changed = {"protectedRangeId": before["protectedRangeId"], **wanted}
                self.request({"updateProtectedRange": {"protectedRange": changed, "fields": "warningOnly,description,editors"}})
                return int(before["protectedRangeId"])
        reply = self.request({"addProtectedRange": {"protectedRange": wanted}})[0]
        number: int = reply["addProtectedRange"]["protectedRange"]["protectedRangeId"]
        return number

    def unprotect(self, number: int) -> None:
        """Ends a protection."""
        self.request({"deleteProtectedRange": {"protectedRangeId": number}})

    def share(self, email: str, role: str = "writer") -> None:
        """Shares the file with an address."""
        permission_id = self._service.identity.permission_id(email)
        with self._shelf().change() as draft:
            draft.file.permissions[permission_id] = Permission(permission_id, "user", role, email)

    def unshare(self, email: str) -> None:
        """Ends the share with an address."""
        with self._shelf().change() as draft:
            draft.file.permissions.pop(self._service.identity.permission_id(email), None)

    def trash(self, trashed: bool = True) -> None:
        """Puts the file into the trash, or takes it out."""
        with self._shelf().change() as draft:
            draft.file.trashed = trashed

    def delete_file(self) -> None:
        """Deletes the file for good."""
        self._service.library.remove(self._id)

    def tab_id(self, tab: str) -> int:
        """The sheet id of a title."""
        found = self.workbook.tab_titled(tab)
        if found is None:
            raise KeyError(tab)
        return found.tab_id

    def _shelf(self) -> Shelf:
        shelf = self._service.library.find(self._id)
        if shelf is None:
            raise KeyError(self._id)
        return shelf

    def _span(self, tab: str, dimension: str, start: int, end: int) -> dict[str, Any]:
        return {"sheetId": self.tab_id(tab), "dimension": dimension, "startIndex": start, "endIndex": end}

    def _properties(self, tab: str, properties: dict[str, Any], fields: str) -> None:
        self.request({"updateSheetProperties": {"properties": {"sheetId": self.tab_id(tab), **properties}, "fields": fields}})


def _quoted(title: str) -> str:
    return "'" + title.replace("'", "''") + "'"
