"""A survey export (CSV, or the first sheet of a workbook) as rows, nothing dropped: how it is written and its header are found out."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.exports.header_rows import Span, header_rows, spans
from collect_pipelines.forms.exports.sheet_rows import is_workbook, sheet_rows

__all__ = ["Line", "Table", "read_table"]

ENCODINGS = ("utf-8-sig", "cp1252")  # exports of older office programs are not UTF-8
WORKBOOK = "xlsx"
"""The encoding of a table that is no text file."""
LAST_ENCODING = "latin-1"  # every byte is a character there
DELIMITERS = (",", ";", "\t", "|")
CHUNK_CHARACTERS = 1 << 20
SAMPLE_ROWS = 100  # enough to tell a delimiter from a comma in someone's text
SAMPLE_BYTES = 4096
HALF = 0.4  # share of zero bytes at one of two places in a text of UTF-16 without a mark
REGULAR = 0.8  # share of rows as long as the header, when some are cut short
MAX_PREAMBLE = 10  # lines of titles above the header
NO_TEXT = "Export the survey as CSV (UTF-8); this is no text file, or a damaged one."
QUOTES = "Check the quotes around this line's cells: one that is not closed takes in all that follows."
BETWEEN = " | "  # question and option in the name of a column

UNCLOSED = "\x00"  # a line of its own after the last one, unless a cell's quotes take it in; no line of a file has it

_DELIMITER_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)

Line = tuple[int, Literal["row", "blank", "header"], list[str]]
"""Line number in the file, what it is, and its cells, as many as there are columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """An export whose header was read."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[tuple[str, ...], ...]
    """One or two rows, verbatim, all equally long."""
    columns: tuple[str, ...]
    """A unique name per column: its header, of several equal ones the second with ` (2)`, an empty one `(column 3)`."""
    why: str = ""
    """Why there are two header rows."""
    preamble: tuple[tuple[str, ...], ...] = ()
    """Rows above the header, verbatim."""
    header_line: int = 1
    """Line of the file in which its first row ends."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The header; of two rows the upper one."""
        return self.header[0]

    @property
    def spans(self) -> list[Span]:
        """The columns of each question, of which there may be several when there are two header rows."""
        return spans(*self.header) if len(self.header) > 1 else [(column, column + 1) for column in range(len(self.columns))]

    def lines(self) -> Iterator[Line]:
        """
        Everything below the header. Missing cells at the end are blank; a header that comes again is told as such.

        Raises Invalid naming the line when a row has more cells than the header, or the file is not CSV.
        """
        width = len(self.columns)
        below = self.header[1] if len(self.header) > 1 else None
        above = False
        for line, cells in self._below_header():
            surplus = len(cells) - width
            if surplus > 0 and any(cells[width:]):
                raise Invalid(
                    f"{self.path.name}:{line}: {len(cells)} cells, but the header has {width}.",
                    fix=f"Put quotes around cells that hold {self.delimiter!r}, or name the further columns in the header.",
                )
            cells = cells[:width] if surplus > 0 else cells + [""] * -surplus
            if not any(cells):
                yield line, "blank", cells
                continue
            # a second row of options alone could be the answer of someone who chose all of them
            again = self._is_header(cells) or (above and tuple(cells) == below)
            above = again
            yield line, "header" if again else "row", cells

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line number in the file and cells by column name, for every row of answers. Raises Invalid as `lines` does."""
        for line, kind, cells in self.lines():
            if kind == "row":
                yield line, dict(zip(self.columns, cells, strict=True))

    def _below_header(self) -> Iterator[tuple[int, list[str]]]:
        rows = islice(_written(_cells(self.path, self.encoding, self.delimiter)), len(self.preamble), None)
        waiting = len(self.header)
        for line, cells in rows:
            if waiting and any(cells):
                waiting -= 1
            elif not waiting:
                yield line, cells

    def _is_header(self, cells: list[str]) -> bool:
        """In files joined from several; one cell alone may be an answer that looks like the question."""
        top = self.header[0]
        return cells[0].lstrip("\ufeff") == top[0] and tuple(cells[1:]) == top[1:] and sum(map(bool, top)) > 1


def read_table(path: Path, rows_of_header: int | None = None) -> Table:
    """
    The table in the file. Raises Invalid when it is empty, or neither CSV nor a workbook.

    rows_of_header: 1 or 2 when it is known; else it is found out.
    """
    encoding = WORKBOOK if is_workbook(path) else _encoding(path)
    delimiter = DELIMITERS[0] if encoding == WORKBOOK else _delimiter(path, encoding)
    numbered = list(islice(_written(_cells(path, encoding, delimiter)), SAMPLE_ROWS))
    rows = [cells for _, cells in numbered]
    first = _first(rows)
    line = numbered[first][0] if rows else 0
    preamble, rows = rows[:first], [rows[first], *filter(any, rows[first + 1 :])] if rows else []
    if not rows:
        raise Invalid(f"{path.name} is empty.", fix="The first line names the columns, every other line is a response.")
    found, why = header_rows(rows) if rows_of_header is None else (rows_of_header, "you said so")
    if found > len(rows):
        raise Invalid(f"{path.name} has no second header row.", fix="Leave out `--header-rows`.")
    header = rows[:found]
    width = max(map(len, header))
    padded = tuple((*row, *[""] * (width - len(row))) for row in header)
    return Table(path, encoding, delimiter, padded, _unique(_names(padded)), why, tuple(map(tuple, preamble)), line)


def _written(lines: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Without blank lines above the first one that is not."""
    found = False
    for line, cells in lines:
        found = found or any(cells)
        if found:
            yield line, cells


def _first(rows: Sequence[Sequence[str]]) -> int:
    """
    Place of the header: after lines of titles, if any.

    A title is one cell in a line of its own, or one cell of several with a blank line below the titles; else it is the header. Below
    the header there are rows as long as it is: a table of one column may hold commas, too. Two columns may have one name when a blank
    line sets the titles apart.
    """
    place = next((place for place, cells in enumerate(rows[: MAX_PREAMBLE + 1]) if sum(map(bool, cells)) > 1), 0)
    above, header, below = rows[:place], rows[place] if rows else [], [row for row in rows[place + 1 :] if any(row)]
    apart = place > 0 and not any(above[-1])
    titles = place > 0 and (apart or all(len(row) <= 1 for row in above))
    named = len(header) > 2 and all(header) and (len(set(header)) == len(header) or (apart and len(set(header)) > 2))
    regular = len(below) > 1 and all(len(row) == len(header) and row != header for row in below)
    return place if titles and named and regular else 0


def _delimiter(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="", errors="replace") as file:
        said = _DELIMITER_LINE.fullmatch(file.readline(SAMPLE_BYTES))
    if said:
        return said.group(1)
    for regular in (1.0, REGULAR):
        for delimiter in DELIMITERS:
            if _fits(path, encoding, delimiter, regular):
                return delimiter
    return DELIMITERS[0]


def _fits(path: Path, encoding: str, delimiter: str, regular: float) -> bool:
    """Whether the header has several cells, and the first rows as many; all of them, or a good share and the others fewer."""
    rows: list[list[str]] = []
    with suppress(Invalid):  # what comes before the fault tells, and the fault is told when the file is read
        for _, cells in islice(_written(_cells(path, encoding, delimiter)), SAMPLE_ROWS):
            rows.append(cells)
    others = [len(cells) for cells in rows[_first(rows) :] if cells]
    width = others[0] if others else 0
    return width > 1 and max(others) == width and sum(length == width for length in others) >= regular * len(others)


def _cells(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    if encoding == WORKBOOK:
        yield from sheet_rows(path)
        return
    with path.open(encoding=encoding, newline="") as file:
        lines = _lines(file, path)
        start = next(lines)
        said = _DELIMITER_LINE.fullmatch(start)
        skipped = 1 if said else 0
        reader = csv.reader(lines if said else chain((start,), lines), delimiter=delimiter)
        try:
            started = 1 + skipped
            for cells in reader:
                if cells == [UNCLOSED]:
                    return
                if cells and cells[-1].endswith(UNCLOSED):
                    raise Invalid(f"{path.name}:{started}: the quotes of a cell that begins here are never closed.", fix=QUOTES)
                yield reader.line_num + skipped, cells
                started = reader.line_num + skipped + 1
        except csv.Error as exc:
            raise Invalid(f"{path.name}:{reader.line_num + skipped}: {exc}.", fix=QUOTES) from exc


def _lines(file: Iterator[str], path: Path) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(file, 1):
            if "\x00" in line:
                raise Invalid(f"{path.name}:{number}: holds the NUL character.", fix=NO_TEXT)
            yield line
    except UnicodeDecodeError as exc:
        raise Invalid(f"{path.name}:{number + 1}: is not text in UTF-16, as the file begins.", fix=NO_TEXT) from exc
    yield UNCLOSED


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(SAMPLE_BYTES)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and start[place::2].count(0) > HALF * len(start) / 2:
            return encoding
    for encoding in ENCODINGS:
        try:
            with path.open(encoding=encoding) as text:
                while text.read(CHUNK_CHARACTERS):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    return LAST_ENCODING


def _names(header: tuple[tuple[str, ...], ...]) -> list[str]:
    if len(header) == 1:
        return list(header[0])
    names: list[str] = []
    for start, end in spans(*header):
        if end - start == 1:
            names.append(header[0][start] or header[1][start])
        else:
            names += [f"{header[0][start]}{BETWEEN}{header[1][column]}" for column in range(start, end)]
    return names


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
