"""Workbooks for tests: sheets as lists of rows, written as .xlsx with openpyxl, as .csv, or as .xls by a small BIFF writer."""

import csv
import io
import struct
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from collect_pipelines.forms.xlsform.importing import Imported, import_form

Rows = Sequence[Sequence[Any]]
YES_NO: Rows = [["list_name", "name", "label"], ["yn", "yes", "Yes"], ["yn", "no", "No"]]


def xlsx(folder: Path, name: str = "form.xlsx", **sheets: Rows) -> Path:
    """A workbook with these sheets."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(list(row))
    path = folder / name
    book.save(path)
    return path


def read(folder: Path, survey: Rows, choices: Rows = (), **sheets: Rows) -> Imported:
    """The form in a workbook with these sheets."""
    given = {"survey": survey, **({"choices": choices} if choices else {}), **sheets}
    return import_form(xlsx(folder, **given))


def as_csv(folder: Path, encoding: str = "utf-8", delimiter: str = ",", **sheets: Rows) -> Path:
    """The sheets in one CSV file, as XLSForm has them."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter)
    for title, rows in sheets.items():
        writer.writerow([title])
        writer.writerows(["", *("" if cell is None else cell for cell in row)] for row in rows)
    path = folder / "form.csv"
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def xls(folder: Path, **sheets: Rows) -> Path:
    """The sheets as BIFF8 in a compound file, with texts, numbers and truths."""
    path = folder / "form.xls"
    path.write_bytes(compound_file(biff(sheets)))
    return path


def biff(sheets: dict[str, Rows]) -> bytes:
    """The stream `Workbook` of an .xls file."""
    start, end = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)), _record(0x000A, b"")
    bodies = [b"".join(_sheet(rows)) for rows in sheets.values()]
    names = [title.encode("utf-16-le") for title in sheets]
    # Two cell formats: anything (0) and a date (1).
    codepage = _record(0x0042, struct.pack("<H", 1200)) + b"".join(_record(0x00E0, struct.pack("<HH16x", 0, kind)) for kind in (0, 14))
    place = len(start) + len(codepage) + sum(12 + len(name) for name in names) + len(end)
    heads = []
    for name, body in zip(names, bodies, strict=True):
        heads.append(_record(0x0085, struct.pack("<IBBBB", place, 0, 0, len(name) // 2, 1) + name))
        place += len(body)
    return b"".join([start, codepage, *heads, end, *bodies])


def _sheet(rows: Rows) -> Iterator[bytes]:
    yield _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))
    yield _record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows), default=0), 0))
    for row, cells in enumerate(rows):
        for column, value in enumerate(cells):
            place = struct.pack("<HHH", row, column, isinstance(value, date))
            if isinstance(value, date):
                yield _record(0x0203, place + struct.pack("<d", (value - date(1899, 12, 30)).days))
            elif isinstance(value, bool):
                yield _record(0x0205, place + struct.pack("<BB", value, 0))
            elif isinstance(value, int | float):
                yield _record(0x0203, place + struct.pack("<d", value))
            elif value is not None:
                text = value.encode("utf-16-le")
                yield _record(0x0204, place + struct.pack("<HB", len(text) // 2, 1) + text)
    yield _record(0x000A, b"")


def _record(kind: int, data: bytes) -> bytes:
    assert len(data) <= 8224, "longer records need CONTINUE"
    return struct.pack("<HH", kind, len(data)) + data


def compound_file(stream: bytes) -> bytes:
    """A file of Microsoft's container format with one stream, Workbook, in sectors of 512 bytes."""
    sector = 512
    data = stream.ljust(max(4096, -(-len(stream) // sector) * sector), b"\x00")  # smaller streams live elsewhere
    count = len(data) // sector
    fat_sectors = -(-(count + 2) // 127)
    chain = [*range(1, count), 0xFFFFFFFE]  # the stream, sector after sector
    directory = count
    fat = chain + [0xFFFFFFFE] + [0xFFFFFFFD] * fat_sectors
    fat += [0xFFFFFFFF] * (fat_sectors * 128 - len(fat))
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x00" * 16, 0x3E, 3, 0xFFFE, 9, 6,
        0, fat_sectors, directory, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0,
    )  # fmt: skip
    places = [directory + 1 + index for index in range(fat_sectors)]
    header += struct.pack("<109I", *places, *[0xFFFFFFFF] * (109 - fat_sectors))
    empty = _entry("", 0, 0xFFFFFFFF, 0, 0)
    entries = _entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + _entry("Workbook", 2, 0xFFFFFFFF, 0, len(data)) + empty * 2
    return header + data + entries + struct.pack(f"<{len(fat)}I", *fat)


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = (name.encode("utf-16-le") + b"\x00\x00") if name else b""
    none = 0xFFFFFFFF
    return struct.pack("<64sHBBIII16sI8s8sIII", text, len(text), kind, 1, none, none, child, b"", 0, b"", b"", start, size, 0)
