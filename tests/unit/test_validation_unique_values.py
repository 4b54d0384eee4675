"""The register of unique values, against the plainest possible reading of its rules, however the log is cut into batches."""

from collections.abc import Iterable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.validation.uniques import Claim, Entry, Register, UniqueRule, digests, uniques_of
from tests.drawn import drawn

RULES = (UniqueRule("one", ("a",)), UniqueRule("two", ("b",)))
KEYS = [rule.key for rule in RULES]

Held = list[tuple[str, ...]]


def entries(draws: list[tuple[str, str | None, str | None, bool, bool]]) -> list[Entry]:
    """Entries from (response, value of one, value of two, judged, held); two Nones are a deletion."""
    made = []
    for position, (response, one, two, judged, held) in enumerate(draws, 1):
        values = {rule: None if value is None else value.encode() for rule, value in zip(KEYS, (one, two), strict=True)}
        made.append(Entry(position, response, values, dict(zip(KEYS, (True, False), strict=True)) if judged else {}, held))
    return made


def plainly(log: list[Entry]) -> list[set[str]]:
    """Who breaks what, each entry compared with everything before it."""
    holds: dict[tuple[str, str], tuple[bytes, int]] = {}
    broken = []
    for entry in log:
        found = set()
        for rule in entry.judged:
            value = entry.values[rule]
            mine = holds.get((rule, entry.response))
            others = [held for (name, response), (held, _) in holds.items() if name == rule and response != entry.response]
            if value is not None and (mine is None or mine[0] != value) and value in others:
                found.add(rule)
        broken.append(found)
        if entry.held or any(entry.judged[rule] for rule in found):
            continue
        for rule, value in entry.values.items():
            mine = holds.pop((rule, entry.response), None)
            if value is not None:
                holds[rule, entry.response] = mine if mine is not None and mine[0] == value else (value, entry.position)
    return broken


def in_batches(log: list[Entry], size: int) -> list[set[str]]:
    """The same through the register, with what a store would know between two batches."""
    known: dict[tuple[str, str], Claim] = {}
    broken = []
    for first in range(0, len(log), size):
        batch = log[first : first + size]
        responses = {entry.response for entry in batch}
        outside = {place: claim for place, claim in known.items() if place[1] not in responses}
        mine = {place: claim for place, claim in known.items() if place[1] in responses}
        register = Register(RULES, mine, {(rule, claim.value): response for (rule, response), claim in outside.items()})
        broken += [set(rivals) for rivals in register.judge(batch)]
        known = outside | {(rule, response): claim for rule, response, claim in register.claims()}
    return broken


VALUES = st.none() | st.sampled_from(["x", "y"])
DRAWS = st.lists(st.tuples(st.sampled_from("ABCD"), VALUES, VALUES, st.booleans(), st.sampled_from([False, False, True])), max_size=14)


@given(DRAWS, st.integers(1, 14))
@drawn(100)
def test_however_the_log_is_cut_each_entry_is_judged_as_by_the_plain_rule(
    draws: list[tuple[str, str | None, str | None, bool, bool]], size: int
) -> None:
    log = entries(draws)

    assert in_batches(log, size) == plainly(log)


def held_values(form: FormDefinition, answers: Iterable[str | None]) -> list[bytes | None]:
    (rule,) = uniques_of(form)
    texts = pl.Series(column_name(form.answerable[0]), list(answers), dtype=pl.String)
    return digests(rule, form, texts.to_frame())


@pytest.mark.parametrize(
    ("kind", "alike", "different"),
    [
        ("text", ["a"], ["A", "a ", "b"]),
        ("email", ["a@b.cd", "A@B.cd"], ["a@b.ce"]),
        ("phone", ["+91 98765-43210", "+919876543210"], ["9876543210"]),
        ("phone", ["98765 43210", "९८७६५ ४३२१०", "\uff19\uff18\uff17\uff16\uff1543210"], ["१२३४५ 43210", "٩٨٧٦٥ 43211"]),
        ("integer", ["12"], ["-12", "13"]),
        ("decimal", ["1", "1.0", "1e0"], ["1.5", "-1"]),
        ("decimal", ["0", "-0", "-0.0"], ["0.1"]),
        ("date", ["2026-01-31"], ["2026-01-30"]),
        ("time", ["09:30", "09:30:00"], ["09:30:01"]),
        ("datetime", ["2026-01-31T09:30:00Z", "2026-01-31T15:00:00+05:30"], ["2026-01-31T09:30:00.5Z"]),
        ("select_one", ["w"], ["r", '{"other": "w"}']),
    ],
)
def test_spellings_of_one_value_are_one_value(kind: str, alike: list[str], different: list[str]) -> None:
    choices = {"other": True, "choices": [{"code": "w", "label": "W"}]} if kind == "select_one" else {}
    question = {"key": "q", "type": kind, **choices}
    rules = [{"name": "once", "unique": ["q"]}]
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [question], "rules": rules})
    same, others = held_values(form, alike), held_values(form, different)

    assert len(set(same)) == 1 and None not in same
    assert len({*others, same[0]}) == len(different) + 1


@pytest.mark.parametrize(
    ("kind", "missing"), [("text", " "), ("integer", "x"), ("date", "2026-02-30"), ("phone", "call me"), ("email", None)]
)
def test_what_is_missing_or_no_value_is_held_by_nobody(kind: str, missing: str | None) -> None:
    rules = [{"name": "once", "unique": ["q"]}]
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [{"key": "q", "type": kind}], "rules": rules})

    assert held_values(form, [missing]) == [None]
