"""What people do to a sheet that is being synced, and what of it must be found again at the end."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.local.sheets.grid import Tab
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["ACTIONS", "Persons", "ids_of", "layout_of"]

BOUND = "q"  # key of the metadata that binds a column to what it holds
# Not done while a copy of an edit is on its way, or its answer is to be lost: an edit writes by position into the row it is anchored to,
# and Google has no way to tie a write to columns. The worker puts such a row right while it lives and hears of it; else only
# `collect reconcile --repair` does.
MOVING_COLUMNS = ("insert columns", "move columns", "delete a column")
REMARK = "Remark"  # header of the column people keep for themselves


def layout_of(workbook: Workbook, tab: Tab) -> dict[str, int]:
    """Where the columns of the destination stand, by what they hold."""
    entries = workbook.metadata.entries.values()
    return {str(one.value): one.index for one in entries if (one.tab_id, one.key) == (tab.tab_id, BOUND) and one.index is not None}


def ids_of(workbook: Workbook, tab: Tab) -> dict[int, str]:
    """The response of each row that has one, by row."""
    place = layout_of(workbook, tab)["_id"]
    rows = ((index, _at(tab.row_cells(index), place)) for index in range(1, len(tab.rows)))
    return {index: str(value) for index, value in rows if value not in (None, "")}


def _at(cells: list[Any], place: int) -> Any:
    cell = cells[place] if place < len(cells) else None
    return cell.get("v") if isinstance(cell, dict) else cell


@dataclass
class Persons:
    """Somebody at the spreadsheets of a story; remembers what they wrote and renamed."""

    open_files: Callable[[], list[People]]
    row_deleted: Callable[[str], None] = lambda response: None
    edit_on_its_way: Callable[[], bool] = lambda: False
    """Whether a copy of an edit was cut off and may land late, or an answer is to be lost."""
    done: Counter[str] = field(default_factory=Counter)
    """How often each action was done."""
    remarks: dict[str, str] = field(default_factory=dict)
    """What they wrote beside a response; gone with its row."""
    notes: list[str] = field(default_factory=list)
    """What they wrote into rows of their own."""
    deleted_columns: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    """Headers they gave, by what the column holds."""
    copies: dict[int, list[list[Any]]] = field(default_factory=dict)
    """What they copied, by the id of the copy's tab."""

    def act(self, action: str, number: int) -> None:
        """One of ACTIONS at some place that `number` chooses; nothing when there is no such place yet."""
        files = self.open_files()
        if not files:
            return
        person = files[number % len(files)]
        tabs = self.tabs(person.workbook)
        if tabs and not (action in MOVING_COLUMNS and self.edit_on_its_way()):
            self.done[action] += 1
            ACTIONS[action](self, person, tabs[0], number)

    def tabs(self, workbook: Workbook) -> list[Tab]:
        """The tabs that hold responses; copies that people made are theirs."""
        return [tab for tab in workbook.ordered() if tab.tab_id not in self.copies and "_id" in layout_of(workbook, tab)]

    def copies_in(self, workbook: Workbook) -> dict[str, list[list[Any]]]:
        """What the copies in this file held when they were made, by the title of their tab."""
        return {workbook.tabs[number].title: values for number, values in self.copies.items() if number in workbook.tabs}

    def sort(self, person: People, tab: Tab, number: int) -> None:
        """Sorts all rows by a column."""
        person.sort(tab.title, number % tab.column_count, descending=number % 2 == 1)

    def insert_rows(self, person: People, tab: Tab, number: int) -> None:
        """Inserts empty rows."""
        if tab.row_count > 1:
            person.insert_rows(tab.title, 1 + number % (tab.row_count - 1), 1 + number % 2)

    def insert_columns(self, person: People, tab: Tab, number: int) -> None:
        """Inserts an empty column."""
        person.insert_columns(tab.title, number % tab.column_count)

    def move_rows(self, person: People, tab: Tab, number: int) -> None:
        """Moves a row to the end or the beginning."""
        if tab.row_count > 3:
            place = 1 + number % (tab.row_count - 2)
            person.move_rows(tab.title, place, place + 1, tab.row_count if number % 2 else 1)

    def move_columns(self, person: People, tab: Tab, number: int) -> None:
        """Moves a column to the end or the beginning."""
        place = number % tab.column_count
        target = tab.column_count if number % 2 else 0
        if target not in (place, place + 1):
            person.move_columns(tab.title, place, place + 1, target)

    def rename_tab(self, person: People, tab: Tab, number: int) -> None:
        """Gives the tab another title."""
        person.rename_tab(tab.title, f"Our tab {number}")

    def rename_header(self, person: People, tab: Tab, number: int) -> None:
        """Gives a column another header."""
        held = sorted(name for name in layout_of(person.workbook, tab) if not name.startswith("_"))
        name = held[number % len(held)] if held else ""
        if name:
            self._write(person, tab, 0, layout_of(person.workbook, tab)[name], f"Mine {number}")
            self.renamed[name] = f"Mine {number}"

    def hide(self, person: People, tab: Tab, number: int) -> None:
        """Hides a row and a column."""
        if tab.row_count > 2:
            person.hide_rows(tab.title, 1, 2)
        person.hide_columns(tab.title, number % tab.column_count, number % tab.column_count + 1)

    def filter(self, person: People, tab: Tab, number: int) -> None:
        """Sets a filter that hides the rows of one response, or clears it."""
        if tab.basic_filter is not None:
            person.clear_filter(tab.title)
            return
        ids = sorted(ids_of(person.workbook, tab).values())
        if ids:
            person.filter(tab.title, layout_of(person.workbook, tab)["_id"], [ids[number % len(ids)]])

    def remark(self, person: People, tab: Tab, number: int) -> None:
        """Writes beside a response, in a column of their own."""
        place = self._own_column(person, tab)
        tab = person.workbook.tabs[tab.tab_id]
        rows = sorted(ids_of(person.workbook, tab).items())
        if rows:
            index, response = rows[number % len(rows)]
            self.remarks[response] = f"remark {number} on {response}"
            self._write(person, tab, index, place, self.remarks[response])

    def own_row(self, person: People, tab: Tab, number: int) -> None:
        """Writes a row of their own below all others."""
        place = self._own_column(person, tab)
        tab = person.workbook.tabs[tab.tab_id]
        person.request({"appendDimension": {"sheetId": tab.tab_id, "dimension": "ROWS", "length": 1}})
        self.notes.append(f"note {number}.{len(self.notes)}")
        self._write(person, tab, tab.row_count, place, self.notes[-1])

    def delete_row(self, person: People, tab: Tab, number: int) -> None:
        """Deletes the row of a response."""
        rows = sorted(ids_of(person.workbook, tab).items())
        if len(rows) > 1:
            index, response = rows[number % len(rows)]
            person.delete_rows(tab.title, index, index + 1)
            self.row_deleted(response)
            self.remarks.pop(response, None)

    def delete_column(self, person: People, tab: Tab, number: int) -> None:
        """Deletes the column of a question."""
        held = {name: place for name, place in layout_of(person.workbook, tab).items() if not name.startswith("_")}
        if len(held) > 1:
            name = sorted(held)[number % len(held)]
            person.delete_columns(tab.title, held[name], held[name] + 1)
            self.deleted_columns.add(name)

    def paint(self, person: People, tab: Tab, number: int) -> None:
        """Colours cells below everything and in the middle."""
        person.paint(tab.title, number % tab.row_count, tab.row_count, 0, tab.column_count)

    def copy_tab(self, person: People, tab: Tab, number: int) -> None:
        """Keeps a copy of the tab."""
        title = f"A copy of ours {len(self.copies)}"
        if len(person.workbook.tabs) < 6:
            person.duplicate_tab(tab.title, title)
            self.copies[person.tab_id(title)] = person.values(title)

    def delete_side_tab(self, person: People, tab: Tab, number: int) -> None:
        """Deletes a tab beside the responses: the hidden one, or the list of spreadsheets."""
        besides = [one for one in person.workbook.ordered() if one.tab_id not in self.copies and one.tab_id != tab.tab_id]
        if besides:
            person.delete_tab(besides[number % len(besides)].title)

    def _own_column(self, person: People, tab: Tab) -> int:
        header = tab.row_cells(0)
        for place in range(len(header)):
            if _at(header, place) == REMARK:
                return place
        person.request({"appendDimension": {"sheetId": tab.tab_id, "dimension": "COLUMNS", "length": 1}})
        self._write(person, tab, 0, tab.column_count, REMARK)
        return tab.column_count

    def _write(self, person: People, tab: Tab, row: int, column: int, text: str) -> None:
        start = {"sheetId": tab.tab_id, "rowIndex": row, "columnIndex": column}
        rows = [{"values": [{"userEnteredValue": {"stringValue": text}}]}]
        person.request({"updateCells": {"start": start, "rows": rows, "fields": "userEnteredValue"}})


ACTIONS: dict[str, Callable[[Persons, People, Tab, int], None]] = {
    "sort": Persons.sort,
    "insert rows": Persons.insert_rows,
    "insert columns": Persons.insert_columns,
    "move rows": Persons.move_rows,
    "move columns": Persons.move_columns,
    "rename the tab": Persons.rename_tab,
    "rename a header": Persons.rename_header,
    "hide": Persons.hide,
    "filter": Persons.filter,
    "write a remark": Persons.remark,
    "write a row": Persons.own_row,
    "delete a row": Persons.delete_row,
    "delete a column": Persons.delete_column,
    "paint": Persons.paint,
    "copy the tab": Persons.copy_tab,
    "delete a side tab": Persons.delete_side_tab,
}
