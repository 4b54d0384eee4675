"""pyxform's verdict on a workbook: it converts the form, and what it can't convert is told with our sheet, row and column."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from collect_pipelines.forms.xlsform.files.book import Book, Sheet
from collect_pipelines.forms.xlsform.findings import Cell, Findings

__all__ = ["convert", "judge"]

_ROW = re.compile(r"\[row : (\d+)\]\s*")
_SHEET = re.compile(r"[Oo]n the '(\w+)' sheet, ")
_COLUMN = re.compile(r"the '([^']+)' value (?:'[^']*' )?is (?:invalid|problematic)\.\s*")
_LEARN = re.compile(r"\s*Learn more: \S+")
_NAMED = re.compile(r"'([^']{1,100})'|\[([^\]]{1,100})\]")
_SHEETS = ("survey", "choices", "settings", "external_choices", "entities", "osm")


def judge(book: Book, findings: Findings, *, names: Mapping[str, int]) -> None:
    """Adds what pyxform says against the workbook to the faults. names: row by name of a question."""
    from pyxform.errors import PyXFormError

    try:
        convert(book)
    except PyXFormError as exc:
        for message in str(exc).split("\n"):
            if message.strip():
                findings.fault(*_told(message, getattr(exc, "context", {}), book, names))
    except RecursionError:
        findings.fault(None, "is nested too deep; flatten the groups")
    except Exception as exc:  # noqa: BLE001 - pyxform raises whatever comes on input it did not expect; the author gets words
        told = f"pyxform can't convert this row ({type(exc).__name__}); look for a blank label, or write it more simply"
        findings.fault(_cell_at_work(exc, book, names), told)


def convert(book: Book) -> str:
    """The form as XForm XML. Raises PyXFormError."""
    from pyxform.builder import create_survey_element_from_dict
    from pyxform.xls2json import workbook_to_json
    from pyxform.xls2json_backends import DefinitionData

    parts: dict[str, Any] = {}
    for name in _SHEETS:
        sheet = book.sheet(name)
        if sheet.headers:
            parts[name] = [dict(row.cells) for row in sheet] or None
            parts[f"{name}_header"] = [dict.fromkeys(sheet.headers)]
    data = DefinitionData(**parts, sheet_names=[*book.sheets, *book.others], fallback_form_name="form")
    # validate=False: checking every expression would start a Java program.
    survey = create_survey_element_from_dict(workbook_to_json(data, fallback_form_name="form", warnings=[]))
    return str(survey.to_xml(validate=False, pretty_print=True, warnings=[]))


def _cell_at_work(exc: BaseException, book: Book, names: Mapping[str, int]) -> Cell | None:
    """The row pyxform was at when it gave up, as its own variables tell."""
    found: Cell | None = None
    frames = exc.__traceback__
    while frames is not None:
        inside = frames.tb_frame.f_locals
        counted, name = inside.get("row_number"), getattr(inside.get("self"), "name", None)
        if isinstance(counted, int):
            found = Cell("survey", _number(book.sheet("survey"), counted))
        elif isinstance(name, str) and name in names:
            found = Cell("survey", names[name])
        frames = frames.tb_next
    return found


def _told(message: str, context: Mapping[str, Any], book: Book, names: Mapping[str, int]) -> tuple[Cell | None, str]:
    row, sheet, column = context.get("row"), context.get("sheet"), context.get("column")
    found = _ROW.search(message)
    row = int(found[1]) if found else row
    sheet = sheet or _first(_SHEET, message) or ("survey" if row else None)
    column = column or _first(_COLUMN, message) or ("label" if "no label" in message else None)
    words = _LEARN.sub("", _COLUMN.sub("", _SHEET.sub("", _ROW.sub("", message)))).strip()
    known = book.sheet(sheet) if sheet in _SHEETS else None
    number = _number(known, int(str(row))) if known is not None and str(row).isdigit() else None
    if number is None:
        number, sheet = next(((names[name], "survey") for name in _names(message) if name in names), (None, sheet))
    cell = Cell(str(sheet), number, str(column) if column else None) if sheet else None
    return cell, f"{words or 'is not valid'} (said by pyxform)"


def _number(sheet: Sheet, counted: int) -> int:
    """pyxform counts the rows it was given, from 2 on; blank rows were left out."""
    if counted < 2 or counted - 2 >= len(sheet.rows):
        return sheet.header_row
    return sheet.rows[counted - 2].number


def _first(pattern: re.Pattern[str], message: str) -> str | None:
    found = pattern.search(message)
    return found[1] if found else None


def _names(message: str) -> Sequence[str]:
    return [found[1] or found[2] for found in _NAMED.finditer(message)]
