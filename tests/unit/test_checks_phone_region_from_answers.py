"""The country of a phone number without + may be told by another answer of the same response."""

from typing import Any

import pytest

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.phone import MOST, PhoneCheck, PhoneConfig
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding

COUNTRY = {
    "key": "country",
    "type": "select_one",
    "choices": [
        {"code": "india", "label": "India"},
        {"code": "kenya", "label": "Kenya", "attributes": {"region": "KE"}},
        {"code": "PK", "label": "Pakistan"},
        {"code": "no", "label": "None of these"},
    ],
}
INDIAN, KENYAN, PAKISTANI = "9845012345", "0712 345678", "0301 2345678"


def form(*questions: dict[str, Any]) -> FormDefinition:
    return FormDefinition.model_validate({"form": "f", "title": "F", "questions": [COUNTRY, *questions]})


PLAIN = form({"key": "phone", "type": "phone"})


def check(answers: dict[str, Any], definition: FormDefinition = PLAIN, **config: Any) -> tuple[list[Finding], dict[str, Any]]:
    config.setdefault("region_from", {"question": "country", "regions": {"india": "IN"}})
    made = PhoneCheck(PhoneConfig.model_validate(config))
    made.prepare(definition, {})
    draft = Draft("r", answers)
    return list(made.check(draft, definition)), draft.answer_metadata


@pytest.mark.parametrize(
    ("country", "typed", "e164"),
    [("india", INDIAN, "+919845012345"), ("kenya", KENYAN, "+254712345678"), ("PK", PAKISTANI, "+923012345678")],
)
def test_the_configuration_the_choice_and_its_code_tell_the_country(country: str, typed: str, e164: str) -> None:
    found, noted = check({"country": country, "phone": typed})

    assert found == []
    assert noted["phone"]["e164"] == e164


def test_the_configuration_goes_before_the_attribute_of_the_choice() -> None:
    _, noted = check({"country": "kenya", "phone": INDIAN}, region_from={"question": "country", "regions": {"kenya": "IN"}})

    assert noted["phone"]["region"] == "IN"


@pytest.mark.parametrize("country", ["no", None, {"other": "Nepal"}, ["india"], 7])
def test_an_answer_that_is_no_country_leaves_the_region_of_the_check_or_none(country: Any) -> None:
    answers = {"country": country, "phone": INDIAN}

    assert [finding.code for finding in check(answers)[0]] == ["phone.region"]
    assert check(answers, region="IN")[1]["phone"]["e164"] == "+919845012345"


def test_the_region_of_the_question_goes_before_the_answer_and_a_plus_before_all() -> None:
    own = form({"key": "phone", "type": "phone", "region": "KE"})

    assert check({"country": "india", "phone": KENYAN}, own)[1]["phone"]["region"] == "KE"
    assert check({"country": "india", "phone": "+254 712 345678"})[1]["phone"]["region"] == "KE"


def test_in_a_repeat_the_answer_of_the_row_counts_else_the_one_around_it() -> None:
    rows = {"key": "members", "type": "repeat", "questions": [{**COUNTRY, "key": "home"}, {"key": "phone", "type": "phone"}]}
    answers = {"country": "india", "members": [{"home": "kenya", "phone": KENYAN}, {"phone": INDIAN}]}
    definition = form(rows)

    _, by_row = check(answers, definition, region_from={"question": "home"})
    _, by_form = check(answers, definition)

    assert {place: facts["region"] for place, facts in by_row.items()} == {"members[0].phone": "KE"}
    assert {place: facts["region"] for place, facts in by_form.items()} == {"members[1].phone": "IN"}


def test_a_country_typed_as_text_counts_in_any_case() -> None:
    definition = FormDefinition.model_validate(
        {"form": "f", "title": "F", "questions": [{"key": "country", "type": "text"}, {"key": "phone", "type": "phone"}]}
    )

    assert check({"country": " INDIA ", "phone": INDIAN}, definition)[1]["phone"]["region"] == "IN"
    assert [finding.code for finding in check({"country": "in", "phone": INDIAN}, definition)[0]] == ["phone.region"]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"question": "county"}, "'county'"),
        ({"question": "phone"}, "'phone'"),
        ({"question": "country", "regions": {"india": "XX"}}, "XX"),
        ({"question": "country", "regions": {"india": "in"}}, "in"),
    ],
)
def test_a_source_that_can_tell_no_country_is_named_with_what_to_do(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        check({}, region_from=config)

    assert named in refused.value.message
    assert refused.value.fix


def test_so_many_numbers_are_judged_and_the_rest_is_told() -> None:
    definition = form({"key": "members", "type": "repeat", "questions": [{"key": "phone", "type": "phone"}]})
    found, noted = check({"country": "india", "members": [{"phone": INDIAN}] * (MOST + 1)}, definition)

    assert [(finding.code, finding.severity) for finding in found] == [("phone.unjudged", "flag")]
    assert len(noted) == MOST


def test_nothing_is_loaded_by_the_first_response() -> None:
    import subprocess
    import sys

    code = """
import sys
from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.phone import PhoneCheck, PhoneConfig
from collect_pipelines.forms.definition import FormDefinition
form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [{"key": "phone", "type": "phone"}]})
check = PhoneCheck(PhoneConfig())
check.prepare(form, {})
before = set(sys.modules)
for number in ("+254712345678", "+12015550123", "+4930123456", "0"):
    check.check(Draft("r", {"phone": number}), form)
print(sorted(set(sys.modules) - before))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


def test_long_runs_of_signs_in_a_number_mean_nothing() -> None:
    for number in (f"98450{' ' * 40}12345", f"+91{'-' * 30}9845012345", f"  {INDIAN}  "):
        found, noted = check({"country": "india", "phone": number})

        assert (found, noted["phone"]["e164"]) == ([], "+919845012345")
