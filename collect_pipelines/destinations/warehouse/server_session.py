"""The SQL of a warehouse on a server, through dlt's client for it: the same statements for every database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl

from collect_pipelines.destinations.warehouse.frame import QUESTION_TYPES
from collect_pipelines.destinations.warehouse.loads import Load
from collect_pipelines.destinations.warehouse.naming import DELETIONS, QUESTIONS
from collect_pipelines.destinations.warehouse.pipelines import DLT_TYPES
from collect_pipelines.errors import Blocked

__all__ = ["ServerSession"]

IDS_PER_QUERY = 500  # parameters travel inside the statement: ~20 kB
BY_ID = 2000  # entries; more are looked up by a range of positions, in one query instead of many

DELETION_COLUMNS: dict[str, pl.DataType] = {"table_name": pl.String(), "_response_id": pl.String(), "_position": pl.Int64()}
QUESTION_COLUMNS: dict[str, pl.DataType] = {name: kind() for name, kind in QUESTION_TYPES.items()}

# Dataset, table and column names hold only [a-z0-9_] (naming.py, the configuration's pattern); values always travel as parameters.
# ruff: noqa: S608


class ServerSession:
    """Implements `session.Session` over an open dlt client (`dlt.destinations.job_client_impl.SqlJobClientBase`)."""

    def __init__(self, client: Any, dataset: str) -> None:
        self._client, self._sql, self._dataset = client, client.sql_client, dataset

    def prepare(self) -> None:
        """Makes the dataset and its side tables unless they exist; nothing of somebody else's is ever touched."""
        tables = self.stored_types([DELETIONS, QUESTIONS])
        if QUESTIONS in tables and DELETIONS in tables:
            return
        if not self._sql.has_dataset():
            self._sql.create_dataset()
        elif QUESTIONS not in tables and DELETIONS not in tables and (strangers := self._strangers()):
            raise Blocked(
                f"The dataset {self._dataset} holds tables of something else, e.g. {strangers[0]}.",
                fix="Set another `dataset` in the integration's configuration; this one is left alone.",
            )
        for table, columns in ((DELETIONS, DELETION_COLUMNS), (QUESTIONS, QUESTION_COLUMNS)):
            if table not in tables:
                self.extend(table, columns, exists=False, key=())

    def stored_types(self, tables: Sequence[str]) -> dict[str, dict[str, str]]:
        """Table -> column -> type in dlt's words."""
        found = self._client.get_storage_tables(tables)
        # some databases fold names to capitals; ours are all small
        return {
            name: {column.lower(): facts.get("data_type") or "another type" for column, facts in columns.items()}
            for name, columns in found
            if columns
        }

    def type_name(self, kind: pl.DataType) -> str:
        """The type in dlt's words."""
        return str(DLT_TYPES[kind])

    def extend(self, table: str, columns: Mapping[str, pl.DataType], *, exists: bool, key: Sequence[str]) -> None:
        """Makes the table, or adds the columns to it."""
        listed = [f"{self._column(name)} {self._type(name, kind)}{' NOT NULL' if name in key else ''}" for name, kind in columns.items()]
        if not exists:
            self._sql.execute_sql(f"CREATE TABLE {self._at(table)} ({', '.join(listed)})")
            return
        for column in listed:
            self._sql.execute_sql(f"ALTER TABLE {self._at(table)} ADD COLUMN {column}")

    def not_older(self, load: Load) -> str | None:
        """Condition on a staged row: nothing newer is known about its response (promise 6). Part of the MERGE itself."""
        if load.history:
            return None
        staged = self._sql.escape_column_name(load.table)  # the staging table bears the same name in another dataset
        name, position = self._column("_response_id"), self._column("_position")
        return (
            f"NOT EXISTS (SELECT 1 FROM {self._at(load.table)} AS stored "
            f"WHERE stored.{name} = {staged}.{name} AND stored.{position} > {staged}.{position}) "
            f"AND NOT EXISTS (SELECT 1 FROM {self._at(DELETIONS)} AS gone WHERE gone.{self._column('table_name')} = '{load.table}' "
            f"AND gone.{name} = {staged}.{name} AND gone.{position} > {staged}.{position})"
        )

    def remove(self, load: Load) -> None:
        """Removes the responses that are gone and remembers their ids, in one transaction where there are any."""
        known = self._positions(DELETIONS, load.gone["_response_id"].to_list(), load.table)
        newer = [(name, position) for name, position in load.gone.iter_rows() if position > known.get((name, None), 0)]
        gone, stored, name = self._at(DELETIONS), self._at(load.table), self._column("_response_id")
        table, position = self._column("table_name"), self._column("_position")
        with self._transaction():
            for part in _parts(newer):
                ids = [response for response, _ in part]
                self._sql.execute_sql(f"DELETE FROM {gone} WHERE {table} = %s AND {name} IN ({_marks(ids)})", load.table, *ids)
                values = [value for row in part for value in (load.table, *row)]
                rows = ", ".join(["(%s, %s, %s)"] * len(part))
                self._sql.execute_sql(f"INSERT INTO {gone} ({table}, {name}, {position}) VALUES {rows}", *values)
            for names in _parts(load.gone["_response_id"].to_list()):
                self._sql.execute_sql(
                    f"DELETE FROM {stored} AS stored WHERE stored.{name} IN ({_marks(names)}) AND EXISTS (SELECT 1 FROM {gone} AS gone "
                    f"WHERE gone.{table} = %s AND gone.{name} = stored.{name} AND gone.{position} >= stored.{position})",
                    *names,
                    load.table,
                )

    def describe(self, load: Load) -> None:
        """Keeps the rows of the questions table that describe this form equal to the form."""
        columns = [self._column(name) for name in QUESTION_COLUMNS]
        table, listed = self._at(QUESTIONS), ", ".join(columns)
        known = self._sql.execute_sql(f"SELECT {listed} FROM {table} WHERE {columns[0]} = %s ORDER BY {columns[1]}", load.table)
        if [tuple(row) for row in known or ()] == load.questions.rows():
            return
        with self._transaction():
            self._sql.execute_sql(f"DELETE FROM {table} WHERE {columns[0]} = %s", load.table)
            for part in _parts(load.questions.rows()):
                rows = ", ".join([f"({_marks(columns)})"] * len(part))
                self._sql.execute_sql(f"INSERT INTO {table} ({listed}) VALUES {rows}", *(value for row in part for value in row))

    def missing(self, load: Load) -> int:
        """How many entries of the load the warehouse does not show."""
        entries = load.frame.select("_response_id", "_revision", "_position", "_operation").rows()
        stored = self._range(load) if len(entries) > BY_ID else {}
        rest = [
            response
            for response, revision, position, _ in entries
            if stored.get((response, revision if load.history else None)) != position
        ]
        stored |= self._positions(load.table, rest, revisions=load.history)
        gone = {} if load.history else self._positions(DELETIONS, rest, load.table)
        missing = 0
        for response, revision, position, operation in entries:
            there = stored.get((response, revision if load.history else None), 0)
            left_over = load.removes and operation == "delete" and 0 < there <= position
            missing += left_over or max(there, gone.get((response, None), 0)) < position
        return missing

    def forget(self, shard: str, tables: Sequence[str]) -> None:
        """Removes what dlt noted about the shard's schema, and its staging tables."""
        with self._sql.with_staging_dataset():
            staged = [self._at(table) for table in tables]
        for table in staged:
            self._sql.execute_sql(f"DROP TABLE IF EXISTS {table}")
        if self.stored_types(["_dlt_version"]):
            self._sql.execute_sql(f"DELETE FROM {self._at('_dlt_version')} WHERE {self._column('schema_name')} = %s", shard)

    def count(self, table: str) -> int:
        """Rows of the table; 0 when there is none yet."""
        if not self.stored_types([table]):
            return 0
        found = self._sql.execute_sql(f"SELECT count(*) FROM {self._at(table)}")
        return int(found[0][0])

    def loaded(self, *, read_copy: bool) -> None:
        """Servers have their readers already."""

    def _strangers(self) -> list[str]:
        return []

    def _range(self, load: Load) -> dict[tuple[str, int | None], int]:
        frame, position = load.frame, self._column("_position")
        found = self._sql.execute_sql(
            f"SELECT {self._column('_response_id')}, {self._column('_revision')}, {position} FROM {self._at(load.table)} "
            f"WHERE {position} BETWEEN %s AND %s",
            frame["_position"].min(),
            frame["_position"].max(),
        )
        return {(response, revision if load.history else None): there for response, revision, there in found or ()}

    def _positions(
        self, table: str, ids: Sequence[str], of: str | None = None, *, revisions: bool = False
    ) -> dict[tuple[str, int | None], int]:
        """Position by id (and revision) of those that are there; of the side table `of` a form's table."""
        name = self._column("_response_id")
        columns = f"{name}, {self._column('_position')}" + (f", {self._column('_revision')}" if revisions else "")
        condition = f" AND {self._column('table_name')} = %s" if of else ""
        found: dict[tuple[str, int | None], int] = {}
        for part in _parts(ids):
            query = f"SELECT {columns} FROM {self._at(table)} WHERE {name} IN ({_marks(part)}){condition}"
            for response, position, *revision in self._sql.execute_sql(query, *part, *([of] if of else [])) or ():
                found[response, revision[0] if revision else None] = position
        return found

    def _at(self, table: str) -> str:
        return str(self._sql.make_qualified_table_name(table))

    def _column(self, name: str) -> str:
        return str(self._sql.escape_column_name(name))

    def _type(self, name: str, kind: pl.DataType) -> str:
        column = {"name": name, "data_type": DLT_TYPES[kind], "nullable": True}
        return str(self._client.type_mapper.to_destination_type(column, {"name": "any", "columns": {}}))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if not self._sql.capabilities.supports_transactions:
            yield
            return
        with self._sql.begin_transaction():
            yield


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + IDS_PER_QUERY] for start in range(0, len(values), IDS_PER_QUERY))


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
