"""kill -9 of a worker at any step, or of two that compete: every response once, the ledger complete at every sample (promises 4, 5)."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.store.database import Database
from tests.integration.sync_crashes import LEASE_SECONDS, MOMENTS
from tests.integration.sync_tools import Scene, on_shelf, one_database, scene, shelf

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.integration.sync_crashes"]
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def killed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    """Per moment an integration whose worker was killed then."""
    folder = tmp_path_factory.mktemp("killed")
    scenes = {moment: scene(database, folder) for moment in MOMENTS}
    for one in scenes.values():
        one.create(*NAMES)
    program = [*PROGRAM, "moments", database.url, str(folder), *(str(one.integration_id) for one in scenes.values())]
    finished = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)

    assert finished.returncode == 0, finished.stderr
    time.sleep(LEASE_SECONDS)
    return scenes


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_batch_interrupted_lands_once(killed: dict[str, Scene], moment: str) -> None:
    it = killed[moment]
    accounted_after_the_crash = it.accounted()
    courier = it.courier(owner="successor")
    while courier.deliver(it.integration_id) is not None:
        pass

    assert accounted_after_the_crash == ({"delivered": 3} if "committed and not reported" in moment else {"pending": 3})
    assert on_shelf(it.path) == [(name, 1, "create") for name in NAMES]
    assert it.accounted() == {"delivered": 3}
    assert len(on_shelf(it.path, "select distinct digest from calls")) == 1


def test_after_a_crash_past_sending_the_earlier_attempt_counts_as_unknown(killed: dict[str, Scene]) -> None:
    it = killed["when the receiver had it and nobody was told"]
    it.courier(owner="another").deliver(it.integration_id)

    assert (it.batch("attempts"), it.batch("unknown")) == (2, True)


def test_two_workers_that_are_killed_again_and_again_deliver_every_response_once(database: Database, tmp_path: Path) -> None:
    dice = random.Random(20300101)
    scenes = [scene(database, tmp_path), scene(database, tmp_path)]
    workers: list[subprocess.Popen[bytes]] = []
    names = []
    try:
        for number in range(12):
            while len(workers) < 2:
                owner = f"worker-{number}-{len(workers)}"
                workers.append(subprocess.Popen([*PROGRAM, "work", database.url, str(tmp_path), owner], cwd=REPOSITORY))
            names.append([f"r{number}-{place}" for place in range(4)])
            for one in scenes:
                one.create(*names[-1])
                one.accounted()
            time.sleep(dice.uniform(0.0, 0.4))
            if number in (4, 6, 8):  # by then they have started to work
                victim = workers.pop(dice.randrange(len(workers)))
                victim.send_signal(signal.SIGKILL)
                victim.wait()
        _until_delivered(scenes)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()

    for one in scenes:
        assert sorted(on_shelf(one.path)) == sorted((name, 1, "create") for group in names for name in group)
        assert one.accounted() == {"delivered": 48}


def test_a_worker_that_lost_its_lease_while_sending_neither_writes_nor_settles(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create(*NAMES)
    late = it.courier(owner="successor", lease_seconds=LEASE_SECONDS)

    def frozen(batch: Batch) -> None:
        it.expire_lease()
        assert late.deliver(it.integration_id) is not None
        time.sleep(LEASE_SECONDS / 2)  # long enough for a renewal, which fails

    report = it.courier(shelf(before=frozen), lease_seconds=LEASE_SECONDS).deliver(it.integration_id)

    assert report is not None and report.outcome == "failed"
    assert on_shelf(it.path) == [(name, 1, "create") for name in NAMES]
    assert it.batch("attempts") == 2
    assert it.accounted() == {"delivered": 3}


def test_a_worker_that_lost_its_lease_after_sending_does_not_settle(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create(*NAMES)
    late = it.courier(owner="successor")

    def overtaken(batch: Batch) -> None:
        it.expire_lease()
        assert late.deliver(it.integration_id) is not None

    report = it.courier(shelf(after=overtaken)).deliver(it.integration_id)

    assert report is not None and report.outcome == "failed"
    assert on_shelf(it.path) == [(name, 1, "create") for name in NAMES]
    assert it.accounted() == {"delivered": 3}


def test_only_one_worker_has_an_integration_at_a_time(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create(*NAMES)
    second = it.courier(owner="second")
    seen = []
    it.courier(shelf(before=lambda batch: seen.append(second.deliver(it.integration_id)))).deliver(it.integration_id)

    assert seen == [None]


def _until_delivered(scenes: list[Scene]) -> None:
    deadline = time.monotonic() + 30
    while any(one.accounted().keys() != {"delivered"} for one in scenes):
        assert time.monotonic() < deadline, [one.accounted() for one in scenes]
        time.sleep(0.05)
