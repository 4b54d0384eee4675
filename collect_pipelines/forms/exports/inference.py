"""A form definition from a survey export: a first draft for a person to edit, in which every cell of the export has its place."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.exports.column_evidence import ColumnEvidence, Habits
from collect_pipelines.forms.exports.draft import Draft, questions_of
from collect_pipelines.forms.exports.header_rows import ID_HEADER, bracketed
from collect_pipelines.forms.exports.span_evidence import SpanEvidence, single_draft
from collect_pipelines.forms.exports.table import WORKBOOK, Table, read_table

__all__ = ["Inference", "infer_form"]

SHOWN_LINES = 5  # of many equal facts
CERTAIN = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", WORKBOOK)
"""Encodings that leave no doubt."""

_ID_VALUE = re.compile(r"[A-Za-z0-9:._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Inference:
    """The draft and why it is as it is."""

    definition: FormDefinition
    decisions: tuple[str, ...]
    """What was found about the file, then one sentence per question, in order; these are also in the questions' `metadata.inferred`."""
    id_column: str | None
    """Header of the column that identifies responses."""
    rows: int
    table: Table


def infer_form(
    path: Path, slug: str, *, header_rows: int | None = None, zone: str = "UTC", booleans: bool = False, this_year: int | None = None
) -> Inference:
    """
    A form named `slug` whose questions are the columns of the export, in order; raises Invalid when the file is no table.

    The first column is the id of the response if its header says so and its values are unique. Every other column is a question, or
    with two header rows a part of one. A type other than text is chosen only if each non-blank cell has it and gives back the
    identical text, if need be with the format in `metadata.format`. Reads the file once more after finding its encoding; memory does
    not grow with the rows.

    header_rows: 1 or 2, else found out. zone: where the clocks of times without a zone were. booleans: columns of yes and no become
    boolean instead of a choice. this_year: up to the year after it two digits of a year are read.
    """
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, KeyError) as exc:
        raise Invalid(f"There is no time zone {zone!r}.", fix="Write a name such as Asia/Kolkata.") from exc
    table = read_table(path, header_rows)
    habits = Habits(this_year or datetime.now(UTC).year, zone, table.delimiter, booleans)
    reading = _Reading(table, habits)
    reading.read()
    drafts = list(reading.drafts())
    questions = questions_of(drafts)
    decisions = [*reading.facts(), *(sentence for draft in drafts for sentence in draft.decisions())]
    return Inference(_definition(slug, path, questions, reading), tuple(decisions), reading.id_column, reading.rows, table)


class _Reading:
    """One pass over the rows."""

    def __init__(self, table: Table, habits: Habits) -> None:
        self._table = table
        below = table.header[1] if len(table.header) > 1 else table.header[0]
        labels = [label or (below[place] if len(table.header) > 1 else "") for place, label in enumerate(table.header[0])]
        self._columns = [ColumnEvidence(name, label, habits) for name, label in zip(table.columns, labels, strict=True)]
        self._spans: dict[int, tuple[int, SpanEvidence]] = {}
        for start, end in table.spans:
            if end - start > 1:
                evidence = SpanEvidence(table.header[0][start:end], below[start:end], self._columns[start:end])
                self._spans[start] = (end, evidence)
        self._rows: dict[int, SpanEvidence] = {}
        """Questions whose rows have a column each, named in one header."""
        for start, rows in bracketed(labels) if len(table.header) == 1 else ():
            end = start + len(rows)
            self._rows[start] = SpanEvidence(labels[start:end], rows, self._columns[start:end])
        self._ids: _Different | None = _Different() if ID_HEADER.search(table.labels[0].strip()) else None
        self.rows = 0
        self._blank: list[int] = []
        self._repeated: list[int] = []

    def read(self) -> None:
        """Takes every row into account."""
        columns, spans = self._columns, [(start, end, evidence) for start, (end, evidence) in self._spans.items()]
        for line, kind, cells in self._table.lines():
            if kind != "row":
                (self._blank if kind == "blank" else self._repeated).append(line)
                continue
            self.rows += 1
            for column, cell in zip(columns, cells, strict=True):
                if cell:
                    column.see(cell)
            for start, end, evidence in spans:
                evidence.see(cells[start:end])
            if self._ids is not None and not (_ID_VALUE.fullmatch(cells[0]) and self._ids.add(cells[0])):
                self._forget_ids()
        if self._ids is not None and not (self.rows and self._ids.all_different()):
            self._forget_ids()

    def _forget_ids(self) -> None:
        if self._ids is not None:
            self._ids.close()
        self._ids = None

    @property
    def id_column(self) -> str | None:
        """Name of the column that identifies responses."""
        return self._columns[0].name if self._ids is not None else None

    @property
    def blank_columns(self) -> list[str]:
        """Columns that have neither a header nor an answer."""
        return [column.name for column in self._columns if not column.label and not column.answers]

    def drafts(self) -> Iterator[Draft]:
        """The questions in the order of the columns."""
        blank = set(self.blank_columns)
        rows = {start + place: draft for start, found in self._rows.items() for place, draft in enumerate(found.rows())}
        for start, _ in self._table.spans:
            column = self._columns[start]
            if start in self._spans:
                yield from self._spans[start][1].drafts()
            elif column.name not in blank and not (start == 0 and self._ids is not None):
                draft = rows.get(start) or single_draft(column.decide(), column, column.label)
                if len(self._table.header) > 1:
                    draft.metadata |= {"column": column.name, "header": [row[start] for row in self._table.header]}
                yield draft

    def facts(self) -> Iterator[str]:
        """What is to be known about the file, one sentence each."""
        table = self._table
        if table.encoding not in CERTAIN:
            yield f"The file is not UTF-8 and was read as {table.encoding}: if letters look wrong, save it as UTF-8."
        if table.preamble:
            yield f"{_count(len(table.preamble), 'title row')} kept, see the form's `metadata.preamble`."
        if len(table.header) > 1:
            yield f"Two header rows, because {table.why}; `--header-rows 1` reads it otherwise."
        if self._repeated:
            yield f"{_count(len(self._repeated), 'repeated header')} left out ({_lines(self._repeated)})."
        if self._blank:
            yield f"{_count(len(self._blank), 'blank row')} left out ({_lines(self._blank)})."
        if self.blank_columns:
            names = ", ".join(self.blank_columns)
            yield f"{_count(len(self.blank_columns), 'column')} left out for want of header and answers: {names}."
        if self.id_column is not None:
            yield f"{self.id_column!r}: the id of the response, because its {self.rows} values are all different"


class _Different:
    """Whether many short texts are all different, in memory that does not grow with them: they are kept in a temporary file."""

    CHUNK = 10_000

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._file: sqlite3.Connection | None = None

    def add(self, text: str) -> bool:
        """False when the text was there before, as far as that shows at once."""
        if text in self._waiting:
            return False
        self._waiting.add(text)
        return len(self._waiting) < self.CHUNK or self._put_aside()

    def all_different(self) -> bool:
        """Whether no text came twice; call it once, at the end."""
        different = self._file is None or self._put_aside()
        self.close()
        return different

    def close(self) -> None:
        """Removes the file."""
        if self._file is not None:
            self._file.close()

    def _put_aside(self) -> bool:
        if self._file is None:
            self._file = sqlite3.connect("")  # a temporary file of its own
            self._file.execute("create table known (text text primary key) without rowid")
        try:
            self._file.executemany("insert into known values (?)", ((text,) for text in self._waiting))
        except sqlite3.IntegrityError:
            return False
        self._waiting.clear()
        return True


def _definition(slug: str, path: Path, questions: list[dict[str, Any]], reading: _Reading) -> FormDefinition:
    title = re.sub(r"[_-]+", " ", slug).strip().capitalize()
    table = reading._table
    metadata: dict[str, Any] = {"inferred_from": path.name}
    if reading.id_column is not None:
        metadata["id_column"] = reading.id_column
    if len(table.header) > 1:
        metadata["header_rows"] = len(table.header)
        if reading.id_column is not None:
            metadata["id_header"] = [row[0] for row in table.header]
    if table.preamble:
        metadata["preamble"] = [list(row) for row in table.preamble]
    if reading.blank_columns:
        metadata["blank_columns"] = {name: table.columns.index(name) + 1 for name in reading.blank_columns}
    try:
        return FormDefinition.model_validate({"form": slug, "title": title or slug, "questions": questions, "metadata": metadata})
    except ValidationError as exc:
        faults = "; ".join(str(item["msg"]) for item in exc.errors(include_url=False, include_input=False))
        raise Invalid(
            f"{path.name} can't become a form: {faults}", fix="Shorten the header, split the file, or choose another name with `--form`."
        ) from exc


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{' was' if number == 1 else 's were'}"


def _lines(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN_LINES]))
    return f"line{'' if len(numbers) == 1 else 's'} {shown}{' and more' if len(numbers) > SHOWN_LINES else ''}"
