"""The rules of a form are judged while the collector waits: what is told, where, in which language, and what a missing answer means."""

import time
from typing import Any

import pytest

from collect_pipelines.checks import rules as rules_module
from collect_pipelines.checks.interface import CheckConfig, Draft
from collect_pipelines.checks.rules import RulesCheck
from collect_pipelines.checks.verdict import sound_findings
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.ingest.problems import places_of
from collect_pipelines.model import Finding
from collect_pipelines.plugins import CHECKS, load

FORM = read_form("""\
form: household
title: Household
languages: [en, hi]
rules:
  - name: savings_within_income
    expression: savings <= income
    message: {en: Savings can't be more than income., hi: बचत आय से अधिक नहीं हो सकती।}
  - {name: share, expression: income / savings > 2.0, severity: flag, placement: ingest}
  - {name: told, expression: income > 1.0 || savings > 1.0, on_missing: fail}
  - {name: adult, expression: "!working || age >= 15"}
  - {name: older, expression: age < head_age, questions: [age], severity: note}
  - {name: herd, expression: weight < 900.0}
  - {name: later, expression: income > 0.0, placement: batch}
  - {name: first, expression: visited <= now()}
questions:
  - {key: income, type: decimal, label: {en: Monthly income, hi: मासिक आय}}
  - {key: savings, type: decimal, label: {en: Savings, hi: बचत}}
  - {key: head_age, type: integer, label: Age of the head}
  - {key: visited, type: datetime}
  - key: members
    type: repeat
    questions:
      - {key: age, type: integer, label: Age}
      - {key: working, type: boolean, label: Works}
  - key: herds
    type: repeat
    questions:
      - key: cows
        type: repeat
        questions: [{key: weight, type: decimal, label: Weight}]
""")


def said(answers: dict[str, Any], language: str | None = None, form: FormDefinition = FORM) -> list[Finding]:
    return list(RulesCheck(CheckConfig()).check(Draft("r", answers, language=language), form))


def told(**answers: Any) -> list[tuple[str, str | None, str]]:
    return [(finding.code, finding.question, finding.severity) for finding in said(answers)]


def test_it_comes_through_the_same_door_as_every_check() -> None:
    assert load(CHECKS, "rules") is RulesCheck
    assert RulesCheck.bounded


def test_a_broken_rule_names_both_questions_with_labels_in_the_language_of_the_caller() -> None:
    (finding,) = said({"savings": 9.0, "income": 5}, "hi-IN")[:1]

    assert finding == Finding(
        "rule.savings_within_income",
        "बचत आय से अधिक नहीं हो सकती।",
        "reject",
        "savings",
        "बचत",
        {
            "rule": "savings_within_income",
            "questions": [{"question": "savings", "label": "बचत"}, {"question": "income", "label": "मासिक आय"}],
        },
    )


def test_the_refusal_has_an_entry_for_each_question_concerned() -> None:
    places = places_of(said({"savings": 9.0, "income": 5}))

    assert [(place.pointer, place.code, place.question, place.label) for place in places] == [
        ("#/answers/savings", "rule.savings_within_income", "savings", "Savings"),
        ("#/answers/income", "rule.savings_within_income", "income", "Monthly income"),
    ]
    assert {place.message for place in places} == {"Savings can't be more than income."}


@pytest.mark.parametrize(
    "data",
    [{}, {"questions": 5}, {"questions": "ab"}, {"questions": [5, {}, {"question": 5}, {"label": "x"}]}, {"questions": {"a": 1}}],
)
def test_a_finding_of_a_plug_in_that_lists_nonsense_has_its_own_place(data: dict[str, Any]) -> None:
    assert [(place.pointer, place.label) for place in places_of([Finding("c", "M", "reject", "a", "A", data)])] == [("#/answers/a", "A")]
    assert [place.pointer for place in places_of([Finding("c", "M", "reject", None, None, data)])] == ["#/answers"]


@pytest.mark.parametrize(
    ("language", "one", "several"),
    [
        ("en", "“Weight” is not right.", "“Works” and “Age” do not go together."),
        ("es", "«Weight» no es correcto.", "«Works» y «Age» no concuerdan entre sí."),
        ("fr", "« Weight » n'est pas correct.", "« Works » et « Age » ne vont pas ensemble."),
        ("hi", "“Weight” सही नहीं है।", "“Works” और “Age” आपस में मेल नहीं खाते।"),
        ("pt", "“Weight” is not right.", "“Works” and “Age” do not go together."),
    ],
)
def test_without_a_message_of_its_own_a_rule_names_the_labels_of_all_questions(language: str, one: str, several: str) -> None:
    answers = {"members": [{"age": 3, "working": True}], "herds": [{"cows": [{"weight": 1000}]}]}

    assert [finding.message for finding in said(answers, language) if finding.code in ("rule.adult", "rule.herd")] == [several, one]


def test_rules_of_a_repeat_are_judged_for_each_row_and_name_its_place() -> None:
    members = [{"age": 30, "working": True}, {"age": 3, "working": False}, {"age": 3, "working": True}, {"working": True}]
    herds = [{"cows": [{"weight": 5}]}, {"cows": [{}, {"weight": 1000}]}, {}]

    assert told(income=9, savings=1, head_age=20, members=members, herds=herds) == [
        ("rule.adult", "members[2].working", "reject"),
        ("rule.older", "members[0].age", "note"),
        ("rule.herd", "herds[1].cows[1].weight", "reject"),
    ]
    (deepest,) = [finding for finding in said({"herds": herds}) if finding.code == "rule.herd"]
    assert places_of([deepest])[0].pointer == "#/answers/herds/1/cows/1/weight"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, [("rule.told", "income", "reject")]),
        ({"income": 2}, []),
        ({"savings": 2}, []),
        ({"income": 1}, [("rule.told", "savings", "reject")]),
        ({"income": 1, "savings": None}, [("rule.told", "savings", "reject")]),
        ({"income": 1, "savings": 0.5}, [("rule.share", "income", "flag"), ("rule.told", "income", "reject")]),
    ],
)
def test_a_missing_answer_leaves_a_rule_unjudged_unless_it_must_not(answers: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(**answers) == expected


def test_a_rule_that_lacks_an_answer_asks_for_it_instead_of_calling_the_others_wrong() -> None:
    (finding,) = said({"income": 1})

    assert finding.message == "Please answer “Savings”; without it the other answers can't be checked."
    assert finding.data["questions"] == [{"question": "savings", "label": "Savings"}]


def test_a_rule_that_can_not_be_judged_is_a_flag_of_its_own_and_never_passes_in_silence() -> None:
    (finding,) = said({"income": 5, "savings": 0})

    assert (finding.code, finding.severity, finding.question) == ("rule.error", "flag", "income")
    assert finding.message == "It could not be checked whether “Monthly income” is right (rule share)."
    assert finding.data["rule"] == "share"


def test_rules_know_the_moment_of_acceptance() -> None:
    assert told(income=9, savings=1, visited="2020-01-01T00:00:00Z") == []
    assert told(income=9, savings=1, visited="2999-01-01T00:00:00Z") == [("rule.first", "visited", "reject")]


def test_the_longest_message_and_labels_fit_into_what_is_stored() -> None:
    label = "क" * 10_000
    keys = [f"question_with_a_long_key_{number:03}_{'x' * 30}" for number in range(20)]
    questions = [{"key": key, "type": "integer", "label": {"hi": label, "en": label}} for key in keys]
    rules = [
        {"name": f"r{number}", "expression": " + ".join(keys) + f" > {number}", "message": {"hi": "क" * 1_000} if number else {}}
        for number in range(110)
    ]
    form = FormDefinition.model_validate({"form": "f", "title": "F", "languages": ["en", "hi"], "questions": questions, "rules": rules})

    found = said(dict.fromkeys(keys, 0), "hi", form)

    assert len(sound_findings(found)) == 100
    assert len(found[0].data["questions"]) == 20


def test_rejections_are_never_crowded_out_by_flags() -> None:
    rules = [{"name": f"f{n}", "expression": "a > 1", "severity": "flag"} for n in range(150)] + [{"name": "last", "expression": "a > 1"}]
    form = FormDefinition.model_validate(
        {"form": "f", "title": "F", "questions": [{"key": "a", "type": "integer"}], "rules": rules},
    )

    found = said({"a": 0}, form=form)

    assert len(found) == 100
    assert found[0].code == "rule.last"


def test_a_response_with_too_many_rows_for_its_rules_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [{"name": f"r{n}", "expression": "a != -1"} for n in range(500)]
    rows = [{"key": "rows", "type": "repeat", "questions": [{"key": "a", "type": "integer"}]}]
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": rows, "rules": rules})
    check = RulesCheck(CheckConfig())
    check.prepare(form, {})
    monkeypatch.setattr(rules_module, "BUDGET_SECONDS", 0.02)
    started = time.perf_counter()

    with pytest.raises(TimeoutError):
        check.check(Draft("r", {"rows": [{"a": 1}] * 1_000}), form)

    assert time.perf_counter() - started < 1.0  # judging all takes about 200 ms on an idle machine; room for a busy one
