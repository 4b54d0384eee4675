"""A filter lets a response through exactly when the rule language says that the expression is true of its answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given

from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.columns import layout
from collect_pipelines.rules.evaluate import compiled, value_of
from collect_pipelines.rules.nodes import Node, keys, unparse
from collect_pipelines.sync.mapping.filtering import read_filter, why_not
from tests.drawn import drawn
from tests.unit.mapping_tools import entries, form
from tests.unit.rules_strategies import QUESTIONS, cases

NOW = datetime(2026, 1, 31, 4, 0, 0, 1, tzinfo=UTC)
MORE: dict[str, dict[str, Any]] = {
    "select_one": {"choices": [{"code": code, "label": code} for code in ("a", "b")], "other": True},
    "select_multiple": {"choices": [{"code": code, "label": code} for code in ("a", "b", "x")], "other": True},
    "repeat": {"questions": [{"key": "name", "type": "text", "label": "Name"}]},
}
COLUMNS = layout([form([{"key": key, "type": kind, "label": key, **MORE.get(kind, {})} for key, (_, kind) in QUESTIONS.items()])])


@drawn(50, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_what_passes_is_what_the_rule_calls_true(case: tuple[Node, list[dict[str, Any]]]) -> None:
    tree, responses = case
    assume(keys(tree))
    chosen = read_filter(unparse(tree), COLUMNS, "UTC")
    judge = compiled(tree)
    rows = [{key: value_of(*QUESTIONS[key], answer) for key, answer in response.items()} for response in responses]
    frame = entries(COLUMNS, *responses)

    assert chosen.passes(frame).to_list() == [judge(row, NOW) == "kept" for row in rows]


def verdicts(text: str, *responses: dict[str, Any], **more: Any) -> list[bool]:
    return read_filter(text, COLUMNS, "UTC").passes(entries(COLUMNS, *responses, **more)).to_list()


def test_what_can_not_be_decided_does_not_pass() -> None:
    assert verdicts("n1 > 1", {"n1": 2}, {"n1": 1}, {}, {"n1": None}) == [True, False, False, False]
    assert verdicts("!(n1 > 1)", {"n1": 2}, {}) == [False, False]
    assert verdicts("n1 / n2 > 1", {"n1": 2, "n2": 0}) == [False]


def test_a_filter_may_ask_who_sent_what_and_for_which_version() -> None:
    assert verdicts('_source == "api" && _respondent.startsWith("+91")', {}, respondent="+91 98") == [True]
    assert verdicts("_version >= 2", {}) == [False]
    assert verdicts("answered(_respondent)", {}, respondent=" ") == [False]


def test_a_filter_asks_whose_day_it_is_in_the_integrations_zone() -> None:
    # received at 04:00 UTC on the 31st: still the 30th in Hawaii
    response = {"d1": "2026-01-30"}
    frame = entries(COLUMNS, response)

    assert [read_filter("d1 == today()", COLUMNS, zone).passes(frame).to_list() for zone in ("Pacific/Honolulu", "UTC")] == [
        [True],
        [False],
    ]


def test_a_filter_that_names_nothing_or_an_unknown_question_is_refused_with_the_closest_key() -> None:
    with pytest.raises(RuleInvalid, match="names no question"):
        read_filter("1 < 2", COLUMNS, "UTC")
    with pytest.raises(RuleInvalid) as told:
        read_filter("n11 > 2", COLUMNS, "UTC")

    assert "n1" in str(told.value)


@pytest.mark.parametrize(
    ("text", "answers", "why"),
    [
        ("n1 > 1", {"n1": 1}, "the filter is not true"),
        ("n1 > n2", {"n1": 1}, "the filter can't be decided: there is no answer to `n2`"),
        ("n1 / n2 > 1", {"n1": 1, "n2": 0}, "the filter can't be computed for these answers"),
        ('d1 > date("2026-02-01")', {"d1": "2026-01-01"}, "the filter is not true"),
    ],
)
def test_it_is_told_why_a_response_does_not_pass(text: str, answers: dict[str, Any], why: str) -> None:
    chosen = read_filter(text, COLUMNS, "UTC")

    assert why_not(chosen, chosen.values(entries(COLUMNS, answers)).row(0, named=True)) == why
