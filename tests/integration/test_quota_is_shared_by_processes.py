"""One quota for all processes: several connections at once, turns that survive their askers, and what people and metrics are told."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from collect_pipelines.cli.exporter import collector
from collect_pipelines.cli.root import collect
from collect_pipelines.destinations.interface import Batch, Delivery
from collect_pipelines.errors import TryLater
from collect_pipelines.model import QuotaBucket
from collect_pipelines.project.exporting import export_project
from collect_pipelines.settings import Settings
from collect_pipelines.store.backfills import begin_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations
from collect_pipelines.store.quota import Claim, choose_quota, drain_quota, quota_states, quota_waiting, settle_quota, take_quota
from collect_pipelines.sync.context import DeliveryContext
from tests.integration.backlog_tools import late
from tests.integration.sync_tools import Scene, on_shelf, one_database, scene, shelf

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

ACCOUNT = QuotaBucket("account", burst=6, rate=1.0, per_minute=60)
OTHER = QuotaBucket("another account", burst=6, rate=1.0, per_minute=60)
PROJECT = QuotaBucket("project", burst=9, rate=5.0, per_minute=300)
EARLIER = "{0} = {0} - make_interval(secs => :s)"
MOVED = (
    f"update collect.quota set {EARLIER.format('refilled_at')}, {EARLIER.format('paused_until')}, recent_second = recent_second - :s",
    f"update collect.quota_ticket set {EARLIER.format('asked_at')}, {EARLIER.format('due_at')}",
)


@pytest.fixture(scope="module")
def opened(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as database:
        yield database


@pytest.fixture
def database(opened: Database) -> Database:
    with opened.begin() as connection:
        connection.execute(text("truncate collect.quota, collect.quota_ticket"))
    return opened


def ask(database: Database, integration: int, *buckets: QuotaBucket, background: bool = False, weight: float = 1.0) -> float:
    with database.begin() as connection:
        return take_quota(connection, buckets or [ACCOUNT, PROJECT], Claim(integration, weight, background))


def pass_time(database: Database, seconds: float) -> None:
    with database.begin() as connection:
        for statement in MOVED:
            connection.execute(text(statement), {"s": seconds})


def use_up(database: Database) -> None:
    with database.begin() as connection:
        while not take_quota(connection, [ACCOUNT]):
            pass


def test_many_connections_at_once_get_what_there_is_and_block_nobody_for_ever(database: Database) -> None:
    barrier = threading.Barrier(4)

    def greedy(number: int) -> list[tuple[int, float]]:
        choices = [[ACCOUNT, PROJECT], [PROJECT, OTHER]]
        barrier.wait()
        got = []
        for _ in range(6):
            with database.begin() as connection:
                got.append(choose_quota(connection, choices[:: 1 if number % 2 else -1], Claim(number)))
        return got

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for answers in pool.map(greedy, range(4)) for answer in answers]

    # as much as the project has at once, and what came back meanwhile
    assert 9 <= sum(wait == 0 for _, wait in answers) <= 12


def test_whoever_is_told_to_wait_gets_the_token_that_was_kept_for_it(database: Database) -> None:
    use_up(database)
    first, second = ask(database, 1), ask(database, 2)
    newcomer = ask(database, 3)
    assert 0 < first < second < newcomer < 3.2
    pass_time(database, 1)

    assert ask(database, 3) > 1.5, "not its turn yet"
    assert ask(database, 1) == 0.0
    assert ask(database, 1) > ask(database, 2), "who had one goes to the end"


def test_the_turn_of_one_that_does_not_come_back_is_void_after_seconds(database: Database) -> None:
    use_up(database)
    for dead in (1, 2, 3, 4, 5, 6):
        ask(database, dead)
    pass_time(database, 12)

    assert ask(database, 7) == 0.0


def test_a_heavier_one_is_served_more_often_and_older_entries_come_last(database: Database) -> None:
    use_up(database)
    waits = {1: ask(database, 1, background=True), 2: ask(database, 2)}
    heavy = ask(database, 3, weight=4.0)

    assert heavy < ask(database, 2) < ask(database, 1, background=True)
    assert waits[1] > waits[2]


def test_tokens_that_are_held_count_when_they_are_used_and_come_back_when_they_are_not(database: Database) -> None:
    assert ask(database, 1, *[ACCOUNT] * 5) == 0.0
    pass_time(database, 20)
    with database.begin() as connection:
        settle_quota(connection, [ACCOUNT] * 2, 20.0, used=True)
        settle_quota(connection, [ACCOUNT] * 3, 20.0, used=False)
        (state,) = quota_states(connection)
    assert (state.used_last_minute, state.taken) == (2, 2)
    pass_time(database, 50)
    with database.begin() as connection:
        (state,) = quota_states(connection)

    assert state.used_last_minute == 2, "used fifty seconds ago"
    with pytest.raises(ValueError, match="more than it ever holds"):
        ask(database, 1, *[ACCOUNT] * 7)


def test_people_and_metrics_see_what_is_left_who_waits_and_what_was_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = scene(database, tmp_path, slug="visits")
    use_up(database)
    ask(database, it.integration_id, background=True)
    with database.begin() as connection:
        drain_quota(connection, [ACCOUNT], 30.0)
        (waiting,) = quota_waiting(connection)
    registry = CollectorRegistry()
    registry.register(collector(database))
    monkeypatch.setenv("COLLECT_DATABASE_URL", database.url)
    shown = CliRunner().invoke(collect, ["integrations", "quota"])
    told = CliRunner().invoke(collect, ["integrations", "quota", "--json"])

    assert (waiting.integration, waiting.background, waiting.quotas) == (it.integration.name, True, ("account", "project"))
    assert registry.get_sample_value("collect_quota_used", {"quota": "account"}) == 6
    assert registry.get_sample_value("collect_quota_allowed", {"quota": "account"}) == 60
    assert registry.get_sample_value("collect_quota_waiting", {"quota": "account", "entries": "older"}) == 1
    assert registry.get_sample_value("collect_quota_refused_total", {"quota": "account"}) == 1
    assert registry.get_sample_value("collect_quota_taken_total", {"quota": "account"}) == 6
    assert shown.exit_code == told.exit_code == 0, shown.output
    assert "the receiver refused a call" in shown.output
    assert "older entries" in shown.output
    assert '"used_last_minute": 6' in told.output


class Metered(shelf()):  # type: ignore[misc]
    """Takes a token for each batch."""

    def deliver(self, batch: Batch) -> Delivery:
        if wait := self.context.take_quota([ACCOUNT]):
            raise TryLater("Waiting.", after=wait, quota_wait=True)
        return super().deliver(batch)  # type: ignore[no-any-return]


def is_due(it: Scene) -> bool:
    with it.database.begin() as connection:
        return it.integration_id in [one.integration_id for one in due_integrations(connection, "shelf")]


def test_a_new_response_does_not_wait_behind_older_ones_that_wait_for_their_turn(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *(f"old{place}" for place in range(12)))
    with database.begin() as connection:
        begin_backfill(connection, it.integration_id, 1, None)
        while not take_quota(connection, [ACCOUNT]):
            pass
    courier = it.courier(Metered)
    waiting = courier.deliver(it.integration_id)
    assert waiting is not None
    assert (waiting.purpose, waiting.outcome, waiting.only_waited) == ("backfill", "postponed", True)
    assert waiting.retry_in_seconds == pytest.approx(waiting.quota_wait_seconds), "no later than its turn: the token is kept for it"
    assert not is_due(it)
    it.create("new")
    assert is_due(it)
    pass_time(database, 1)
    report = courier.deliver(it.integration_id)
    courier.close()

    assert report is not None
    assert (report.purpose, report.outcome) == ("live", "delivered")
    assert on_shelf(it.path) == [("new", 1, "create")]


def test_a_weight_is_set_for_an_integration_and_stands_in_its_project_file(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it = scene(database, tmp_path, slug="weighed", kind="warehouse")
    monkeypatch.setenv("COLLECT_DATABASE_URL", database.url)
    set_ = CliRunner().invoke(collect, ["integrations", "set", "weighed-warehouse", "--weight", "3"])
    refused = CliRunner().invoke(collect, ["integrations", "set", "weighed-warehouse", "--weight", "0"])
    with database.begin() as connection:
        project = export_project(connection, "default", inline=False)["collect.yaml"]

    assert set_.exit_code == 0, set_.output
    assert refused.exit_code == 2
    assert it.integration.weight == 3.0
    assert "weight: 3" in project


def test_a_sequence_that_is_begun_waits_for_its_next_token_instead_of_ending(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    use_up(database)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        pass_time(database, 1)

    context = DeliveryContext(database, Settings(data_dir=tmp_path), it.integration, sleep=sleep)

    assert context.choose_quota([[ACCOUNT]])[1] > 0.0
    assert slept == []
    assert context.choose_quota([[ACCOUNT]], begun=True) == (0, 0.0)
    assert len(slept) == 1
    with database.begin() as connection:
        drain_quota(connection, [ACCOUNT], 30.0)
    assert context.choose_quota([[ACCOUNT]], begun=True)[1] > 29.0, "too long to keep a thread waiting"
