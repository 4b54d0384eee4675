"""Lanes: oldest first, no form behind another's trouble (promise 7), handed over without a gap, and back after Postgres was away."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from collect_pipelines.destinations.interface import Batch, Destination
from collect_pipelines.errors import TryLater
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.leases import list_leases
from collect_pipelines.sync.lane import Lane
from collect_pipelines.sync.report import Report
from tests.integration.sync_tools import Scene, Shelf, on_shelf, one_database, scene, shelf

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@dataclass
class Stage:
    """Integrations and lanes of a kind that no other test uses."""

    database: Database
    folder: Path
    kind: str

    def scene(self, slug: str | None = None) -> Scene:
        return scene(self.database, self.folder, slug, self.kind)

    def lane(self, shelf_type: type[Destination] = Shelf, owner: str = "lane", **settings: Any) -> Lane:
        return Lane(self.database.url, Settings(data_dir=self.folder, **settings), self.kind, owner, finder=lambda name: shelf_type)

    @property
    def resident(self) -> str | None:
        with self.database.begin() as connection:
            return next((one.owner for one in list_leases(connection) if one.name == f"lane:{self.kind}"), None)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return Stage(database, tmp_path, f"shelf-{secrets.token_hex(4)}")


class Running:
    """A resident lane in a thread, with what it told."""

    def __init__(self, resident: Lane) -> None:
        self.reports: list[Report] = []
        self.breaths = 0
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._lane = resident
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Running":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        assert self.error is None

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            for report in self._lane.run(self._stop.is_set):
                if report is None:
                    self.breaths += 1
                else:
                    self.reports.append(report)
        except BaseException as exc:  # noqa: BLE001 - told to the test
            self.error = exc


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def delivered(*scenes: Scene) -> Callable[[], bool]:
    return lambda: all(one.accounted().keys() == {"delivered"} for one in scenes)


def test_a_round_takes_one_batch_of_each_pending_integration_the_oldest_first(stage: Stage) -> None:
    first, second = stage.scene("first"), stage.scene("second")
    second.create(*"abcdefg")
    first.create("z")
    only_one = type("OneAtATime", (Shelf,), {})
    working = stage.lane(only_one)
    reports = list(working.round())

    assert sorted((report.form, report.rows) for report in reports) == [("first", 1), ("second", 5)]
    assert [(report.form, report.rows) for report in working.round()] == [("second", 2)]
    assert list(working.round()) == []


def test_a_drain_goes_on_until_nothing_is_pending_for_the_forms_named(stage: Stage) -> None:
    mine, other = stage.scene("mine"), stage.scene("other")
    mine.create(*(f"r{number}" for number in range(12)))
    other.create("x")
    reports = list(stage.lane().drain(frozenset({"mine"})))

    assert [(report.form, report.delivered) for report in reports] == [("mine", 5), ("mine", 5), ("mine", 2)]
    assert other.accounted() == {"pending": 1}


def test_a_drain_waits_for_a_short_postponement_and_gives_up_on_what_always_fails(stage: Stage) -> None:
    short, hopeless = stage.scene("short"), stage.scene("hopeless")
    short.create("a")
    hopeless.create("b")

    def busy(batch: Batch) -> None:
        if batch.form == "hopeless" or batch.attempt == 1:
            raise TryLater("Busy.", after=0.05)

    list(stage.lane(shelf(before=busy)).drain())

    assert short.accounted() == {"delivered": 1}
    assert hopeless.accounted() == {"pending": 1}
    assert len(on_shelf(hopeless.path, "select * from calls")) == 5


def test_a_drain_leaves_to_another_worker_what_that_one_has_in_hand(stage: Stage) -> None:
    it = stage.scene()
    it.create("a")
    reports: list[Report] = []
    draining = threading.Thread(target=lambda: reports.extend(stage.lane(owner="drain").drain()))

    def meanwhile(batch: Batch) -> None:
        draining.start()
        time.sleep(0.3)

    it.courier(shelf(before=meanwhile)).deliver(it.integration_id)
    draining.join()

    assert reports == []
    assert it.accounted() == {"delivered": 1}


def test_a_resident_lane_delivers_within_moments_of_the_commit(stage: Stage) -> None:
    it = stage.scene()
    it.create("first")
    with Running(stage.lane()) as running:
        until(delivered(it))
        for number in range(5):
            it.create(f"r{number}")
            committed = time.monotonic()
            until(delivered(it))

            assert time.monotonic() - committed < 0.9, "it was found by the poll, not by the doorbell"
    assert running.reports[-1].oldest_age_seconds < 5


def test_a_slow_or_failing_integration_does_not_delay_the_others(stage: Stage) -> None:
    # Promise 7
    troubled = [stage.scene(f"troubled-{number}") for number in range(12)]
    healthy = stage.scene("healthy")
    for one in troubled:
        one.create("x")
    released = threading.Event()

    def hang(batch: Batch) -> None:
        if batch.form.startswith("troubled"):
            assert released.wait(30)
            raise TryLater("Gave up.", after=60.0)

    delays = []
    with Running(stage.lane(shelf(before=hang))):
        until(lambda: len(on_shelf(troubled[7].path, "select * from calls")) == 1)
        for number in range(5):
            healthy.create(f"r{number}")
            committed = time.monotonic()
            until(delivered(healthy))
            delays.append(time.monotonic() - committed)
        released.set()

    assert delays[0] < 3.0, "the first one waits until those that hang are known as slow"
    assert max(delays[1:]) < 1.0
    assert [one.accounted() for one in troubled] == [{"pending": 1}] * 12


def test_batches_gather_while_the_least_interval_runs(stage: Stage) -> None:
    it = stage.scene()
    it.create("first")
    with Running(stage.lane(shelf(min_interval_seconds=3.0, max_rows=50))) as running:
        until(delivered(it))
        for number in range(2):
            it.create(f"r{number}")
        until(delivered(it))

    assert [report.rows for report in running.reports] == [1, 2]


def test_a_backlog_does_not_wait_for_the_interval(stage: Stage) -> None:
    it = stage.scene()
    it.create(*(f"r{number}" for number in range(20)))
    started = time.monotonic()
    with Running(stage.lane(shelf(min_interval_seconds=5.0))) as running:
        until(delivered(it))

    assert time.monotonic() - started < 5.0
    assert [report.rows for report in running.reports] == [5, 5, 5, 5]


def test_backlogs_do_not_delay_a_form_with_one_new_response(stage: Stage) -> None:
    # Promise 9
    backlogs = [stage.scene(f"backlog-{number}") for number in range(9)]
    for one in backlogs:
        one.create(*(f"r{number}" for number in range(60)))
    live = stage.scene("live")
    with Running(stage.lane(shelf(max_rows=1, before=lambda batch: time.sleep(0.05)))) as running:
        until(lambda: len(running.reports) > 8)
        live.create("new")
        earlier = len(running.reports)
        until(lambda: "live" in [report.form for report in running.reports])
        between = [report.form for report in running.reports].index("live") - earlier

    assert between < 40, "more than what was in hand and one batch of each went first"


def test_a_successor_takes_over_the_moment_the_first_lane_ends(stage: Stage) -> None:
    it = stage.scene()
    with Running(stage.lane(owner="first")) as first:
        until(lambda: stage.resident == "first")
        with Running(stage.lane(owner="second")) as second:
            it.create("a")
            until(lambda: bool(first.reports) and second.breaths > 0)
            first.stop()
            ended = time.monotonic()
            until(lambda: stage.resident == "second")

            assert time.monotonic() - ended < 1.0
            it.create("b")
            until(lambda: bool(second.reports))
    assert [report.rows for report in first.reports + second.reports] == [1, 1]
    assert stage.resident is None


def test_a_lane_ends_when_nothing_came_for_long_and_at_the_end_of_its_life(stage: Stage) -> None:
    it = stage.scene()
    it.create("a")
    for limits in ({"lane_linger_seconds": 0.5}, {"lane_lifetime_seconds": 0.5}):
        reports = [report for report in stage.lane(**limits).run(lambda: False) if report]

        assert [report.outcome for report in reports] in (["delivered"], [])
    assert it.accounted() == {"delivered": 1}


def test_a_lane_goes_on_after_postgres_was_away(stage: Stage) -> None:
    it = stage.scene()
    it.create("before")
    with Running(stage.lane()) as running:
        until(delivered(it))
        with away(stage.database):
            breaths = running.breaths
            until(lambda: running.breaths > breaths + 1)
        it.create("after")
        until(delivered(it))

    assert [response for response, *_ in on_shelf(it.path)] == ["before", "after"]


class away:
    """Postgres as seen from one database: gone, every connection cut."""

    def __init__(self, database: Database) -> None:
        address, _, self._name = database.url.rpartition("/")
        self._admin = psycopg.connect(f"{address}/postgres", autocommit=True)

    def __enter__(self) -> None:
        self._admin.execute(f"alter database {self._name} allow_connections false")
        self._admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [self._name])

    def __exit__(self, *_: object) -> None:
        self._admin.execute(f"alter database {self._name} allow_connections true")
        self._admin.close()
