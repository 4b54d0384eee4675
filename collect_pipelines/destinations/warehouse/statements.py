"""The SQL of the warehouse beside dlt: what was deleted, what the columns mean, and whether the rows arrived."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse.frame import questions
from collect_pipelines.destinations.warehouse.naming import DELETIONS, QUESTIONS

__all__ = ["DUCKDB_TYPES", "count", "describe", "missing", "not_older", "prepare", "remove", "stored_types"]

DUCKDB_TYPES = {
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}

# Dataset and table names hold only [a-z0-9_] (naming.py, the configuration's pattern); values always travel as parameters.
# ruff: noqa: S608


def prepare(connection: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Creates the dataset with its two side tables unless they exist."""
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{dataset}"')
    connection.execute(f'CREATE TABLE IF NOT EXISTS "{dataset}"."{DELETIONS}" (table_name VARCHAR, _response_id VARCHAR, _position BIGINT)')
    connection.execute(
        f'CREATE TABLE IF NOT EXISTS "{dataset}"."{QUESTIONS}" (table_name VARCHAR, ordinal BIGINT, column_name VARCHAR, '
        "question VARCHAR, type VARCHAR, label VARCHAR, labels VARCHAR, choices VARCHAR, pii VARCHAR, retired DATE)"
    )


def stored_types(connection: duckdb.DuckDBPyConnection, dataset: str, table: str) -> dict[str, str]:
    """Column -> type of the table as it is; empty when there is no table yet."""
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
        [dataset, table],
    )
    return dict(found.fetchall())


def count(connection: duckdb.DuckDBPyConnection, dataset: str, table: str) -> int:
    """Rows of the table; 0 when there is none yet."""
    if not stored_types(connection, dataset, table):
        return 0
    return _number(connection.execute(f'SELECT count(*) FROM "{dataset}"."{table}"'))


def not_older(dataset: str, table: str) -> str:
    """
    Condition on a staged row: nothing newer is known about its response (promise 6).

    Part of the MERGE itself, so a batch that comes again after later ones changes nothing, and a deleted response stays deleted.
    """
    staged = f'"{table}"'  # the staging table bears the same name in another schema; both inner tables have aliases
    return (
        f'NOT EXISTS (SELECT 1 FROM "{dataset}"."{table}" AS stored '
        f"WHERE stored._response_id = {staged}._response_id AND stored._position > {staged}._position) "
        f'AND NOT EXISTS (SELECT 1 FROM "{dataset}"."{DELETIONS}" AS gone WHERE gone.table_name = \'{table}\' '
        f"AND gone._response_id = {staged}._response_id AND gone._position > {staged}._position)"
    )


def remove(connection: duckdb.DuckDBPyConnection, dataset: str, table: str, frame: pl.DataFrame) -> None:
    """
    Removes the responses whose last operation in the frame is a delete, and remembers their ids; one transaction.

    Never removes a newer revision. The memory is what keeps an old batch from bringing a deleted response back.
    """
    gone = frame.filter(pl.col("_operation") == "delete").select("_response_id", "_position")
    if not gone.height:
        return
    with _as_batch(connection, gone):
        connection.execute("BEGIN")
        connection.execute(
            f'MERGE INTO "{dataset}"."{DELETIONS}" AS gone USING batch '
            "ON gone.table_name = ? AND gone._response_id = batch._response_id "
            "WHEN MATCHED AND gone._position < batch._position THEN UPDATE SET _position = batch._position "
            "WHEN NOT MATCHED THEN INSERT VALUES (?, batch._response_id, batch._position)",
            [table, table],
        )
        if stored_types(connection, dataset, table):
            connection.execute(
                f'DELETE FROM "{dataset}"."{table}" AS stored USING batch '
                "WHERE stored._response_id = batch._response_id AND stored._position <= batch._position"
            )
        connection.execute("COMMIT")


def describe(connection: duckdb.DuckDBPyConnection, dataset: str, table: str, batch: Batch) -> None:
    """Keeps the rows of the questions table that describe this form equal to the form."""
    wanted = questions(batch, table)
    stored = connection.execute(f'SELECT * FROM "{dataset}"."{QUESTIONS}" WHERE table_name = ? ORDER BY ordinal', [table]).fetchall()
    if stored == wanted.rows():
        return
    with _as_batch(connection, wanted):
        connection.execute("BEGIN")
        connection.execute(f'DELETE FROM "{dataset}"."{QUESTIONS}" WHERE table_name = ?', [table])
        connection.execute(f'INSERT INTO "{dataset}"."{QUESTIONS}" SELECT * FROM batch')
        connection.execute("COMMIT")


def missing(connection: duckdb.DuckDBPyConnection, dataset: str, table: str, frame: pl.DataFrame, *, removes: bool) -> int:
    """How many rows of the frame the warehouse does not show: neither they nor anything newer; 0 after a good load."""
    stored = f'"{dataset}"."{table}"' if stored_types(connection, dataset, table) else "(SELECT '' AS _response_id, 0 AS _position)"
    left_over = "OR (batch._operation = 'delete' AND stored._position <= batch._position)" if removes else ""
    with _as_batch(connection, frame.select("_response_id", "_position", "_operation")):
        found = connection.execute(
            f"SELECT count(*) FROM batch LEFT JOIN {stored} AS stored ON stored._response_id = batch._response_id "
            f'LEFT JOIN "{dataset}"."{DELETIONS}" AS gone ON gone.table_name = ? AND gone._response_id = batch._response_id '
            f"WHERE greatest(coalesce(stored._position, 0), coalesce(gone._position, 0)) < batch._position {left_over}",
            [table],
        )
        return _number(found)


def _number(found: duckdb.DuckDBPyConnection) -> int:
    # fetchone would leave the result open, and an open result locks its connection
    return int(found.fetchall()[0][0])


@contextmanager
def _as_batch(connection: duckdb.DuckDBPyConnection, frame: pl.DataFrame) -> Iterator[None]:
    connection.register("batch", frame.to_arrow())
    try:
        yield
    finally:
        connection.unregister("batch")
