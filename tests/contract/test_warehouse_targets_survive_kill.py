"""kill -9 while loading, again and again: at the end there are as many rows as responses, each with its newest revision (promise 5)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.warehouse_crashes import FORMS, MOMENTS, at, batches, cursor, expected
from tests.contract.warehouse_targets import TARGETS, Place, open_place

REPOSITORY = Path(__file__).parents[2]
EDITED = [(f"r{place:03}", 2, f"edited {place}", "here") for place in range(1, 101)]
KEPT = [(f"r{place:03}", 1, f"name {place}", None) for place in range(151, 301)]
ADDED = [(f"r{place:03}", 1, f"name {place}", "there") for place in range(301, 501)]
LATE = [(f"r{place:03}", 1, f"late {place}", "there") for place in range(501, 601)]


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes a database only for the target that needs one."""
    return lambda: str(request.getfixturevalue("database_url"))


def killing(place: Place, kills: int) -> None:
    program = [sys.executable, "-m", "tests.contract.warehouse_crashes", place.to, str(place.folder), place.url, str(kills)]
    finished = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stderr


def assert_each_response_once(place: Place) -> None:
    for form in FORMS:
        rows = place.rows(form)
        wanted = expected(form, cursor(place, form))
        assert len(rows) == len(wanted) > 0
        assert {row["_response_id"]: (row["_revision"], row["q_name"]) for row in rows} == wanted


@pytest.mark.parametrize("to", TARGETS)
def test_a_loader_killed_twenty_times_leaves_each_response_once(to: str, tmp_path: Path, fresh_url: Callable[[], str]) -> None:
    place = open_place(to, tmp_path, fresh_url)
    killing(place, 20)

    assert_each_response_once(place)


@pytest.mark.slow
@pytest.mark.parametrize("to", TARGETS)
def test_a_loader_killed_three_hundred_times_leaves_each_response_once(to: str, tmp_path: Path, fresh_url: Callable[[], str]) -> None:
    place = open_place(to, tmp_path, fresh_url)
    killing(place, 300)

    assert_each_response_once(place)


@pytest.mark.parametrize("to", ["filesystem", "postgres"])  # DuckDB: test_warehouse_survives_kill.py
def test_a_batch_interrupted_at_any_step_lands_once_when_it_comes_again(to: str, tmp_path: Path, fresh_url: Callable[[], str]) -> None:
    place = open_place(to, tmp_path, fresh_url)
    killing(place, 0)
    _, second, third = batches()
    for moment in MOMENTS[to]:
        here = at(place, moment)
        here.integration().deliver(second)
        here.integration().deliver(third)
        rows = here.rows("household")
        found = sorted((row["_response_id"], row["_revision"], row["q_name"], row["q_village"]) for row in rows)
        assert found == EDITED + KEPT + ADDED + LATE, moment


def test_readers_of_parquet_files_see_each_response_once_at_any_moment(tmp_path: Path, fresh_url: Callable[[], str]) -> None:
    place = open_place("filesystem", tmp_path, fresh_url)
    killing(place, 0)
    for moment in MOMENTS["filesystem"]:
        rows = at(place, moment).rows("household")
        assert len({row["_response_id"] for row in rows}) == len(rows) >= 250, moment
