"""One cell: what may stand in it, how it is written, and what it is when it is read back."""

import math
from datetime import datetime
from typing import Any

__all__ = ["CELL_BYTES", "Cell", "as_cell", "cell_bytes", "cell_data", "moment", "revision_in", "same", "shortened"]

MAX_CELL_UNITS = 50_000  # UTF-16 units; one longer cell makes Google refuse the whole request (support.google.com, answer 37603)
MAX_EXACT = 10**15  # Sheets shows 15 digits of a number; longer ones stay text
CELL_BYTES = 44  # of `{"userEnteredValue":{"stringValue":""}},` around a text

Cell = str | int | float | bool | None


def shortened(text: str) -> tuple[str, bool]:
    """The text as it fits a cell, cut with a mark that says so; and whether it was cut."""
    units = text.encode("utf-16-le", "surrogatepass")
    count = len(units) // 2
    if count <= MAX_CELL_UNITS:
        return text, False
    mark = f"… [cut here: the answer has {count:,} characters; the whole text is kept in collect]"
    kept = units[: 2 * (MAX_CELL_UNITS - len(mark))].decode("utf-16-le", "ignore")  # ignore: half of a pair at the cut
    return kept + mark, True


def revision_in(cell: Any) -> int:
    """The revision a cell of the revision column shows; 0 when a person wrote something else there."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return int(cell)
    digits = str(cell).partition(" ")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() else 0


def same(written: Cell, read: Any) -> bool:
    """Whether a cell read back is what was written."""
    if written is None or written == "":
        return read is None or read == ""
    if isinstance(written, bool) or isinstance(read, bool):
        return written is read
    return bool(written == read)


def cell_data(cell: Cell) -> dict[str, Any]:
    """The cell as the API takes it, typed, so that nothing is parsed: a text is never executed as a formula."""
    # Promise 8: cells are written as they are
    if type(cell) is str:
        return {"userEnteredValue": {"stringValue": cell}} if cell else {}
    if cell is None:
        return {}
    if isinstance(cell, bool):
        return {"userEnteredValue": {"boolValue": cell}}
    return {"userEnteredValue": {"numberValue": cell}}


def cell_bytes(cell: Cell) -> int:
    """About so many bytes of a request."""
    if type(cell) is str:
        return CELL_BYTES + (len(cell) if cell.isascii() else len(cell.encode()))
    return CELL_BYTES


def as_cell(value: Any) -> Cell:
    """The value of a batch's frame as a cell."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -MAX_EXACT < value < MAX_EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list):
        return "; ".join("" if one is None else str(one) for one in value)
    if isinstance(value, datetime):
        return moment(value)
    return str(value)


def moment(value: Any) -> Cell:
    """A moment as its clock shows it, without the zone: that is named in the header."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return as_cell(value)
