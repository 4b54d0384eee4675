"""Forms that wait for the same warehouse at the same moment are loaded by one call, and each keeps its own ledger."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.destinations.warehouse.pipelines import Pipelines
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.ledger import ledger
from collect_pipelines.sync.lane import Lane
from tests.integration.sync_tools import Scene, scene, submission, validate

FORMS = [f"orchard_{letter}" for letter in "abcde"]


def filled(database: Database, folder: Path, **config: Any) -> list[Scene]:
    """Five forms with a response each and a deleted one."""
    made = [scene(database, folder, form, "warehouse", **config) for form in FORMS]
    for one in made:
        one.accept(
            submission(one.form_id, "kept", {"name": "Asha", "age": 3}),
            submission(one.form_id, "gone", {"name": "Ravi"}),
            submission(one.form_id, "gone", {}, "delete", replaces=1),
        )
        validate(database, one.form_id)
    return made


def delivered(database: Database) -> dict[str, tuple[int, int]]:
    with database.begin() as connection:
        return {row.form: (row.delivered, row.pending) for row in ledger(connection)}


def test_five_forms_cost_one_package(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages: list[int] = []
    merge = Pipelines.merge

    def counted(self: Pipelines, shard: str, merges: Sequence[Any]) -> None:
        packages.append(len(merges))
        merge(self, shard, merges)

    monkeypatch.setattr(Pipelines, "merge", counted)
    filled(database, tmp_path)
    list(Lane(database.url, Settings(data_dir=tmp_path, database_url=database.url), "warehouse", "worker").drain())

    assert packages == [5]
    assert delivered(database) == dict.fromkeys(FORMS, (3, 0))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        rows = [connection.execute(f"SELECT _response_id FROM forms.{form}").fetchall() for form in FORMS]
    assert rows == [[("kept",)]] * 5


def test_parquet_files_come_through_the_core_too(database: Database, tmp_path: Path) -> None:
    filled(database, tmp_path, to="filesystem")
    list(Lane(database.url, Settings(data_dir=tmp_path, database_url=database.url), "warehouse", "worker").drain())

    assert delivered(database) == dict.fromkeys(FORMS, (3, 0))
    assert [pl.read_parquet(tmp_path / "parquet" / "forms" / form / "*.parquet").height for form in FORMS] == [1] * 5


def test_a_form_whose_column_does_not_fit_waits_alone(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []
    deliver = Warehouse.deliver_together.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Warehouse], batches: Sequence[tuple[Destination, Batch]]) -> Any:
        together.append(len(batches))
        return deliver(cls, batches)

    monkeypatch.setattr(Warehouse, "deliver_together", classmethod(counted))
    filled(database, tmp_path)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("CREATE SCHEMA forms")
        connection.execute("CREATE TABLE forms.orchard_c (_response_id VARCHAR, _position VARCHAR)")
    list(Lane(database.url, Settings(data_dir=tmp_path, database_url=database.url), "warehouse", "worker").drain())

    assert together[0] == 5
    assert delivered(database) == dict.fromkeys(FORMS, (3, 0)) | {"orchard_c": (0, 3)}
    with database.begin() as connection:
        [told] = [row.reason for row in ledger(connection) if row.state == "blocked"]
    assert told is not None and "Column _position of forms.orchard_c holds VARCHAR" in told
