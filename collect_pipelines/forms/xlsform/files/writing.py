"""Sheets as an XLSX file: every cell is text, as a cell can hold it, so that nothing is taken for a formula, a number or a date."""

import io
import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from typing import Any

from collect_pipelines.forms.xlsform.files.book import Sheet, cell_text

__all__ = ["MAX_CELL", "cell_of", "label_of", "xlsx_of"]

MAX_CELL = 32_000  # characters; a cell of an XLSX file holds 32,767
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = re.compile(r"\$\{(?P<name>[^}]*)\}?")


def cell_of(text: str) -> str:
    """The text without what XML can't hold and spreadsheet programs change; `x005F_` is how they write an underscore."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return cell_text(_UNWRITABLE.sub("", lines).replace("x005F_", "")[:MAX_CELL])


def label_of(text: str, names: Container[str]) -> str:
    """A text for people. `${name}` in it stands for an answer, so what only looks like that is written with a space."""
    return cell_of(
        _REFERENCE.sub(lambda found: found[0] if found[0].endswith("}") and found["name"] in names else f"$ {found[0][1:]}", text)
    )


MOMENT = datetime(2000, 1, 1, tzinfo=UTC)  # of every file, so that the same form gives the same bytes
WIDTH = 24  # characters a column is wide
_FORMAT_OF_TEXT = "@"


def xlsx_of(sheets: Iterable[Sheet]) -> bytes:
    """The bytes of a workbook with these sheets."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    book.properties.creator = "collect-pipelines"
    book.properties.created = book.properties.modified = MOMENT.replace(tzinfo=None)
    bold = Font(bold=True)
    for sheet in sheets:
        page = book.create_sheet(sheet.name)
        page.freeze_panes = "A2"
        for index in range(len(sheet.headers)):
            page.column_dimensions[_letters(index + 1)].width = WIDTH
        page.append([_cell(page, header, bold) for header in sheet.headers])
        for row in sheet.rows:
            page.append([_cell(page, row.cells.get(header, "")) for header in sheet.headers])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _cell(page: Any, text: str, font: Any = None) -> Any:
    from openpyxl.cell import WriteOnlyCell

    if not text:
        return None
    cell = WriteOnlyCell(page, value=text)
    cell.data_type = "s"  # a text that starts with = is no formula
    cell.number_format = _FORMAT_OF_TEXT
    if font is not None:
        cell.font = font
    return cell


def _letters(number: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(number))
