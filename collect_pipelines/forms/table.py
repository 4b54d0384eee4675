"""A survey export (CSV) as rows, with nothing dropped: encoding and delimiter found, columns named uniquely, every cell kept."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from collect_pipelines.errors import Invalid

__all__ = ["Table", "read_table"]

ENCODINGS = ("utf-8-sig", "cp1252")  # exports of older office programs are not UTF-8
LAST_ENCODING = "latin-1"  # every byte is a character there
DELIMITERS = (",", ";", "\t", "|")
CHUNK_CHARACTERS = 1 << 20
SAMPLE_ROWS = 100  # enough to tell a delimiter from a comma in someone's text


@dataclass(frozen=True, slots=True)
class Table:
    """An export whose header was read."""

    path: Path
    encoding: str
    delimiter: str
    labels: tuple[str, ...]
    """The header, verbatim."""
    columns: tuple[str, ...]
    """A unique name per column: its header, of several equal ones the second with ` (2)`, an empty one `(column 3)`."""

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """
        Line number in the file and cells by column name, for every row that is not blank. Missing cells at the end are blank.

        Raises Invalid naming the line when a row has more cells than the header, or the file is not CSV.
        """
        lines = _cells(self.path, self.encoding, self.delimiter)
        next(lines, None)
        for line, cells in lines:
            if not any(cells):
                continue
            surplus = [cell for cell in cells[len(self.columns) :] if cell]
            if surplus:
                raise Invalid(
                    f"{self.path.name}:{line}: {len(cells)} cells, but the header has {len(self.columns)}.",
                    fix=f"Put quotes around cells that hold {self.delimiter!r}, or name the further columns in the header.",
                )
            cells += [""] * (len(self.columns) - len(cells))
            yield line, dict(zip(self.columns, cells, strict=False))


def read_table(path: Path) -> Table:
    """The table in the file. Raises Invalid when it is empty or no CSV file."""
    encoding = _encoding(path)
    delimiter = next((found for found in DELIMITERS if _fits(path, encoding, found)), DELIMITERS[0])
    _, labels = next(_cells(path, encoding, delimiter), (0, []))
    if not any(labels):
        raise Invalid(f"{path.name} is empty.", fix="The first line names the columns, every other line is a response.")
    return Table(path, encoding, delimiter, tuple(labels), _unique(labels))


def _fits(path: Path, encoding: str, delimiter: str) -> bool:
    """Whether the header has several cells and each of the first rows has as many."""
    try:
        rows = [cells for _, cells in islice(_cells(path, encoding, delimiter), SAMPLE_ROWS)]
    except Invalid:
        return False
    return bool(rows) and any(rows[0]) and len(rows[0]) > 1 and {len(cells) for cells in rows if cells} == {len(rows[0])}


def _cells(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            for cells in reader:
                if any("\x00" in cell for cell in cells):
                    raise Invalid(
                        f"{path.name}:{reader.line_num}: holds the NUL character.", fix="Export the survey as CSV; this is no text file."
                    )
                yield reader.line_num, cells
        except csv.Error as exc:
            raise Invalid(f"{path.name}:{reader.line_num}: {exc}.", fix="Check the quotes around this line's cells.") from exc


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
    for encoding in ENCODINGS:
        try:
            with path.open(encoding=encoding) as text:
                while text.read(CHUNK_CHARACTERS):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    return LAST_ENCODING


def _unique(labels: list[str]) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    headers = set(labels)
    for index, label in enumerate(labels, 1):
        base = label or f"(column {index})"
        name, count = base, 1
        while name in columns or (name != label and name in headers):
            count += 1
            name = f"{base} ({count})"
        columns[name] = None
    return tuple(columns)
