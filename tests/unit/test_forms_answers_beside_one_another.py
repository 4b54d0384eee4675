"""Relevance and filters: what is asked, required and offered depends on other answers, and is told as a tree that says the same."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from collect_pipelines.forms.answers import answer_schema, check_answers, check_rows
from collect_pipelines.forms.constraints import constraints_of, severity_of
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.reading import read_form
from collect_pipelines.rules.evaluate import compiled, value_of
from tests.drawn import drawn

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FORM = read_form("""\
form: f
title: F
languages: [en, hi]
questions:
  - {key: works, type: boolean}
  - {key: income, type: decimal, label: {en: Income, hi: आय}, required: true, relevant: works, min: 0}
  - key: children
    type: integer
    max: 20
  - key: family
    type: group
    relevant: children > 0
    questions:
      - {key: school, type: text, required: true, min_length: 2, pattern: '[a-z ]+'}
      - {key: fees, type: integer, relevant: 10 / children > 1}
  - {key: visited_on, type: date, relevant: 'children > 1 && visited_last < today()'}
  - {key: visited_last, type: date, min: "2026-01-31"}
  - key: state
    type: select_one
    label: {en: State, hi: राज्य}
    other: true
    choices: [{code: mh, label: Maharashtra}, {code: ka, label: Karnataka}, {code: ga, label: Goa, retired: true}]
  - key: city
    type: select_one
    label: City
    other: true
    choices_by: {state: state}
    choices:
      - {code: pune, label: Pune, attributes: {state: mh}}
      - {code: mysuru, label: Mysuru, attributes: {state: ka}}
      - {code: belgaum, label: Belgaum, attributes: {state: [ka, mh]}}
      - {code: none, label: None of these}
  - key: languages
    type: select_multiple
    max: 2
    on_violation: flag
    choices_by: {state: state}
    choices:
      - {code: marathi, label: Marathi, attributes: {state: mh}}
      - {code: kannada, label: Kannada, attributes: {state: ka}}
      - {code: english, label: English}
  - key: newspaper
    type: select_one
    choices_by: {language: languages}
    choices:
      - {code: lokmat, label: Lokmat, attributes: {language: marathi}}
      - {code: prajavani, label: Prajavani, attributes: {language: kannada}}
  - key: members
    type: repeat
    relevant: children < 5
    questions:
      - {key: age, type: integer, required: true}
      - {key: job, type: text, required: true, relevant: age > 15 && works}
""")


def found(**answers: Any) -> list[tuple[str, str | None, str]]:
    return [(finding.code, finding.question, finding.severity) for finding in check_answers(FORM, answers, now=NOW)]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, []),
        ({"works": False}, []),
        ({"works": True}, [("required", "income", "reject")]),
        ({"works": True, "income": 5}, []),
        ({"works": False, "income": 5}, [("irrelevant", "income", "flag")]),
        ({"income": 5}, []),
        ({"works": False, "income": -5}, [("min", "income", "reject"), ("irrelevant", "income", "flag")]),
        ({"children": 2}, [("required", "school", "reject")]),
        ({"children": 0, "school": "abc", "fees": 3}, [("irrelevant", "school", "flag"), ("irrelevant", "fees", "flag")]),
        ({"children": 2, "school": "abc", "fees": 3, "members": [{"age": 3}]}, []),
        ({"children": 2, "school": "abc", "visited_last": "2026-05-31", "visited_on": "2026-05-31"}, []),
        (
            {"children": 2, "school": "abc", "visited_last": "2026-06-01", "visited_on": "2026-05-31"},
            [("irrelevant", "visited_on", "flag")],
        ),
    ],
)
def test_a_question_is_required_when_asked_and_flagged_when_answered_unasked(
    answers: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    assert found(**answers) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"city": "pune"}, []),
        ({"state": "mh", "city": "pune"}, []),
        ({"state": "mh", "city": "belgaum"}, []),
        ({"state": "mh", "city": "none"}, []),
        ({"state": "mh", "city": {"other": "Nashik"}}, []),
        ({"state": {"other": "Kerala"}, "city": "none"}, []),
        ({"state": "mh", "city": "mysuru"}, [("choice.filtered", "city", "reject")]),
        ({"state": {"other": "Kerala"}, "city": "pune"}, [("choice.filtered", "city", "reject")]),
        ({"state": "mh", "city": "nowhere"}, [("choice.unknown", "city", "reject")]),
        ({"state": "mh", "languages": ["marathi", "english"]}, []),
        ({"state": "mh", "languages": ["marathi", "kannada"]}, [("choice.filtered", "languages", "flag")]),
        ({"languages": ["marathi", "english"], "newspaper": "lokmat"}, []),
        ({"languages": ["kannada", "english"], "newspaper": "lokmat"}, [("choice.filtered", "newspaper", "reject")]),
        ({"languages": [], "newspaper": "lokmat"}, []),
    ],
)
def test_only_choices_that_go_with_the_other_answer_are_taken(answers: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert found(**answers) == expected


def test_both_questions_of_a_filter_are_named_in_the_language_of_the_caller() -> None:
    (finding,) = check_answers(FORM, {"state": "mh", "city": "mysuru"}, "hi-IN")

    assert finding.message == "“City” का विकल्प “राज्य” से मेल नहीं खाता।"
    assert finding.data == {"attribute": "state", "by": "state"}


def test_rows_look_at_their_own_answers_and_at_those_around_them() -> None:
    members = [{"age": 30}, {"age": 3}, {"age": 3, "job": "baker"}, {"age": 30, "job": "baker"}, {"job": "baker"}]

    around = {"works": True, "income": 1, "children": 1, "school": "abc"}

    assert found(**around, members=members) == [
        ("required", "members[0].job", "reject"),
        ("irrelevant", "members[2].job", "flag"),
        ("required", "members[4].age", "reject"),
    ]
    assert found(**{**around, "works": False, "income": None}, members=[{"age": 30}]) == []
    assert found(members=[{"job": "baker"}]) == []


def test_a_repeat_that_is_not_asked_is_told_once_and_asks_nothing_of_its_rows() -> None:
    rows = [{"age": 30, "job": "baker"}, {"age": 3, "job": "baker"}]

    assert found(children=6, school="abc", works=True, income=1, members=rows) == [("irrelevant", "members", "flag")]


def test_the_rows_of_a_repeat_can_be_judged_alone_with_the_answers_beside_it() -> None:
    rows = [{"age": 30}, {"age": "x"}, 5]

    def told(**answers: Any) -> list[tuple[str, str | None]]:
        return [(one.code, one.question) for one in check_rows(FORM, "members", rows, answers, NOW)]

    assert told(works=True, children=1) == [("required", "members[0].job"), ("type", "members[1].age"), ("type", "members[2]")]
    assert told() == [("type", "members[1].age"), ("type", "members[2]")]


def test_a_question_of_a_row_may_depend_on_how_many_rows_there_are() -> None:
    form = read_form("""\
form: f
title: F
questions:
  - key: members
    type: repeat
    questions:
      - {key: name, type: text}
      - {key: relation, type: text, required: true, relevant: size(members) > 1}
""")
    two = [{"name": "A", "relation": "head"}, {"name": "B"}]

    assert check_answers(form, {"members": [{"name": "A"}]}) == []
    assert [one.question for one in check_answers(form, {"members": two})] == ["members[1].relation"]
    assert [one.question for one in check_rows(form, "members", two, {}, NOW)] == ["members[1].relation"]


def test_what_is_only_sometimes_asked_is_not_required_by_the_schema() -> None:
    schema = answer_schema(FORM)

    Draft202012Validator.check_schema(schema)
    assert "required" not in schema
    assert list(Draft202012Validator(schema).iter_errors({"school": None, "income": None})) == []
    rows = schema["properties"]["members"]["anyOf"][0]["items"]
    assert "required" not in rows


TEXTS = st.sampled_from(["", " ", "a", "ab", "AB", "mh", "ka"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "works": st.booleans(),
    "income": st.sampled_from([-1, 0, 2.5]),
    "children": st.integers(-1, 22),
    "school": TEXTS,
    "fees": st.integers(0, 3),
    "visited_on": st.sampled_from(["2026-01-30", "2026-06-01"]),
    "visited_last": st.sampled_from(["2026-01-30", "2026-01-31", "2026-06-01"]),
    "state": st.sampled_from(["mh", "ka", "ga", "xx", {"other": "x"}]),
    "city": st.sampled_from(["pune", "mysuru", "belgaum", "none", "xx", {"other": "x"}]),
    "languages": st.lists(st.sampled_from(["marathi", "kannada", "english", "xx"]), max_size=4, unique=True),
    "newspaper": st.sampled_from(["lokmat", "prajavani"]),
    "members": st.lists(st.just({"age": 1}), max_size=2),
}


judge_of = cache(compiled)


def by_trees(form: FormDefinition, answers: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What the trees of `constraints_of` say, judged the way their docstring asks for."""
    values = {one.key: value_of(VALUE_TYPES[one.type], one.type, answers.get(one.key)) for one in form.answerable}
    for question in form.answerable:
        given_text = {**values, question.key: answers.get(question.key) or None} if question.type == "text" else values
        for one in constraints_of(question, form):
            judge = judge_of(one.node)
            rows: list[dict[str, Any]] = [given_text if one.code in ("min_length", "pattern") else values]
            if one.code == "choice.unknown":
                answer = answers.get(question.key)
                items = answer if isinstance(answer, list) else [answer]
                rows = [{question.key: item} for item in items if not isinstance(item, dict)]
            if any(judge(row, NOW) == "broken" for row in rows):
                yield one.code, question.key, severity_of(question, one.code)


@given(st.fixed_dictionaries({}, optional=VALUES))
@drawn(50)
def test_the_trees_of_constraints_say_what_the_check_says(answers: dict[str, Any]) -> None:
    told = [one for one in found(**answers) if one[0] not in ("choice.retired",)]

    assert sorted(by_trees(FORM, answers)) == sorted(told)
