"""`collect trace`: every batch and every attempt of a response, in every integration, whatever it was sent for."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.destinations.interface import Batch, Delivery, Outcome
from collect_pipelines.errors import TryLater
from collect_pipelines.store.backfills import begin_backfill, begin_replay, pause_backfill, resume_backfill
from collect_pipelines.store.database import Database
from tests.integration.backlog_tools import Commands, drain, late
from tests.integration.sync_tools import Scene, one_database, shelf, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Commands:
    return Commands(database.url, tmp_path)


def steps(run: Commands, it: Scene, response: str) -> list[tuple[str, str]]:
    """State and details of the lines about the integration."""
    lines = [line.split("\t") for line in run("trace", response, "--form", it.integration.form).stdout.splitlines()]
    return [(line[2], line[3]) for line in lines if len(line) == 4 and line[1] == it.integration.name]


def test_an_older_response_is_followed_through_backfill_and_replay(database: Database, tmp_path: Path, run: Commands) -> None:
    it = late(database, tmp_path, "a", "b", "c")
    told = [steps(run, it, "b")]
    with database.begin() as connection:
        made = begin_backfill(connection, it.integration_id)
        assert made is not None
        pause_backfill(connection, made.backfill_id)
    number = made.backfill_id
    told.append(steps(run, it, "b"))
    with database.begin() as connection:
        resume_backfill(connection, number)

    def away_once(batch: Batch) -> None:
        if batch.attempt == 1:
            raise TryLater("Nobody opened.")

    courier = it.courier(shelf(before=away_once), wait_scale=0.0)
    courier.deliver(it.integration_id)
    told.append(steps(run, it, "b"))
    drain(courier, it)
    with database.begin() as connection:
        replay = begin_replay(connection, it.integration_id, 2, 2)
    drain(it.courier(owner="another"), it)
    told.append(steps(run, it, "b"))

    assert told == [
        [("filtered", "accepted before the integration was added")],
        [("waiting", f"in backfill {number}, which is paused")],
        [
            ("try later", f"batch 1 (backfill {number}): Nobody opened."),
            ("waiting", f"batch 1 (backfill {number}), 1 attempt: Nobody opened."),
        ],
        [
            ("try later", f"batch 1 (backfill {number}): Nobody opened."),
            ("delivered", f"batch 1 (backfill {number}), 2 attempts"),
            ("delivered", f"batch 2 (replay {replay.backfill_id}), 1 attempt"),
        ],
    ]


def test_a_revision_that_a_backfill_left_out_says_so(database: Database, tmp_path: Path, run: Commands) -> None:
    it = late(database, tmp_path, "a", "b", "c")
    it.accept(submission(it.form_id, "b", {"name": "b2"}, "edit", 1))
    it.validate()
    with database.begin() as connection:
        begin_backfill(connection, it.integration_id)
    drain(it.courier(), it)
    first, second = steps(run, it, "b")

    assert first[0] == "filtered" and "left it out: a newer revision had taken its place" in first[1]
    assert second == ("delivered", "batch 1, 1 attempt")


def test_a_row_that_was_set_aside_is_followed_to_its_retry(database: Database, tmp_path: Path, run: Commands) -> None:
    it = late(database, tmp_path)
    it.create("a", "b", "c")
    outcomes = (Outcome.delivered(), Outcome.later("Its number rests."), Outcome.delivered())
    it.courier(shelf(after=lambda batch: Delivery(outcomes))).deliver(it.integration_id)
    (aside,) = steps(run, it, "b")
    run("failures", "retry", it.integration.form, "2")
    drain(it.courier(owner="another"), it)

    assert aside[0] == "set aside" and "Its number rests.; tried again at" in aside[1]
    assert steps(run, it, "b") == [
        ("set aside", "batch 1, 1 attempt: Its number rests."),
        ("delivered", "batch 2 (retry), 1 attempt"),
    ]


def test_every_batch_that_did_not_deliver_a_row_says_so(database: Database, tmp_path: Path, run: Commands) -> None:
    it = late(database, tmp_path)
    it.create("a", "b")

    def rests(batch: Batch) -> Delivery:
        names = batch.frame["_response_id"].to_list()
        return Delivery(tuple(Outcome.later("Its number rests.", aside=True) if name == "b" else Outcome.delivered() for name in names))

    for number in (1, 2, 3):
        it.courier(shelf(after=rests if number < 3 else None), owner=f"courier {number}", wait_scale=0.0).deliver(it.integration_id)

    assert [state for state, _ in steps(run, it, "b")] == ["set aside", "set aside", "delivered"]
    assert [state for state, _ in steps(run, it, "a")] == ["delivered"]


def test_an_attempt_that_was_lost_is_told_where_its_batch_made_way(database: Database, tmp_path: Path, run: Commands) -> None:
    it = late(database, tmp_path, "a", "b")
    with database.begin() as connection:
        begin_backfill(connection, it.integration_id)

    def killed(batch: Batch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        it.courier(shelf(before=killed), owner="killed").deliver(it.integration_id)
    it.create("c")
    drain(it.courier(shelf(keyed=True), owner="another"), it)

    assert [state for state, _ in steps(run, it, "b")] == ["lost", "planned anew", "delivered"]


def test_no_row_per_delivery_is_kept(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path)
    it.create(*(f"r{place}" for place in range(40)))
    drain(it.courier(shelf(max_rows=20)), it)

    with database.begin() as connection:
        count = "select count(*) from collect.{} where integration_id = {}"
        rows = [connection.exec_driver_sql(count.format(table, it.integration_id)).scalar_one() for table in ("batch", "dead_letter")]
    assert rows == [2, 0]
