"""The warehouses that really run here, with one way to read each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg

from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig
from tests.contract.warehouse_fakes import MemoryContext

__all__ = ["TARGETS", "Place", "open_place"]

TARGETS = ("duckdb", "postgres", "filesystem")


@dataclass
class Place:
    """One warehouse, for integrations of any form."""

    to: str
    folder: Path
    url: str = ""
    dataset: str = "forms"

    def integration(self, form: str = "household", **config: Any) -> Warehouse:
        """A destination for the form, as the core would make it."""
        context = MemoryContext(self.folder / "warehouse.duckdb", form)
        context.secrets["env:PG"] = self.url
        given = {"dataset": self.dataset} | ({"credentials": "env:PG"} if self.to == "postgres" else {}) | config
        return Warehouse(WarehouseConfig(to=self.to, **given), context)  # type: ignore[arg-type]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by position."""
        return sorted(self._READERS[self.to](self, table), key=lambda row: row.get("_position", 0))

    def types(self, table: str) -> dict[str, str]:
        """Column -> type, in the words of the target."""
        if self.to == "filesystem":
            schema = pl.read_parquet_schema(sorted((self.folder / "parquet" / self.dataset / table).glob("*.parquet"))[0])
            return {name: str(kind) for name, kind in schema.items()}
        query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = '{}' AND table_name = '{}'"
        return dict(self._queried(query.format(self.dataset, table)))

    def change(self, statement: str) -> None:
        """What a person does with a client of their own."""
        if self.to == "postgres":
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(statement)  # type: ignore[arg-type]
        else:
            with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
                connection.execute(statement)

    def _queried(self, query: str) -> list[tuple[Any, ...]]:
        if self.to == "postgres":
            with psycopg.connect(self.url) as connection:
                return connection.execute(query).fetchall()  # type: ignore[arg-type]
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def _from_duckdb(self, table: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            return connection.sql(f'SELECT * FROM "{self.dataset}"."{table}"').pl().to_dicts()

    def _from_postgres(self, table: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            return connection.execute(f'SELECT * FROM "{self.dataset}"."{table}"').fetchall()  # type: ignore[arg-type]

    def _from_filesystem(self, table: str) -> list[dict[str, Any]]:
        place = self.folder / "parquet" / self.dataset
        if table.startswith("_"):
            found = [pl.read_parquet(path) for path in sorted((place / table).glob("*.parquet"))]
            return pl.concat(found).to_dicts() if found else []
        return pl.read_parquet(place / table / "*.parquet").to_dicts()

    _READERS = {"duckdb": _from_duckdb, "postgres": _from_postgres, "filesystem": _from_filesystem}


def open_place(to: str, folder: Path, fresh_url: Callable[[], str]) -> Place:
    """A warehouse of the kind; Postgres in a database of its own."""
    return Place(to, folder, fresh_url() if to == "postgres" else "")
