"""`collect backfill` and `collect replay`: an estimate before, progress and the limiter meanwhile, a plain word afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.store.backfill_records import find_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.leases import take_lease
from collect_pipelines.store.rates import measured_rate
from collect_pipelines.sync.backfill_progress import NOBODY, progress_of
from tests.integration.backlog_tools import Commands, Old, append
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


LANDED = """
insert into collect.batch (integration_id, batch_no, from_position, to_position, form_version, digest, epoch, state, purpose, backfill_id,
    delivered, planned_at, landed_at)
values (:integration, 1, 1, 20, 1, 'd', 1, 'landed', 'backfill', :backfill, 20, '2030-01-01T10:00:00Z', '2030-01-01T10:00:10Z') returning 1
"""
MEASURED = """
insert into collect.batch
    (integration_id, batch_no, from_position, to_position, form_version, digest, epoch, state, delivered, rows, seconds)
values (:integration, :number, :number, :number, 1, 'd', 1, 'landed', 1, :rows, :seconds) returning 1
"""


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Commands:
    return Commands(database.url, tmp_path)


@pytest.fixture
def it(database: Database) -> Old:
    return Old(database, 40, kind="warehouse")


def limiter(it: Old, number: int, now: datetime | None = None) -> str | None:
    with it.database.begin() as connection:
        return progress_of(connection, find_backfill(connection, number), now).limiter


def test_a_backfill_says_what_it_will_take_and_asks(it: Old, run: Commands) -> None:
    refused = run("backfill", "start", it.name, code=2).stderr
    begun = run("backfill", "start", it.name, "--yes").stderr

    assert "40 entries in about 1 batch. How long it takes is known when the first batch has landed." in refused
    assert "--yes" in refused
    assert f"collect backfill show {it.name} --watch" in begun
    assert it.counted() == {"pending": 40}


def test_it_is_delivered_and_its_rate_is_the_estimate_of_the_next(it: Old, run: Commands) -> None:
    begun = run.json("backfill", "start", it.name, "--positions", "1-15", "--yes")
    run("sync", "--form", it.form, "--destination", "warehouse")
    done = run.json("backfill", "show", it.name)["progress"]
    again = run("backfill", "start", it.name, code=2).stderr
    listed = run("backfill", "list", it.name, "--all").stdout.splitlines()

    assert (begun["estimate"]["entries"], begun["progress"]["remaining"]) == (15, 15)
    assert (done["backfill"]["state"], done["backfill"]["delivered"], done["remaining"], done["limiter"]) == ("done", 15, 0, None)
    assert done["per_second"] > 0
    assert "25 entries in about 1 batch, about 1 call" in again and "measured over 1 batch of this integration" in again
    assert len(listed) == 2 and "done" in listed[1]
    assert it.counted() == {"delivered": 15, "filtered": 25}


def test_nothing_is_begun_where_nothing_was_left_out(it: Old, run: Commands) -> None:
    run("backfill", "start", it.name, "--yes")
    run("backfill", "start", it.name, "--yes", code=3)
    run("sync", "--form", it.form, "--destination", "warehouse")
    told = run("backfill", "start", it.name, "--yes", code=4).stderr
    run("backfill", "show", "nobody", code=4)
    other = run("backfill", "show", it.name, "--id", "1000000", code=4).stderr

    assert f"collect replay {it.name} --since" in told
    assert f"collect backfill list {it.name} --all" in other
    assert it.counted() == {"delivered": 40}


def test_pause_resume_and_cancel_are_told(it: Old, run: Commands) -> None:
    run("backfill", "resume", it.name, code=4)
    run("backfill", "start", it.name, "--yes")
    paused = run("backfill", "pause", it.name).stderr
    shown = run("backfill", "show", it.name).stdout
    status = run("status", "--form", it.form).stderr
    run("backfill", "pause", it.name, code=4)
    run("backfill", "resume", it.name)
    cancelled = run.json("backfill", "cancel", it.name)["backfills"]
    run("backfill", "cancel", it.name, code=4)

    assert "is paused" in paused
    assert "it is paused" in shown and "0 of 40" in shown
    assert "40 deliveries wait. Backfill" in status and "is paused at 0 of 40" in status and "collect backfill list" in status
    assert [one["state"] for one in cancelled] == ["cancelled"]
    assert it.counted() == {"filtered": 40}


def test_the_limiter_in_force_is_said_in_words(it: Old, run: Commands) -> None:
    number = it.begin()
    alone = limiter(it, number)
    with it.database.begin() as connection:
        take_lease(connection, "lane:warehouse", "somebody", 3600)
    working = limiter(it, number)
    append(it.database, it.form_id, "new", 1, "create")
    it.scalar("update collect.form set validated_through = head where form_id = :form returning 1", form=it.form_id)
    live = limiter(it, number)
    it.scalar("update collect.integration set next_attempt_at = '2200-01-01' where integration_id = :integration returning 1")
    waiting = limiter(it, number, datetime(2200, 1, 1, tzinfo=UTC) - timedelta(seconds=90))
    with it.database.begin() as connection:
        set_integration_state(connection, it.id, "blocked", "The key was revoked.", "Make another.")
    blocked = limiter(it, number)

    assert alone == NOBODY.format(does="delivers")
    assert working == "the receiver's own speed"
    assert live == "live responses go first: 1 is waiting"
    # beyond the lane's lease nobody would deliver any more, which is said first
    assert waiting == NOBODY.format(does="delivers")
    assert blocked == "the integration is blocked: The key was revoked."


def test_validation_comes_first_and_it_is_said_when_nobody_validates(it: Old) -> None:
    number = it.begin()
    it.scalar("update collect.form set validated_through = 7 where form_id = :form returning 1", form=it.form_id)
    alone = limiter(it, number)
    with it.database.begin() as connection:
        take_lease(connection, "lane:validation", "somebody", 3600)
    working = limiter(it, number)

    assert working == "validation comes first: it is at position 7 of 40"
    assert alone == f"{working}, and {NOBODY.format(does='validates')}"


def test_what_stands_has_a_rate_and_no_time_left(it: Old, run: Commands) -> None:
    number = it.begin()
    it.scalar(LANDED, backfill=number)
    with it.database.begin() as connection:
        take_lease(connection, "lane:warehouse", "another", 3600)
        goes = progress_of(connection, find_backfill(connection, number))
        stands = progress_of(connection, find_backfill(connection, number), datetime(2200, 1, 1, tzinfo=UTC))

    assert (goes.per_second, goes.left_seconds) == (2.0, 20.0)
    assert (stands.per_second, stands.left_seconds) == (2.0, None)


def test_a_price_per_row_is_not_read_off_a_few_small_batches(it: Old) -> None:
    """Whatever small batches cost by chance, a large one is no multiple of that; what large ones did cost is believed."""
    for number, (rows, seconds) in enumerate([(5, 1.0), (6, 3.0), (7, 1.0), (8, 2.5), (9, 1.9)], start=1):
        it.scalar(MEASURED, number=number, rows=rows, seconds=seconds)
    with it.database.begin() as connection:
        by_chance = measured_rate(connection, "warehouse", it.id)
    it.scalar(MEASURED, number=6, rows=20_000, seconds=100.0)
    with it.database.begin() as connection:
        measured = measured_rate(connection, "warehouse", it.id)

    assert by_chance is not None and by_chance.seconds_per_row < 0.02
    assert measured is not None and measured.seconds_per_row == pytest.approx(0.005, rel=0.05)


def test_watching_ends_with_the_backfill(it: Old, run: Commands) -> None:
    run("backfill", "start", it.name, "--yes")
    run("sync", "--form", it.form, "--destination", "warehouse")
    watched = run("backfill", "show", it.name, "--watch")

    assert "40 of 40" in watched.stdout


def test_a_replay_says_what_it_does_and_does_it(it: Old, run: Commands) -> None:
    never = run("replay", it.name, "--positions", "3-5", code=3).stderr
    run("backfill", "start", it.name, "--yes")
    run("sync", "--form", it.form, "--destination", "warehouse")
    asked = run("replay", it.name, "--since", "2020-01-01", code=2).stderr
    one = run.json("replay", it.name, "--response", "r-7", "--yes")["progress"]
    run("replay", it.name, "--positions", "3-5", "--yes")
    run("sync", "--form", it.form, "--destination", "warehouse")
    states = [
        (line.split("\t")[3], line.split("\t")[4], line.split("\t")[5])
        for line in run("backfill", "list", it.name, "--all").stdout.splitlines()[1:]
    ]

    assert f"collect backfill start {it.name}" in never
    assert "Send 40 entries" in asked and "--yes" in asked and "one row per response" in asked
    assert one["backfill"]["positions"] == [7]
    assert states == [("replay", "done", "3"), ("replay", "done", "1"), ("backfill", "done", "40")]
    assert it.counted() == {"delivered": 40}


def test_what_a_replay_is_about_must_be_said(it: Old, run: Commands) -> None:
    run("replay", it.name, "--yes", code=2)
    run("replay", it.name, "--failed", "--response", "r-1", code=2)
    run("replay", it.name, "--response", "nobody", code=4)
    run("replay", it.name, "--positions", "9-3", code=2)
    run("replay", it.name, "--since", "yesterday", code=2)
    run("replay", it.name, "--since", "2200-01-01", code=4)
    run("replay", it.name, "--failed", "--yes", code=4)


def test_failed_ones_are_tried_again(database: Database, run: Commands) -> None:
    it = Old(database, 10, "all", kind="warehouse")
    it.deliver_except(opened={2: "No.", 5: "No."}, waiting={4: "Later."})
    run("replay", it.name, "--failed", "--yes")
    waiting = it.counted()
    run("sync", "--form", it.form, "--destination", "warehouse")

    assert waiting == {"delivered": 7, "pending": 3}
    assert it.counted() == {"delivered": 10}
