"""However the receiver cuts its minutes, none sees more calls than are granted (promise 9)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.quota.levels import Level
from collect_pipelines.store.quota.queue import Claim
from tests.unit.quota_world import START, World, bucket, busiest_minute

LATE_SECONDS = 1.0  # a call arrives at most so long after its token was taken or said to be used


def at(level: Level, now: float) -> Level:
    """The bucket at another moment."""
    moved = replace(level, now=now, recent=list(level.recent))
    moved.fill()
    return moved


steps = st.tuples(
    st.floats(0.0, 20.0),  # seconds until somebody asks
    st.integers(1, 5),  # tokens
    st.one_of(st.just(0.0), st.floats(0.0, 30.0)),  # so long they are held before they are used
    st.floats(0.0, LATE_SECONDS),  # so long the calls are on their way
    st.booleans(),  # whether half of them are given back
)


@settings(max_examples=150, deadline=None)
@given(st.integers(6, 70), st.lists(steps, max_size=12), st.integers(1, 12))
def test_no_sixty_seconds_see_more_calls_than_granted(
    per_minute: int, plan: list[tuple[float, int, float, float, bool]], often: int
) -> None:
    it = World({"a": bucket("a", per_minute)})
    now = START
    arrived: list[float] = []
    held: list[tuple[float, int, float, float]] = []
    for gap, count, hold, way, back in plan * often:
        now += gap
        for until, kept, taken_at, late in sorted(one for one in held if one[0] <= now):
            level = it.at("a", until)
            if until - taken_at > LATE_SECONDS:
                level.use_late(kept, until - taken_at)
            it.levels["a"] = level
            arrived += [until + late] * kept
        held = [one for one in held if one[0] > now]
        if it.ask([{"a": count}], Claim(1), now).wait:
            continue
        used = (count + 1) // 2 if back else count
        if back:
            level = it.at("a", now)
            level.give_back(count - used, 0.0)
            it.levels["a"] = level
        held.append((now + hold, used, now, way))
    assert busiest_minute(arrived) <= per_minute


@settings(max_examples=6, deadline=None)
@given(st.lists(st.floats(-86_400.0, 86_400.0), min_size=1, max_size=4))
def test_a_clock_that_is_moved_neither_stops_the_quota_for_long_nor_lets_a_burst_through(jumps: list[float]) -> None:
    it = World({"a": bucket("a", 60)})
    real, offset = START, 0.0
    granted: list[float] = []
    for jump in [0.0, *jumps]:
        # back only: moved on, the minute that passed may not have passed, and nobody can know
        offset -= abs(jump)
        last = real
        while real < last + 100:
            if it.ask([{"a": 1}], None, real + offset).wait == 0:
                granted.append(real)
            real += 0.5
    assert busiest_minute(granted) <= 60
    # each time it may have to wait for one minute
    assert len(granted) >= (real - START) - (1 + len(jumps)) * 65


BUCKETS = (bucket("a", 60), QuotaBucket("b", burst=5, rate=2.0))


@pytest.mark.parametrize("kind", BUCKETS, ids=lambda one: one.key)
def test_after_a_refusal_nobody_gets_a_token_until_the_pause_is_over_and_then_at_half_the_rate(kind: QuotaBucket) -> None:
    level = Level.new(kind, START)
    level.drain(30.0)

    assert at(level, START + 29.9).left == 0.0
    assert at(level, START + 31.0).left == pytest.approx(level.bucket.rate / 2), "also when nobody asked meanwhile"
    assert at(level, START + 31.0).rate == level.bucket.rate / 2
    assert at(level, START + 340.0).rate == level.bucket.rate


def test_a_pause_that_a_clock_set_back_made_endless_is_forgotten() -> None:
    level = Level.new(bucket("a", 60), START)
    level.drain(30.0)

    assert at(level, START - 86_400).pause_seconds == 0.0
    assert at(at(level, START - 86_400), START - 86_395).left >= 4.0


def test_what_is_given_back_can_be_taken_by_others() -> None:
    it = World({"a": bucket("a", 60)})
    while not it.ask([{"a": 1}], None, START).wait:
        pass
    level = it.at("a", START + 0.5)
    level.give_back(2, 0.5)
    it.levels["a"] = level

    assert [it.ask([{"a": 1}], None, START + 0.5).wait > 0 for _ in range(3)] == [False, False, True]
    assert it.at("a", START + 0.5).taken == 6
