"""A1 notation: reading ranges as people write them, and writing them as Google answers them."""

import re
from dataclasses import dataclass

__all__ = ["Area", "column_index", "column_letters", "parse_range", "quoted_title", "split_range"]

_CELL = re.compile(r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]{0,8})?")
_PLAIN_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Area:
    """A half-open rectangle, 0-based; None is an open side."""

    row_start: int | None = None
    row_end: int | None = None
    column_start: int | None = None
    column_end: int | None = None


def column_index(letters: str) -> int:
    """0 for A, 25 for Z, 26 for AA."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - 64
    return index - 1


def column_letters(index: int) -> str:
    """A for 0, Z for 25, AA for 26."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def quoted_title(title: str) -> str:
    """The tab title as it stands before the `!`: quoted when it is more than one plain word or looks like a cell."""
    if _PLAIN_TITLE.fullmatch(title) and parse_range(title) is None:
        return title
    return "'" + title.replace("'", "''") + "'"


def split_range(text: str) -> tuple[str | None, str | None]:
    """`Tab!A1:B2` -> (tab, cells); a text without `!` gives (None, text) and the caller decides what it is."""
    if text.startswith("'"):
        end = _closing_quote(text)
        if end is None:
            return None, text
        title = text[1:end].replace("''", "'")
        rest = text[end + 1 :]
        if not rest:
            return title, None
        return (title, rest[1:]) if rest.startswith("!") else (None, text)
    title, mark, cells = text.rpartition("!")
    return (title, cells) if mark else (None, text)


def parse_range(cells: str) -> Area | None:
    """`B2`, `A1:C3`, `A:C`, `2:5`, `A5:C`; None when it is not A1 notation."""
    first, colon, second = cells.partition(":")
    start = _parse_cell(first)
    if start is None:
        return None
    if not colon:
        column, row = start
        if column is None or row is None:
            return None
        return Area(row, row + 1, column, column + 1)
    end = _parse_cell(second)
    if end is None:
        return None
    return _between(start, end)


def _closing_quote(text: str) -> int | None:
    position = 1
    while position < len(text):
        if text[position] == "'":
            if text[position + 1 : position + 2] != "'":
                return position
            position += 1
        position += 1
    return None


def _parse_cell(text: str) -> tuple[int | None, int | None] | None:
    match = _CELL.fullmatch(text)
    if not match or not text:
        return None
    letters, digits = match.groups()
    if letters is None and digits is None:
        return None
    return (column_index(letters) if letters else None, int(digits) - 1 if digits else None)


def _between(start: tuple[int | None, int | None], end: tuple[int | None, int | None]) -> Area | None:
    columns = _side(start[0], end[0])
    rows = _side(start[1], end[1])
    if columns is None or rows is None:
        return None
    return Area(rows[0], rows[1], columns[0], columns[1])


def _side(start: int | None, end: int | None) -> tuple[int | None, int | None] | None:
    """One side of a range; `A5:C` is open downwards, `A:C5` is not A1 notation we accept."""
    if start is None and end is None:
        return None, None
    if start is None:
        return None, None if end is None else end + 1
    if end is None:
        return start, None
    return min(start, end), max(start, end) + 1
