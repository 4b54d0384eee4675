"""From a batch to the exact cells: which columns a tab has, what each row holds, and how rows are cut into requests."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from collect_pipelines.destinations.interface import Batch

__all__ = [
    "ID",
    "REVISION",
    "SUBMITTED",
    "Cell",
    "Row",
    "SheetColumn",
    "cell_data",
    "marks_of",
    "parts",
    "revision_in",
    "row_data",
    "rows_of",
    "same",
    "sheet_columns",
    "shortened",
]

SUBMITTED, ID, REVISION = "_submitted", "_id", "_revision"
"""Columns of ours besides the questions. Question keys begin with a letter, so the names can't meet."""

UTC = "UTC"

MAX_CELL_UNITS = 50_000  # UTF-16 units; one longer cell makes Google refuse the whole request (support.google.com, answer 37603)
MAX_EXACT = 10**15  # Sheets shows 15 digits of a number; longer ones stay text
MAX_PART_BYTES = 1_900_000  # of a request; Google recommends at most 2 MB
CELL_BYTES = 44  # of `{"userEnteredValue":{"stringValue":""}},` around a text
KEY_CHARACTERS = 24  # of a question key in column metadata: 30,000 characters have to do for all marks of a tab

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """One of our columns."""

    name: str
    """Value of the COLUMN metadata that binds it, for ever."""
    header: str
    """What is written into the first row when the column is created."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One response as the sheet shows it; `cells` in the order of the batch's columns, None for empty."""

    position: int
    response_id: str
    revision: int
    deleted: bool
    fresh: bool
    """True when the row is to be appended, whatever the sheet holds."""
    cells: tuple[Cell, ...]
    truncated: int = 0
    appended: bool = False
    """One of several rows of its response, each a revision."""

    @property
    def mark(self) -> tuple[str, int]:
        """What tells the row from all others."""
        return self.response_id, self.revision if self.appended else 0


def sheet_columns(batch: Batch) -> tuple[SheetColumn, ...]:
    """Our columns in the order they are created: when, the answers, then what finds the row again."""
    headers = _unlike([f"Submitted ({batch.time_zone})", *(column.label or column.key for column in batch.columns), "_id", "_revision"])
    names = [submitted_name(batch.time_zone), *(bound_name(column.key) for column in batch.columns), ID, REVISION]
    notes = {
        ID: "Finds the row of a response when it is edited. You may move or hide this column; please do not delete it.",
        REVISION: "How often the response was written: 1 when it came, more after edits.",
    }
    return tuple(SheetColumn(name, header, notes.get(name, "")) for name, header in zip(names, headers, strict=True))


def submitted_name(time_zone: str) -> str:
    """The name of the first column: one per zone, so that a column never holds the clocks of two."""
    return SUBMITTED if time_zone == UTC else bound_name(f"{SUBMITTED}@{time_zone}")


def bound_name(key: str) -> str:
    """The name a question's column is bound by: its key, shortened the same way every time when it is long."""
    if len(key) <= KEY_CHARACTERS:
        return key
    from hashlib import sha256

    return f"{key[: KEY_CHARACTERS - 9]}~{sha256(key.encode()).hexdigest()[:8]}"


def rows_of(batch: Batch) -> list[Row]:
    """The rows of the batch in position order, with the cells of `sheet_columns`."""
    answers = [column.name for column in batch.columns]
    meta = ["_position", "_response_id", "_revision", "_operation", "_submitted_at", "_received_at"]
    frame = batch.frame.sort("_position")
    if not batch.append_only:
        frame = frame.unique("_response_id", keep="last", maintain_order=True)
    zone = ZoneInfo(batch.time_zone)
    return [_row(batch, zone, values) for values in frame.select(*meta, *answers).iter_rows()]


def marks_of(batch: Batch) -> list[tuple[str, int]]:
    """The marks of the batch's rows, in the order of its frame."""
    rows = batch.frame.select("_response_id", "_revision").iter_rows()
    return [(response_id, revision if batch.append_only else 0) for response_id, revision in rows]


def _row(batch: Batch, zone: ZoneInfo, values: tuple[Any, ...]) -> Row:
    position, response_id, revision, operation, submitted, received, *answers = values
    deleted = operation == "delete"
    shown: list[Cell] = [None] * len(answers)
    truncated = 0
    if not deleted:
        for place, answer in enumerate(answers):
            shown[place] = cell = _cell(answer)
            if isinstance(cell, str) and len(cell) > MAX_CELL_UNITS // 2:
                shown[place], cut = shortened(cell)
                truncated += cut
    when = _moment((submitted if submitted is not None else received).astimezone(zone))
    cells: tuple[Cell, ...] = (when, *shown, response_id, f"{revision} (deleted)" if deleted else revision)
    if deleted and batch.on_delete == "clear" and not batch.append_only:
        cells = (None,) * len(cells)
    # what is sent again may be there already, whatever it was at first
    first_time = batch.purpose in ("live", "backfill")
    fresh = batch.append_only or (operation == "create" and revision == 1 and first_time)
    return Row(position, response_id, revision, deleted, fresh, cells, truncated, batch.append_only)


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


def row_data(rows: Sequence[Row], names: Sequence[str], layout: dict[str, int]) -> list[dict[str, Any]]:
    """RowData per row: our cells where our columns stand, nothing in all other columns."""
    slots = [(layout[name], place) for place, name in enumerate(names) if name in layout]
    width = max(position for position, _ in slots) + 1
    data = []
    for row in rows:
        values: list[dict[str, Any]] = [{}] * width
        for position, place in slots:
            values[position] = cell_data(row.cells[place])
        data.append({"values": values})
    return data


def parts(rows: Sequence[Row], most_bytes: int = MAX_PART_BYTES) -> Iterator[list[Row]]:
    """
    The rows cut into requests.

    Depends on the rows alone, not on what the sheet looks like: after a crash each part is the same again.
    """
    part: list[Row] = []
    size = 0
    for row in rows:
        more = sum(map(_size, row.cells))
        if part and size + more > most_bytes:
            yield part
            part, size = [], 0
        part.append(row)
        size += more
    if part:
        yield part


def _size(cell: Cell) -> int:
    if type(cell) is str:
        return CELL_BYTES + (len(cell) if cell.isascii() else len(cell.encode()))
    return CELL_BYTES


def _cell(value: Any) -> Cell:
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
        return _moment(value)
    return str(value)


def _moment(value: Any) -> Cell:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return _cell(value)


def _unlike(headers: Sequence[str]) -> list[str]:
    """The headers, later ones that repeat an earlier one with a number: two columns never look the same."""
    seen: set[str] = set()
    result = []
    for header in headers:
        unlike, number = header, 2
        while unlike in seen:
            unlike, number = f"{header} ({number})", number + 1
        seen.add(unlike)
        result.append(unlike)
    return result
