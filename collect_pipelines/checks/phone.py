"""Phone numbers that exist, brought to E.164. Every question of type phone is looked at, also those in repeats."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, ClassVar, Literal

from pydantic import Field

from collect_pipelines.checks.interface import Check, CheckConfig, Draft, References
from collect_pipelines.checks.places import TextAnswer, answers_of
from collect_pipelines.checks.sentences import sentence
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition, Question, label_in
from collect_pipelines.forms.messages import say
from collect_pipelines.forms.shapes import is_phone
from collect_pipelines.model import Finding

__all__ = ["PhoneCheck", "PhoneConfig", "RegionFrom"]

MOST = 50  # numbers of one response; each costs 40 to 70 us, and the check runs on the event loop
# libphonenumber goes through long runs of spaces and signs again and again (0.8 ms for 64 of them); a number has no need of them.
_RUN = re.compile(r"(?<!^)[^\w]{4,}")
REGION = "^[A-Z]{2}$"
ATTRIBUTE = "region"  # of the choice that was answered
REGION_TYPES = ("select_one", "text", "hidden")  # answers that are one word

NumberType = Literal[
    "fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager",
    "uan", "voicemail", "unknown",
]  # fmt: skip


class RegionFrom(CheckConfig):
    """Another answer that tells the country."""

    question: str = Field(description="Key of the question that is answered with a place: select_one, text or hidden.")
    regions: dict[str, str] = Field(
        default_factory=dict,
        description="Country per answer, e.g. {india: IN}. Not needed for choices with an attribute `region`, or with codes such as IN.",
    )


class PhoneConfig(CheckConfig):
    """How phone numbers are judged."""

    region: str | None = Field(
        default=None, pattern=REGION, description="Country of numbers written without +, e.g. IN, where nothing else tells it."
    )
    region_from: RegionFrom | None = Field(default=None, description="Take the country from another answer of the response.")
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

    The country of a number without +: the question's `region`, else the one another answer tells, else the check's `region`.
    Codes: phone.invalid, phone.region (no country code, and no region to assume), phone.type; `on_violation` of the question decides
    between reject and flag. phone.unjudged (flag): there are more numbers than are judged.
    What can be no number at first sight is told by the form itself.
    """

    kind: ClassVar[str] = "phone"
    Config: ClassVar[type[CheckConfig]] = PhoneConfig
    bounded: ClassVar[bool] = True
    _regions: Mapping[str, str] = {}

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Loads the numbering plans, and reads which answer means which country. Raises ConfigInvalid when none can."""
        import phonenumbers

        phonenumbers.PhoneMetadata.load_all()  # 80 ms here instead of a few on the first number of each country
        source = self._settings.region_from
        if source is not None:
            self._regions = _regions_by_answer(source, _question(form.questions, source.question))

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """One finding per number that can't be used."""
        findings = []
        found = answers_of("phone", form.answerable, response.answers)
        for answer in islice(found, MOST):
            if not is_phone(answer.text):
                continue
            code, facts = self._judge(answer.text, answer.question.region or self._region_beside(answer) or self._settings.region)
            if facts:
                response.answer_metadata.setdefault(answer.place, {}).update(facts)
            if code:
                label = label_in(answer.question.label, response.language, answer.question.key)
                told = say(code, response.language, {"label": label})
                findings.append(Finding(code, told, answer.question.on_violation, answer.place, label))
        if next(found, None) is not None:
            findings.append(Finding("phone.unjudged", sentence("unjudged", response.language, most=MOST), "flag"))
        return findings

    @property
    def _settings(self) -> PhoneConfig:
        assert isinstance(self.config, PhoneConfig)
        return self.config

    def _region_beside(self, answer: TextAnswer) -> str | None:
        source = self._settings.region_from
        value = answer.beside.get(source.question) if source is not None else None
        if not isinstance(value, str):
            return None
        word = value.strip()
        return self._regions.get(word) or self._regions.get(word.casefold())

    def _judge(self, text: str, region: str | None) -> tuple[str | None, dict[str, str]]:
        import phonenumbers

        try:
            number = phonenumbers.parse(_RUN.sub(" ", text.strip()), region)
        except phonenumbers.NumberParseException as exc:
            no_country = exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and not text.lstrip().startswith("+")
            return ("phone.region" if no_country else "phone.invalid"), {}
        known = phonenumbers.is_valid_number(number)
        if not known and (self._settings.accept == "valid" or not phonenumbers.is_possible_number(number)):
            return "phone.invalid", {}
        kind = _type_names()[phonenumbers.number_type(number)]
        facts = {"e164": phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), "type": kind}
        country = phonenumbers.region_code_for_number(number)
        if country:
            facts["region"] = country
        if number.extension:
            facts["extension"] = number.extension
        return ("phone.type" if self._settings.types and kind not in self._settings.types else None), facts


def _regions_by_answer(source: RegionFrom, question: Question | None) -> dict[str, str]:
    """Country by answer: what the configuration says goes before the choice's attribute, and that before a code such as IN."""
    from phonenumbers import SUPPORTED_REGIONS

    if question is None or question.type not in REGION_TYPES:
        raise ConfigInvalid(
            f"`region_from` of the check phone names {source.question!r}, which is no question of type {', '.join(REGION_TYPES)}.",
            fix="Name the key of the question that tells the country.",
        )
    regions: dict[str, Any] = {region: region for region in SUPPORTED_REGIONS}
    for choice in question.choices:
        attribute = choice.attributes.get(ATTRIBUTE)
        if attribute:
            regions[choice.code] = attribute if isinstance(attribute, str) else attribute[0]
    # A typed word counts in any case; only the keys of `regions`, because `no` is an answer and NO is Norway.
    regions |= {answer.casefold(): region for answer, region in source.regions.items()} | source.regions
    unknown = sorted({str(region) for region in regions.values() if region not in SUPPORTED_REGIONS})
    if unknown:
        raise ConfigInvalid(
            f"The check phone takes {', '.join(unknown)} from {source.question!r}, which is no country.",
            fix="Write countries as two capital letters, e.g. IN, in `regions` and in the attribute `region` of choices.",
        )
    return regions


def _question(questions: Sequence[Question], key: str) -> Question | None:
    return next((question for question in _all(questions) if question.key == key), None)


def _all(questions: Sequence[Question]) -> Iterator[Question]:
    for question in questions:
        yield question
        yield from _all(question.questions)


@cache
def _type_names() -> dict[int, str]:
    from phonenumbers import PhoneNumberType

    return {value: name.lower() for name, value in vars(PhoneNumberType).items() if name.isupper() and isinstance(value, int)}
