"""Sentences of the form's author go before ours, in the language of the one who collects."""

from typing import Any

import pytest

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form, write_form
from collect_pipelines.validation.compile import compile_rules

FORM = """
form: visit
title: Visit
languages: [en, hi]
questions:
  - key: age
    type: integer
    label: Age
    required: true
    min: 0
    max: 120
    constraint_message: {en: Nobody is that old., hi: इतनी उम्र किसी की नहीं होती।}
    required_message: {en: Ask for the age.}
  - {key: code, type: text, label: Code, pattern: "[A-Z]{3}", min_length: 3}
"""


@pytest.fixture(scope="module")
def form() -> FormDefinition:
    return read_form(FORM)


@pytest.mark.parametrize(
    ("answers", "language", "said"),
    [
        ({"age": 130}, "en", ["Nobody is that old."]),
        ({"age": -1}, "hi", ["इतनी उम्र किसी की नहीं होती।"]),
        ({}, "hi", ["Ask for the age."]),
        ({"age": -1}, "fr", ["Nobody is that old."]),
    ],
    ids=["too old", "in Hindi", "unanswered, without Hindi", "a language the form has not"],
)
def test_the_author_s_sentence_goes_before_ours(form: FormDefinition, answers: dict[str, Any], language: str, said: list[str]) -> None:
    assert [finding.message for finding in check_answers(form, answers, language)] == said


def test_a_wrong_type_is_still_told_in_our_words(form: FormDefinition) -> None:
    (finding,) = check_answers(form, {"age": "old"}, "en")

    assert "Nobody" not in finding.message


def test_validation_says_the_same(form: FormDefinition) -> None:
    messages = {rule.name: rule.message for rule in compile_rules(form).rules}

    assert (messages["age.max"], messages["age.required"]) == ("Nobody is that old.", "Ask for the age.")
    assert "Code" in messages["code.pattern"]


def test_a_form_with_messages_is_written_and_read_back(form: FormDefinition) -> None:
    assert read_form(write_form(form)) == form


def test_a_message_in_a_language_the_form_has_not_is_refused() -> None:
    with pytest.raises(FormInvalid) as refused:
        read_form(FORM.replace("{en: Ask for the age.}", "{sw: Uliza umri.}"))

    assert "required_message" in str(refused.value.problems) and "`sw`" in str(refused.value.problems)
