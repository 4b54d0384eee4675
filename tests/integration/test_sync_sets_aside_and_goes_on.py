"""What a receiver can't take now, never takes, or may have taken holds up nothing else, and nothing of it is lost (promises 4, 6, 7)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Destination, Outcome
from collect_pipelines.errors import TryLater
from collect_pipelines.store.breakers import breaker_of
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import list_dead_letters, retry_letters
from collect_pipelines.store.integrations import due_integrations, set_integration_state
from collect_pipelines.store.traces import batches_of
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.retry import ATTEMPTS
from tests.integration.sync_counter import Counter, counter, held, taken
from tests.integration.sync_tools import Scene, one_database, scene, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def it(database: Database, tmp_path: Path) -> Scene:
    return scene(database, tmp_path, kind="counter", path=str(tmp_path / "counter.sqlite"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counter.sqlite"


def says(**outcomes: Outcome | Exception) -> Callable[[dict[str, Any], Batch], Outcome | Exception | None]:
    return lambda row, batch: outcomes.get(row["_response_id"])


def deliver(it: Scene, kind: type[Destination] = Counter, **options: Any) -> Report:
    report = it.courier(kind, **options).deliver(it.integration_id)
    assert report is not None
    return report


def letters(it: Scene, *states: str) -> dict[str, Any]:
    with it.database.begin() as connection:
        found = list_dead_letters(connection, it.form_id, states=states or ("waiting", "open"))  # type: ignore[arg-type]
    return {letter.response_id: letter for letter in found}


def make_due(it: Scene) -> None:
    """Lets every wait be over."""
    with it.database.begin() as connection:
        connection.execute(text("update collect.dead_letter set next_attempt_at = clock_timestamp() where state = 'waiting'"))
        connection.execute(text("update collect.integration set next_attempt_at = null"))


def due(it: Scene) -> bool:
    with it.database.begin() as connection:
        return it.integration_id in [one.integration_id for one in due_integrations(connection, "counter")]


def test_each_row_goes_where_its_outcome_says_and_all_are_accounted_for(it: Scene, path: Path) -> None:
    it.create("taken", "skipped", "refused", "unknown", "looked-up", "later", "last")
    outcomes = {
        "skipped": Outcome.skipped("Has opted out."),
        "refused": Outcome.refused("No such number."),
        "unknown": Outcome.unknown("The line was cut."),
        "looked-up": Outcome.unknown("The line was cut.", after=60.0),
        "later": Outcome.later("Busy.", after=30.0),
    }
    report = deliver(it, counter(rule=says(**outcomes)))
    found = letters(it)

    assert held(path) == {"taken": 1, "last": 1}
    assert it.accounted() == {"delivered": 2, "filtered": 1, "dead_lettered": 2, "pending": 2}
    assert (report.delivered, report.rejected, report.behind, report.skipped) == (2, 2, 2, 1)
    assert {name: (one.state, one.unknown) for name, one in found.items()} == {
        "refused": ("open", False),
        "unknown": ("open", True),
        "looked-up": ("waiting", True),
        "later": ("waiting", False),
    }
    assert found["unknown"].reason == "It may have been delivered, which can't be found out: The line was cut."
    assert (it.ledger.set_aside, it.ledger.open_letters) == (2, 2)


def test_rows_at_the_end_that_should_come_later_stay_in_the_log_and_come_again_with_what_came_since(it: Scene, path: Path) -> None:
    it.create("a", "b", "c", "d")
    report = deliver(it, counter(rule=says(c=Outcome.later("Limit.", after=20.0), d=Outcome.later("Limit.", after=10.0))))

    assert (report.outcome, report.to_position, report.behind) == ("delivered", 2, 0)
    assert report.retry_in_seconds is not None and 10.0 <= report.retry_in_seconds <= 11.0
    assert (it.integration.cursor, it.integration.failures) == (2, 0)
    assert it.accounted() == {"delivered": 2, "pending": 2}
    assert not due(it), "the wait that was asked for is kept"
    it.create("e")
    make_due(it)
    deliver(it)
    assert [response for response, _ in taken(path)] == ["a", "b", "c", "d", "e"]
    assert it.accounted() == {"delivered": 5}


def test_an_earlier_revision_of_a_row_that_stays_in_the_log_is_left_out(it: Scene, path: Path) -> None:
    it.create("a", "b")
    it.accept(submission(it.form_id, "a", {"name": "a2"}, "edit", 1))
    it.validate()
    deliver(it, counter(rule=says(a=Outcome.later("Limit.", after=0.0))))
    assert it.accounted() == {"delivered": 1, "filtered": 1, "pending": 1}

    deliver(it)
    assert taken(path) == [("b", 1), ("a", 2)]
    assert it.accounted() == {"delivered": 2, "filtered": 1}


def test_a_batch_of_rows_that_should_all_come_later_is_postponed_until_the_first_of_them(it: Scene) -> None:
    it.create("a", "b")
    report = deliver(it, counter(rule=says(a=Outcome.later("Quiet hours.", after=40.0), b=Outcome.later("Quiet hours.", after=20.0))))

    assert report.outcome == "postponed" and report.retry_in_seconds is not None and 20.0 <= report.retry_in_seconds <= 22.0
    assert it.integration.failures == 0, "who says when to come again is not failing"
    assert it.batch("unknown") is False
    assert it.accounted() == {"pending": 2}


def test_what_was_set_aside_is_tried_by_itself_and_delivered(it: Scene, path: Path) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy."))), dice=lambda: 0.5)
    assert it.courier(Counter).deliver(it.integration_id) is None, "its wait is not over"
    assert not due(it)
    make_due(it)
    assert due(it)
    report = deliver(it)

    assert (report.purpose, report.delivered, report.behind) == ("retry", 1, 0)
    assert taken(path) == [("b", 1), ("a", 1)]
    assert it.accounted() == {"delivered": 2}
    assert letters(it, "redelivered")["a"].attempts == 1
    with it.database.begin() as connection:
        traces = batches_of(connection, it.form_id, 1)
    assert [(one.purpose, one.letter, one.reason) for one in traces] == [("live", "redelivered", "Busy."), ("retry", None, None)]


def test_a_response_that_is_set_aside_again_and_again_is_given_up_after_ten_attempts(it: Scene) -> None:
    it.create("a", "b")
    busy = counter(rule=says(a=Outcome.later("Busy.")))
    courier = it.courier(busy, dice=lambda: 0.5)
    courier.deliver(it.integration_id)
    waits = []
    while waiting := letters(it, "waiting"):
        waits.append((waiting["a"].next_attempt_at - _now(it)).total_seconds())
        make_due(it)
        courier.deliver(it.integration_id)
        it.accounted()

    hours = 3600
    assert [round(wait / 5) * 5 for wait in waits] == [
        5, 300, hours / 2, 2 * hours, 5 * hours, 10 * hours, 14 * hours, 20 * hours, 24 * hours,
    ]  # fmt: skip
    assert len(waits) + 1 == ATTEMPTS
    assert letters(it)["a"].reason.startswith("Given up after 10 attempts over 0 hours: Busy.")
    assert it.accounted() == {"delivered": 1, "dead_lettered": 1}
    assert it.integration.failures == 0, "the receiver is well: only this response is not"


def _now(it: Scene) -> Any:
    with it.database.begin() as connection:
        return connection.execute(text("select clock_timestamp()")).scalar_one()


def test_every_wait_can_be_scaled(it: Scene) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy.", after=3600.0))), wait_scale=0.0)
    report = deliver(it)
    assert (report.purpose, it.accounted()) == ("retry", {"delivered": 2})

    it.create("c")
    report = deliver(it, counter(rule=says(c=TryLater("Away.", after=1000.0))), wait_scale=0.001)
    assert report.retry_in_seconds is not None and 1.0 <= report.retry_in_seconds < 1.1


def test_an_older_revision_that_was_set_aside_never_goes_out_after_a_newer_one(it: Scene, path: Path) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy."))))
    it.accept(submission(it.form_id, "a", {"name": "a2"}, "edit", 1))
    it.validate()
    deliver(it)
    make_due(it)
    report = deliver(it)

    assert (report.purpose, report.rows) == ("retry", 0)
    assert taken(path) == [("b", 1), ("a", 2)]
    assert it.accounted() == {"delivered": 2, "filtered": 1}
    assert letters(it, "superseded")["a"].position == 1


def test_two_revisions_that_were_set_aside_go_out_as_one(it: Scene, path: Path) -> None:
    it.create("a")
    it.accept(submission(it.form_id, "a", {"name": "a2"}, "edit", 1))
    it.validate()
    it.create("b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy."))))
    assert it.accounted() == {"delivered": 1, "pending": 2}
    make_due(it)
    deliver(it)

    assert taken(path) == [("b", 1), ("a", 2)]
    assert it.accounted() == {"delivered": 3}


def test_an_outcome_that_stays_unknown_is_looked_up_again_and_ends_with_a_person(it: Scene) -> None:
    it.create("a")
    deliver(it, counter(rule=says(a=Outcome.unknown("Cut.", after=60.0))))
    make_due(it)
    deliver(it, counter(rule=says(a=Outcome.unknown("Cut."))))

    letter = letters(it)["a"]
    assert (letter.state, letter.unknown, letter.attempts) == ("open", True, 1)
    assert it.accounted() == {"dead_lettered": 1}


def test_a_person_lets_a_refused_response_be_tried_again(it: Scene, path: Path) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.refused("No."))))
    with it.database.begin() as connection:
        retry_letters(connection, it.integration_id, "operator", positions=[1])
    assert it.accounted() == {"delivered": 1, "pending": 1}
    deliver(it)

    assert held(path) == {"a": 1, "b": 1}
    assert it.accounted() == {"delivered": 2}


def test_new_entries_go_before_a_retry_that_can_wait(it: Scene, path: Path) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy."))))
    make_due(it)
    deliver(it, counter(whole=_away), wait_scale=0.0)
    assert it.batch("state", 2) == "planned"
    it.create("c")
    report = deliver(it)

    assert (report.purpose, it.batch("state", 2)) == ("live", "replaced")
    assert deliver(it).purpose == "retry"
    assert [response for response, _ in taken(path)] == ["b", "c", "a"]


def _away(batch: Batch) -> None:
    raise TryLater("Away.", after=0.0)


def test_what_was_set_aside_gets_a_turn_although_new_entries_never_stop(it: Scene) -> None:
    it.create("a", "b")
    deliver(it, counter(rule=says(a=Outcome.later("Busy."))))
    make_due(it)
    purposes = []
    for number in range(5):
        it.create(f"new-{number}")
        purposes.append(deliver(it).purpose)

    assert purposes.count("retry") == 1


def test_a_batch_that_may_come_in_other_pieces_and_failed_three_times_goes_together_with_what_came_since(it: Scene, path: Path) -> None:
    it.create("a")
    slow = counter(rule=says(a=Outcome.later("Its own endpoint is away.")))
    for _ in range(3):
        assert deliver(it, slow, wait_scale=0.0).outcome == "postponed"
    it.create("b")
    report = deliver(it, slow, wait_scale=0.0)

    assert (report.outcome, report.delivered, report.behind) == ("delivered", 1, 1)
    assert held(path) == {"b": 1}
    assert it.batch("state", 1) == "replaced"


def test_a_batch_that_must_stay_as_it_is_comes_again_as_it_was(it: Scene) -> None:
    it.create("a")
    cut = counter(rule=says(a=TryLater("Cut.", unknown=True)), keyed=False)
    for _ in range(4):
        deliver(it, cut, wait_scale=0.0)
        it.create("more")

    assert (it.batch("attempts"), it.batch("to_position"), it.batch("state")) == (4, 1, "sending")


def test_attempts_are_kept_with_their_batch_the_last_twenty(it: Scene) -> None:
    it.create("a")
    for number in range(25):
        deliver(it, counter(whole=_says(TryLater(f"Busy {number}.", after=0.0))))
    deliver(it)
    history = it.batch("history")

    assert len(history) == 20
    assert [(one["outcome"], one["error"]) for one in history[-2:]] == [("postponed", "Busy 24."), ("landed", None)]
    assert set(history[0]) == {"at", "outcome", "error", "seconds"}
    assert it.batch("mapping") is None


def test_a_wait_for_quota_leaves_no_trace_in_the_history(it: Scene) -> None:
    it.create("a")
    for error in (TryLater("Cut.", unknown=True, after=0.0), TryLater("Quota.", quota_wait=True, after=0.0)):
        deliver(it, counter(whole=_says(error)))
    deliver(it)

    assert [one["outcome"] for one in it.batch("history")] == ["unknown", "landed"]
    assert (it.batch("attempts"), it.integration.failures) == (2, 0)


def test_an_attempt_that_nobody_saw_the_end_of_is_told_as_lost(it: Scene) -> None:
    it.create("a")

    class Died(BaseException):
        pass

    def whole(batch: Batch) -> None:
        raise Died

    with pytest.raises(Died):
        it.courier(counter(whole=whole)).deliver(it.integration_id)
    deliver(it)

    assert [one["outcome"] for one in it.batch("history")] == ["lost", "landed"]


def _says(error: Exception) -> Callable[[Batch], None]:
    def whole(batch: Batch) -> None:
        raise error

    return whole


def test_the_breaker_opens_after_five_failures_in_a_row_and_closes_with_the_first_success(it: Scene) -> None:
    it.create("a")
    away = counter(whole=_says(TryLater("Away.", unknown=True)))
    states = []
    for _ in range(6):
        deliver(it, away, dice=lambda: 1.0)
        with it.database.begin() as connection:
            states.append(breaker_of(connection, it.integration_id).state)
    with it.database.begin() as connection:
        breaker = breaker_of(connection, it.integration_id)
    assert states == ["closed"] * 4 + ["open"] * 2
    assert (breaker.failures, breaker.error) == (6, "Away.") and breaker.since is not None
    assert (it.ledger.breaker, it.ledger.failures) == ("open", 6)
    make_due(it)
    assert it.ledger.breaker == "half_open"

    deliver(it)
    assert (it.ledger.breaker, it.integration.failures) == ("closed", 0)


def test_waits_grow_over_batches_and_stop_at_what_the_kind_says(it: Scene) -> None:
    it.create("a")
    away = counter(whole=_says(TryLater("Away.")), longest_wait_seconds=20.0)
    waits = [deliver(it, away, dice=lambda: 1.0).retry_in_seconds for _ in range(8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]

    with it.database.begin() as connection:
        set_integration_state(connection, it.integration_id, "active")
    assert deliver(it, away, dice=lambda: 1.0).retry_in_seconds == 0.5, "a person who resumes it begins anew"


def test_an_open_batch_keeps_the_mapping_it_was_planned_with(it: Scene) -> None:
    it.create("a")
    seen: list[list[str]] = []

    def whole(batch: Batch) -> None:
        seen.append([column.name for column in batch.columns])
        if len(seen) == 1:
            raise TryLater("Cut.", after=0.0, unknown=True)

    kind = counter(whole=whole)
    deliver(it, kind)
    with it.database.begin() as connection:
        mapping = {"columns": [{"question": "age"}]}
        statement = text("update collect.integration set mapping = cast(:mapping as jsonb) where integration_id = :it")
        connection.execute(statement, {"mapping": json.dumps(mapping), "it": it.integration_id})
    deliver(it, kind)
    it.create("b")
    deliver(it, kind)

    assert seen[0] == seen[1] != seen[2]
    assert len(seen[2]) == 1
