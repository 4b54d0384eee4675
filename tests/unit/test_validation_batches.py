"""What rules over batches measure: profiles that can be joined, shifts beyond chance, and nothing said too early."""

import math
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.validation.batch_rules import Measure, batches_needed, join_below, measured
from collect_pipelines.validation.profiles import Profile, joined, profile_of

QUESTIONS = [
    {"key": "n", "type": "decimal"},
    {"key": "c", "type": "select_one", "choices": [{"code": code, "label": code} for code in "abcd"]},
    {"key": "m", "type": "select_multiple", "other": True, "choices": [{"code": code, "label": code} for code in "ab"]},
]


def form(**rule: object) -> FormDefinition:
    rules = [{"name": "r", **rule}]
    return FormDefinition.model_validate({"form": "f", "title": "F", "questions": QUESTIONS, "rules": rules})


def profile(key: str, *answers: str | None) -> Profile:
    question = form(complete="n").by_key[key]
    frame = pl.DataFrame({column_name(question): pl.Series(list(answers), dtype=pl.String)})
    return profile_of(frame, len(answers), [(question, None)])


def measure(definition: FormDefinition, *batches: Profile, full: bool = False) -> Measure:
    return measured(definition.rules[0], definition, batches, full=full)


@given(st.lists(st.lists(st.none() | st.floats(-1e6, 1e6).map(str), max_size=6), min_size=1, max_size=4))
def test_batches_joined_are_as_one_batch(batches: list[list[str | None]]) -> None:
    parts = joined(profile("n", *batch) for batch in batches)
    whole = profile("n", *(answer for batch in batches for answer in batch))
    (one,), (other,) = parts.answers.values(), whole.answers.values()

    assert (one.asked, one.answered, one.numbers) == (other.asked, other.answered, other.numbers)
    assert math.isclose(one.mean, other.mean, abs_tol=1e-6) and math.isclose(one.squares, other.squares, rel_tol=1e-6, abs_tol=1e-3)
    assert Profile.from_json(whole.rows, whole.as_json()) == whole


def test_a_profile_counts_choices_and_keeps_no_own_words() -> None:
    found = profile("m", '["a","b"]', '["a"]', '[{"other":"mine"}]', "[]", "nonsense", None)
    (answers,) = found.answers.values()

    assert (answers.asked, answers.answered) == (6, 4)
    assert dict(answers.choices) == {"a": 2, "b": 1, "(own words)": 1}


def test_numbers_too_large_to_be_squared_are_left_out() -> None:
    (answers,) = profile("n", "1e308", "-1e308", "2").answers.values()

    assert (answers.answered, answers.numbers) == (3, 0)


def numbers(count: int, mean: float, seed: int) -> Profile:
    source = random.Random(seed)
    return profile("n", *(str(source.gauss(mean, 10.0)) for _ in range(count)))


def choices(count: int, weights: tuple[float, ...], seed: int) -> Profile:
    return profile("c", *random.Random(seed).choices("abcd", weights, k=count))


@pytest.mark.parametrize("size", [30, 400])
def test_chance_alone_is_hardly_ever_warned_of(size: int) -> None:
    of_numbers, of_choices = form(distribution="n"), form(distribution="c")
    warned = [
        not (
            measure(of_numbers, *(numbers(size, 50.0, seed * 10 + place) for place in range(4))).passed
            and measure(of_choices, *(choices(size, (4, 3, 2, 1), seed * 10 + place) for place in range(4))).passed
        )
        for seed in range(40)
    ]

    assert sum(warned) <= 1


@pytest.mark.parametrize("size", [30, 400])
def test_a_real_shift_is_warned_of(size: int) -> None:
    before = [numbers(size, 50.0, seed) for seed in range(4)]
    chosen = [choices(size, (4, 3, 2, 1), seed) for seed in range(4)]

    assert not measure(form(distribution="n"), numbers(size, 64.0, 9), *before).passed
    assert not measure(form(distribution="c"), choices(size, (1, 1, 2, 9), 9), *chosen).passed


def sizes(*counts: int) -> list[Profile]:
    return [Profile(count, (count,)) for count in counts]


@pytest.mark.parametrize("usual", [1, 3, 10, 100])
def test_batches_that_differ_by_chance_are_hardly_ever_of_unusual_size(usual: int) -> None:
    rule, source = form(volume={"max": 10_000}, factor=2), random.Random(usual)
    counts = [max(1, sum(source.random() < 0.01 for _ in range(usual * 100))) for _ in range(120)]

    assert sum(not measure(rule, *sizes(*counts[place : place + 21])).passed for place in range(100)) <= 1


def test_what_came_in_after_a_standstill_is_unusual_and_what_follows_is_not() -> None:
    rule = form(volume={"max": 10_000}, factor=3)

    assert not measure(rule, *sizes(4_000, *[20] * 20)).passed
    assert measure(rule, *sizes(20, 4_000, *[20] * 19)).passed
    assert not measure(rule, *sizes(20, *[200] * 20)).passed


def test_answers_that_were_all_equal_and_are_not_any_more_are_warned_of() -> None:
    rule = form(distribution="n", min_rows=3)

    assert measure(rule, profile("n", *"777"), profile("n", *"777")).passed
    assert not measure(rule, profile("n", *["8"] * 30), profile("n", *["7"] * 30)).passed


@pytest.mark.parametrize("rule", [{"distribution": "n"}, {"distribution": "c"}, {"complete": "n"}])
def test_with_too_few_answers_nothing_is_said(rule: dict[str, object]) -> None:
    key = str(rule.get("distribution") or rule["complete"])
    few = profile(key, *["a" if key == "c" else "1"] * 9 if "distribution" in rule else [None] * 9)
    found = measure(form(**rule, min_rows=10), few, profile(key))

    assert (found.passed, found.observed) == (True, None)
    assert "10 are needed" in found.sentence


def test_a_sample_is_made_up_of_batches_that_are_smaller_than_it() -> None:
    rule = form(distribution="n", min_rows=2_000, last=2)
    new, old = [numbers(1_000, 64.0, seed) for seed in range(2)], [numbers(1_000, 50.0, seed) for seed in range(2, 6)]

    assert (join_below(rule.rules), batches_needed(rule.rules)) == (1_000, 5)
    assert not measure(rule, *new, *old).passed
    assert measure(rule, *old).passed


def test_how_many_batches_are_kept_is_bounded() -> None:
    assert batches_needed(form(distribution="n", min_rows=10**9, last=1_000).rules) == 2_000
