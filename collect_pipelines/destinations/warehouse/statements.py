"""The SQL of a DuckDB warehouse beside dlt: what was deleted, what the columns mean, and whether the rows arrived."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import duckdb
import polars as pl

from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.naming import DELETIONS, QUESTIONS

__all__ = ["DUCKDB_TYPES", "DuckSession"]

DUCKDB_TYPES = {
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}

# Dataset, table and column names hold only [a-z0-9_] (naming.py, the configuration's pattern); values always travel as parameters.
# ruff: noqa: S608


class DuckSession:
    """Implements `session.Session` for the only writer of a DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: str, publish: Callable[[], None]) -> None:
        self._connection, self._dataset, self._publish = connection, dataset, publish

    def prepare(self) -> None:
        """Creates the dataset with its two side tables unless they exist."""
        self._connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self._dataset}"')
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._at(DELETIONS)} (table_name VARCHAR, _response_id VARCHAR, _position BIGINT)"
        )
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._at(QUESTIONS)} (table_name VARCHAR, ordinal BIGINT, column_name VARCHAR, "
            "question VARCHAR, type VARCHAR, label VARCHAR, labels VARCHAR, choices VARCHAR, pii VARCHAR, retired DATE)"
        )

    def stored_types(self, tables: Sequence[str]) -> dict[str, dict[str, str]]:
        """Table -> column -> type, of those that exist."""
        found: dict[str, dict[str, str]] = {}
        rows = self._connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND schema_name = ? AND list_contains(?, table_name)",
            [self._dataset, list(tables)],
        )
        for table, column, kind in rows.fetchall():
            found.setdefault(table, {})[column] = kind
        return found

    def type_name(self, kind: pl.DataType) -> str:
        """The type as DuckDB writes it."""
        return DUCKDB_TYPES[kind]

    def extend(self, table: str, columns: Mapping[str, pl.DataType], *, exists: bool, key: Sequence[str]) -> None:
        """Makes the table, or adds the columns to it."""
        types = {name: DUCKDB_TYPES[kind] for name, kind in columns.items()}
        if not exists:
            listed = ", ".join(f'"{name}" {kind}{" NOT NULL" if name in key else ""}' for name, kind in types.items())
            self._connection.execute(f"CREATE TABLE {self._at(table)} ({listed})")
            return
        for name, kind in types.items():
            self._connection.execute(f'ALTER TABLE {self._at(table)} ADD COLUMN "{name}" {kind}')

    def not_older(self, load: Load) -> str | None:
        """
        Condition on a staged row: nothing newer is known about its response (promise 6).

        Part of the MERGE itself, so a batch that comes again after later ones changes nothing, and a deleted response stays deleted.
        """
        if load.history:
            return None
        staged = f'"{load.table}"'  # the staging table bears the same name in another schema; both inner tables have aliases
        return (
            f"NOT EXISTS (SELECT 1 FROM {self._at(load.table)} AS stored "
            f"WHERE stored._response_id = {staged}._response_id AND stored._position > {staged}._position) "
            f"AND NOT EXISTS (SELECT 1 FROM {self._at(DELETIONS)} AS gone WHERE gone.table_name = '{load.table}' "
            f"AND gone._response_id = {staged}._response_id AND gone._position > {staged}._position)"
        )

    def remove(self, load: Load) -> None:
        """Removes the responses that are gone and remembers their ids; one transaction. Never removes a newer revision."""
        with self._as_batch(load.gone), self._transaction():
            self._connection.execute(
                f"MERGE INTO {self._at(DELETIONS)} AS gone USING batch "
                "ON gone.table_name = ? AND gone._response_id = batch._response_id "
                "WHEN MATCHED AND gone._position < batch._position THEN UPDATE SET _position = batch._position "
                "WHEN NOT MATCHED THEN INSERT VALUES (?, batch._response_id, batch._position)",
                [load.table, load.table],
            )
            self._connection.execute(
                f"DELETE FROM {self._at(load.table)} AS stored USING batch "
                "WHERE stored._response_id = batch._response_id AND stored._position <= batch._position"
            )

    def describe(self, load: Load) -> None:
        """Keeps the rows of the questions table that describe this form equal to the form."""
        known = f"SELECT * FROM {self._at(QUESTIONS)} WHERE table_name = ? ORDER BY ordinal"
        if self._connection.execute(known, [load.table]).fetchall() == load.questions.rows():
            return
        with self._as_batch(load.questions), self._transaction():
            self._connection.execute(f"DELETE FROM {self._at(QUESTIONS)} WHERE table_name = ?", [load.table])
            self._connection.execute(f"INSERT INTO {self._at(QUESTIONS)} SELECT * FROM batch")

    def missing(self, load: Load) -> int:
        """How many entries of the load the warehouse does not show."""
        keys = "stored._response_id = batch._response_id"
        if load.history:
            keys += " AND stored._revision = batch._revision"
        left_over = "OR (batch._operation = 'delete' AND stored._position <= batch._position)" if load.removes else ""
        with self._as_batch(load.frame.select("_response_id", "_revision", "_position", "_operation")):
            found = self._connection.execute(
                f"SELECT count(*) FROM batch LEFT JOIN {self._at(load.table)} AS stored ON {keys} "
                f"LEFT JOIN {self._at(DELETIONS)} AS gone ON gone.table_name = ? AND gone._response_id = batch._response_id "
                f"WHERE greatest(coalesce(stored._position, 0), coalesce(gone._position, 0)) < batch._position {left_over}",
                [load.table],
            )
            return _number(found)

    def forget(self, shard: str, tables: Sequence[str]) -> None:
        """Removes what dlt noted about the shard's schema, and its staging tables."""
        for table in tables:
            self._connection.execute(f'DROP TABLE IF EXISTS "{self._dataset}_staging"."{table}"')
        if "_dlt_version" in self.stored_types(["_dlt_version"]):
            self._connection.execute(f"DELETE FROM {self._at('_dlt_version')} WHERE schema_name = ?", [shard])

    def count(self, table: str) -> int:
        """Rows of the table; 0 when there is none yet."""
        return _number(self._connection.execute(f"SELECT count(*) FROM {self._at(table)}")) if self.stored_types([table]) else 0

    def loaded(self, *, read_copy: bool) -> None:
        """Renews the read copy when it is due."""
        if read_copy:
            self._publish()

    def _at(self, table: str) -> str:
        return f'"{self._dataset}"."{table}"'

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _as_batch(self, frame: pl.DataFrame) -> Iterator[None]:
        self._connection.register("batch", frame.to_arrow())
        try:
            yield
        finally:
            self._connection.unregister("batch")


def _number(found: duckdb.DuckDBPyConnection) -> int:
    # fetchone would leave the result open, and an open result locks its connection
    return int(found.fetchall()[0][0])
