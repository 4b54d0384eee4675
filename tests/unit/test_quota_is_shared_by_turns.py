"""Who waits for a quota gets its turn: by weight, new entries before older ones, nobody starved, nothing wasted (promise 9)."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect_pipelines.store.quota.queue import Claim
from tests.unit.quota_world import START, Flow, World, bucket, busiest_minute, run, shares

WRITE = {"a": 1, "p": 1}
MINUTES = 3


def world(per_account: int = 60, per_project: int = 300) -> World:
    return World({"a": bucket("a", per_account), "b": bucket("b", per_account), "p": bucket("p", per_project)})


def flow(number: int, *, weight: float = 1.0, background: bool = False, **more: object) -> Flow:
    return Flow(Claim(number, weight, background), more.pop("choices", [WRITE]), **more)  # type: ignore[arg-type]


def within(seconds: float, seed: int = 1) -> Callable[[], float]:
    dice = random.Random(seed)
    return lambda: dice.uniform(0.0, seconds)


@pytest.mark.parametrize(("forms", "late"), [(1, 1.0), (50, 0.1), (50, 1.0)])
def test_one_form_and_fifty_use_more_than_nine_tenths_of_every_minute(forms: int, late: float) -> None:
    granted = run(world(), [flow(number) for number in range(forms)], MINUTES * 60.0, within(late))

    assert busiest_minute(grant.at for grant in granted) <= 60
    for minute in range(MINUTES):
        counted = sum(START + 60 * minute <= grant.at < START + 60 * minute + 60 for grant in granted)
        assert counted >= 55, f"minute {minute}: {counted} of 60"


@settings(max_examples=6, deadline=None)
@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=8), st.integers(0, 9))
def test_tokens_are_shared_by_weight(weights: list[float], seed: int) -> None:
    granted = run(world(), [flow(number, weight=weight) for number, weight in enumerate(weights)], 300.0, within(0.1, seed))
    counted = shares(granted)
    each = sum(counted.values()) / sum(weights)

    for number, weight in enumerate(weights):
        assert counted[number] == pytest.approx(each * weight, abs=6, rel=0.15), (weights, counted)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 5]), min_size=2, max_size=6))
def test_who_needs_more_calls_for_a_batch_gets_no_more_calls(costs: list[int]) -> None:
    flows = [flow(number, choices=[{"a": cost, "p": cost}]) for number, cost in enumerate(costs)]
    granted = run(world(), flows, 300.0)
    counted = shares(granted)
    each = sum(counted.values()) / len(costs)

    assert busiest_minute(grant.at for grant in granted for _ in range(grant.cost)) <= 60
    for number, cost in enumerate(costs):
        assert counted[number] == pytest.approx(each, abs=2 * cost + 6)


def test_a_newcomer_waits_for_one_turn_and_not_for_what_others_had_before() -> None:
    flows = [flow(1), flow(2, arrivals=[120.0 + 10 * turn for turn in range(12)])]
    waits = [grant.waited for grant in run(world(), flows, 300.0) if grant.integration == 2]

    assert len(waits) == 12
    assert max(waits) < 2.2


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 20), st.floats(2.0, 20.0), st.integers(0, 9))
def test_new_entries_do_not_wait_for_backfills(backfills: int, every: float, seed: int) -> None:
    older = [flow(number, background=True) for number in range(1, backfills + 1)]
    new = flow(0, arrivals=[70.0 + every * turn for turn in range(int(200 / every))])
    granted = run(world(), [*older, new], 300.0, within(0.2, seed))
    waits = [grant.waited for grant in granted if grant.integration == 0]

    assert max(waits) < 1.3
    assert busiest_minute(grant.at for grant in granted) <= 60
    assert sum(grant.at >= START + 60 for grant in granted) >= 0.9 * 4 * 60, "what is new needs is all that the older ones lose"


def test_a_backfill_is_never_starved_by_new_entries_that_use_up_the_quota() -> None:
    flows = [flow(1, background=True), flow(2, background=True), *(flow(number) for number in range(3, 9))]
    counted = shares(run(world(), flows, 300.0, within(0.1)))

    assert counted[1] + counted[2] == pytest.approx(sum(counted.values()) / 10, rel=0.3)
    assert counted[1] == pytest.approx(counted[2], abs=3)


def test_the_turns_of_killed_workers_are_lost_for_seconds_only() -> None:
    killed = [flow(number, until=100.0) for number in range(20)]
    granted = run(world(), [*killed, flow(98), flow(99)], 240.0)
    after = [grant for grant in granted if grant.at >= START + 130]

    assert {grant.integration for grant in after} == {98, 99}
    assert len(after) >= 0.9 * 110


def test_two_accounts_of_a_project_carry_twice_the_calls_and_the_project_bounds_many() -> None:
    either = [{"a": 1, "p": 1}, {"b": 1, "p": 1}]
    flows = [flow(number, choices=either) for number in range(10)]
    granted = run(world(), flows, 240.0, within(0.3))
    bounded = run(world(per_project=90), flows, 240.0, within(0.3))

    for choice in (0, 1):
        assert busiest_minute(grant.at for grant in granted if grant.choice == choice) <= 60
    assert len(granted) >= 0.92 * 4 * 120
    assert busiest_minute(grant.at for grant in bounded) <= 90
    assert len(bounded) >= 0.92 * 4 * 90


def test_a_long_queue_for_one_account_does_not_hold_up_another_of_the_project() -> None:
    first = [flow(number) for number in range(40)]
    second = flow(99, choices=[{"b": 1, "p": 1}])
    granted = run(world(), [*first, second], 240.0, within(0.1))

    assert sum(grant.integration == 99 for grant in granted) >= 0.92 * 4 * 60
    assert sum(grant.integration != 99 for grant in granted) >= 0.92 * 4 * 60


def test_requests_for_several_quotas_and_for_one_of_them_do_not_starve_each_other() -> None:
    readers = [flow(number, choices=[{"r": 1}]) for number in range(3)]
    both = flow(10, choices=[{"r": 5, "a": 3}])
    writers = [flow(20 + number, choices=[{"a": 1}]) for number in range(3)]
    it = world()
    it.buckets["r"] = bucket("r", 60)
    run(it, readers, 300.0)
    granted = run(it, [*writers, *readers, both], 300.0, within(0.1), start=START + 300)
    times = [0.0, *(grant.at - START - 300 for grant in granted if grant.integration == 10), 300.0]

    assert max(later - earlier for earlier, later in pairwise(times)) < 45
    assert shares(granted)[20] > 30


def test_outside_the_queue_nobody_is_waited_for() -> None:
    it = world()
    while not it.ask([WRITE], Claim(1), START).wait:
        pass

    assert it.ask([WRITE], None, START).wait < 1.1
    assert it.ask([WRITE], Claim(2), START).wait < 1.1, "who had nothing yet comes first"
    assert it.ask([WRITE], Claim(1), START).wait > 2.0


def test_what_is_begun_goes_before_everybody() -> None:
    it = world()
    for number in range(40):
        it.ask([WRITE], Claim(number), START)
    begun = it.ask([WRITE], Claim(99, background=True, begun=True), START).wait

    assert begun < 1.1
    assert it.ask([WRITE], Claim(0), START).wait > begun, "its token is kept for it"
    assert it.ask([WRITE], Claim(99, background=True, begun=True), START + begun).wait == 0.0
