"""The rules of a form version over a frame: the verdicts of `forms.answers.check_answers`, row by row, in polars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition, Question, label_in
from collect_pipelines.forms.messages import say
from collect_pipelines.model import Finding
from collect_pipelines.validation.question_rules import Broken, rules_of
from collect_pipelines.validation.values import choice, choices, typed

__all__ = ["Rule", "RuleSet", "compile_rules"]

PART_QUESTIONS = 40  # evaluated together; the cost of one polars query grows with the square of its width


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one question."""

    name: str
    """Question key and code: `age.max`."""
    question: str
    label: str
    code: str
    severity: Literal["reject", "flag"]
    """`reject` keeps a response back; `flag` is only counted."""
    message: str
    """One sentence, in the form's first language."""
    broken: pl.Expr = field(repr=False)
    data: Mapping[str, Any] = field(default_factory=dict)

    def finding(self) -> Finding:
        """What is said about a response that breaks the rule."""
        return Finding(self.code, self.message, self.severity, self.question, self.label, self.data)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the questions: their columns, what makes typed values of them, and their rules."""

    columns: tuple[str, ...]
    values: tuple[pl.Expr, ...]
    rules: tuple[Rule, ...]

    def broken(self, frame: pl.DataFrame) -> Iterator[tuple[str, list[int]]]:
        texts = [pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in self.columns]
        prepared = frame.select("_position", *texts).with_columns(self.values)
        # a rule that has no answer for a row (null) is not broken by it
        masks = prepared.select(rule.broken.fill_null(False).alias(rule.name) for rule in self.rules)
        for name in masks.columns:
            yield name, masks[name].arg_true().to_list()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule of a form version."""

    rules: tuple[Rule, ...]
    parts: tuple[_Part, ...] = field(repr=False)

    def violations(self, frame: pl.DataFrame) -> dict[str, list[int]]:
        """Numbers of the rows that break each rule, by rule name. `frame` holds `_position` and the answers as text."""
        return dict(broken for part in self.parts for broken in part.broken(frame))


def compile_rules(definition: FormDefinition) -> RuleSet:
    """The rules of every answerable question of the version."""
    questions = definition.answerable
    parts = tuple(_part(definition, questions[first : first + PART_QUESTIONS]) for first in range(0, len(questions), PART_QUESTIONS))
    return RuleSet(tuple(rule for part in parts for rule in part.rules), parts)


def _part(definition: FormDefinition, questions: Sequence[Question]) -> _Part:
    return _Part(
        columns=tuple(column_name(question) for question in questions),
        values=tuple(_value(question) for question in questions),
        rules=tuple(rule for question in questions for rule in _rules(definition, question)),
    )


def _rules(definition: FormDefinition, question: Question) -> Iterator[Rule]:
    language = definition.languages[0] if definition.languages else None
    label = label_in(question.label, language, question.key)
    name = column_name(question)
    for broken in rules_of(question, pl.col(name), pl.col(f"{name}~")):
        yield Rule(
            name=f"{question.key}.{broken.code}",
            question=question.key,
            label=label,
            code=broken.code,
            severity="reject" if broken.code == "type" else question.on_violation,
            message=_message(broken, language, label),
            broken=broken.where,
            data=broken.data,
        )


def _message(broken: Broken, language: str | None, label: str) -> str:
    if broken.code == "rows":
        return f"An entry of “{label}” breaks a rule of its questions."
    name = f"{broken.code}.{broken.variant}" if broken.variant else broken.code
    return say(name, language, {"label": label, **broken.data})


def _value(question: Question) -> pl.Expr:
    """The typed values of a question beside its texts, under the column's name and a tilde."""
    name = column_name(question)
    text = pl.col(name)
    reading = {"select_one": choice, "select_multiple": choices}.get(question.type)
    return (reading(text) if reading else typed(text, question.type)).alias(f"{name}~")
