"""A context in memory and small batches for the tests of the warehouse destination."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import polars as pl

from collect_pipelines.destinations.interface import Batch, Column, OnDelete
from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig
from collect_pipelines.destinations.warehouse.frame import META_TYPES
from collect_pipelines.errors import LeaseLost
from collect_pipelines.forms.definition import Question
from collect_pipelines.model import JsonValue, QuotaBucket

STARTED = datetime(2030, 1, 1, tzinfo=UTC)

TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "rating": pl.Int64(),
    "decimal": pl.Float64(),
    "boolean": pl.Boolean(),
    "select_multiple": pl.List(pl.String()),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
}

CHOICES = {"choices": [{"code": "a", "label": "A"}]}
NEEDED: dict[str, dict[str, Any]] = {
    "select_one": CHOICES,
    "select_multiple": CHOICES,
    "repeat": {"questions": [{"key": "inside", "type": "text", "label": "Inside"}]},
}
"""What a question of the type can't be without."""


class MemoryContext:
    """What the core lends, kept in dictionaries."""

    integration_id = 1
    integration = "warehouse"
    numbers: ClassVar[dict[str, dict[str, int]]] = {}
    """Shared, like Postgres."""

    def __init__(self, path: Path, form: str = "household") -> None:
        self.form = form
        self.settings = {"warehouse_path": str(path), "data_dir": str(path.parent)}
        self.secrets: dict[str, str] = {}
        self.guards = 0
        self.lease_lost = False

    def recall(self, name: str) -> JsonValue:
        raise NotImplementedError(name)

    def remember(self, name: str, value: JsonValue) -> None:
        raise NotImplementedError(name)

    def allocate(self, scope: str, name: str) -> int:
        return self.numbers.setdefault(scope, {}).setdefault(name, len(self.numbers[scope]) + 1)

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        raise NotImplementedError(buckets)

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        raise NotImplementedError(buckets)

    def secret(self, reference: str) -> str:
        return self.secrets[reference]

    def setting(self, name: str) -> str:
        return self.settings[name]

    def guard(self) -> None:
        self.guards += 1
        if self.lease_lost:
            raise LeaseLost()


def warehouse(path: Path, form: str = "household", **config: Any) -> Warehouse:
    """A destination for the file, as the core would make it."""
    return Warehouse(WarehouseConfig(**config), MemoryContext(path, form))


def column(key: str, type_: str = "text", **question: Any) -> Column:
    """A column named after its key."""
    needed = NEEDED.get(type_, {})
    definition = Question.model_validate({"key": key, "type": type_, "label": key.capitalize(), **needed, **question})
    return Column(key=key, name=f"q_{key}", type=type_, label=key.capitalize(), question=definition)


NAME, AGE = column("name"), column("age", "integer")


def entry(response: str, position: int, *answers: Any, revision: int = 1, operation: str | None = None) -> dict[str, Any]:
    """One log entry; `answers` in the order of the batch's columns."""
    return {
        "_position": position,
        "_response_id": response,
        "_revision": revision,
        "_operation": operation or ("create" if revision == 1 else "edit"),
        "_version": 1,
        "_submitted_at": STARTED,
        "_received_at": STARTED + timedelta(seconds=position),
        "_source": "api",
        "_respondent": None,
        "answers": answers,
    }


def batch(
    *entries: Mapping[str, Any],
    columns: Sequence[Column] = (NAME, AGE),
    form: str = "household",
    number: int = 1,
    on_delete: OnDelete = "delete",
    append_only: bool = False,
) -> Batch:
    """A batch as the core renders it (`values = "typed"`)."""
    schema = {name: META_TYPES[name] for name in META_TYPES} | {column.name: TYPES.get(column.type, pl.String()) for column in columns}
    rows = [
        {name: row[name] for name in META_TYPES}
        | {column.name: row["answers"][place] if place < len(row["answers"]) else None for place, column in enumerate(columns)}
        for row in entries
    ]
    frame = pl.DataFrame(rows, schema=schema)
    return Batch(
        form=form,
        form_title=form.capitalize(),
        integration_id=1,
        batch_no=number,
        from_position=entries[0]["_position"],
        to_position=entries[-1]["_position"],
        digest=sha256(frame.write_csv(include_header=True).encode() if not _has_lists(frame) else b"").hexdigest(),
        columns=tuple(columns),
        frame=frame,
        on_delete=on_delete,
        append_only=append_only,
    )


def _has_lists(frame: pl.DataFrame) -> bool:
    return any(isinstance(kind, pl.List) for kind in frame.dtypes)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query on the warehouse file itself."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()
