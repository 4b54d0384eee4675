"""Over real HTTP: a response that breaks a rule comes back with every question to look at, and is accepted once it is corrected."""

from collections.abc import Iterator

import httpx
import pytest

from collect_pipelines.local.postgres import EmbeddedPostgres
from tests.integration.ingest_server import client_of, cloned, ingest, make_key, publish

BUDGET = """
form: budget
title: Budget
languages: [en, hi]
rules:
  - name: savings_within_income
    expression: savings <= income
    message: {en: Savings can't be more than income., hi: बचत आय से अधिक नहीं हो सकती।}
  - {name: school_age, expression: age > 5, severity: flag}
  - {name: share, expression: income / savings > 1.0, severity: note}
questions:
  - {key: income, type: decimal, label: {en: Income, hi: आय}}
  - {key: savings, type: decimal, label: {en: Savings, hi: बचत}}
  - {key: state, type: select_one, label: State, choices: [{code: mh, label: Maharashtra}, {code: ka, label: Karnataka}]}
  - key: city
    type: select_one
    label: City
    required: true
    relevant: answered(state)
    choices_by: {state: state}
    choices: [{code: pune, label: Pune, attributes: {state: mh}}, {code: hubli, label: Hubli, attributes: {state: ka}}]
  - {key: pupils, type: repeat, label: Pupils, questions: [{key: age, type: integer, label: Age}]}
"""


@pytest.fixture(scope="module")
def client(postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with cloned(postgres, template_database) as url:
        publish(url, BUDGET)
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running, client_of(running, make_key(url, "ingest", "read")) as opened:
            yield opened


def sent(client: httpx.Client, response_id: str, language: str = "en", **answers: object) -> httpx.Response:
    document = {"id": response_id, "answers": answers}
    return client.post("/v1/forms/budget/responses", json=document, headers={"Accept-Language": language})


def test_a_broken_rule_names_both_questions_with_labels_and_the_corrected_response_is_accepted(client: httpx.Client) -> None:
    refused = sent(client, "both", "hi-IN,hi;q=0.9", income=5, savings=9)
    problem = refused.json()

    assert (refused.status_code, problem["code"], problem["detail"]) == (422, "answers-rejected", "बचत आय से अधिक नहीं हो सकती।")
    assert problem["errors"] == [
        {
            "pointer": f"#/answers/{key}",
            "code": "rule.savings_within_income",
            "message": "बचत आय से अधिक नहीं हो सकती।",
            "question": key,
            "label": label,
        }
        for key, label in (("savings", "बचत"), ("income", "आय"))
    ]

    accepted = sent(client, "both", income=9, savings=5)

    assert accepted.status_code == 201
    assert [(check["check"], check["outcome"]) for check in accepted.json()["checks"]] == [("answers", "passed"), ("rules", "passed")]


@pytest.mark.parametrize(
    ("header", "label"),
    [("ta,hi;q=0.5", "बचत"), ("ta-IN, en;q=0.3, hi-IN;q=0.8", "बचत"), ("HI", "बचत"), ("hi;q=0, en", "Savings"), ("ta", "Savings")],
)
def test_the_most_wanted_language_in_which_something_can_be_said_is_used(client: httpx.Client, header: str, label: str) -> None:
    refused = sent(client, "languages", header, income=5, savings=9)

    assert refused.json()["errors"][0]["label"] == label


def test_a_rule_that_only_flags_or_can_not_be_judged_is_told_in_the_receipt_and_stored(client: httpx.Client) -> None:
    accepted = sent(client, "flags", income=5, savings=0, pupils=[{"age": 7}, {"age": 5}])

    assert accepted.status_code == 201
    (rules,) = [check for check in accepted.json()["checks"] if check["check"] == "rules"]
    assert rules["outcome"] == "flagged"
    assert [(one["code"], one["severity"], one["question"]) for one in rules["findings"]] == [
        ("rule.school_age", "flag", "pupils[1].age"),
        ("rule.error", "flag", "income"),
    ]

    stored = client.get("/v1/responses/flags").json()

    assert [flag["code"] for flag in stored["flags"]] == ["rule.school_age", "rule.error"]


def test_what_is_asked_and_offered_depends_on_other_answers(client: httpx.Client) -> None:
    replies = [
        sent(client, "city", state="mh"),
        sent(client, "city", state="mh", city="hubli"),
        sent(client, "city", state="mh", city="pune"),
    ]

    assert [reply.status_code for reply in replies] == [422, 422, 201]
    assert [reply.json()["errors"][0]["code"] for reply in replies[:2]] == ["required", "choice.filtered"]
    assert replies[1].json()["detail"] == "The choice of “City” does not go with “State”."
