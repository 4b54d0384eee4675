"""One batch on its way into its table."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse.frame import column_types, newest, questions, table_rows
from collect_pipelines.destinations.warehouse.naming import column_name, history_name, table_name

__all__ = ["Load", "load_of"]


@dataclass(frozen=True)
class Load:
    """A batch as the tables take it."""

    table: str
    shard: str
    """The dlt schema that knows the table."""
    types: dict[str, pl.DataType]
    """Every column of the table: name -> type, declared by the form."""
    frame: pl.DataFrame
    """The newest entry of each key, deletions too."""
    rows: pl.DataFrame
    """What is merged: with the columns of `types`."""
    questions: pl.DataFrame
    """What describes the columns to people."""
    removes: bool
    """Deleted responses lose their row."""
    history: bool
    """Every revision keeps a row of its own."""
    guard: Callable[[], None]
    """Raises LeaseLost when another worker took over."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns by which rows are merged."""
        return ("_response_id", "_revision") if self.history else ("_response_id",)

    @property
    def gone(self) -> pl.DataFrame:
        """Ids and positions of the responses to remove."""
        deleted = self.frame.filter(pl.col("_operation") == "delete") if self.removes else self.frame.clear()
        return deleted.select("_response_id", "_position")


def load_of(batch: Batch, shard: str, guard: Callable[[], None]) -> Load:
    """The batch, prepared. Tables that keep every revision bear a name of their own: readers of the other expect one row each."""
    batch = _named(batch)
    table = history_name(batch.form) if batch.append_only else table_name(batch.form)
    frame = newest(batch)
    return Load(
        table=table,
        shard=shard,
        types=column_types(batch),
        frame=frame,
        rows=table_rows(batch, frame),
        questions=questions(batch, table),
        removes=batch.on_delete == "delete" and not batch.append_only,
        history=batch.append_only,
        guard=guard,
    )


def _named(batch: Batch) -> Batch:
    names = {column.name: column_name(column.name) for column in batch.columns}
    columns = tuple(replace(column, name=names[column.name]) for column in batch.columns)
    return replace(batch, columns=columns, frame=batch.frame.rename(names))
