"""Older responses go out behind new ones, once, in pieces that survive a crash, and never over a newer revision (promises 4, 5, 6, 9)."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.destinations.interface import Batch, Delivery, Outcome
from collect_pipelines.errors import TryLater
from collect_pipelines.store.backfill_records import find_backfill
from collect_pipelines.store.backfills import begin_backfill, begin_replay, cancel_backfill, pause_backfill, resume_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.sync.delivery.choice import LIVE_TURNS
from tests.integration.backlog_tools import drain, late
from tests.integration.sync_crashes import LEASE_SECONDS, MOMENTS
from tests.integration.sync_tools import Scene, on_shelf, one_database, shelf, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

REPOSITORY = Path(__file__).parents[2]
OLD = [f"old{place:02}" for place in range(1, 13)]


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def begin(it: Scene, first: int = 1, through: int | None = None) -> int:
    with it.database.begin() as connection:
        made = begin_backfill(connection, it.integration_id, first, through)
    assert made is not None
    return made.backfill_id


def test_a_backfill_sends_what_start_left_out_in_full_batches(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD, held=[3])
    before = it.accounted()
    number = begin(it)
    reports = drain(it.courier(), it)
    with database.begin() as connection:
        done = find_backfill(connection, number)

    assert before == {"filtered": 12}
    assert [(report.purpose, report.from_position, report.to_position) for report in reports] == [
        ("backfill", 1, 5), ("backfill", 6, 10), ("backfill", 11, 12),
    ]  # fmt: skip
    assert on_shelf(it.path) == [(name, 1, "create") for name in OLD if name != "old03"]
    assert it.accounted() == {"delivered": 11, "quarantined": 1}
    assert (done.state, done.delivered, done.quarantined) == ("done", 11, 1)


def test_new_responses_wait_for_one_batch_of_a_backfill_at_most(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *(f"o{place:03}" for place in range(60)))
    begin(it)
    courier = it.courier()
    waited = []
    purposes = []
    for number in range(15):
        # always something new: as busy as a form can be without a backlog
        it.create(f"new{number}")
        taken = []
        while f"new{number}" not in {row[0] for row in on_shelf(it.path)}:
            report = courier.deliver(it.integration_id)
            assert report is not None
            taken.append(report.purpose)
        waited.append(len(taken) - 1)
        purposes += taken

    assert max(waited) == 1
    assert waited.count(1) <= len(waited) // LIVE_TURNS
    # and the backfill is not starved by them
    assert "backfill" in purposes
    assert it.accounted()["pending"] == 60 - 5 * purposes.count("backfill")


def test_a_backlog_of_new_responses_goes_before_any_older_one(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    begin(it)
    courier = it.courier()
    courier.deliver(it.integration_id)
    it.create(*(f"new{number:02}" for number in range(33)))
    purposes = [report.purpose for report in drain(courier, it)]

    # all full batches first; the last one, which is not full, may let an older one go before it
    assert purposes[:6] == ["live"] * 6
    assert sorted(purposes) == ["backfill"] * 2 + ["live"] * 7
    assert it.accounted() == {"delivered": 45}


def test_a_backfill_that_fails_does_not_hold_up_new_responses(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    number = begin(it)

    def away_for_old_ones(batch: Batch) -> None:
        if batch.purpose == "backfill":
            raise TryLater("Not now.")

    courier = it.courier(shelf(before=away_for_old_ones), wait_scale=0.0)
    first = courier.deliver(it.integration_id)
    it.create("new")
    second = courier.deliver(it.integration_id)
    drain(it.courier(owner="another"), it)
    with database.begin() as connection:
        done = find_backfill(connection, number)

    assert first is not None and (first.purpose, first.outcome) == ("backfill", "postponed")
    assert second is not None and (second.purpose, second.outcome) == ("live", "delivered")
    assert it.accounted() == {"delivered": 13}
    assert (done.state, done.delivered) == ("done", 12)


def test_of_an_edited_response_only_the_newest_revision_is_sent(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    it.accept(
        submission(it.form_id, "old02", {"name": "corrected"}, "edit", 1),
        submission(it.form_id, "old03", {}, "delete", 1),
        submission(it.form_id, "old04", {"name": "held"}, "edit", 1),
    )
    it.validate(15)  # the correction of old04 breaks a rule
    begin(it)
    drain(it.courier(), it)
    rows = on_shelf(it.path)

    # live: the correction and the deletion; the backfill leaves out what they replaced, but not what a held one would replace
    assert [row for row in rows if row[0] in ("old02", "old03", "old04")] == [
        ("old02", 2, "edit"), ("old03", 2, "delete"), ("old04", 1, "create"),
    ]  # fmt: skip
    assert it.accounted() == {"delivered": 12, "filtered": 2, "quarantined": 1}


def test_what_is_edited_before_its_turn_is_left_out_and_what_is_edited_after_it_goes_out_again(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    begin(it)
    courier = it.courier()
    courier.deliver(it.integration_id)
    it.accept(submission(it.form_id, "old01", {"name": "x"}, "edit", 1), submission(it.form_id, "old09", {"name": "y"}, "edit", 1))
    it.validate()
    drain(courier, it)
    rows = on_shelf(it.path)

    assert [row[1] for row in rows if row[0] == "old01"] == [1, 2]
    assert [row[1] for row in rows if row[0] == "old09"] == [2]
    assert it.accounted() == {"delivered": 13, "filtered": 1}


def test_where_every_entry_was_replaced_no_batch_is_made(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    it.accept(*(submission(it.form_id, name, {"name": "again"}, "edit", 1) for name in OLD))
    it.validate()
    number = begin(it)
    reports = drain(it.courier(), it)
    with database.begin() as connection:
        done = find_backfill(connection, number)

    assert {report.purpose for report in reports} == {"live"}
    assert (done.state, done.filtered) == ("done", 12)
    assert it.accounted() == {"delivered": 12, "filtered": 12}


def test_pause_resume_and_cancel_keep_the_ledger_exact(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    number = begin(it)
    courier = it.courier()
    courier.deliver(it.integration_id)
    with database.begin() as connection:
        pause_backfill(connection, number)
    while_paused = (courier.deliver(it.integration_id), it.accounted())
    with database.begin() as connection:
        resume_backfill(connection, number)
    courier.deliver(it.integration_id)
    with database.begin() as connection:
        cancel_backfill(connection, number)
    cancelled = (courier.deliver(it.integration_id), it.accounted())
    begin(it)
    drain(courier, it)

    assert while_paused == (None, {"delivered": 5, "pending": 7})
    assert cancelled == (None, {"delivered": 10, "filtered": 2})
    assert on_shelf(it.path) == [(name, 1, "create") for name in OLD]
    assert it.accounted() == {"delivered": 12}


def test_a_batch_of_uncertain_outcome_is_finished_after_a_cancellation(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    number = begin(it)

    def cut(batch: Batch) -> None:
        raise TryLater("No answer.", unknown=True)

    it.courier(shelf(after=cut), wait_scale=0.0).deliver(it.integration_id)
    with database.begin() as connection:
        cancel_backfill(connection, number)
    right_after = it.accounted()
    drain(it.courier(owner="another"), it)

    assert right_after == {"filtered": 12}
    assert on_shelf(it.path) == [(name, 1, "create") for name in OLD[:5]]
    assert it.accounted() == {"delivered": 5, "filtered": 7}


def test_a_batch_that_surely_was_not_applied_is_not_sent_after_a_pause(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD)
    number = begin(it)

    def away(batch: Batch) -> None:
        raise TryLater("Not now.")

    it.courier(shelf(before=away), wait_scale=0.0).deliver(it.integration_id)
    with database.begin() as connection:
        pause_backfill(connection, number)
    courier = it.courier(owner="another")
    nothing = courier.deliver(it.integration_id)
    with database.begin() as connection:
        resume_backfill(connection, number)
    drain(courier, it)

    assert nothing is None
    assert on_shelf(it.path) == [(name, 1, "create") for name in OLD]
    assert it.accounted() == {"delivered": 12}


def test_rows_of_a_backfill_that_are_refused_or_come_later_are_accounted_for_by_themselves(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path, *OLD[:5])
    number = begin(it)
    told = [Outcome.delivered(), Outcome.refused("No."), Outcome.later("Wait."), Outcome.delivered(), Outcome.skipped("Not this one.")]
    it.courier(shelf(after=lambda batch: Delivery(tuple(told))), wait_scale=0.0).deliver(it.integration_id)
    aside = it.accounted()
    reports = drain(it.courier(owner="another"), it)
    with database.begin() as connection:
        done = find_backfill(connection, number)

    assert aside == {"delivered": 2, "dead_lettered": 1, "filtered": 1, "pending": 1}
    assert [(report.purpose, report.rows) for report in reports] == [("retry", 1)]
    assert it.accounted() == {"delivered": 3, "dead_lettered": 1, "filtered": 1}
    assert (done.state, done.settled, done.behind) == ("done", 5, 1)


def test_a_replay_sends_again_what_was_sent_and_leaves_the_ledger(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path)
    it.create("a", "b", "c")
    it.accept(submission(it.form_id, "b", {"name": "b2"}, "edit", 1))
    it.validate()
    courier = it.courier()
    drain(courier, it)
    with database.begin() as connection:
        whole = begin_replay(connection, it.integration_id, 1)
    reports = drain(courier, it)
    with database.begin() as connection:
        done = find_backfill(connection, whole.backfill_id)

    assert [report.purpose for report in reports] == ["replay"]
    assert on_shelf(it.path)[-3:] == [("a", 1, "create"), ("c", 1, "create"), ("b", 2, "edit")]
    assert it.accounted() == {"delivered": 4}
    assert (done.state, done.delivered, done.filtered) == ("done", 3, 1)


def test_a_replay_gets_a_dead_letter_through(database: Database, tmp_path: Path) -> None:
    it = late(database, tmp_path)
    it.create("a", "b", "c")
    told = [Outcome.delivered(), Outcome.refused("No."), Outcome.delivered()]
    it.courier(shelf(after=lambda batch: Delivery(tuple(told)))).deliver(it.integration_id)
    refused = it.accounted()
    with database.begin() as connection:
        begin_replay(connection, it.integration_id, 1)
    drain(it.courier(owner="another"), it)

    assert refused == {"delivered": 2, "dead_lettered": 1}
    assert it.accounted() == {"delivered": 3}


@pytest.fixture(scope="module")
def killed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    """Per moment an integration whose worker was killed then, in the middle of a backfill."""
    folder = tmp_path_factory.mktemp("killed")
    scenes = {moment: late(database, folder, *OLD) for moment in MOMENTS}
    for one in scenes.values():
        begin(one)
        one.courier().deliver(one.integration_id)
    program = [sys.executable, "-m", "tests.integration.sync_crashes", "moments", database.url, str(folder)]
    numbers = [str(one.integration_id) for one in scenes.values()]
    finished = subprocess.run([*program, *numbers], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)

    assert finished.returncode == 0, finished.stderr
    time.sleep(LEASE_SECONDS)
    return scenes


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backfill_goes_on_where_its_worker_was_killed(killed: dict[str, Scene], moment: str) -> None:
    it = killed[moment]
    after_the_crash = it.accounted()
    drain(it.courier(owner="successor"), it)

    assert after_the_crash in ({"delivered": 5, "pending": 7}, {"delivered": 10, "pending": 2})
    assert on_shelf(it.path) == [(name, 1, "create") for name in OLD]
    assert it.accounted() == {"delivered": 12}
    assert len(on_shelf(it.path, "select distinct digest from calls")) == 3
