"""What is remembered about a tab, and quota buckets that no minute can overrun."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.google_sheets.tab.memory import Memory, TabMemory
from collect_pipelines.destinations.google_sheets.wire.quota import Tokens, bucket
from collect_pipelines.errors import TryLater
from collect_pipelines.model import QuotaBucket

MINUTE = 60.0


class Store:
    """The two things of a context that are needed here."""

    def __init__(self, waits: Sequence[float] = ()) -> None:
        self.kept: dict[str, Any] = {}
        self.waits = list(waits)
        self.taken: list[list[str]] = []
        self.drained: list[tuple[str, float]] = []

    def recall(self, name: str) -> Any:
        return self.kept.get(name)

    def remember(self, name: str, value: Any) -> None:
        self.kept[name] = value

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        wait = self.waits.pop(0) if self.waits else 0.0
        if not wait:
            self.taken.append([one.key for one in buckets])
        return wait

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        self.drained += [(one.key, seconds) for one in buckets]


def test_what_was_remembered_comes_back_and_unknown_fields_of_a_newer_version_do_no_harm() -> None:
    store: Any = Store()
    memory = Memory(token="t", tabs={"": TabMemory(tab=4, ready=True, layout={"age": 3})}, markers=[[1, 2]])
    memory.save(store, "s1")
    store.kept["sheet:s1"]["invented later"] = 1

    assert Memory.recall(store, "s1") == memory
    assert Memory.recall(store, "s2").token != memory.token


def test_what_was_kept_when_an_integration_had_one_tab_is_understood() -> None:
    store: Any = Store()
    store.kept["sheet:s1"] = {"token": "t", "tab": 4, "ready": True, "bound": ["age"], "layout": {"age": 3}, "markers": [[1, 2]]}

    assert Memory.recall(store, "s1") == Memory("t", {"": TabMemory(4, True, ["age"], {"age": 3})}, [[1, 2]])


def test_markers_are_kept_for_half_an_hour_and_the_newest_for_ever() -> None:
    memory = Memory()
    for marker, minute in ((1, 0), (2, 1), (3, 10)):
        memory.confirmed(marker, minute * MINUTE)

    assert memory.expired_markers(29 * MINUTE) == []
    assert memory.expired_markers(31.5 * MINUTE) == [1]
    assert memory.expired_markers(1000 * MINUTE) == [1, 2]
    memory.forget_markers([1, 2])
    assert memory.markers == [[10, 3]]
    assert memory.expired_markers(1000 * MINUTE) == []


def test_many_markers_are_kept_for_a_quarter_of_an_hour_at_least() -> None:
    memory = Memory()
    for marker in range(1, 1001):
        memory.confirmed(marker, marker // 50 * MINUTE)
    now = 20 * MINUTE
    old = memory.expired_markers(now)

    assert old
    assert all(marker // 50 * MINUTE <= now - 15 * MINUTE for marker in old)


def test_a_marker_confirmed_twice_is_kept_once_and_a_clock_set_back_does_no_harm() -> None:
    memory = Memory()
    for marker, now in ((1, 600.0), (1, 700.0), (2, 60.0)):
        memory.confirmed(marker, now)

    assert memory.markers == [[10, 1, 2]]


@given(st.integers(min_value=10, max_value=100_000))
def test_no_minute_can_see_more_calls_than_granted(per_minute: int) -> None:
    made = bucket("k", per_minute)

    assert made.burst + 60 * made.rate <= per_minute * (1 + 1e-9)


def tokens(store: Store, clock: Callable[[], float] = lambda: 100.0) -> Tokens:
    context: Any = store
    return Tokens(context, "p", "a", per_account=60, per_project=300, clock=clock)


def test_a_read_and_a_write_are_taken_in_one_step_and_used_once() -> None:
    store = Store()
    made = tokens(store)
    made.reserve(reads=1, writes=1)
    made.take("read")
    made.take("write")
    assert store.taken == [["sheets:read:account:p:a", "sheets:read:project:p", "sheets:write:account:p:a", "sheets:write:project:p"]]
    made.take("write")

    assert store.taken[1:] == [["sheets:write:account:p:a", "sheets:write:project:p"]]


def test_a_reservation_that_does_not_get_all_waits_for_all_and_keeps_what_it_got() -> None:
    store = Store(waits=[0, 0.5])
    made = tokens(store)
    with pytest.raises(TryLater) as waiting:
        made.reserve(writes=3)
    assert waiting.value.after == pytest.approx(0.5 + 1 / 0.9)
    made.reserve(writes=3)

    assert len(store.taken) == 3


def test_tokens_kept_too_long_are_not_used() -> None:
    store, now = Store(), [0.0]
    made = tokens(store, lambda: now[0])
    made.reserve(writes=1)
    now[0] = 31.0
    made.reserve(writes=1)

    assert len(store.taken) == 2


def test_after_a_429_nobody_calls_before_the_next_minute() -> None:
    store = Store()
    seconds = tokens(store, lambda: 1000 * 60 + 42.0).refused("write")

    assert 18 <= seconds <= 21
    assert [key for key, _ in store.drained] == ["sheets:write:account:p:a", "sheets:write:project:p"]
