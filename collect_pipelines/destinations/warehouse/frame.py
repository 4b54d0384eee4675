"""From a batch to the exact rows and column types of the warehouse table."""

import json
from typing import Any

import polars as pl

from collect_pipelines.destinations.interface import Batch

__all__ = ["COLUMN_TYPES", "META_TYPES", "column_types", "newest", "questions", "table_rows"]

META_TYPES: dict[str, pl.DataType] = {
    "_response_id": pl.String(),
    "_position": pl.Int64(),
    "_revision": pl.Int64(),
    "_operation": pl.String(),
    "_version": pl.Int64(),
    "_submitted_at": pl.Datetime("us", "UTC"),
    "_received_at": pl.Datetime("us", "UTC"),
    "_source": pl.String(),
    "_respondent": pl.String(),
}

COLUMN_TYPES: dict[str, pl.DataType] = {
    "integer": pl.Int64(),
    "rating": pl.Int64(),
    "decimal": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
}
"""Every other question type is text. The type comes from the form, never from the values: dlt would narrow silently."""

QUESTION_TYPES = {"table_name": pl.String, "ordinal": pl.Int64, "column_name": pl.String, "question": pl.String, "type": pl.String,
                  "label": pl.String, "labels": pl.String, "choices": pl.String, "pii": pl.String, "retired": pl.Date}  # fmt: skip


def column_types(batch: Batch) -> dict[str, pl.DataType]:
    """
    Every column of the form's table in order: name -> type.

    A question that the integration renders for people (`values: labels`) arrives as text and has a text column.
    """
    shown = batch.frame.schema
    return META_TYPES | {
        column.name: pl.String() if shown[column.name] == pl.String() else COLUMN_TYPES.get(column.type, pl.String())
        for column in batch.columns
    }


def newest(batch: Batch) -> pl.DataFrame:
    """
    The rows of the batch in position order, no key twice: dlt's upsert fails on one that is.

    One row per response; with `append_only` one per revision.
    """
    key = ["_response_id", "_revision"] if batch.append_only else ["_response_id"]
    return batch.frame.sort("_position").unique(key, keep="last", maintain_order=True)


def table_rows(batch: Batch, frame: pl.DataFrame) -> pl.DataFrame:
    """
    The rows of `frame` (of `newest`) to merge, with the types of `column_types` and nothing else.

    Deleted responses are left out when they are removed by id, else they are rows without answers.
    """
    deleted = pl.col("_operation") == "delete"
    if batch.on_delete == "delete" and not batch.append_only:
        frame = frame.filter(~deleted)
    types = column_types(batch)
    answers = [column.name for column in batch.columns]
    frame = frame.select(_cell(frame, name, wanted) for name, wanted in types.items())
    return frame.with_columns(pl.when(~deleted).then(pl.col(name)).alias(name) for name in answers)


def questions(batch: Batch, table: str) -> pl.DataFrame:
    """The rows that describe the form's columns to people: headings per language, codes, and what is personal."""
    rows: list[dict[str, Any]] = []
    for ordinal, column in enumerate(batch.columns, start=1):
        question = column.question
        rows.append({
            "table_name": table,
            "ordinal": ordinal,
            "column_name": column.name,
            "question": question.key,
            "type": column.type,
            "label": column.label,
            "labels": _json(question.label),
            "choices": _json({choice.code: choice.label for choice in question.choices}) if question.choices else None,
            "pii": question.pii,
            "retired": question.retired,
        })  # fmt: skip
    return pl.DataFrame(rows, schema=QUESTION_TYPES)


def _cell(frame: pl.DataFrame, name: str, wanted: pl.DataType) -> pl.Expr:
    if isinstance(frame.schema[name], pl.List):
        return _list_as_json(name)
    return pl.col(name).cast(wanted)


def _list_as_json(name: str) -> pl.Expr:
    # polars writes JSON of structs only, so the list travels inside one and is cut out again
    wrapped = pl.struct(pl.col(name).alias("v")).struct.json_encode()
    return pl.when(pl.col(name).is_not_null()).then(wrapped.str.strip_prefix('{"v":').str.head(-1)).alias(name)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
