"""The warehouse passes the conformance suite as a DuckDB file, as Parquet files and in Postgres; read back as people do."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import polars as pl
import psycopg
import pytest

from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.destinations.warehouse.naming import history_name, table_name
from collect_pipelines.testing import DestinationConformance, Effect, World


class _Tables(DestinationConformance):
    """What the targets share: a table per form, read whole."""

    destination = Warehouse
    most_interruptions = 2  # each imports dlt anew; tests/contract/warehouse_crashes.py dies at every moment by name

    def effects(self, world: World) -> Iterable[Effect]:
        form = world.log.reference
        for table in (table_name(form), history_name(form)):
            for row in self.read(world, table):
                yield Effect(row, row["_response_id"], row["_revision"], removed=row["_operation"] == "delete")

    def read(self, world: World, table: str) -> list[dict[str, Any]]:
        raise AssertionError("each target has its own way")


class TestDuckDB(_Tables):
    def config(self, world: World) -> Mapping[str, Any]:
        return {"path": str(world.folder / "warehouse.duckdb")}

    def read(self, world: World, table: str) -> list[dict[str, Any]]:
        path = world.folder / "warehouse.duckdb"
        if not path.is_file():
            return []
        with duckdb.connect(str(path), read_only=True) as connection:
            try:
                return connection.sql(f'SELECT * FROM forms."{table}"').pl().to_dicts()
            except duckdb.CatalogException:
                return []

    # each step costs an import of dlt; test_warehouse_survives_kill.py dies at every one of them by name
    @pytest.mark.slow
    def test_killed_at_any_moment_of_its_first_batch(self) -> None:
        super().test_killed_at_any_moment_of_its_first_batch()

    @pytest.mark.slow
    def test_killed_at_any_moment_of_a_batch_of_edits_and_new_questions(self) -> None:
        super().test_killed_at_any_moment_of_a_batch_of_edits_and_new_questions()


class TestParquetFiles(_Tables):
    most_interruptions = 12

    def config(self, world: World) -> Mapping[str, Any]:
        return {"to": "filesystem", "folder": str(world.folder)}

    def read(self, world: World, table: str) -> list[dict[str, Any]]:
        files = sorted(Path(world.folder, "forms", table).glob("*.parquet"))
        return pl.read_parquet(files).to_dicts() if files else []


@pytest.mark.slow  # what it shares with DuckDB is most of it; its own crashes are in test_warehouse_targets_survive_kill.py
class TestPostgres(_Tables):
    url: ClassVar[str]

    @pytest.fixture(autouse=True)
    def _database(self, database_url: str) -> None:
        type(self).url = database_url

    def config(self, world: World) -> Mapping[str, Any]:
        return {"to": "postgres", "credentials": world.secret("warehouse", self.url), "dataset": self._dataset(world)}

    def read(self, world: World, table: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            try:
                return connection.execute(f'SELECT * FROM {self._dataset(world)}."{table}"').fetchall()  # type: ignore[call-overload,no-any-return]
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return []

    def _dataset(self, world: World) -> str:
        return "w" + "".join(letter for letter in world.place("x").parent.name.lower() if letter.isalnum())


del DestinationConformance
