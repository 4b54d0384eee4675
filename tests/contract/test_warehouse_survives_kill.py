"""kill -9 at any moment of a load, then the same batch again: rows = responses, no duplicate, no loss (promise 5)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.warehouse_crashes import MOMENTS, at, batches
from tests.contract.warehouse_fakes import query, warehouse
from tests.contract.warehouse_targets import Place

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder with one crashed warehouse per moment."""
    folder = tmp_path_factory.mktemp("crashed")
    program = [sys.executable, "-m", "tests.contract.warehouse_crashes", "duckdb", str(folder), "", "0"]
    finished = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)

    assert finished.returncode == 0, finished.stderr
    return Place("duckdb", folder)


@pytest.mark.parametrize(
    ("moment", "working_folder"),
    [(moment, "kept") for moment in MOMENTS["duckdb"]]
    + [(moment, "lost") for moment in ("after extract", "after staging", "after the merge")],
)
def test_the_interrupted_batch_lands_once_when_it_comes_again(crashed: Place, tmp_path: Path, moment: str, working_folder: str) -> None:
    home = tmp_path / "resumed"
    shutil.copytree(at(crashed, moment).folder, home)
    path = home / "warehouse.duckdb"
    if working_folder == "lost":
        shutil.rmtree(home / "warehouse.duckdb.dlt")
    _, second, third = batches()
    destination = warehouse(path)
    destination.deliver(second)
    destination.deliver(third)

    found = query(path, "SELECT _response_id, _revision, q_name, q_village FROM forms.household ORDER BY 1")
    edited = [(f"r{place:03}", 2, f"edited {place}", "here") for place in range(1, 101)]
    kept = [(f"r{place:03}", 1, f"name {place}", None) for place in range(151, 301)]
    added = [(f"r{place:03}", 1, f"name {place}", "there") for place in range(301, 501)]
    late = [(f"r{place:03}", 1, f"late {place}", "there") for place in range(501, 601)]
    assert found == edited + kept + added + late


def test_what_a_crash_left_behind_is_never_loaded_in_place_of_other_rows(crashed: Place, tmp_path: Path) -> None:
    # dlt would load the pending package of batch 2, report success and drop the rows it was given
    home = tmp_path / "resumed"
    shutil.copytree(at(crashed, "after normalize").folder, home)
    pending = list((home / "warehouse.duckdb.dlt").rglob("*.parquet"))
    _, _, third = batches()
    warehouse(home / "warehouse.duckdb").deliver(third)

    assert pending
    ids = {key for (key,) in query(home / "warehouse.duckdb", "SELECT _response_id FROM forms.household")}
    assert {f"r{place:03}" for place in range(501, 601)} <= ids
    assert "r301" not in ids
    assert not list((home / "warehouse.duckdb.dlt").rglob("*.parquet"))


def test_a_working_folder_lost_between_two_loads_of_one_process_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    destination = warehouse(path)
    for part in batches():
        destination.deliver(part)
        shutil.rmtree(tmp_path / "warehouse.duckdb.dlt")

    assert query(path, "SELECT count(*), count(DISTINCT _response_id) FROM forms.household") == [(550, 550)]
