"""kill -9 in the middle of a partial settlement, a bisection or a call for several: nothing lost, the ledger complete (promises 4, 5)."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.delivery.courier import Courier
from tests.integration.sync_counter import held
from tests.integration.sync_part_crashes import DEATHS, KINDS, LEASE_SECONDS
from tests.integration.sync_tools import Scene, one_database, scene

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
NAMES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def killed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Scene]]:
    """Per death the integrations whose worker was killed then."""
    folder = tmp_path_factory.mktemp("killed")
    scenes: dict[str, list[Scene]] = {}
    for number, (name, death) in enumerate(DEATHS.items()):
        path = str(folder / f"counter-{number}.sqlite")
        scenes[name] = [scene(database, folder, kind="counter", path=path, share="one place") for _ in range(death.integrations)]
        for it in scenes[name]:
            it.create(*(f"{it.form_id}-{letter}" for letter in NAMES))
    numbers = [str(it.integration_id) for them in scenes.values() for it in them]
    program = [sys.executable, "-m", "tests.integration.sync_part_crashes", database.url, str(folder), *numbers]
    finished = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)

    assert finished.returncode == 0, finished.stderr
    time.sleep(LEASE_SECONDS)
    return scenes


@pytest.mark.parametrize("name", DEATHS)
def test_whoever_comes_next_finishes_it(killed: dict[str, list[Scene]], name: str) -> None:
    them, death = killed[name], DEATHS[name]
    for it in them:
        it.accounted()  # complete also right after the crash
    kind = KINDS[death.scene]()
    working = Courier(them[0].database, Settings(data_dir=them[0].path.parent), "successor", finder=lambda _: kind, wait_scale=0.0)
    while working.deliver_together([it.integration_id for it in them]):
        for it in them:
            it.accounted()

    refused = {f"{it.form_id}-c" for it in them} if death.scene == "poison" else set()
    path = Path(them[0].integration.config["path"])
    assert set(held(path)) == {f"{it.form_id}-{letter}" for it in them for letter in NAMES} - refused
    expected = {"delivered": 3, "dead_lettered": 1} if refused else {"delivered": 4}
    assert [it.accounted() for it in them] == [expected] * len(them)
    assert all(it.integration.behind == 0 for it in them)
