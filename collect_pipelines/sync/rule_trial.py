"""Rules tried on responses that are there: the last entries of a form's log, or documents that never were in it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import Column, layout
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.values import value_of
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import FormRecord, form_versions
from collect_pipelines.store.log import batch_end, read_entries
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.validation.trial import Trial

__all__ = ["try_on_documents", "try_on_log"]

CHUNK_ROWS = 5_000
CHUNK_BYTES = 16_000_000  # of answers
MOMENT = pl.Datetime("us", "UTC")


def try_on_log(database: Database, form: FormRecord, trial: Trial, definition: FormDefinition, last: int) -> None:
    """The last so many entries of the form's log, whatever version they answered."""
    with database.begin() as connection:
        stored = [record.definition for record in form_versions(connection, form.form_id)]
    columns = layout([*stored, definition])
    after = max(form.head - last, 0)
    while after < form.head:
        with database.begin() as connection:
            through = batch_end(connection, form.form_id, after, form.head, CHUNK_ROWS, CHUNK_BYTES)
            csv = read_entries(connection, form.form_id, after, through, [column.keys for column in columns])
        trial.add(text_frame(csv, columns))
        after = through


def try_on_documents(trial: Trial, definition: FormDefinition, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Response ids and answers as JSON has them; every document counts as a new response that comes in now."""
    columns = layout([definition])
    source = iter(documents)
    first = 1
    while chunk := list(islice(source, CHUNK_ROWS)):
        trial.add(_frame(chunk, columns, first))
        first += len(chunk)


def _frame(documents: list[tuple[str, Mapping[str, Any]]], columns: Iterable[Column], first: int) -> pl.DataFrame:
    height = len(documents)
    meta = {
        "_position": pl.Series(range(first, first + height), dtype=pl.Int64),
        "_response_id": [response for response, _ in documents],
        "_operation": ["create"] * height,
        "_received_at": pl.Series([datetime.now(UTC)] * height, dtype=MOMENT),
    }
    answers = {column.name: pl.Series(_texts(documents, column), dtype=pl.String) for column in columns}
    return pl.DataFrame({**meta, **answers})


def _texts(documents: list[tuple[str, Mapping[str, Any]]], column: Column) -> Iterator[str | None]:
    for _, answers in documents:
        yield _text(next((answers[key] for key in column.keys if answers.get(key) is not None), None))


def _text(value: Any) -> str | None:
    """An answer as the log gives it back: text as it is, everything else as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("\x00", "")  # the log can't hold NUL
    number: str | None = value_of("text", "hidden", value) if isinstance(value, float) else None
    return number or json.dumps(value, ensure_ascii=False)
