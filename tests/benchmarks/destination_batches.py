"""Batches of a form with 20 questions, as the core renders them for a destination, made quickly."""

from hashlib import sha256

import polars as pl

from collect_pipelines.destinations.interface import Batch, Column, Destination
from collect_pipelines.forms.columns import layout
from collect_pipelines.forms.definition import FormDefinition

__all__ = ["KINDS_OF_QUESTIONS", "wide_batch", "wide_form"]

CHOICES = [{"code": code, "label": {"en": f"Choice {code}", "hi": f"विकल्प {code}"}} for code in "abcdefgh"]
KINDS_OF_QUESTIONS = (
    ["text", "phone", "email", "integer", "integer", "decimal", "boolean", "select_one", "select_multiple", "date", "datetime"]
    + ["text"] * 6
    + ["select_one", "integer", "hidden"]
)


def wide_form(reference: str = "wide") -> FormDefinition:
    """20 questions of many types."""
    questions = [
        {"key": f"q{place}", "type": kind, "label": f"Question {place}", **({"choices": CHOICES} if kind.startswith("select") else {})}
        for place, kind in enumerate(KINDS_OF_QUESTIONS)
    ]
    return FormDefinition.model_validate({"form": reference, "title": "Wide", "languages": ["en", "hi"], "questions": questions})


def wide_batch(destination: Destination, rows: int, position: int) -> Batch:
    """New responses at the positions after `position`."""
    columns = layout([wide_form()])
    numbers = pl.select(n=pl.int_range(position + 1, position + rows + 1)).with_columns(key=pl.col("n").cast(pl.String).str.zfill(12))
    moment = pl.lit("2030-01-01T04:00:00.000001").str.to_datetime(time_unit="us").dt.replace_time_zone("UTC")
    meta = {
        "_position": pl.col("n"), "_response_id": "0192f0c1-" + pl.col("key"), "_revision": pl.lit(1, pl.Int64),
        "_operation": pl.lit("create"),
        "_version": pl.lit(1, pl.Int64), "_submitted_at": moment, "_received_at": moment, "_source": pl.lit("api"),
        "_respondent": pl.lit(None, pl.String),
    }  # fmt: skip
    frame = numbers.select(**meta, **{column.name: _answer(column, destination.values == "typed") for column in columns})
    form = destination.context.form
    return Batch(
        form=form,
        form_title="Wide",
        integration_id=destination.context.integration_id,
        batch_no=position + 1,
        from_position=position + 1,
        to_position=position + rows,
        digest=sha256(f"{form} {position} {rows}".encode()).hexdigest(),
        columns=columns,
        frame=frame,
        on_delete=destination.deletes[0] if destination.deletes else "ignore",
    )


def _answer(column: Column, typed: bool) -> pl.Expr:
    number = pl.col("n")
    if column.type == "phone":
        return "+91" + (9_800_000_000 + number % 100_000_000).cast(pl.String)
    if not typed:
        return "some answer " + pl.col("key")
    found = {
        "integer": number % 100, "decimal": number / 7, "boolean": number % 2 == 0, "select_one": pl.lit("a"),
        "select_multiple": pl.concat_list(pl.lit("a"), pl.lit("c")), "date": pl.date(2030, 1, 1 + number % 28),
        "datetime": pl.datetime(2030, 1, 1, number % 24, time_unit="us", time_zone="UTC"),
    }  # fmt: skip
    return found.get(column.type, "some answer " + pl.col("key"))
