"""The parts of the loop that are pure: when to try again, how long to rest, what a drain waits for, whose lease it is."""

import doctest
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.errors import LeaseLost, TryLater, Unavailable
from collect_pipelines.store.leases import Lease
from collect_pipelines.store.settlement import LONGEST_WAIT_SECONDS
from collect_pipelines.sync import retry
from collect_pipelines.sync.delivery import singling
from collect_pipelines.sync.drain import Patience
from collect_pipelines.sync.pacing import Pacing, Turns
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.retry import ATTEMPTS, CAP_SECONDS, SCHEDULE_SECONDS, next_wait, wait_of_its_own
from collect_pipelines.sync.tenure import Tenure, wall_seconds
from collect_pipelines.sync.work import Item

ERRORS = st.builds(TryLater, after=st.none() | st.floats(0, LONGEST_WAIT_SECONDS), unknown=st.booleans())


def test_the_examples_in_the_text_hold() -> None:
    assert doctest.testmod(retry).failed == doctest.testmod(singling).failed == 0


@given(st.integers(1, 10_000), ERRORS, st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_shorter_than_asked_and_never_without_bound(attempt: int, error: TryLater, dice: float) -> None:
    wait = next_wait(attempt, error, lambda: dice)

    assert wait > 0 or error.after == 0
    assert wait >= (error.after or 0)
    assert wait <= (CAP_SECONDS if error.after is None else error.after + 5)


@pytest.mark.parametrize("after", [1e12, float("inf"), float("nan"), -5.0])
def test_whatever_wait_a_receiver_asks_for_nobody_waits_longer_than_an_hour(after: float) -> None:
    assert 0.0 <= next_wait(1, TryLater(after=after), lambda: 0.5) <= LONGEST_WAIT_SECONDS


@given(st.integers(1, 30), st.booleans())
def test_waits_grow_until_the_cap_and_more_slowly_when_surely_nothing_was_applied(attempt: int, unknown: bool) -> None:
    def longest(number: int, unclear: bool) -> float:
        return next_wait(number, TryLater(unknown=unclear), lambda: 1.0)

    assert longest(attempt, unknown) <= longest(attempt + 1, unknown)
    assert longest(attempt, False) <= longest(attempt, True)


@given(st.integers(1, 100), ERRORS, st.floats(1.0, 1e6))
def test_no_wait_that_the_receiver_did_not_ask_for_is_longer_than_its_kind_allows(failures: int, error: TryLater, longest: float) -> None:
    wait = next_wait(failures, error, lambda: 0.99, longest)

    assert error.after is not None or wait <= min(longest, LONGEST_WAIT_SECONDS)


@given(st.integers(0, 20), st.none() | st.floats(0, 1e9), st.floats(0, 1, exclude_max=True))
def test_a_response_that_was_set_aside_waits_within_a_tenth_of_its_schedule(attempts: int, after: float | None, dice: float) -> None:
    wait = wait_of_its_own(attempts, after, lambda: dice)

    if attempts >= ATTEMPTS - 1:
        assert wait is None
    elif after is None:
        assert wait == pytest.approx(SCHEDULE_SECONDS[attempts], rel=0.1 + 1e-9)
    else:
        asked = min(after, SCHEDULE_SECONDS[-1])
        assert wait is not None and asked <= wait <= asked * 1.1 + 1e-9


def report(outcome: Any, **values: Any) -> Report:
    return Report(lane="shelf", form="household", outcome=outcome, **values)


def test_an_item_rests_for_what_is_left_of_the_interval() -> None:
    pacing = Pacing(5.0)
    pacing.done(1, [report("delivered", seconds=2.0)], now=100.0)

    assert [pacing.may(1, now) for now in (100.0, 102.9, 103.0)] == [False, False, True]
    assert pacing.wait(100.0, 60.0) == 3.0
    assert pacing.may(2, 100.0)


def test_a_full_batch_is_followed_at_once() -> None:
    pacing = Pacing(5.0)
    pacing.done(1, [report("delivered", full=True)], now=100.0)

    assert pacing.may(1, 100.0)


@pytest.mark.parametrize("outcome", [None, "failed", "blocked"])
def test_what_can_not_go_on_is_not_asked_in_circles(outcome: Any) -> None:
    pacing = Pacing()
    pacing.done(1, [] if outcome is None else [report(outcome)], now=100.0)

    assert not pacing.may(1, 100.1)


def test_whoever_was_begun_longest_ago_comes_next_and_newcomers_in_the_order_of_their_age() -> None:
    backlog, live, other = (Item(key, "form", None) for key in (1, 2, 3))
    turns = Turns()
    turns.begun(backlog.key)
    assert turns.order([backlog, live, other]) == [live, other, backlog]

    turns.begun(live.key)
    assert turns.order([backlog, live, other]) == [other, backlog, live]


def test_a_drain_waits_for_a_short_postponement_only() -> None:
    patience = Patience()
    patience.note(1, report("postponed", retry_in_seconds=10.0), now=0.0)
    patience.note(2, report("postponed", retry_in_seconds=600.0), now=0.0)
    patience.note(3, report("blocked"), now=0.0)

    assert [patience.wants(key) for key in (1, 2, 3)] == [True, False, False]
    assert patience.waiting(5.0) and not patience.waiting(12.0)


def test_a_success_restores_patience() -> None:
    patience = Patience()
    for _ in range(4):
        patience.note(1, report("postponed", retry_in_seconds=0.1), now=0.0)
    patience.note(1, report("delivered"), now=0.0)
    patience.note(1, report("postponed", retry_in_seconds=0.1), now=0.0)

    assert patience.wants(1)


class AwayDatabase:
    @contextmanager
    def begin(self) -> Iterator[Any]:
        raise Unavailable()
        yield


def test_a_lease_ends_by_itself_while_postgres_is_away() -> None:
    with Tenure(AwayDatabase(), Lease("integration:1", "me", 1), 0.3, wall_seconds()) as tenure:  # type: ignore[arg-type]
        tenure.check()
        time.sleep(0.35)

        with pytest.raises(LeaseLost):
            tenure.check()


def test_a_worker_that_was_frozen_sees_that_its_lease_ran_out() -> None:
    taken_before_the_freeze = wall_seconds() - 20
    tenure = Tenure(AwayDatabase(), Lease("integration:1", "me", 1), 15.0, taken_before_the_freeze)  # type: ignore[arg-type]

    with pytest.raises(LeaseLost):
        tenure.check()
