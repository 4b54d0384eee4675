"""The log as a frame of texts, as `store.log.read_entries` hands it over."""

import io
from collections.abc import Sequence

import polars as pl

from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.validation.values import meta

__all__ = ["newest", "text_frame"]


def text_frame(csv: bytes, columns: Sequence[Column]) -> pl.DataFrame:
    """
    The entries in position order: META_COLUMNS typed and with a leading underscore, then the answers as text, by Column.name.

    `csv` is the answer of `read_entries` for the keys of `columns` in the same order. An unanswered question is null, an
    empty text is ''.
    """
    # infer_schema=False: everything is text first, so that no value can fail a batch or be read as something else
    raw = pl.read_csv(io.BytesIO(csv), infer_schema=False)
    answers = (pl.col(f"k{place}").alias(column.name) for place, column in enumerate(columns))
    return raw.select(*(meta(name) for name in META_COLUMNS), *answers).sort("_position")


def newest(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per response: its last revision, in position order."""
    # Promise 6: the last revision wins
    return frame.unique("_response_id", keep="last", maintain_order=True)
