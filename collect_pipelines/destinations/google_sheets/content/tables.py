"""From a batch to the tables its spreadsheet holds: one row per response, in columns that are bound to questions for ever."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from collect_pipelines.destinations.google_sheets.content.cells import MAX_CELL_UNITS, Cell, as_cell, moment, shortened
from collect_pipelines.destinations.interface import Batch

__all__ = [
    "ID",
    "MAIN",
    "REVISION",
    "SUBMITTED",
    "Mark",
    "Row",
    "SheetColumn",
    "Table",
    "bound_name",
    "marks_of",
    "submitted_name",
    "tables_of",
]

MAIN = ""
"""Name of the table that has a row per response. Others are named after the question that repeats."""
SUBMITTED, ID, REVISION = "_submitted", "_id", "_revision"
"""Columns of ours besides the questions. Question keys begin with a letter, so the names can't meet."""

UTC = "UTC"
KEY_CHARACTERS = 24  # of a question key in column metadata: 30,000 characters have to do for all marks of a tab

Mark = tuple[str, int]
"""A response, and the revision where each one has a row of its own (else 0)."""


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
    """One row as the sheet shows it; `cells` in the order of its table's columns, None for empty."""

    position: int
    response_id: str
    key: str
    """What stands in the id column: finds the row again."""
    revision: int
    deleted: bool
    fresh: bool
    """True when the row is to be appended, whatever the sheet holds."""
    cells: tuple[Cell, ...]
    truncated: int = 0
    appended: bool = False
    """One of several rows of its response, each a revision."""

    @property
    def mark(self) -> Mark:
        """What tells the row from all others of its table."""
        return self.key, self.revision if self.appended else 0

    @property
    def response_mark(self) -> Mark:
        """The entry of the batch that the row belongs to."""
        return self.response_id, self.revision if self.appended else 0


@dataclass(frozen=True, slots=True)
class Table:
    """What one tab is to hold of a batch."""

    name: str
    """MAIN, or what the repeating question's columns are bound by; it never changes."""
    title: str
    """Of the tab, when it is made."""
    columns: tuple[SheetColumn, ...]
    rows: tuple[Row, ...]

    @property
    def names(self) -> list[str]:
        """The columns' names, in the order of each row's cells."""
        return [column.name for column in self.columns]


def tables_of(batch: Batch, *, title: str | None = None) -> tuple[Table, ...]:
    """
    The tables of the batch, the main one first; the same for the same batch, however often it is asked.

    title: of the main table's tab; None: that of the form.
    """
    return (Table(MAIN, title or batch.form_title, _columns(batch), _rows(batch)),)


def _columns(batch: Batch) -> tuple[SheetColumn, ...]:
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


def _rows(batch: Batch) -> tuple[Row, ...]:
    """In position order, with the cells of `_columns`."""
    answers = [column.name for column in batch.columns]
    meta = ["_position", "_response_id", "_revision", "_operation", "_submitted_at", "_received_at"]
    frame = batch.frame.sort("_position")
    if not batch.append_only:
        frame = frame.unique("_response_id", keep="last", maintain_order=True)
    zone = ZoneInfo(batch.time_zone)
    return tuple(_row(batch, zone, values) for values in frame.select(*meta, *answers).iter_rows())


def marks_of(batch: Batch) -> list[Mark]:
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
            shown[place] = cell = as_cell(answer)
            if isinstance(cell, str) and len(cell) > MAX_CELL_UNITS // 2:
                shown[place], cut = shortened(cell)
                truncated += cut
    when = moment((submitted if submitted is not None else received).astimezone(zone))
    cells: tuple[Cell, ...] = (when, *shown, response_id, f"{revision} (deleted)" if deleted else revision)
    if deleted and batch.on_delete == "clear" and not batch.append_only:
        cells = (None,) * len(cells)
    # what is sent again may be there already, whatever it was at first
    first_time = batch.purpose in ("live", "backfill")
    fresh = batch.append_only or (operation == "create" and revision == 1 and first_time)
    return Row(position, response_id, response_id, revision, deleted, fresh, cells, truncated, batch.append_only)


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
