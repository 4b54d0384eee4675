"""What the tests of the file destination share: a destination on a folder, small batches, and how a person reads the files."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from collect_pipelines.destinations.file import File, FileConfig
from collect_pipelines.destinations.interface import Batch, Column, OnDelete
from collect_pipelines.forms.columns import META_COLUMNS
from collect_pipelines.forms.definition import Question
from collect_pipelines.testing.destinations.context import Core, FileContext

STARTED = datetime(2030, 1, 1, tzinfo=UTC)
META_TYPES: dict[str, Any] = {
    "_position": pl.Int64,
    "_revision": pl.Int64,
    "_version": pl.Int64,
    "_submitted_at": pl.Datetime("us", "UTC"),
    "_received_at": pl.Datetime("us", "UTC"),
}
TYPES: dict[str, Any] = {
    "integer": pl.Int64,
    "decimal": pl.Float64,
    "boolean": pl.Boolean,
    "select_multiple": pl.List(pl.String),
    "date": pl.Date,
    "datetime": pl.Datetime("us", "UTC"),
}
CHOICES = {"choices": [{"code": "a", "label": "A"}]}

NEWEST = """
select * from {source}
qualify row_number() over (partition by _response_id order by _position desc) = 1
order by _response_id
"""
"""As docs/destinations/file.md tells people to read the newest revision of each response."""


def file(place: Path, *, integration_id: int = 1, form: str = "household", **config: Any) -> File:
    """A destination for the folder `out`, as the core would make it; its memory is kept beside."""
    place.mkdir(exist_ok=True)
    core = Core(place / f"memory-{integration_id}.sqlite", settings={"data_dir": str(place)}, integration_id=integration_id, form=form)
    return File(FileConfig(**{"folder": place / "out", **config}), FileContext(core))


def column(key: str, type_: str = "text", label: str | None = None) -> Column:
    """A column named after its key."""
    needed = CHOICES if type_.startswith("select") else {}
    definition = Question.model_validate({"key": key, "type": type_, "label": label or key.capitalize(), **needed})
    return Column(key=key, name=f"q_{key}", type=type_, label=label or key.capitalize(), question=definition)


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
    number: int,
    *entries: Mapping[str, Any],
    columns: Sequence[Column] = (NAME, AGE),
    on_delete: OnDelete = "delete",
    append_only: bool = False,
    time_zone: str = "UTC",
    types: Mapping[str, Any] | None = None,
) -> Batch:
    """A batch as the core renders it."""
    kinds = TYPES | dict(types or {})
    schema = {f"_{name}": META_TYPES.get(f"_{name}", pl.String) for name in META_COLUMNS}
    schema |= {column.name: kinds.get(column.type, pl.String) for column in columns}
    rows = [
        {f"_{name}": row[f"_{name}"] for name in META_COLUMNS}
        | {column.name: row["answers"][place] if place < len(row["answers"]) else None for place, column in enumerate(columns)}
        for row in entries
    ]
    return Batch(
        form="household",
        form_title="Household",
        integration_id=1,
        batch_no=number,
        from_position=entries[0]["_position"],
        to_position=entries[-1]["_position"],
        digest=f"{number:064}",
        columns=tuple(columns),
        frame=pl.DataFrame(rows, schema=schema),
        on_delete=on_delete,
        append_only=append_only,
        time_zone=time_zone,
    )


def queried(path: Path, sql: str = NEWEST) -> list[dict[str, Any]]:
    """What DuckDB reads: of a file, or of all parts in a folder, as the documentation says."""
    suffix = path.suffix.removeprefix(".") if path.is_file() else next(path.glob("part-*")).suffix.removeprefix(".")
    place = str(path if path.is_file() else path / f"*.{suffix}")
    reader = {
        "parquet": f"read_parquet('{place}', union_by_name = true)",
        "csv": f"read_csv('{place}', union_by_name = true, header = true)",
        "ndjson": f"read_json('{place}', union_by_name = true, format = 'newline_delimited')",
    }[suffix]
    with duckdb.connect() as connection:
        return connection.sql(sql.format(source=reader)).pl().to_dicts()


def answers(path: Path, *names: str) -> dict[str, Any]:
    """The newest answers by response; deleted ones left out."""
    rows = [row for row in queried(path) if row["_operation"] != "delete"]
    return {row["_response_id"]: row[names[0]] if len(names) == 1 else tuple(row[name] for name in names) for row in rows}
