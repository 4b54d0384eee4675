"""From a file to a workbook as text: XLSX, XLS or CSV, told apart by what is in the file, not by its name."""

from importlib import import_module
from pathlib import Path

from collect_pipelines.errors import CollectError, FormInvalid, PluginError
from collect_pipelines.forms.xlsform.files.book import Book, book_of
from collect_pipelines.forms.xlsform.files.delimited import delimited_grids
from collect_pipelines.forms.xlsform.findings import Findings

__all__ = ["need_pyxform", "read_book"]

MAX_FILE_BYTES = 50 << 20  # of the file as it is; what it unpacks to is bounded by itself
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BARE_BIFF = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00", b"\x09\x08\x10\x00", b"\x09\x08\x08\x00")
_NOT_TABLES = {b"%PDF": "a PDF", b"{\\rt": "an RTF document", b"\x89PNG": "a picture", b"\xff\xd8\xff": "a picture", b"<htm": "a web page"}


def need_pyxform() -> None:
    """Raises PluginError saying what to install when the extra `xlsform` is missing."""
    try:
        import_module("pyxform")
        import_module("openpyxl")
        import_module("xlrd")
    except ImportError as exc:
        raise PluginError(
            "Reading and writing XLSForm needs packages that are not installed.", fix="pip install 'collect-pipelines[xlsform]'"
        ) from exc


def read_book(path: Path, findings: Findings) -> Book:
    """The workbook in the file. Raises FormInvalid, whatever the file holds."""
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)  # a pipe or a device has no size to look at before
    if len(content) > MAX_FILE_BYTES:
        raise findings.refusal(f"is larger than {MAX_FILE_BYTES >> 20} MB, which is not read; it is hardly a form")
    try:
        return _read(content, findings)
    except CollectError:
        raise
    except Exception as exc:
        raise unreadable(findings, exc) from exc


def _read(content: bytes, findings: Findings) -> Book:
    if not content.strip():
        raise findings.refusal("is empty; export it again as .xlsx")
    if content.startswith((_ZIP, _EMPTY_ZIP)):
        from collect_pipelines.forms.xlsform.files.xlsx import xlsx_grids

        return book_of(findings.source, xlsx_grids(content, findings), findings)
    if content.startswith((_OLE, *_BARE_BIFF)):
        from collect_pipelines.forms.xlsform.files.xls import xls_grids

        return book_of(findings.source, xls_grids(content, findings), findings)
    for start, kind in _NOT_TABLES.items():
        if content[:64].lstrip().lower().startswith(start.lower()):
            raise findings.refusal(f"is {kind}, not a spreadsheet; save the form as .xlsx")
    return book_of(findings.source, delimited_grids(content, findings), findings)


def unreadable(findings: Findings, exc: BaseException) -> FormInvalid:
    """The refusal of a file that a reader gave up on."""
    return findings.refusal(f"can't be read, it is damaged ({type(exc).__name__}); open it in a spreadsheet program and save it as .xlsx")
