"""What the duplicate check recognises a response by, and what it says about those that came before."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.checks.duplicate import DuplicateCheck, DuplicateConfig
from collect_pipelines.checks.interface import Draft, Earlier
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition

FORM = FormDefinition.model_validate(
    {
        "form": "visit",
        "title": "Visit",
        "languages": ["en", "hi"],
        "questions": [
            {"key": "name", "type": "text", "label": {"en": "Name", "hi": "नाम"}},
            {"key": "members", "type": "integer"},
            {"key": "income", "type": "decimal"},
            {"key": "rows", "type": "repeat", "questions": [{"key": "age", "type": "integer"}]},
        ],
    }
)
ANSWERS = {"name": "Asha", "members": 4, "income": 12.5, "rows": [{"age": 3}]}


def made(definition: FormDefinition = FORM, **config: Any) -> DuplicateCheck:
    check = DuplicateCheck(DuplicateConfig.model_validate(config))
    check.prepare(definition, {})
    return check


def marks(answers: dict[str, Any], sender: str | None = None, **config: Any) -> dict[str, bytes]:
    found = made(**config).fingerprints(Draft("r", answers, sender), FORM)
    return {one.name: one.value for one in found}


@pytest.mark.parametrize(
    "again",
    [
        dict(reversed(ANSWERS.items())),
        {**ANSWERS, "members": 4.0},
        {**ANSWERS, "other": None},
        {**ANSWERS, "rows": [{"age": 3, "x": None}]},
    ],
)
def test_the_same_answers_have_the_same_fingerprint_however_they_are_written(again: dict[str, Any]) -> None:
    assert marks(again)["content"] == marks(ANSWERS)["content"]


@pytest.mark.parametrize(
    "other",
    [{**ANSWERS, "members": 5}, {**ANSWERS, "members": "4"}, {**ANSWERS, "name": "asha"}, {**ANSWERS, "rows": [{"age": 3}, {"age": 3}]}],
)
def test_other_answers_have_another_one(other: dict[str, Any]) -> None:
    assert marks(other)["content"] != marks(ANSWERS)["content"]


def test_only_the_named_questions_are_the_content() -> None:
    assert marks(ANSWERS, questions=["name"]) == marks({"name": "Asha", "members": 9}, questions=["name"])
    assert marks(ANSWERS, questions=["name"]) != marks(ANSWERS, questions=["name", "members"])


@pytest.mark.parametrize("answers", [{}, {"name": None}, {"name": "  "}, {"rows": [{}]}, {"rows": []}])
def test_nothing_answered_is_recognised_by_nothing(answers: dict[str, Any]) -> None:
    assert marks(answers) == {}
    assert marks(answers, " ") == {}


def test_a_respondent_is_who_the_response_or_a_question_says() -> None:
    assert marks({}, "HH-1") == marks({}, " HH-1 ")
    assert marks({}, "HH-1") != marks({}, "HH-2")
    assert set(marks({"name": "Asha", "members": 1}, None, respondent="name", match=["respondent"])) == {"respondent"}


def test_no_fingerprint_holds_the_value() -> None:
    (found,) = made(match=["respondent"]).fingerprints(Draft("r", {}, "9845012345"), FORM)

    assert len(found.value) == 32
    assert b"9845012345" not in found.value


@pytest.mark.parametrize(("window", "seconds"), [(60, 60), ("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)])
def test_the_window_is_seconds_or_a_number_with_a_unit(window: Any, seconds: int) -> None:
    (found,) = made(window=window, match=["respondent"]).fingerprints(Draft("r", {}, "a"), FORM)

    assert found.within_seconds == seconds


@pytest.mark.parametrize(
    "config", [{"window": "7 weeks"}, {"window": 0}, {"window": "1000d"}, {"window": 1.5}, {"match": []}, {"match": ["id"]}]
)
def test_a_config_that_means_nothing_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**config)


@pytest.mark.parametrize("config", [{"questions": ["nmae"]}, {"respondent": "age"}])
def test_a_question_that_the_form_does_not_ask_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match=r"nmae|age"):
        made(**config)


def test_a_finding_per_match_names_the_earlier_responses() -> None:
    then = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    earlier = (Earlier("content", "r-1", then), Earlier("respondent", "r-1", then), Earlier("content", "r-2", then))
    found = made(respondent="name").check(Draft("r", ANSWERS, language="hi", earlier=earlier), FORM)

    assert [(one.code, one.severity, one.question, one.label) for one in found] == [
        ("duplicate.respondent", "flag", "name", "नाम"),
        ("duplicate.content", "flag", None, None),
    ]
    assert [one["response_id"] for one in found[1].data["earlier"]] == ["r-1", "r-2"]
    assert found[1].data["earlier"][0]["received_at"] == "2026-01-31T09:30:00Z"
    assert found[1].message == "यही उत्तर पहले भी भेजे जा चुके हैं।"


def test_nothing_earlier_is_nothing_found_and_the_author_chooses_how_grave_it_is() -> None:
    earlier = (Earlier("content", "r-1", datetime(2026, 1, 31, tzinfo=UTC)),)

    assert made().check(Draft("r", ANSWERS), FORM) == []
    assert [one.severity for one in made(severity="reject").check(Draft("r", ANSWERS, earlier=earlier), FORM)] == ["reject"]
    assert made(match=["respondent"]).check(Draft("r", ANSWERS, earlier=earlier), FORM) == []
