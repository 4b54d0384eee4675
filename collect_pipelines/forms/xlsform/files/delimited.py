"""The CSV form of XLSForm: the first cell of a line names a sheet, the lines after it, starting with a blank cell, are its rows."""

import csv
import io
from collections.abc import Iterator

from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["delimited_grids"]

ENCODINGS = ("utf-8-sig", "cp1252")  # exports of older office programs are not UTF-8
DELIMITERS = (",", ";", "\t")
MAX_CELL = 1 << 20  # characters; more is an unclosed quote, not a label
_WORDS = frozenset({"type", "name", "label"})


def delimited_grids(content: bytes, findings: Findings) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    """Sheet names with their rows. A file that starts with the header of a survey is a survey alone."""
    text = _decoded(content, findings)
    delimiter = max(DELIMITERS, key=lambda one: text[:10_000].count(one))
    lines = list(_lines(text, delimiter, findings))
    first = next((cells for _, cells in lines if any(cells)), [])
    if first and first[0] and _WORDS & {cell.lower() for cell in first}:
        return [("survey", lines)]
    return _by_sheet(lines, findings)


def _by_sheet(lines: list[tuple[int, list[str]]], findings: Findings) -> list[tuple[str, list[tuple[int, list[str]]]]]:
    sheets: list[tuple[str, list[tuple[int, list[str]]]]] = []
    for number, cells in lines:
        if not any(cells):
            continue
        if cells[0]:
            sheets.append((cells[0], []))
        elif not sheets:
            raise findings.refusal(
                "a row comes before any sheet; the first cell of the first line names a sheet, e.g. survey", Cell("-", number)
            )
        if any(cells[1:]):
            sheets[-1][1].append((number, cells[1:]))
    return sheets


def _lines(text: str, delimiter: str, findings: Findings) -> Iterator[tuple[int, list[str]]]:
    limit = csv.field_size_limit(MAX_CELL)
    # Strict: a quote that is never closed would take the rest of the form into one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as exc:
        raise findings.refusal(f"line {line} is no CSV ({exc}); close the quotes, or save the form as .xlsx") from exc
    finally:
        csv.field_size_limit(limit)


def _decoded(content: bytes, findings: Findings) -> str:
    if b"\x00" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise findings.refusal("is no spreadsheet that is known here; save the form as .xlsx")
    encodings = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ENCODINGS
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise findings.refusal("is no text in UTF-8, UTF-16 or Windows-1252; save the form as .xlsx")
