"""Texts are filled in by a grammar of their own, in the recipient's language, and nothing in an answer is ever evaluated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collect_pipelines.destinations.sms import SmsConfig
from collect_pipelines.destinations.sms.drafts import Drafter, misfits
from collect_pipelines.destinations.sms.template import TemplateFault, read_template
from collect_pipelines.errors import Blocked
from collect_pipelines.forms.columns import masked
from tests.contract.sms_desk import ASHA, JOAO, batch, row


def config(template: Any = "Thank you {name}", **named: Any) -> SmsConfig:
    return SmsConfig.model_validate({"provider": "log", "to": "phone", "template": template, **named})


def text(template: Any, *, language: str | None = "en", settings: dict[str, Any] | None = None, **answers: Any) -> str:
    (draft,) = Drafter(config(template, **(settings or {})), batch(row("r1", **answers), language=language)).drafts()
    return draft.text


def test_fields_are_answers_and_facts_of_the_response() -> None:
    shown = text(
        "{name}, {form} {id}: {crop}, {tools}, {area} ha, paid {paid}. {date} {time}", crop="w", tools=["p", "t"], area=2.5, paid=True
    )

    assert shown == "Asha, Home visit r1: Wheat, Plough, Tractor, 2.5 ha, paid yes. 2030-01-15 12:00"


def test_labels_are_in_the_language_the_answer_names() -> None:
    texts = {"en": "Thank you {name}: {crop:question} {crop}", "hi": "धन्यवाद {name}: {crop:question} {crop}"}
    settings = {"language_from": "speaks"}

    assert text(texts, settings=settings, crop="w", speaks="hi") == "धन्यवाद Asha: फसल गेहूँ"
    assert text(texts, settings=settings, crop="w", speaks="en") == "Thank you Asha: Crop Wheat"
    assert text(texts, settings=settings, crop="w", language="hi") == "धन्यवाद Asha: फसल गेहूँ", "else the integration's language"
    assert text({"en-IN": "A", "hi": "B"}, language="fr") == "A", "else the first there is"


def test_codes_and_questions_can_be_said_and_a_question_may_be_called_as_a_fact_is() -> None:
    assert text("{crop:code} {crop:question} {form:answer}", crop="w", form="Madam") == "w Crop Madam"
    assert text("[{crop}] [{area}]") == "[] []", "what was not answered is left out"
    assert text("{{name}} is {name}") == "{name} is Asha"


@pytest.mark.parametrize(
    "payload",
    ["{0.__class__}", "{{ cycler.__init__.__globals__ }}", "%(x)s", "{name}", "${jndi:ldap}", "{phone}", "}{", "{{7*7}}", "'; drop table"],
)
def test_what_an_answer_says_stays_what_it_says(payload: str) -> None:
    assert text("Hello {name}", name=payload) == f"Hello {payload}"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello {name", "character 7: `{` stands alone"), ("Hello name}", "character 11: `}` stands alone"),
        ("{0.__class__:x!r}", "is no field"), ("{name:upper}", "`:upper` is not known"), ("{}", "is no field"), ("{a b}", "is no field"),
        ("{name!r}{", "stands alone"), ("{{{name}", None), ("{{}}", None),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_read_says_where(written: str, said: str | None) -> None:
    if said is None:
        read_template(written)
        return
    with pytest.raises(TemplateFault) as raised:
        read_template(written)

    assert said in str(raised.value)
    with pytest.raises(ValidationError):
        config(written)


@given(st.text())
def test_a_text_is_read_or_refused_and_never_anything_else(written: str) -> None:
    try:
        read = read_template(written)
    except TemplateFault:
        return
    assert read.filled(lambda field: "") == "".join(part for part in read.parts if isinstance(part, str))


def test_a_field_that_is_no_question_is_refused_with_what_was_meant() -> None:
    with pytest.raises(Blocked) as raised:
        list(Drafter(config("Hello {nmae} {0.__class__}"), batch(row("r1"))).drafts())

    assert "`{nmae}` names no question; did you mean `{name}`?" in raised.value.reason
    assert "`{0.__class__}` names no question; there are name, phone, crop" in raised.value.reason
    assert "integrations set" in (raised.value.fix or "")


def test_a_question_that_the_mapping_masks_cannot_be_written_to() -> None:
    columns = tuple(masked(one, "last4") if one.key == "phone" else one for one in batch(row("r1")).columns)

    assert misfits(config(), columns) == ["to: there is no question `phone` among the columns of the integration, or it is masked"]


def test_answers_hold_no_links_no_lines_and_no_novels() -> None:
    assert text("{name}", name="see https://evil.example/x or www.evil.example") == "see https: // evil. example/x or www. evil. example"
    assert text("Dear {name}, thanks", name="A\nFrom: BANK") == "Dear A From: BANK, thanks"
    assert text("{name}", name="x" * 300) == "x" * 97 + "..."
    assert text("{name}", name="A. B. Rao 3.5") == "A. B. Rao 3.5"


def test_a_text_of_too_many_segments_is_cut_or_refused() -> None:
    (cut,) = Drafter(config("word " * 150, most_segments=2), batch(row("r1"))).drafts()
    (refused,) = Drafter(config("word " * 150, most_segments=2, too_long="refuse"), batch(row("r1"))).drafts()

    assert (cut.count.segments, cut.cut, cut.refused) == (2, True, None)
    assert refused.refused == "its text has more than 2 segments"


@pytest.mark.parametrize(
    ("answer", "settings", "e164", "reason"),
    [
        (ASHA, {}, ASHA, None), ("98765 43210", {"region": "IN"}, ASHA, None), ("98765 43210", {}, None, "no country code"),
        ("98765 43210", {"region_from": "country"}, ASHA, None), ("hello", {"region": "IN"}, None, "no phone number"),
        (None, {}, None, "there is no phone number"), ("+91 98765", {}, None, "not valid"), ("+912240000000", {}, None, "fixed_line"),
        ("+912240000000", {"number_types": ["fixed_line"]}, "+912240000000", None), ("1" * 5000, {"region": "IN"}, None, "phone number"),
        ("+1 900 555 0123", {}, None, ""),
    ],
)  # fmt: skip
def test_answers_become_numbers_that_can_be_written_to(
    answer: str | None, settings: dict[str, Any], e164: str | None, reason: str | None
) -> None:
    (draft,) = Drafter(config(**settings), batch(row("r1", answer, country="india"))).drafts()

    assert draft.recipient.e164 == e164
    assert reason is None or reason in (draft.recipient.reason or "")


def test_the_code_of_a_choice_can_be_the_country() -> None:
    (draft,) = Drafter(config(region_from="country"), batch(row("r1", "11 98765-4321", country="br"))).drafts()

    assert draft.recipient.e164 == JOAO
    assert draft.recipient.zones == ("America/Sao_Paulo",)


def test_numbers_and_texts_are_in_no_representation() -> None:
    (draft,) = Drafter(config(), batch(row("r1"))).drafts()

    assert ASHA not in repr(draft) and "Asha" not in repr(draft)
    assert ASHA not in repr(draft.recipient)
