"""The cells of an XLS file (BIFF) as text."""

import io
from datetime import datetime, time
from typing import Any

from collect_pipelines.forms.xlsform.files.book import cell_text, is_read
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["xls_grids"]

_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_MACROS = "_VBA_PROJECT".encode("utf-16-le")


def xls_grids(content: bytes, findings: Findings) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    """Sheet names with their rows. Raises FormInvalid for an encrypted file and for other documents of that container."""
    import xlrd

    if _ENCRYPTED_PACKAGE in content:
        raise findings.refusal("is encrypted; save it without a password")
    try:
        # Its own log goes nowhere; ragged rows keep a stray cell far to the right from filling every row.
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), ragged_rows=True, on_demand=False)
    except xlrd.XLRDError as exc:
        secret = "encrypted" in str(exc).lower()
        words = "is encrypted; save it without a password" if secret else "is no XLS workbook, or damaged; save the form as .xlsx"
        raise findings.refusal(words) from exc
    if _MACROS in content:
        findings.note(None, "the macros of this workbook are not read")
    titles = book.sheet_names()
    return [(sheet.name, _grid(sheet, book.datemode, findings) if is_read(sheet.name, titles) else []) for sheet in book.sheets()]


def _grid(sheet: Any, datemode: int, findings: Findings) -> list[tuple[int, list[str]]]:
    from xlrd import colname

    grid: list[tuple[int, list[str]]] = []
    for index in range(sheet.nrows):
        row = sheet.row(index)
        texts = [_text(cell, datemode, Cell(sheet.name, index + 1, colname(at)), findings) for at, cell in enumerate(row)]
        if any(texts):
            grid.append((index + 1, texts))
    return grid


def _text(cell: Any, datemode: int, place: Cell, findings: Findings) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_ERROR:
        word = xlrd.error_text_from_code.get(cell.value, "#?")
        findings.fault(place, f"holds the error {word}; correct the formula, or write what is meant")
        return ""
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return cell_text(bool(cell.value))
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            parts = xlrd.xldate_as_tuple(cell.value, datemode)
        except xlrd.XLDateError:
            findings.fault(place, "holds a date that can't be told; write it as text, e.g. 2026-01-31")
            return ""
        return cell_text(time(*parts[3:]) if parts[:3] == (0, 0, 0) else datetime(*parts))  # noqa: DTZ001 - a cell has no zone
    return cell_text(None if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK) else cell.value)
