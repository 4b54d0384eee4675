"""A CSV file as responses: each row gets an id that is the same whenever the file is sent."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition

__all__ = ["Row", "chunks", "count_rows", "read_rows"]

BATCH_ITEMS = 500  # half of what the endpoint takes: a batch stays well under its 5 MiB with ordinary answers
BATCH_BYTES = 4_000_000  # the endpoint takes 5 MiB
ROWS = UUID("6f1c4e1e-6c0b-5a5c-9d54-0b1f0f6f8f2a")  # namespace of ids made from content; changing it would send every file anew


@dataclass(frozen=True, slots=True)
class Row:
    """One row on its way: its line in the file and the NDJSON line that carries it."""

    line: int
    response_id: str
    body: bytes


def count_rows(path: Path) -> int:
    """How many responses the file holds; reads it once."""
    from collect_pipelines.forms.exports.rows import read_table

    return sum(1 for _ in read_table(path).records())


def read_rows(path: Path, definition: "FormDefinition") -> Iterator[Row]:
    """Every row as a response. Raises Invalid naming line and column for a cell that does not fit its question."""
    from collect_pipelines.forms.exports.rows import submissions_of

    seen: Counter[str] = Counter()
    for line, given, answers in submissions_of(definition, path):
        response_id = given or _derived_id(definition.form, answers, seen)
        document = {"id": response_id, "answers": answers, "source": "csv"}
        yield Row(line, response_id, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


def chunks(rows: Iterator[Row], most: int = BATCH_ITEMS) -> Iterator[list[Row]]:
    """The rows in groups the endpoint takes as one batch."""
    group: list[Row] = []
    size = 0
    for row in rows:
        if group and (len(group) >= most or size + len(row.body) > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row.body) + 1
    if group:
        yield group


def _derived_id(form: str, answers: dict[str, Any], seen: Counter[str]) -> str:
    """
    An id from the content, for files without an id column.

    The same row has the same id wherever it stands in whichever file; of several equal rows each has its own, by count.
    """
    content = hashlib.sha256(json.dumps([form, answers], sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    seen[content] += 1
    return str(uuid5(ROWS, f"{content}/{seen[content]}"))
