"""A form definition as a frozen, validated value; the source of every schema, check, column and label."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, model_validator

from collect_pipelines.forms.expressions import CheckedForm, check_form
from collect_pipelines.forms.faults import MAX_CHECKS, MAX_LANGUAGES, MAX_RULES, Fault, Faults
from collect_pipelines.forms.fields import (
    DEFAULT_LANGUAGE,
    Attributes,
    Bound,
    Code,
    Day,
    Extra,
    Labels,
    Language,
    Part,
    Slug,
    Zone,
    label_in,
)
from collect_pipelines.forms.form_faults import form_faults
from collect_pipelines.forms.question_faults import question_faults
from collect_pipelines.forms.relation_faults import relation_faults
from collect_pipelines.forms.rule import FormRule
from collect_pipelines.forms.rule_faults import rule_faults

__all__ = [
    "DEFAULT_LANGUAGE",
    "CheckSettings",
    "Choice",
    "FormDefinition",
    "FormRule",
    "Labels",
    "Question",
    "QuestionType",
    "answerable_of",
    "label_in",
    "said_by_author",
]

_CONSTRAINT_CODES = frozenset({"min", "max", "min_length", "max_length", "pattern"})

RULES_CHECK = "rules"  # the kind of the check that judges the form's own rules

QuestionType = Literal[
    "text", "email", "url", "phone", "integer", "decimal", "boolean", "select_one", "select_multiple", "rating",
    "date", "time", "datetime", "geopoint", "file", "note", "hidden", "group", "repeat",
]  # fmt: skip


class Choice(Part):
    """One answer of a select question: the code is stored, the label is shown."""

    code: Code = Field(description="What is stored. Never changes its meaning; put digits in quotes.")
    label: Labels = Field(description="What people read, as text or per language.")
    retired: StrictBool = Field(default=False, description="No longer offered; answers already given stay readable.")
    attributes: Attributes = Field(
        default_factory=dict, description="Facts about the choice, e.g. {state: mh}: for choices_by, and for checks such as slang."
    )

    def attribute(self, name: str) -> tuple[str, ...]:
        """The values of an attribute; none when the choice does not have it."""
        value = self.attributes.get(name, ())
        return (value,) if isinstance(value, str) else value


class Question(Part):
    """One question, or a group or repeat of questions."""

    key: str = Field(description="Name of the answer, for ever: a-z, 0-9 and _, unique over the whole form.")
    type: QuestionType = Field(
        description="What kind of answer is asked for. note and group have none; repeat asks its questions again and again."
    )
    label: Labels = Field(default_factory=dict, description="The question as people read it, as text or per language.")
    hint: Labels = Field(default_factory=dict, description="Help shown beside the question.")
    required: StrictBool = Field(default=False, description="An answer must be given (a repeat: at least one row).")
    relevant: StrictStr | None = Field(
        default=None, description="An expression: the question is asked when it is true. What is inside a group or repeat inherits it."
    )
    choices: tuple[Choice, ...] = Field(default=(), description="For select_one and select_multiple: what can be chosen.")
    choices_by: dict[str, str] = Field(
        default_factory=dict,
        description="For selects: attribute of the choices to the key of a question; only choices with that answer are offered.",
    )
    other: StrictBool = Field(default=False, description='For selects: an answer of one\'s own is possible, sent as {"other": "text"}.')
    min: Bound | None = Field(
        default=None, description="Least number, rating, date or time (in quotes), number of choices, or number of repeat rows."
    )
    max: Bound | None = Field(
        default=None,
        description="Greatest number, rating (5 if unset), date or time (in quotes), number of choices, or number of repeat rows.",
    )
    min_length: StrictInt | None = Field(default=None, description="For text, email, url, phone: least number of characters.")
    max_length: StrictInt | None = Field(default=None, description="For text, email, url, phone: greatest number of characters.")
    pattern: str | None = Field(
        default=None, description="For text, email, url, phone: an RE2 regular expression that the whole answer must match."
    )
    constraint_message: Labels = Field(
        default_factory=dict, description="Said instead of a sentence of ours when min, max, a length or the pattern is broken."
    )
    required_message: Labels = Field(default_factory=dict, description="Said instead of a sentence of ours when there is no answer.")
    region: str | None = Field(default=None, description="For phone: country of numbers written without +, e.g. IN.")
    on_violation: Literal["reject", "flag"] = Field(
        default="reject", description="What happens to a response that breaks a rule of this question: sent back, or kept with a flag."
    )
    pii: Literal["none", "direct", "indirect"] = Field(
        default="none", description="Whether the answer identifies a person by itself (direct) or together with others (indirect)."
    )
    retired: Day | None = Field(
        default=None, description="Day from which the question is no longer asked; answers already given stay readable."
    )
    was: tuple[str, ...] = Field(default=(), description="Keys this question had in earlier versions.")
    questions: tuple["Question", ...] = Field(default=(), description="For group and repeat: the questions inside.")
    metadata: Extra = Field(default_factory=dict, description="Anything you want to keep with the question.")

    @model_validator(mode="after")
    def _keep_rules(self) -> "Question":
        faults = list(question_faults(self))
        if faults:
            raise Faults(faults)
        return self


def said_by_author(question: Question, code: str, language: str | None) -> str | None:
    """The author's own sentence for a broken constraint of this code, in the language or the nearest there is; None without one."""
    if code == "required":
        return label_in(question.required_message, language) or None
    return (label_in(question.constraint_message, language) or None) if code in _CONSTRAINT_CODES else None


class CheckSettings(Part):
    """How one check runs for this form."""

    on_error: Literal["accept", "flag", "reject"] = Field(
        default="flag", description="What happens when the check itself fails or is too slow."
    )
    timeout_ms: StrictInt = Field(default=300, ge=1, le=10_000, description="Milliseconds the check may take.")
    config: Extra = Field(default_factory=dict, description="Settings of the check's own; see its documentation.")


class FormDefinition(Part):
    """A whole form as its author writes it. Question keys are unique over the form, groups included."""

    form: Slug = Field(description="Name of the form in addresses and commands: a-z, 0-9, _ and -.")
    title: Labels = Field(description="The form's title, as text or per language.")
    languages: tuple[Language, ...] = Field(
        default=(DEFAULT_LANGUAGE,), min_length=1, max_length=MAX_LANGUAGES, description="Languages of the labels."
    )
    timezone: Zone = Field(default="UTC", description="IANA name of the zone whose day `today()` is in expressions, e.g. Asia/Kolkata.")
    unique_by: str | None = Field(
        default=None, description="`respondent`, or the key of a question: a second response with the same value is refused."
    )
    deadline_ms: StrictInt = Field(default=800, ge=50, le=10_000, description="Milliseconds all checks together may take.")
    checks: dict[str, CheckSettings] = Field(
        default_factory=dict, max_length=MAX_CHECKS, description="Checks to run before a response is accepted, by kind."
    )
    rules: tuple[FormRule, ...] = Field(default=(), description="What answers must keep among themselves, and responses among each other.")
    questions: tuple[Question, ...] = Field(default=(), description="What is asked, in order.")
    metadata: Extra = Field(default_factory=dict, description="Anything you want to keep with the form.")

    @model_validator(mode="after")
    def _keep_rules(self) -> "FormDefinition":
        faults = [*self._heading_faults(), *form_faults(self.questions, self.languages, self.unique_by)]
        faults += [*relation_faults(self.questions), *rule_faults(self.rules, self.questions, self.languages)]
        faults += self.checked.faults if len(self.rules) <= MAX_RULES else ()
        if faults:
            raise Faults(faults)
        return self

    def _heading_faults(self) -> Iterator[Fault]:
        for language in self.title:
            if language not in self.languages:
                yield Fault(("title",), f"`{language}` is not in the form's `languages`; add it there (a plain text counts as `en`)")
        if not self.questions:
            yield Fault(("questions",), "a form needs at least one question; add a list of `key`, `type` and `label`")

    @cached_property
    def answerable(self) -> tuple[Question, ...]:
        """Every question that has an answer of its own, in order: groups are opened, notes left out, repeats kept whole."""
        return tuple(answerable_of(self.questions))

    @cached_property
    def by_key(self) -> dict[str, Question]:
        """The answerable questions by key."""
        return {question.key: question for question in self.answerable}

    @cached_property
    def every(self) -> dict[str, Question]:
        """All questions that have answers by key, those inside repeats included."""
        return {key: question for question in self.answerable for key, question in _with_inner(question)}

    @cached_property
    def checked(self) -> CheckedForm:
        """The rules of the form and what its questions' `relevant` says, as checked trees."""
        return check_form(self.questions, self.rules, self.timezone)

    @cached_property
    def active_checks(self) -> dict[str, CheckSettings]:
        """Every check that runs before a response is accepted: those in `checks`, and `rules` when the form has rules for ingest."""
        if RULES_CHECK in self.checks or not any(rule.placement == "ingest" for rule in self.rules):
            return dict(self.checks)
        return {RULES_CHECK: CheckSettings(), **self.checks}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the definition; equal hashes are the same version."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A changed copy, not validated; what was computed from the original is computed anew."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("active_checks", "answerable", "by_key", "checked", "content_hash", "every"):
            copied.__dict__.pop(name, None)
        return copied


def answerable_of(questions: Sequence[Question]) -> Iterator[Question]:
    """Those that have an answer of their own, in order: groups are opened, notes left out, repeats kept whole."""
    for question in questions:
        if question.type == "group":
            yield from answerable_of(question.questions)
        elif question.type != "note":
            yield question


def _with_inner(question: Question) -> Iterator[tuple[str, Question]]:
    yield question.key, question
    for inner in answerable_of(question.questions):
        yield from _with_inner(inner)
