"""The cells of an XLSX file as text, read row by row."""

import io
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from zipfile import ZipFile

from collect_pipelines.forms.xlsform.archive import guarded
from collect_pipelines.forms.xlsform.book import MAX_COLUMNS
from collect_pipelines.forms.xlsform.cells import cell_text
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["xlsx_grids"]

MAX_SHEET_ROWS = 1_100_000  # a little more than spreadsheet programs can hold
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]{0,200}?ref="([A-Z]{1,3}[0-9]{1,7}):[A-Z]{1,3}[0-9]{1,7}"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Grids = list[tuple[str, list[tuple[int, list[str]]]]]


def xlsx_grids(content: bytes, findings: Findings) -> Grids:
    """Sheet names with their rows. Raises FormInvalid for what is no spreadsheet or unsafe to open."""
    with closing(guarded(content, findings)) as archive:
        merged = _merged(archive)
        computed = any(name.startswith("xl/worksheets/") and _FORMULA.search(archive.read(name)) for name in archive.namelist())
    formulas = _formulas(content) if computed else {}
    grids: Grids = []
    for title, rows in _sheets(content, values=True):
        grid = [(number, _texts(title, number, row, formulas, findings)) for number, row in rows]
        grids.append((title, grid))
    for title, corners in merged.items():
        for corner in corners[:3]:
            findings.note(Cell(title), f"the cells merged at {corner} hold one text in the first of them; unmerge cells that all need it")
    return grids


def _sheets(content: bytes, *, values: bool) -> Iterator[tuple[str, Iterator[tuple[int, Any]]]]:
    from openpyxl import load_workbook

    with closing(load_workbook(io.BytesIO(content), read_only=True, data_only=values, keep_links=False)) as book:
        for sheet in book.worksheets:
            yield sheet.title, _rows(sheet)


def _rows(sheet: Any) -> Iterator[tuple[int, Any]]:
    # The size a file declares is often wrong; without one every row that is there is read, up to one column more than are allowed.
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1), start=1):
        if number > MAX_SHEET_ROWS:
            return
        cells = [cell for cell in row if cell.value is not None]
        if cells:
            yield number, row[: cells[-1].column]


def _texts(title: str, number: int, row: Any, formulas: dict[str, set[tuple[int, int]]], findings: Findings) -> list[str]:
    texts = [cell_text(cell.value) for cell in row]
    for cell in row:
        if cell.value is not None and cell.data_type == "e":
            findings.fault(Cell(title, number), f"holds the error {cell.value}; correct the formula, or write what is meant")
    for at_row, at_column in sorted(formulas.get(title, ())):
        if at_row == number and (at_column > len(texts) or not texts[at_column - 1]):
            findings.fault(Cell(title, number), "holds a formula without a result; open the file in a spreadsheet program and save it")
    return texts


def _formulas(content: bytes) -> dict[str, set[tuple[int, int]]]:
    """Where formulas stand: of those the result is read, and has to be there."""
    found: dict[str, set[tuple[int, int]]] = {}
    for title, rows in _sheets(content, values=False):
        for number, row in rows:
            for cell in row:
                if cell.value is not None and cell.data_type == "f":
                    found.setdefault(title, set()).add((number, cell.column))
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
