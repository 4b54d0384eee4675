"""The phone check: numbers that exist pass and are noted as E.164; the others are named in the collector's language."""

from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.checks.answers import AnswersCheck
from collect_pipelines.checks.interface import CheckConfig, Draft
from collect_pipelines.checks.phone import PhoneCheck, PhoneConfig
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding


def form(region: str | None = "IN", **more: Any) -> FormDefinition:
    phone = {"key": "phone", "type": "phone", "label": {"en": "Mobile", "hi": "मोबाइल"}, "region": region, **more}
    nested = {
        "key": "rows",
        "type": "repeat",
        "questions": [{"key": "g", "type": "group", "questions": [{"key": "other_phone", "type": "phone"}]}],
    }
    return FormDefinition.model_validate(
        {"form": "f", "title": "F", "languages": ["en", "hi"], "questions": [phone, nested, {"key": "note_text", "type": "text"}]}
    )


def check(
    answers: dict[str, Any], definition: FormDefinition | None = None, **config: Any
) -> tuple[list[Finding], dict[str, dict[str, Any]]]:
    draft = Draft("r", answers, language=config.pop("language", None))
    return list(PhoneCheck(PhoneConfig(**config)).check(draft, definition or form())), draft.answer_metadata


@pytest.mark.parametrize("text", ["98450 12345", "09845012345", "+91 98450-12345", "  +91 9845012345 ", "९८४५०१२३४५", "+91 (98450) 12345"])
def test_the_same_number_however_it_is_written_is_noted_alike(text: str) -> None:
    assert check({"phone": text}) == ([], {"phone": {"e164": "+919845012345", "type": "mobile", "region": "IN"}})


@pytest.mark.parametrize(
    ("text", "region", "code"),
    [
        ("12345", "IN", "phone.invalid"),
        ("+91 00000 00000", "IN", "phone.invalid"),
        ("+999 1234567", "IN", "phone.invalid"),
        ("9845012345", None, "phone.region"),
    ],
)
def test_a_number_that_can_not_be_used_is_told(text: str, region: str | None, code: str) -> None:
    found, noted = check({"phone": text}, form(region))

    assert [(finding.code, finding.severity, finding.question) for finding in found] == [(code, "reject", "phone")]
    assert noted == {}
    assert text not in found[0].message


def test_the_region_of_the_question_goes_before_the_one_of_the_check() -> None:
    assert check({"phone": "0301 2345678"}, form("PK"), region="IN")[1]["phone"]["e164"] == "+923012345678"
    assert check({"phone": "9845012345"}, form(None), region="IN")[1]["phone"]["e164"] == "+919845012345"


def test_numbers_in_repeats_are_judged_at_their_place() -> None:
    found, noted = check({"rows": [{"other_phone": "+919845012345"}, {"other_phone": "1234"}, {"other_phone": None}]})

    assert [finding.question for finding in found] == ["rows[1].other_phone"]
    assert list(noted) == ["rows[0].other_phone"]


def test_kinds_of_numbers_can_be_asked_for() -> None:
    found, noted = check({"phone": "080 2345 6789"}, types=("mobile",))

    assert [finding.code for finding in found] == ["phone.type"]
    assert noted["phone"]["type"] == "fixed_line"


def test_a_possible_number_is_enough_when_the_form_says_so() -> None:
    assert [finding.code for finding in check({"phone": "+91 2000000000"})[0]] == ["phone.invalid"]
    assert check({"phone": "+91 2000000000"}, accept="possible")[0] == []


def test_the_question_decides_between_reject_and_flag_and_the_message_is_in_the_callers_language() -> None:
    found, _ = check({"phone": "1234"}, form(on_violation="flag"), language="hi")

    assert (found[0].severity, found[0].message) == ("flag", "“मोबाइल” कोई मान्य फ़ोन नंबर नहीं है।")


@pytest.mark.parametrize("text", ["12", "hello", "1" * 300])
def test_what_the_form_itself_calls_no_number_is_not_told_again(text: str) -> None:
    definition = form()
    answers = AnswersCheck(CheckConfig())
    answers.prepare(definition, {})

    assert check({"phone": text}, definition) == ([], {})
    assert [finding.code for finding in answers.check(Draft("r", {"phone": text}), definition)] == ["format"]


def test_blank_and_unanswered_are_not_judged() -> None:
    assert check({"phone": "  ", "note_text": "12"}) == ([], {})
    assert check({"phone": None, "rows": None}) == ([], {})


def test_a_config_that_means_nothing_is_refused() -> None:
    for config in ({"region": "India"}, {"types": ["cell"]}, {"regon": "IN"}):
        with pytest.raises(ValidationError):
            PhoneConfig.model_validate(config)
