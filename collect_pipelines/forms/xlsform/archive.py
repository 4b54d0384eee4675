"""What is looked at before a library may open an XLSX file: what it is, how large it unpacks, and that its XML declares nothing."""

import io
import zipfile
from collections.abc import Iterator

from collect_pipelines.forms.xlsform.findings import Findings

__all__ = ["guarded"]

MAX_UNPACKED_BYTES = 50 << 20  # of all parts together: a form of 1,000 questions in ten languages has about 2 MB
MAX_RATIO = 200  # unpacked to packed; spreadsheets reach 50
RATIO_FROM_BYTES = 1 << 20  # smaller parts may be as repetitive as they like
MAX_PARTS = 2_000
_KINDS = {
    "application/vnd.oasis.opendocument": "an OpenDocument file",
    "application/epub": "an EPUB",
}

# What zipfile raises for bytes that are no whole archive; the last one for a compression or version it does not know.
_DAMAGED = (zipfile.BadZipFile, ValueError, LookupError, EOFError, OSError, NotImplementedError)


def guarded(content: bytes, findings: Findings) -> zipfile.ZipFile:
    """The archive, when a spreadsheet library may open it. Raises FormInvalid."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        parts = archive.infolist()
    except _DAMAGED as exc:
        raise findings.refusal("is no XLSX file or damaged; open it in a spreadsheet program and save it as .xlsx") from exc
    _bounded(parts, findings)
    names = {part.filename for part in parts}
    if any(part.flag_bits & 1 for part in parts):
        raise findings.refusal("is encrypted; save it without a password")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise findings.refusal("is a workbook with macros (.xlsm), and macros are never read; save it as .xlsx")
    _is_workbook(archive, names, findings)
    for part in parts:
        _declares_nothing(archive, part, findings)
    return archive


def _bounded(parts: list[zipfile.ZipInfo], findings: Findings) -> None:
    # An archive can't unpack to more than it declares: zipfile stops reading a part at its declared size.
    unpacked = sum(part.file_size for part in parts)
    steep = [part for part in parts if part.file_size > RATIO_FROM_BYTES and part.file_size > MAX_RATIO * max(part.compress_size, 1)]
    if len(parts) > MAX_PARTS:
        raise findings.refusal(f"has {len(parts):,} parts, at most {MAX_PARTS:,} are read; it is hardly a form")
    if unpacked > MAX_UNPACKED_BYTES or steep:
        raise findings.refusal(
            f"unpacks to {unpacked >> 20} MB, at most {MAX_UNPACKED_BYTES >> 20} MB and {MAX_RATIO} times its own size are read; "
            "delete empty rows and columns, pictures and sheets that are not part of the form"
        )


def _is_workbook(archive: zipfile.ZipFile, names: set[str], findings: Findings) -> None:
    if "mimetype" in names:
        kind = archive.read("mimetype")[:100].decode("ascii", "replace")
        what = next((words for start, words in _KINDS.items() if kind.startswith(start)), "another kind of document")
        raise findings.refusal(f"is {what}, not an XLSX file; save the form as .xlsx")
    types = archive.read("[Content_Types].xml") if "[Content_Types].xml" in names else b""
    if b"macroEnabled" in types:
        raise findings.refusal("is a workbook with macros (.xlsm), and macros are never read; save it as .xlsx")
    if "xl/workbook.bin" in names:
        raise findings.refusal("is a binary workbook (.xlsb); save it as .xlsx")
    if not any(name.lower().startswith("xl/") for name in names):
        raise findings.refusal("is a ZIP archive, but no XLSX file; save the form as .xlsx")


def _declares_nothing(archive: zipfile.ZipFile, part: zipfile.ZipInfo, findings: Findings) -> None:
    """A document type comes before the first element, so reading up to there finds entities without expanding any."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    try:
        with archive.open(part) as stream:
            events: Iterator[object] = iterparse(stream, events=("start",), forbid_dtd=True)
            next(events, None)
    except DefusedXmlException as exc:
        raise findings.refusal(f"declares a document type in {part.filename[:100]}, which no spreadsheet does; it is not read") from exc
    except SyntaxError as exc:
        if not part.filename.lower().endswith((".xml", ".rels")):
            return  # a picture; a workbook may call its XML what it likes, so every part is looked at
        raise findings.refusal(f"is damaged in {part.filename[:100]}; open it in a spreadsheet program and save it as .xlsx") from exc
    except _DAMAGED as exc:
        raise findings.refusal(f"is damaged in {part.filename[:100]}; open it in a spreadsheet program and save it as .xlsx") from exc
