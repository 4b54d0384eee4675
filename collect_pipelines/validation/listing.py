"""Every rule of a form version in words, for people: those of its questions and its own, with the text of what must be true."""

from collections.abc import Iterator
from dataclasses import dataclass

from collect_pipelines.forms.constraints import constraints_of, severity_of
from collect_pipelines.forms.definition import FormDefinition, FormRule, Question
from collect_pipelines.forms.expressions import CheckedRule
from collect_pipelines.model import Severity
from collect_pipelines.rules.nodes import unparse

__all__ = ["ListedRule", "listed_rules"]

SHAPES = {
    "email": ("format", "an email address"),
    "url": ("format", "a web address"),
    "phone": ("format", "a phone number"),
    "integer": ("type", "a whole number"),
    "rating": ("type", "a whole number"),
    "decimal": ("type", "a number"),
    "boolean": ("type", "true or false"),
    "date": ("type", "a date"),
    "time": ("type", "a time"),
    "datetime": ("type", "a point in time with its zone"),
    "select_one": ("type", "one choice"),
    "select_multiple": ("type", "a list of choices"),
    "geopoint": ("type", "a place"),
    "file": ("type", "a file"),
    "repeat": ("type", "a list of rows"),
}
"""What the type of a question asks of its answer, in words: no expression tells it."""

FURTHER = {
    "select_multiple": ("choice.repeated", "names each choice once"),
    "repeat": ("rows", "has rows that keep the rules of the questions inside"),
}
"""What reports have a name of its own for."""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """One rule as `collect rules list` shows it."""

    name: str
    """`age.max` for a constraint of a question, `rule.<name>` for a rule of the form."""
    kind: str
    """`type`, `constraint`, `expression`, `unique`, `complete`, `volume` or `distribution`."""
    severity: Severity
    placement: str
    text: str
    """What must be true: CEL, or words where CEL does not tell it."""
    questions: tuple[str, ...]


def listed_rules(definition: FormDefinition) -> tuple[ListedRule, ...]:
    """In the order of the form: questions first, those inside repeats included, then the rules."""
    questions = (rule for question in definition.every.values() for rule in _of_question(question, definition))
    return (*questions, *(_of_form(checked) for checked in definition.checked.rules))


def _of_question(question: Question, definition: FormDefinition) -> Iterator[ListedRule]:
    if question.type in SHAPES:
        code, words = SHAPES[question.type]
        severity = severity_of(question, code)
        yield ListedRule(f"{question.key}.{code}", "type", severity, "ingest", f"{question.key} is {words}", (question.key,))
    if question.type in FURTHER:
        code, words = FURTHER[question.type]
        severity = "reject" if code == "rows" else severity_of(question, code)
        yield ListedRule(f"{question.key}.{code}", "type", severity, "ingest", f"{question.key} {words}", (question.key,))
    for one in constraints_of(question, definition):
        text = f"each of {question.key}: {unparse(one.node)}" if one.each else unparse(one.node)
        severity = severity_of(question, one.code)
        yield ListedRule(f"{question.key}.{one.code}", "constraint", severity, "ingest", text, (question.key,))


def _of_form(checked: CheckedRule) -> ListedRule:
    rule = checked.rule
    text = _over_many(rule) if checked.root is None else unparse(checked.root)
    if checked.repeats:
        text = f"each row of {checked.repeats[-1]}: {text}"
    return ListedRule(f"rule.{rule.name}", rule.kind, rule.severity, rule.placement, text, checked.questions)


def _over_many(rule: FormRule) -> str:
    if rule.kind == "unique":
        return f"no two responses share {', '.join(rule.unique)}"
    if rule.kind == "complete":
        return f"{rule.complete} is answered in {rule.at_least:.0%} of the responses of the last {rule.last} batches"
    if rule.kind == "volume":
        return f"responses in a batch: {_range(rule)}"
    return f"{rule.distribution} stays within {rule.tolerance:g} of the last {rule.last} batches"


def _range(rule: FormRule) -> str:
    low, high = (rule.volume.min, rule.volume.max) if rule.volume else (None, None)
    parts = []
    if low is not None:
        parts.append(f"at least {low:,}")
    if high is not None:
        parts.append(f"at most {high:,}")
    if rule.factor is not None:
        parts.append(f"up to {rule.factor:g} times more or fewer than the median of the last {rule.last}")
    return ", ".join(parts)
