"""From entries of the log to the frame of a batch, for machines (`typed`) or for people (`display`). docs/rendering.md has the table."""

import hashlib
from collections.abc import Iterator, Sequence

import polars as pl
from polars import selectors

from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.sync.display import Speech, code_list, readable
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.validation.values import typed

__all__ = ["digest_of", "display_frame", "rendered_rows", "typed_frame"]


def typed_frame(csv: bytes, columns: Sequence[Column], language: str | None = None) -> pl.DataFrame:
    """What machines read: codes, lists, numbers, UTC timestamps. Never raises on a bad value: it becomes null."""
    answers = [typed(pl.col(column.name), column.type).alias(column.name) for column in columns]
    return rendered_rows(text_frame(csv, columns), answers)


def display_frame(csv: bytes, columns: Sequence[Column], language: str | None = None, *, code_lists: bool = False) -> pl.DataFrame:
    """
    What people read: labels in the language, joined choices, yes and no. Never raises on a bad value.

    code_lists: a select_multiple as the list of its codes, see `Destination.code_lists`.
    """
    speech = Speech(language)
    answers = []
    for column in columns:
        text = pl.col(column.name)
        listed = code_lists and column.type == "select_multiple"
        answers.append((code_list(text) if listed else readable(column, speech, text)).alias(column.name))
    return rendered_rows(text_frame(csv, columns), answers)


def digest_of(frame: pl.DataFrame) -> str:
    """SHA-256 (hex) over names, types and values of the frame; equal frames have equal digests, whatever wrote them."""
    sha = hashlib.sha256()
    for part in _canonical(frame):
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()


def rendered_rows(entries: pl.DataFrame, answers: Sequence[pl.Expr], meta: Sequence[pl.Expr] | None = None) -> pl.DataFrame:
    """The frame of a batch: META_COLUMNS as they are unless `meta` says otherwise, then the answers."""
    # a deleted response keeps its place and loses its answers
    kept = pl.col("_operation") != "delete"
    shown = (pl.when(kept).then(answer).alias(answer.meta.output_name()) for answer in answers)
    return entries.select(*(meta or [pl.col(f"_{name}") for name in META_COLUMNS]), *shown)


def _canonical(frame: pl.DataFrame) -> Iterator[bytes]:
    # own layout instead of CSV or Arrow: it must not change with a release of polars while a batch is open
    # one pass over all columns for each part: a pass per column is what small batches would cost most
    texts, lists = selectors.string(), selectors.list()
    nulls = frame.select(pl.all().is_null().cast(pl.UInt8))
    lengths = frame.select(texts.str.len_bytes().fill_null(0).cast(pl.UInt32), lists.list.len().fill_null(0).cast(pl.UInt32))
    numbers = frame.select((~(texts | lists)).to_physical().fill_null(0))
    for series in frame:
        name = series.name
        yield f"{name} {series.dtype.base_type().__name__}".encode()
        yield nulls[name].to_numpy().tobytes()
        yield (lengths if name in lengths.columns else numbers)[name].to_numpy().tobytes()
        if isinstance(series.dtype, pl.List):
            yield from _canonical(series.drop_nulls().explode(empty_as_null=False).alias("").to_frame())
        elif series.dtype == pl.String:
            yield "".join(series.drop_nulls().to_list()).encode()
