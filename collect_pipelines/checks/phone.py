"""Phone numbers that exist, brought to E.164. Every question of type phone is looked at, also those in repeats."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import Field

from collect_pipelines.checks.interface import Check, CheckConfig, Draft
from collect_pipelines.forms.definition import FormDefinition, Question, label_in
from collect_pipelines.forms.messages import say
from collect_pipelines.model import Finding

__all__ = ["PhoneCheck", "PhoneConfig"]

NumberType = Literal[
    "fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager",
    "uan", "voicemail", "unknown",
]  # fmt: skip


class PhoneConfig(CheckConfig):
    """How phone numbers are judged."""

    region: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="Country of numbers written without +, e.g. IN, for questions that name none."
    )
    accept: Literal["valid", "possible"] = Field(
        default="valid",
        description="valid: the number lies in a range that is in use. possible: its length is right, for brand-new ranges.",
    )
    types: tuple[NumberType, ...] = Field(
        default=(), description="Kinds of numbers that are asked for, e.g. [mobile, fixed_line_or_mobile]. Empty: any."
    )


class PhoneCheck(Check):
    """
    Judges each answer of type phone and notes `e164`, `type` and `region` of the number in the answer's metadata.

    Codes: phone.invalid, phone.region (no country code, and no region to assume), phone.type. `on_violation` of the question decides
    between reject and flag.
    """

    kind: ClassVar[str] = "phone"
    Config: ClassVar[type[CheckConfig]] = PhoneConfig

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """One finding per number that can't be used."""
        findings = []
        for place, question, text in _phones(form.answerable, response.answers, ""):
            code, facts = self._judge(text, question.region)
            if facts:
                response.answer_metadata.setdefault(place, {}).update(facts)
            if code:
                label = label_in(question.label, response.language, question.key)
                findings.append(Finding(code, say(code, response.language, {"label": label}), question.on_violation, place, label))
        return findings

    def _judge(self, text: str, region: str | None) -> tuple[str | None, dict[str, str]]:
        import phonenumbers

        assert isinstance(self.config, PhoneConfig)
        try:
            number = phonenumbers.parse(text, region or self.config.region)
        except phonenumbers.NumberParseException as exc:
            no_country = exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and not text.lstrip().startswith("+")
            return ("phone.region" if no_country else "phone.invalid"), {}
        known = phonenumbers.is_valid_number(number)
        if not known and (self.config.accept == "valid" or not phonenumbers.is_possible_number(number)):
            return "phone.invalid", {}
        kind = _type_names()[phonenumbers.number_type(number)]
        facts = {"e164": phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), "type": kind}
        country = phonenumbers.region_code_for_number(number)
        if country:
            facts["region"] = country
        if number.extension:
            facts["extension"] = number.extension
        return ("phone.type" if self.config.types and kind not in self.config.types else None), facts


def _phones(questions: Sequence[Question], answers: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Question, str]]:
    for question in questions:
        value = answers.get(question.key)
        if question.type == "phone" and isinstance(value, str) and value.strip():
            yield prefix + question.key, question, value
        elif question.type == "repeat" and isinstance(value, list):
            for index, row in enumerate(value):
                if isinstance(row, dict):
                    yield from _phones(question.questions, row, f"{prefix}{question.key}[{index}].")
        elif question.type == "group":
            yield from _phones(question.questions, answers, prefix)


@cache
def _type_names() -> dict[int, str]:
    from phonenumbers import PhoneNumberType

    return {value: name.lower() for name, value in vars(PhoneNumberType).items() if name.isupper() and isinstance(value, int)}
