"""The rows of a workbook (XLSX) as text, as its first sheet that holds something keeps them."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from collect_pipelines.errors import CollectError, Invalid

__all__ = ["is_workbook", "sheet_rows"]

MAX_FILE_BYTES = 50 << 20  # of the file as it is; what it unpacks to is bounded when it is opened
SAVE_AS_CSV = "Save the sheet as CSV (UTF-8) and use that."
_ZIP = b"PK\x03\x04"


def is_workbook(path: Path) -> bool:
    """Whether the file is an archive, as workbooks are; no text file begins so."""
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def sheet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """
    Row number in the sheet and cells; blank cells at the end of a row are left out.

    Numbers are as they are stored, not as they are shown; dates are `2025-12-31` or `2025-12-31 09:30:00`, booleans TRUE and FALSE.
    Raises Invalid for what is no workbook or not safe to open, PluginError when the extra `xlsform` is not installed.
    """
    from collect_pipelines.forms.xlsform.reading import need_pyxform

    need_pyxform()
    try:
        yield from _rows(path)
    except CollectError as exc:
        raise exc if isinstance(exc, Invalid) and exc.fix == SAVE_AS_CSV else Invalid(exc.message, fix=SAVE_AS_CSV) from exc
    except Exception as exc:
        # damaged workbooks raise whatever comes, and the message may quote cells
        raise Invalid(f"{path.name} can't be read as a workbook ({type(exc).__name__}).", fix=SAVE_AS_CSV) from exc


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    from openpyxl import load_workbook

    from collect_pipelines.forms.xlsform.archive import guarded
    from collect_pipelines.forms.xlsform.findings import Findings

    if path.stat().st_size > MAX_FILE_BYTES:
        raise Invalid(f"{path.name} is larger than {MAX_FILE_BYTES >> 20} MB.", fix=SAVE_AS_CSV)
    content = path.read_bytes()
    guarded(content, Findings(path.name)).close()
    with closing(load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)) as book:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # the size a file declares is often wrong
            found = False
            for number, row in enumerate(sheet.iter_rows(), start=1):
                cells = [_text(cell) for cell in row]
                while cells and not cells[-1]:
                    cells.pop()
                found = found or bool(cells)
                yield number, cells
            if found:
                return


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        only_day = value.time() == time() and not {"h", "s"} & set(str(cell.number_format).lower())
        return value.date().isoformat() if only_day else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)
