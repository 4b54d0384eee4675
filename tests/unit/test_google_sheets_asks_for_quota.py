"""Tokens for calls to Google: taken before the calls, together, by the account that has them, and given back when they are not used."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets.wire.quota import Payer, Tokens
from collect_pipelines.errors import TryLater, Unavailable
from collect_pipelines.model import QuotaBucket


class Store:
    """The quota of a context. `answers`: which choice is had, and the wait."""

    def __init__(self, *answers: tuple[int, float]) -> None:
        self.answers = list(answers)
        self.taken: list[list[str]] = []
        self.drained: list[str] = []
        self.begun: list[bool] = []
        self.settled: list[tuple[list[str], float, bool]] = []
        self.away = False

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, begun: bool = False) -> tuple[int, float]:
        self.begun.append(begun)
        choice, wait = self.answers.pop(0) if self.answers else (0, 0.0)
        if not wait:
            self.taken.append([one.key for one in choices[choice]])
        return choice, wait

    def settle_quota(self, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
        if self.away:
            raise Unavailable()
        self.settled.append(([one.key for one in buckets], held_seconds, used))

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        self.drained += [one.key for one in buckets]


def tokens(store: Store, clock: Callable[[], float] = lambda: 100.0, accounts: str = "a", per_account: int = 60) -> Tokens:
    context: Any = store
    return Tokens(context, [Payer("p", one) for one in accounts], per_account=per_account, per_project=300, clock=clock)


def keys(kind: str, account: str = "a") -> list[str]:
    return [f"sheets:{kind}:account:p:{account}", f"sheets:{kind}:project:p"]


def test_all_calls_of_a_sequence_are_paid_in_one_step_and_used_once() -> None:
    store = Store()
    made = tokens(store)
    made.reserve(reads=1, writes=2)
    for kind in ("read", "write", "write"):
        made.take(kind)
    assert [sorted(one) for one in store.taken] == [sorted(keys("read") + keys("write") * 2)]
    made.take("write")

    assert store.taken[1:] == [keys("write")]
    assert store.settled == []


def test_a_reservation_that_does_not_get_all_gets_nothing_and_waits_for_its_turn() -> None:
    made = tokens(Store((0, 3.5)))
    with pytest.raises(TryLater) as waiting:
        made.reserve(writes=3)

    assert waiting.value.after == 3.5
    assert waiting.value.quota_wait, "no attempt: nothing was begun"


def test_a_call_in_the_middle_of_a_sequence_that_gets_no_token_ends_the_attempt() -> None:
    store = Store((0, 0.0), (0, 30.0))
    made = tokens(store)
    made.reserve(writes=1)
    made.take("write")
    with pytest.raises(TryLater) as waiting:
        made.take("write")

    assert store.begun == [False, True], "it goes before everybody, so that what was done is not done again"

    assert not waiting.value.quota_wait


def test_a_token_that_is_used_late_is_counted_in_the_minute_of_its_use() -> None:
    store, now = Store(), [0.0]
    made = tokens(store, lambda: now[0])
    made.reserve(writes=2)
    made.take("write")
    now[0] = 7.0
    made.take("write")

    assert store.settled == [(keys("write"), 7.0, True)]


def test_what_was_reserved_and_not_used_is_given_back_also_after_a_failure_and_while_postgres_is_away() -> None:
    store = Store()
    made = tokens(store)
    with pytest.raises(TryLater), made.sequence():
        made.reserve(reads=1, writes=1)
        made.take("read")
        raise TryLater()
    assert store.settled == [(keys("write"), 0.0, False)]
    store.away = True
    with made.sequence():
        made.reserve(reads=1)

    assert len(store.settled) == 1


def test_what_was_kept_too_long_is_given_back() -> None:
    store, now = Store(), [0.0]
    made = tokens(store, lambda: now[0])
    made.reserve(writes=1)
    now[0] = 31.0
    made.reserve(writes=1)

    assert len(store.taken) == 2
    assert store.settled == [(keys("write"), 31.0, False)]


def test_the_account_that_has_tokens_first_pays_for_the_whole_sequence() -> None:
    store = Store((1, 0.0), (0, 0.0))
    made = tokens(store, accounts="ab")
    made.reserve(reads=1, writes=1)

    assert made.take("read") == 1
    assert made.take("read") == 1, "while it holds a write it goes on"
    assert made.take("write") == 1
    assert store.taken == [keys("read", "b") + keys("write", "b"), keys("read", "b")]
    with made.paid_by(0):
        assert made.take("write") == 0


def test_a_sequence_never_asks_for_more_than_there_ever_is_at_once() -> None:
    store = Store()
    tokens(store, per_account=2).reserve(reads=5, writes=3)

    assert len(store.taken[0]) == 2 * (2 + 2)


def test_after_a_429_nobody_calls_before_the_next_minute_and_other_accounts_go_on_when_it_was_about_this_one() -> None:
    store = Store()
    seconds = tokens(store, lambda: 1000 * 60 + 42.0).refused("write", whole_project=True)
    assert 18 <= seconds <= 21
    assert store.drained == keys("write")
    tokens(store).refused("read", whole_project=False)

    assert store.drained[2:] == keys("read")[:1]
