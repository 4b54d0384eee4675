"""A workbook as text: sheets with a header and rows, the same from every kind of file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["MAX_COLUMNS", "MAX_ROWS", "SHEETS", "Book", "Row", "Sheet", "book_of", "cell_text", "is_read", "sheet_of"]

MAX_ROWS = 100_000  # rows that are not blank, of one sheet: fifty times the largest choice list
MAX_COLUMNS = 500  # eight kinds of text in fifty languages, and room
SHEETS = ("survey", "choices", "settings", "external_choices", "entities", "osm", "collect")
"""The sheets that are read; `collect` is our own, see the module `own_sheet`."""

Grid = Iterable[tuple[int, Sequence[str]]]
"""Rows of a sheet, each with its number and the text of its cells."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row that is not blank."""

    number: int
    cells: Mapping[str, str]
    """Text by header, blank cells left out."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet with its header."""

    name: str
    headers: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    header_row: int = 1

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


@dataclass(frozen=True, slots=True)
class Book:
    """The sheets of a workbook that XLSForm knows, by lower-case name."""

    source: str
    sheets: Mapping[str, Sheet] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    """Names of the sheets that XLSForm does not know."""

    def sheet(self, name: str) -> Sheet:
        """The sheet, without rows when the workbook does not have it."""
        return self.sheets.get(name) or Sheet(name)


def is_read(title: str, titles: Sequence[str]) -> bool:
    """Whether a sheet of a workbook with these sheets is looked at: XLSForm knows it, or it is the only one."""
    return len(titles) == 1 or title.strip().lower() in SHEETS


def book_of(source: str, grids: Iterable[tuple[str, Grid]], findings: Findings) -> Book:
    """The workbook with these sheets. A sheet by itself is the survey, whatever its name."""
    found = list(grids)
    alone = len(found) == 1
    sheets: dict[str, Sheet] = {}
    others: list[str] = []
    for title, grid in found:
        name = title.strip().lower()
        if name not in SHEETS and alone:
            name = "survey"
        if name not in SHEETS:
            others.append(title)
        elif name in sheets:
            findings.fault(Cell(title), f"there are two sheets named {name}; keep one of them")
        else:
            sheets[name] = sheet_of(name, grid, findings)
    return Book(source, sheets, tuple(others))


def sheet_of(name: str, grid: Grid, findings: Findings) -> Sheet:
    """A sheet from its cells: the first row that is not blank is the header."""
    lines = ((number, cells) for number, cells in grid if any(cells))
    header_row, header = next(lines, (1, ()))
    columns = _columns(name, header_row, header, findings)
    rows: list[Row] = []
    loose: list[tuple[int, str]] = []
    for number, cells in lines:
        if len(rows) >= MAX_ROWS:
            raise findings.refusal(f"has more than {MAX_ROWS:,} rows; a form has at most 1,000 questions", Cell(name, number))
        if len(cells) > MAX_COLUMNS and any(cells[MAX_COLUMNS:]):
            raise findings.refusal(f"has more than {MAX_COLUMNS} columns; remove what is not part of the form", Cell(name, number))
        rows.append(Row(number, {columns[index]: text for index, text in enumerate(cells) if text and columns.get(index)}))
        loose += [(number, text) for index, text in enumerate(cells) if text and index not in columns]
    for number, text in loose[:3]:
        findings.note(Cell(name, number), "stands in a column without a header and is not read; give the column a header", text)
    return Sheet(name, tuple(columns.values()), tuple(row for row in rows if row.cells), header_row)


def _columns(name: str, header_row: int, header: Sequence[str], findings: Findings) -> dict[int, str]:
    if len(header) > MAX_COLUMNS and any(header[MAX_COLUMNS:]):
        raise findings.refusal(f"has more than {MAX_COLUMNS} columns; remove what is not part of the form", Cell(name, header_row))
    columns: dict[int, str] = {}
    for index, text in enumerate(header):
        clean = " ".join(text.split())
        if clean in columns.values():
            findings.fault(Cell(name, header_row, clean), "the header is there twice; rename or remove one of the two columns")
        elif clean:
            columns[index] = clean
    return columns


_SPACES = {0xA0: " ", 0x202F: " "}  # typed by spreadsheet programs where people meant a space


def cell_text(value: Any) -> str:
    """A cell's value as pyxform reads it: whole numbers without a point, TRUE and FALSE, ends stripped; a date at midnight is a day."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time().isoformat() == "00:00:00":
        return str(value.date())
    if isinstance(value, date) and not isinstance(value, datetime):
        return str(value)
    return str(value).translate(_SPACES).strip()
