"""From entries of the log to the frame of a batch, for machines (`typed`) or for people (`display`). docs/rendering.md has the table."""

import hashlib
from collections.abc import Iterator, Sequence

import polars as pl

from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.sync.display import Speech, readable
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.validation.values import typed

__all__ = ["digest_of", "display_frame", "render_display", "render_typed", "rendered_rows", "typed_frame"]


def typed_frame(csv: bytes, columns: Sequence[Column], language: str | None = None) -> pl.DataFrame:
    """What machines read: codes, lists, numbers, UTC timestamps. Never raises on a bad value: it becomes null."""
    return render_typed(text_frame(csv, columns), columns)


def display_frame(csv: bytes, columns: Sequence[Column], language: str | None = None) -> pl.DataFrame:
    """What people read: labels in the language, joined choices, yes and no. Never raises on a bad value."""
    return render_display(text_frame(csv, columns), columns, language)


def render_typed(entries: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """`typed_frame` of entries already read by `text_frame`."""
    return rendered_rows(entries, [typed(pl.col(column.name), column.type).alias(column.name) for column in columns])


def render_display(entries: pl.DataFrame, columns: Sequence[Column], language: str | None) -> pl.DataFrame:
    """`display_frame` of entries already read by `text_frame`."""
    speech = Speech(language)
    return rendered_rows(entries, [readable(column, speech, pl.col(column.name)).alias(column.name) for column in columns])


def digest_of(frame: pl.DataFrame) -> str:
    """SHA-256 (hex) over names, types and values of the frame; equal frames have equal digests, whatever wrote them."""
    sha = hashlib.sha256()
    for series in frame:
        for part in _canonical(series):
            sha.update(len(part).to_bytes(8, "little"))
            sha.update(part)
    return sha.hexdigest()


def rendered_rows(entries: pl.DataFrame, answers: Sequence[pl.Expr], meta: Sequence[pl.Expr] | None = None) -> pl.DataFrame:
    """The frame of a batch: META_COLUMNS as they are unless `meta` says otherwise, then the answers."""
    # a deleted response keeps its place and loses its answers
    kept = pl.col("_operation") != "delete"
    shown = (pl.when(kept).then(answer).alias(answer.meta.output_name()) for answer in answers)
    return entries.select(*(meta or [pl.col(f"_{name}") for name in META_COLUMNS]), *shown)


def _canonical(series: pl.Series) -> Iterator[bytes]:
    # own layout instead of CSV or Arrow: it must not change with a release of polars while a batch is open
    yield f"{series.name} {series.dtype.base_type().__name__}".encode()
    yield series.is_null().cast(pl.UInt8).to_numpy().tobytes()
    if isinstance(series.dtype, pl.List):
        yield series.list.len().fill_null(0).cast(pl.UInt32).to_numpy().tobytes()
        yield from _canonical(series.drop_nulls().explode(empty_as_null=False).alias(""))
    elif series.dtype == pl.String:
        yield series.str.len_bytes().fill_null(0).cast(pl.UInt32).to_numpy().tobytes()
        yield "".join(series.drop_nulls().to_list()).encode()
    else:
        yield series.to_physical().fill_null(0).to_numpy().tobytes()
