"""A batch is settled once whatever ends it, and the ledger is complete at every moment (promises 4 and 5)."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Delivery, Outcome
from collect_pipelines.errors import Blocked, Refused, TryLater
from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations, set_integration_state
from collect_pipelines.store.ledger import batch_totals
from collect_pipelines.store.traces import batches_of
from tests.integration.sync_tools import Shelf, on_shelf, one_database, scene, shelf, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def test_a_backlog_goes_out_in_batches_of_the_destinations_size_in_order(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create(*(f"r{number:02}" for number in range(12)))
    courier = it.courier()
    reports = [courier.deliver(it.integration_id) for _ in range(4)]

    told = [(report.outcome, report.from_position, report.to_position, report.full) for report in reports if report]
    assert told == [("delivered", 1, 5, True), ("delivered", 6, 10, True), ("delivered", 11, 12, False)]
    assert reports[3] is None
    assert [response for response, *_ in on_shelf(it.path)] == [f"r{number:02}" for number in range(12)]
    assert it.accounted() == {"delivered": 12}


def test_what_is_not_validated_is_not_delivered(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("seen")
    it.accept(submission(it.form_id, "not-judged", {"name": "x"}))
    it.courier().deliver(it.integration_id)

    assert [response for response, *_ in on_shelf(it.path)] == ["seen"]
    assert it.accounted() == {"delivered": 1, "pending": 1}


def test_the_last_revision_wins_within_a_batch_and_over_batches(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a", "b", "c")
    it.accept(submission(it.form_id, "a", {"name": "a2"}, "edit", 1), submission(it.form_id, "b", {}, "delete", 1))
    it.validate()
    it.courier().deliver(it.integration_id)
    it.accept(submission(it.form_id, "a", {"name": "a3"}, "edit", 2))
    it.validate()
    it.courier().deliver(it.integration_id)

    assert on_shelf(it.path) == [("c", 1, "create"), ("a", 2, "edit"), ("b", 2, "delete"), ("a", 3, "edit")]
    assert it.accounted() == {"delivered": 6}


def test_a_deleted_response_travels_without_its_answers(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("gone")
    it.accept(submission(it.form_id, "gone", {}, "delete", 1))
    it.validate()
    it.courier().deliver(it.integration_id)

    ((content,),) = on_shelf(it.path, "select content from rows")
    assert set(json.loads(content).values()) == {None}


def test_deletions_are_filtered_for_a_destination_that_cannot_delete(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("kept", "gone")
    it.accept(submission(it.form_id, "gone", {}, "delete", 1))
    it.validate()
    it.courier(shelf(supports=frozenset({"upsert"}))).deliver(it.integration_id)

    assert on_shelf(it.path) == [("kept", 1, "create")]
    assert it.accounted() == {"delivered": 1, "filtered": 2}


def test_a_batch_of_held_entries_only_is_settled_without_a_call(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.accept(*(submission(it.form_id, name, {"name": name}) for name in "abc"))
    it.validate(1, 2, 3)
    report = it.courier().deliver(it.integration_id)

    assert report is not None and (report.outcome, report.quarantined, report.rows) == ("delivered", 3, 0)
    assert on_shelf(it.path, "select * from calls") == []
    assert it.accounted() == {"quarantined": 3}


def test_refused_rows_become_dead_letters_and_the_others_are_delivered(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("good", "bad")
    it.accept(submission(it.form_id, "bad", {"name": "bad2"}, "edit", 1))
    it.validate()
    outcomes = Delivery((Outcome.delivered(), Outcome.refused("No such city.\x00")), api_calls=1)
    report = it.courier(shelf(after=lambda batch: outcomes)).deliver(it.integration_id)

    assert report is not None and (report.outcome, report.delivered, report.rejected) == ("delivered", 1, 2)
    assert it.accounted() == {"delivered": 1, "dead_lettered": 2}
    with database.begin() as connection:
        first, second = (batches_of(connection, it.form_id, position)[0] for position in (2, 3))
    assert first.reason == "Replaced by revision 2, which was not delivered: No such city."
    assert second.reason == "No such city."


def test_a_response_refused_by_itself_is_a_dead_letter_and_the_next_one_goes_out(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create(*"abcdefg")

    def refuse_first(batch: Batch) -> None:
        if batch.batch_no == 1:
            raise Refused("The receiver does not take it.")

    courier = it.courier(shelf(before=refuse_first, max_rows=1))
    outcomes = [report.outcome for report in (courier.deliver(it.integration_id), courier.deliver(it.integration_id)) if report]

    assert outcomes == ["parked", "delivered"]
    assert it.accounted() == {"delivered": 1, "dead_lettered": 1, "pending": 5}
    with database.begin() as connection:
        (trace,) = batches_of(connection, it.form_id, 1)
    assert (trace.state, trace.reason) == ("parked", "The receiver does not take it.")


def test_a_postponed_batch_waits_and_then_comes_again_as_it_was(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a", "b")

    def busy_once(batch: Batch) -> None:
        if batch.attempt == 1:
            raise TryLater("Busy.", after=0.2)

    courier = it.courier(shelf(before=busy_once))
    first = courier.deliver(it.integration_id)
    it.create("later")
    assert first is not None and (first.outcome, first.message) == ("postponed", "Busy.")
    assert it.accounted() == {"pending": 3}
    assert first.retry_in_seconds is not None and 0.2 <= first.retry_in_seconds < 0.3
    time.sleep(first.retry_in_seconds)
    courier.deliver(it.integration_id)

    calls = on_shelf(it.path, "select number, attempt, digest from calls")
    assert [call[:2] for call in calls] == [(1, 1), (1, 2)]
    assert calls[0][2] == calls[1][2]
    assert on_shelf(it.path) == [("a", 1, "create"), ("b", 1, "create")]
    assert it.accounted() == {"delivered": 2, "pending": 1}


def test_waiting_for_quota_is_no_attempt_and_no_retry(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")
    turns = iter((True, True, False))

    def wait_for_quota(batch: Batch) -> None:
        if next(turns):
            raise TryLater("Waiting for quota.", after=0.0, quota_wait=True)

    courier = it.courier(shelf(before=wait_for_quota))
    outcomes = [report.outcome for report in (courier.deliver(it.integration_id) for _ in range(3)) if report]
    with database.begin() as connection:
        (totals,) = [row for row in batch_totals(connection) if row["integration"] == it.integration.name]

    assert outcomes == ["postponed", "postponed", "delivered"]
    assert [call[0] for call in on_shelf(it.path, "select attempt from calls")] == [1, 1, 1]
    assert (it.batch("attempts"), it.batch("unknown"), totals["retries"]) == (1, False, 0)


def test_a_wait_for_quota_is_reported_once_and_its_sum_is_kept_with_the_batch(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")
    turns = iter((True, True, False))
    bucket = [QuotaBucket("shelf", burst=1.0, rate=0.1)]

    class Waiting(Shelf):
        def deliver(self, batch: Batch) -> Delivery:
            if next(turns):
                self.context.drain_quota(bucket, 7.0)
                self.context.take_quota(bucket)
                raise TryLater("Waiting for quota.", after=0.0, quota_wait=True)
            return super().deliver(batch)

    courier = it.courier(Waiting)
    reports = [report for report in (courier.deliver(it.integration_id) for _ in range(3)) if report]
    with database.begin() as connection:
        (totals,) = [row for row in batch_totals(connection) if row["integration"] == it.integration.name]

    assert [report.quota_wait_seconds > 0 for report in reports] == [True, True, False]
    assert totals["quota_wait_seconds"] == pytest.approx(sum(report.quota_wait_seconds for report in reports))


def test_a_clock_set_back_does_not_leave_a_postponed_batch_waiting_for_it(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")
    with database.begin() as connection:
        ahead = text("update collect.integration set next_attempt_at = clock_timestamp() + :ahead where integration_id = :it")
        connection.execute(ahead, {"ahead": timedelta(days=1), "it": it.integration_id})

        assert it.integration_id in [due.integration_id for due in due_integrations(connection, "shelf")]


def test_a_blocked_integration_tells_why_keeps_its_backlog_and_goes_on_when_resumed(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")
    broken = [True]

    def unless_repaired(batch: Batch) -> None:
        if broken:
            raise Blocked("The sheet is gone.", fix="Restore it.")

    courier = it.courier(shelf(before=unless_repaired))
    report = courier.deliver(it.integration_id)

    assert report is not None and report.outcome == "blocked"
    assert (it.integration.state, it.integration.reason, it.integration.fix) == ("blocked", "The sheet is gone.", "Restore it.")
    assert courier.deliver(it.integration_id) is None
    it.create("b")
    broken.clear()
    with database.begin() as connection:
        set_integration_state(connection, it.integration_id, "active")
    outcomes = [report.outcome for report in (courier.deliver(it.integration_id), courier.deliver(it.integration_id)) if report]
    assert outcomes == ["delivered", "delivered"]
    assert it.accounted() == {"delivered": 2}


def test_a_plugin_that_raises_anything_is_postponed_with_the_class_name_only(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")

    def explode(batch: Batch) -> None:
        raise RuntimeError("the answer is secret-canary")

    report = it.courier(shelf(before=explode)).deliver(it.integration_id)

    assert report is not None and report.outcome == "postponed"
    assert report.message == "The plug-in shelf failed with RuntimeError."
    assert it.batch("error") == "The plug-in shelf failed with RuntimeError."
    assert it.batch("unknown") is True


def test_a_plugin_that_gives_no_text_as_a_reason_is_postponed_like_any_other_that_fails(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")
    report = it.courier(shelf(after=lambda batch: Delivery((Outcome("refused", 7),)))).deliver(it.integration_id)  # type: ignore[arg-type]

    assert report is not None and report.outcome == "postponed"
    assert it.batch("unknown") is True, "its rows may have been applied"
    assert it.accounted() == {"pending": 1}


def test_a_plugin_that_miscounts_its_rows_settles_nothing(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a", "b")
    report = it.courier(shelf(after=lambda batch: Delivery((Outcome.delivered(),)))).deliver(it.integration_id)

    assert report is not None and report.outcome == "postponed"
    assert it.accounted() == {"pending": 2}


def test_an_open_batch_that_would_render_differently_is_not_sent(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a")

    def cut(batch: Batch) -> None:
        raise TryLater("The line was cut.", after=0.0, unknown=True)

    courier = it.courier(shelf(before=cut))
    courier.deliver(it.integration_id)
    it.tamper("digest", "other")
    report = it.courier(owner="another release").deliver(it.integration_id)

    assert report is not None and report.outcome == "blocked"
    assert it.integration.reason == "What batch 1 was planned to hold (1 to 1) renders differently now."
    assert on_shelf(it.path) == []


def test_an_unusable_configuration_blocks_without_showing_it(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, nonsense="secret-canary")
    it.create("a")
    report = it.courier(Shelf).deliver(it.integration_id)

    assert report is not None and report.outcome == "blocked"
    assert "secret-canary" not in f"{it.integration.reason} {it.integration.fix} {report.message}"
    assert it.accounted() == {"pending": 1}
