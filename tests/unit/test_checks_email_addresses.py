"""The email check: addresses that can exist are noted in their normal form; others are named, and likely slips are noted."""

from typing import Any

import pytest

from collect_pipelines.checks.email import ALSO_RIGHT, MOST, WELL_KNOWN, EmailCheck, EmailConfig, likely_domain
from collect_pipelines.checks.interface import Draft
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding


def form(**more: Any) -> FormDefinition:
    mail = {"key": "mail", "type": "email", "label": {"en": "Email", "hi": "ईमेल"}, **more}
    rows = {
        "key": "members",
        "type": "repeat",
        "questions": [{"key": "g", "type": "group", "questions": [{"key": "own", "type": "email"}]}],
    }
    return FormDefinition.model_validate({"form": "f", "title": "F", "languages": ["en", "hi"], "questions": [mail, rows]})


def check(answers: dict[str, Any], definition: FormDefinition | None = None, **config: Any) -> tuple[list[Finding], dict[str, Any]]:
    language = config.pop("language", None)
    made = EmailCheck(EmailConfig.model_validate(config))
    made.prepare(definition or form(), {})
    draft = Draft("r", answers, language=language)
    return list(made.check(draft, definition or form())), draft.answer_metadata


@pytest.mark.parametrize(
    ("typed", "email", "domain"),
    [
        ("Asha.Kulkarni@Example.ORG", "Asha.Kulkarni@example.org", "example.org"),
        ("asha@मेल.भारत", "asha@मेल.भारत", "मेल.भारत"),
        ("asha@xn--r2bi6d.xn--h2brj9c", "asha@मेल.भारत", "मेल.भारत"),
        ("用户@例子.广告", "用户@例子.广告", "例子.广告"),
        ("re\u0301ne@example.org", "r\u00e9ne@example.org", "example.org"),
    ],
)
def test_an_address_is_noted_in_its_normal_form(typed: str, email: str, domain: str) -> None:
    assert check({"mail": typed}) == ([], {"mail": {"email": email, "domain": domain}})


@pytest.mark.parametrize(
    "typed",
    ["a..b@example.org", ".a@example.org", "a@-example.org", "a@example.localhost", "a@b\u200d.example.org", "a@1.2.3.4", "a@x_y.org"],
)
def test_an_address_that_can_not_exist_is_told_without_repeating_it(typed: str) -> None:
    found, noted = check({"mail": typed})

    assert [(finding.code, finding.severity, finding.question) for finding in found] == [("email.invalid", "reject", "mail")]
    assert noted == {}
    assert typed not in found[0].message


@pytest.mark.parametrize("typed", ["asha", "asha@", "a b@example.org", "Asha <asha@example.org>", "a@" + "x" * 300 + ".org"])
def test_what_is_no_address_at_first_sight_is_told_once_by_the_form(typed: str) -> None:
    assert check({"mail": typed}) == ([], {})
    assert [finding.code for finding in check_answers(form(), {"mail": typed}, None)] == ["format"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("yaho.com", "yahoo.com"),
        ("hotmial.com", "hotmail.com"),
        ("rediffmial.com", "rediffmail.com"),
    ],
)
def test_a_slip_in_a_well_known_domain_is_a_note_with_the_domain_that_is_meant(typed: str, meant: str) -> None:
    found, noted = check({"mail": f"asha@{typed}"})

    assert [(finding.code, finding.severity, finding.data) for finding in found] == [("email.typo", "note", {"suggestion": meant})]
    assert noted["mail"]["domain"] == typed
    assert "asha" not in found[0].message


@pytest.mark.parametrize("domain", [*sorted(WELL_KNOWN | ALSO_RIGHT), "example.org", "gmx.de", "nic.in"])
def test_a_domain_that_is_right_is_never_doubted(domain: str) -> None:
    assert likely_domain(domain) is None


def test_domains_of_ones_own_are_compared_too_and_hints_can_be_switched_off() -> None:
    assert check({"mail": "a@tis.edu"}, domains=["tiss.edu"])[0][0].data == {"suggestion": "tiss.edu"}
    assert check({"mail": "a@tiss.edu"}, domains=["tiss.edu"])[0] == []
    assert check({"mail": "a@gmial.com"}, typos=False)[0] == []


def test_letters_beyond_ascii_before_the_at_can_be_refused() -> None:
    assert [finding.code for finding in check({"mail": "用户@example.org"}, internationalized=False)[0]] == ["email.invalid"]
    assert check({"mail": "asha@मेल.भारत"}, internationalized=False)[0] == []


def test_addresses_in_repeats_are_judged_at_their_place_and_blank_ones_are_not() -> None:
    found, noted = check({"mail": " ", "members": [{"own": "a@example.org"}, {"own": "a..b@example.org"}, {"own": None}, {}]})

    assert [finding.question for finding in found] == ["members[1].own"]
    assert list(noted) == ["members[0].own"]


def test_so_many_addresses_are_judged_and_the_rest_is_told() -> None:
    found, noted = check({"members": [{"own": "a@example.org"}] * (MOST + 1)})

    assert [(finding.code, finding.severity) for finding in found] == [("email.unjudged", "flag")]
    assert len(noted) == MOST


def test_addresses_that_are_costly_to_judge_are_fewer_whatever_the_machine_is_busy_with() -> None:
    costly = "a@" + "é" * 50 + ".org"
    found, noted = check({"members": [{"own": costly}] * 20})

    assert [finding.code for finding in found] == ["email.unjudged"]
    assert len(noted) == 6
    assert "6" in found[0].message


def test_the_question_decides_between_reject_and_flag_and_the_message_is_in_the_callers_language() -> None:
    found, _ = check({"mail": "a..b@example.org"}, form(on_violation="flag"), language="hi-IN")

    assert (found[0].severity, found[0].message) == ("flag", "“ईमेल” कोई संभव ईमेल पता नहीं है।")
