"""The cells of an XLSX file as text, read row by row."""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any
from zipfile import ZipFile

from collect_pipelines.forms.xlsform.archive import guarded
from collect_pipelines.forms.xlsform.files.book import MAX_COLUMNS, MAX_ROWS, cell_text, is_read
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["xlsx_grids"]

MAX_TOLD = 20  # places of one kind in one sheet
MAX_SHEET_ROWS = 1_100_000  # a little more than spreadsheet programs can hold
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]{0,200}?ref="([A-Z]{1,3}[0-9]{1,7}):[A-Z]{1,3}[0-9]{1,7}"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Grid = list[tuple[int, list[str]]]
Grids = list[tuple[str, Grid]]


def xlsx_grids(content: bytes, findings: Findings) -> Grids:
    """Sheet names with their rows, those of sheets that nobody reads left out. Raises FormInvalid for what is no spreadsheet or unsafe."""
    with closing(guarded(content, findings)) as archive:
        merged = _merged(archive)
        computed = any(name.startswith("xl/worksheets/") and _FORMULA.search(archive.read(name)) for name in archive.namelist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of openpyxl, about colours, lists of allowed values and the like that it does not keep
        formulas = _formulas(content) if computed else {}
        grids = [(title, _grid(title, rows, formulas.get(title, {}), findings)) for title, rows in _sheets(content, values=True)]
    for title, grid in grids:
        for corner in merged.get(title, ())[:MAX_TOLD] if grid else ():
            findings.note(Cell(title), f"the cells merged at {corner} hold one text in the first of them; unmerge cells that all need it")
    return grids


def _grid(title: str, rows: Iterable[tuple[int, Any]], formulas: Mapping[int, set[int]], findings: Findings) -> Grid:
    grid: Grid = []
    for number, row in rows:
        grid.append((number, _texts(title, number, row, findings)))
        if number in formulas:
            # A formula whose result is the empty text has a type and no value; without a result it has neither.
            formulas[number].difference_update(cell.column for cell in row if cell.value is not None or cell.data_type == "str")
        if len(grid) > MAX_ROWS + 1:
            break  # one more than is allowed
    open_places = [(number, min(columns)) for number, columns in formulas.items() if columns and number <= grid[-1][0]] if grid else []
    for number, column in open_places[:MAX_TOLD]:
        told = "holds a formula without a result; open the file in a spreadsheet program and save it"
        findings.fault(Cell(title, number, _letters(column)), told)
    return grid


def _sheets(content: bytes, *, values: bool) -> Iterator[tuple[str, Iterator[tuple[int, Any]]]]:
    from openpyxl import load_workbook

    with closing(load_workbook(io.BytesIO(content), read_only=True, data_only=values, keep_links=False)) as book:
        titles = [sheet.title for sheet in book.worksheets]
        for sheet in book.worksheets:
            yield sheet.title, _rows(sheet) if is_read(sheet.title, titles) else iter(())


def _rows(sheet: Any) -> Iterator[tuple[int, Any]]:
    # The size a file declares is often wrong; without one every row that is there is read, up to one column more than are allowed.
    sheet.reset_dimensions()
    blank: Any = None  # all rows that a file leaves out are one and the same
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1), start=1):
        if number > MAX_SHEET_ROWS:
            return
        if row is blank:
            continue
        cells = [cell for cell in row if cell.value is not None or cell.data_type == "str"]
        if cells:
            yield number, row[: cells[-1].column]
        else:
            blank = row


def _texts(title: str, number: int, row: Any, findings: Findings) -> list[str]:
    for cell in row:
        if cell.value is not None and cell.data_type == "e":
            told = f"holds the error {cell.value}; correct the formula, or write what is meant"
            findings.fault(Cell(title, number, _letters(cell.column)), told)
    return [cell_text(cell.value) for cell in row]


def _letters(column: int) -> str:
    """The name of a column before its header is known: C."""
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(column))


def _formulas(content: bytes) -> dict[str, dict[int, set[int]]]:
    """Where formulas stand, by sheet and row: of those the result is read, and has to be there."""
    found: dict[str, dict[int, set[int]]] = {}
    for title, rows in _sheets(content, values=False):
        for number, row in rows:
            columns = {cell.column for cell in row if cell.value is not None and cell.data_type == "f"}
            if columns:
                found.setdefault(title, {})[number] = columns
    return found


def _merged(archive: ZipFile) -> dict[str, list[str]]:
    """The first cell of every merged range, by sheet."""
    from defusedxml.ElementTree import fromstring

    relations = {
        one.get("Id"): one.get("Target", "").lstrip("/") for one in fromstring(archive.read("xl/_rels/workbook.xml.rels"), forbid_dtd=True)
    }
    found: dict[str, list[str]] = {}
    for one in fromstring(archive.read("xl/workbook.xml"), forbid_dtd=True).iter():
        target = relations.get(one.get(_RELATION)) if one.tag.endswith("}sheet") else None
        part = target if target in archive.namelist() else f"xl/{target}"
        if target and part in archive.namelist():
            found[one.get("name", "")] = [corner.decode() for corner in _MERGED.findall(archive.read(part))]
    return found
