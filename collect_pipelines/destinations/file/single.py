"""One file with a row per response: its rows are kept beside it, and it is written anew as a whole."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from collect_pipelines.destinations.file.config import FileConfig
from collect_pipelines.destinations.file.folder import Folder
from collect_pipelines.destinations.file.formats import format_of
from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.errors import Blocked

__all__ = ["Rows", "Single"]

FIRST, HIDDEN = "first", "hidden"
# Beside the batch's columns, which begin with `_` or `q_`: a response's first position, by which rows are sorted; deleted, not shown.
OWN_COLUMNS = (FIRST, HIDDEN)
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Rows:
    """Everything the file is made of."""

    frame: pl.DataFrame
    batch_no: int
    """The last batch in it."""
    heading: Mapping[str, str]

    def stored(self) -> bytes:
        """As a file that only this product reads."""
        target = io.BytesIO()
        known = {"batch_no": str(self.batch_no), "heading": json.dumps(dict(self.heading))}
        self.frame.write_parquet(target, metadata=known)
        return target.getvalue()

    @classmethod
    def read(cls, content: bytes) -> "Rows":
        """What `stored` wrote. Raises ValueError for anything else."""
        try:
            known = pl.read_parquet_metadata(io.BytesIO(content))
            return cls(pl.read_parquet(io.BytesIO(content)), int(known["batch_no"]), json.loads(known["heading"]))
        except (pl.exceptions.PolarsError, KeyError, ValueError, OSError) as exc:
            raise ValueError(type(exc).__name__) from None

    @classmethod
    def none(cls, batch: Batch) -> "Rows":
        """Before the first batch, which is this."""
        empty = batch.frame.clear().with_columns(pl.col("_position").alias(FIRST), pl.lit(False).alias(HIDDEN))
        return cls(empty, 0, {})

    def merged(self, batch: Batch, heading: Mapping[str, str]) -> "Rows":
        """With the rows of the batch; the same batch again, or an older one, changes nothing that is newer."""
        fresh = batch.frame.with_columns(
            pl.col("_position").alias(FIRST),
            ((pl.col("_operation") == "delete") & pl.lit(batch.on_delete == "delete" and not batch.append_only)).alias(HIDDEN),
        )
        both = together(self.frame, fresh)
        newest = _by_entry(both) if batch.append_only else _by_response(both, fresh)
        return Rows(newest.sort(FIRST, "_position", maintain_order=True), max(self.batch_no, batch.batch_no), heading)

    def shown(self, columns: tuple[Column, ...]) -> pl.DataFrame:
        """What people see: the batch's columns in its order, then those that older rows have besides."""
        own = [name for name in self.frame.columns if name.startswith("_")]
        chosen = [column.name for column in columns]
        besides = [name for name in self.frame.columns if name not in {*own, *chosen, *OWN_COLUMNS}]
        return self.frame.filter(~pl.col(HIDDEN)).select(*own, *chosen, *besides)


class Single:
    """Writes the file `NAME.SUFFIX` and, hidden beside it, the rows it is made of."""

    def __init__(self, folder: Folder, name: str, config: FileConfig) -> None:
        self.folder, self.config, self.format = folder, config, format_of(config)
        self.state, self.file = f".{name}.rows", f"{name}.{self.format.suffix}"

    def rows(self) -> Rows | None:
        """What the file is made of; None when there is nothing yet. Raises Blocked when it can't be read."""
        content = self.folder.read(self.state)
        try:
            return Rows.read(content) if content is not None else None
        except ValueError as exc:
            raise Blocked(f"{self.folder.path / self.state} can't be read ({exc}).", fix=self.anew) from None

    def write(self, rows: Rows, batch: Batch) -> int:
        """Replaces both files; returns the bytes of the one people read."""
        content = self.format.written(rows.shown(batch.columns), rows.heading, batch.time_zone)
        if len(content) > self.config.most_megabytes * MEGABYTE:
            raise Blocked(
                f"{self.folder.path / self.file} would have {len(content) / MEGABYTE:.0f} MB; {self.config.most_megabytes} MB are allowed.",
                fix="Add another integration with --set layout=parts, made for many responses, or raise `most_megabytes`.",
            )
        # The rows first: after a crash between the two, the batch comes again and the file is made of them.
        self.folder.write(self.state, rows.stored())
        self.folder.write(self.file, content)
        return len(content)

    @property
    def anew(self) -> str:
        """How to begin again."""
        return (
            f"Put {self.state} back as it was. To begin anew, remove it and {self.file}, remove this integration and add it again:"
            " it is filled from the first response on."
        )


def together(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Both, one below the other, with the columns of both; a column that changed its type becomes text."""
    changed = [name for name, kind in old.schema.items() if name in new.schema and new.schema[name] != kind]
    if changed:
        old, new = (frame.with_columns(_text(frame, name) for name in changed) for frame in (old, new))
    return pl.concat([old, new], how="diagonal")


def _text(frame: pl.DataFrame, name: str) -> pl.Expr:
    if isinstance(frame.schema[name], pl.List):
        return pl.col(name).list.join("; ")
    return pl.col(name).cast(pl.String)


def _by_entry(both: pl.DataFrame) -> pl.DataFrame:
    return both.unique("_position", keep="last", maintain_order=True)


def _by_response(both: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each response of the batch, at the place of its first; the others as they were."""
    theirs = pl.col("_response_id").is_in(fresh["_response_id"].unique().to_list())
    first = pl.col(FIRST).min().over("_response_id")
    # Promise 6: by position, so that an older revision never takes the place of a newer one
    newest = both.filter(theirs).with_columns(first).sort("_position", maintain_order=True)
    return pl.concat([both.filter(~theirs), newest.unique("_response_id", keep="last", maintain_order=True)])
