"""From a batch to the tables its spreadsheet holds: one row per response, in columns that are bound to questions for ever."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from collect_pipelines.destinations.google_sheets.content.cells import (
    CELL_BYTES,
    MAX_CELL_UNITS,
    Cell,
    as_cell,
    cell_bytes,
    moment,
    shortened,
)
from collect_pipelines.destinations.google_sheets.content.choices import ChoiceMode, Choices
from collect_pipelines.destinations.google_sheets.content.headers import header_of, note_of, unlike
from collect_pipelines.destinations.interface import Batch, Column

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
NUMBERS = ("integer", "rating", "decimal")  # types of questions
WHEN_NOTE = "When the response came; an edit does not change it."
ID_NOTE = "Finds the row of a response when it is edited. You may move or hide this column; please do not delete it."
REVISION_NOTE = "How often the response was written: 1 when it came, more after edits."
META_CELLS = 3  # of a row, besides the answers
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
    text: bool = True
    """Its cells are texts; else numbers."""


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
    size: int = 0
    """About so many bytes of a request, whatever columns are asked for."""

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


def tables_of(
    batch: Batch, *, title: str | None = None, choices: ChoiceMode = "joined", kept: Collection[str] = frozenset()
) -> tuple[Table, ...]:
    """
    The tables of the batch, the main one first; the same for the same batch, however often it is asked.

    title: of the main table's tab; None: that of the form. choices: how several choices are shown. kept: names of columns that were
    made before; they are written whatever is asked for, so that none of them goes stale.
    """
    shown = [_Answer(batch, column, choices, kept) for column in batch.columns]
    return (Table(MAIN, title or batch.form_title, _columns(batch, shown), _rows(batch, shown)),)


class _Answer:
    """What becomes of the answers to one question: a column, or several."""

    def __init__(self, batch: Batch, column: Column, choices: ChoiceMode, kept: Collection[str]) -> None:
        self._several = Choices(column.question, batch.language, batch.labels) if column.type == "select_multiple" else None
        whole = _answer_column(column, batch.language)
        candidates = [whole] if self._several is None else [whole, *_choice_columns(column, whole, self._several)]
        # own words have a column where they are allowed, or where there are some
        strange = self._several is not None and any(self._cells(value)[-1] is not None for value in batch.frame[column.name].to_list())
        by_choice = choices != "joined"
        wanted = [self._several is None or choices != "columns", *(by_choice for _ in candidates[1:])]
        if self._several is not None:
            wanted[-1] = by_choice and (column.question.other or strange)
        self._used = [place for place, one in enumerate(candidates) if wanted[place] or one.name in kept]
        self.columns = [candidates[place] for place in self._used]

    def cells(self, value: Any) -> list[Cell]:
        """One per column."""
        if self._several is None:
            return [as_cell(value)]
        found = self._cells(value)
        return [found[place] for place in self._used]

    def _cells(self, value: Any) -> list[Cell]:
        assert self._several is not None
        if not isinstance(value, list):
            return [as_cell(value), *(None for _ in self._several.question.choices), None]
        return [self._several.joined(value), *self._several.marks(value)]


def _choice_columns(column: Column, whole: SheetColumn, several: Choices) -> Iterator[SheetColumn]:
    """A column per choice, and one for what is none of them."""
    for one in column.question.choices:
        yield SheetColumn(bound_name(f"{column.key}={one.code}"), f"{whole.header}: {several.name(one.code)}", whole.note, text=False)
    yield SheetColumn(bound_name(f"{column.key}="), f"{whole.header}: other", whole.note)


def _columns(batch: Batch, shown: Sequence[_Answer]) -> tuple[SheetColumn, ...]:
    """Our columns in the order they are created: when, the answers, then what finds the row again."""
    answers = [column for one in shown for column in one.columns]
    when = SheetColumn(submitted_name(batch.time_zone), f"Submitted ({batch.time_zone})", WHEN_NOTE)
    columns = [when, *answers, SheetColumn(ID, "_id", ID_NOTE), SheetColumn(REVISION, "_revision", REVISION_NOTE, text=False)]
    headers = unlike([column.header for column in columns])
    return tuple(replace(column, header=header) for column, header in zip(columns, headers, strict=True))


def _answer_column(column: Column, language: str | None) -> SheetColumn:
    numeric = column.type in NUMBERS
    return SheetColumn(bound_name(column.key), header_of(column), note_of(column, language), text=not numeric)


def submitted_name(time_zone: str) -> str:
    """The name of the first column: one per zone, so that a column never holds the clocks of two."""
    return SUBMITTED if time_zone == UTC else bound_name(f"{SUBMITTED}@{time_zone}")


def bound_name(key: str) -> str:
    """The name a question's column is bound by: its key, shortened the same way every time when it is long."""
    if len(key) <= KEY_CHARACTERS:
        return key
    from hashlib import sha256

    return f"{key[: KEY_CHARACTERS - 9]}~{sha256(key.encode()).hexdigest()[:8]}"


def _rows(batch: Batch, shown: Sequence[_Answer]) -> tuple[Row, ...]:
    """In position order, with the cells of `_columns`."""
    answers = [column.name for column in batch.columns]
    meta = ["_position", "_response_id", "_revision", "_operation", "_submitted_at", "_received_at"]
    frame = batch.frame.sort("_position")
    if not batch.append_only:
        frame = frame.unique("_response_id", keep="last", maintain_order=True)
    zone = ZoneInfo(batch.time_zone)
    return tuple(_row(batch, shown, zone, values) for values in frame.select(*meta, *answers).iter_rows())


def marks_of(batch: Batch) -> list[Mark]:
    """The marks of the batch's rows, in the order of its frame."""
    rows = batch.frame.select("_response_id", "_revision").iter_rows()
    return [(response_id, revision if batch.append_only else 0) for response_id, revision in rows]


def _row(batch: Batch, answered: Sequence[_Answer], zone: ZoneInfo, values: tuple[Any, ...]) -> Row:
    position, response_id, revision, operation, submitted, received, *answers = values
    deleted = operation == "delete"
    shown: list[Cell] = [cell for one, answer in zip(answered, answers, strict=True) for cell in one.cells(None if deleted else answer)]
    truncated = 0
    for place, cell in enumerate(shown):
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
    return Row(position, response_id, response_id, revision, deleted, fresh, cells, truncated, batch.append_only, _size(answers))


def _size(answers: Sequence[Any]) -> int:
    """Of what was answered, not of what is shown: a part of a batch holds the same rows again, whatever is set meanwhile."""
    several = sum(len(answer) for answer in answers if isinstance(answer, list))  # each has a cell of its own at most
    return sum(cell_bytes(as_cell(answer)) for answer in answers) + (META_CELLS + several) * CELL_BYTES
