"""One batch into its table: merged by response id, never backwards, and proven afterwards."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse import statements
from collect_pipelines.destinations.warehouse.database import database
from collect_pipelines.destinations.warehouse.frame import OnDelete, column_types, newest, table_rows
from collect_pipelines.destinations.warehouse.naming import table_name
from collect_pipelines.destinations.warehouse.pipelines import Pipelines
from collect_pipelines.errors import Blocked, TryLater

__all__ = ["Loader", "loader"]


@cache
def loader(path: Path, dataset: str) -> "Loader":
    """The one Loader of this process for a dataset of the file at the (absolute) path."""
    return Loader(path, dataset)


class Loader:
    """Loads batches into one dataset (DuckDB schema) of one file. Made by `loader`; safe to use from several threads."""

    def __init__(self, path: Path, dataset: str) -> None:
        self.database = database(path)
        self.dataset = dataset
        self.pipelines = Pipelines(path, dataset)

    def load(self, batch: Batch, *, on_delete: OnDelete, read_copy: bool, guard: Callable[[], None]) -> int:
        """
        Brings the table to the state after `batch` and returns the bytes handed to dlt; loading it again changes nothing.

        Raises TryLater (busy, or `unknown` when the load failed on the way) and Blocked (disk, permissions, types).
        """
        table, frame, rows = table_name(batch.form), newest(batch), table_rows(batch, on_delete)
        removes = on_delete == "delete"
        with self.database.writing() as writer:
            guard()
            connection = writer.connection
            statements.prepare(connection, self.dataset)
            self._refuse_other_types(connection, table, column_types(batch))
            if removes:
                statements.remove(connection, self.dataset, table, frame)
            if rows.height:
                self.pipelines.merge(batch.form, table, rows, statements.not_older(self.dataset, table))
            statements.describe(connection, self.dataset, table, batch)
            self._prove(connection, table, frame, removes)
            if read_copy:
                self.database.copy_is_old = True
                if self.database.copy_is_due():
                    writer.publish()
        return int(rows.estimated_size())

    def count(self, form: str) -> int:
        """Rows of the form's table; proves that the file can be opened and written."""
        with self.database.writing() as writer:
            statements.prepare(writer.connection, self.dataset)
            return statements.count(writer.connection, self.dataset, table_name(form))

    def _refuse_other_types(self, connection: duckdb.DuckDBPyConnection, table: str, wanted: dict[str, pl.DataType]) -> None:
        stored = statements.stored_types(connection, self.dataset, table)
        for name, kind in wanted.items():
            needed = statements.DUCKDB_TYPES[kind]
            if stored.get(name, needed) != needed:
                raise Blocked(
                    f"Column {name} of {self.dataset}.{table} holds {stored[name]}, the form needs {needed}.",
                    fix=f"Rename that column in {self.database.path}, then resume; older answers stay in the renamed one.",
                )

    def _prove(self, connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, removes: bool) -> None:
        missing = statements.missing(connection, self.dataset, table, frame, removes=removes)
        if missing:
            raise TryLater(f"{missing} of {frame.height} rows are not in {self.dataset}.{table} after the load.", unknown=True)
