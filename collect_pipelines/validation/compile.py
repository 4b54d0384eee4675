"""The rules of a form version over a frame: the verdicts of ingest, row by row, in polars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.constraints import severity_of
from collect_pipelines.forms.definition import FormDefinition, Question, label_in, said_by_author
from collect_pipelines.forms.messages import say
from collect_pipelines.forms.rule_findings import rule_finding
from collect_pipelines.model import Finding, Severity
from collect_pipelines.rules.nodes import Node
from collect_pipelines.validation.form_rules import Judged, judged_rules
from collect_pipelines.validation.question_rules import Broken, given_name, given_value, rules_of
from collect_pipelines.validation.rows import NOW, value_name
from collect_pipelines.validation.values import rule_value

__all__ = ["Rule", "RuleSet", "compile_rules"]

PART = 40  # expressions evaluated together; the cost of one polars query grows with the square of its width
MOMENT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one question, or of the form."""

    name: str
    """Question key and code, `age.max`; for a rule of the form `rule.<name>`, and `rule.<name>.error` for where it can't be judged."""
    question: str
    label: str
    code: str
    severity: Severity
    """`reject` keeps a response back; the others are only counted."""
    message: str
    """One sentence, in the form's first language."""
    broken: pl.Expr = field(repr=False)
    data: Mapping[str, Any] = field(default_factory=dict)
    node: Node | None = field(default=None, repr=False)
    """What must be true; None for types and formats, which the rule language does not tell."""
    placement: str = "ingest"

    def finding(self) -> Finding:
        """What is said about a response that breaks the rule."""
        return Finding(self.code, self.message, self.severity, self.question, self.label, self.data)

    def finding_at(self, row: int) -> Finding:
        """The same for every row."""
        return self.finding()


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the rules, with the columns they look at."""

    rules: tuple[Rule, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Every rule of a form version that is judged row by row."""

    rules: tuple[Rule, ...]
    texts: tuple[str, ...] = field(repr=False)
    values: tuple[tuple[pl.Expr, ...], ...] = field(repr=False)
    """What is made of the texts, in parts."""
    parts: tuple[_Part, ...] = field(repr=False)

    def violations(self, frame: pl.DataFrame) -> dict[str, list[int]]:
        """Numbers of the rows that break each rule, by rule name. `frame` holds `_position` and the answers as text."""
        prepared = self._prepared(frame)
        found: dict[str, list[int]] = {}
        for part in self.parts:
            # a rule that has no answer for a row (null) is not broken by it
            rows = (rule.broken.fill_null(False).arg_true().implode().alias(rule.name) for rule in part.rules)
            found |= prepared.select(part.columns).select(rows).row(0, named=True)
        return found

    def _prepared(self, frame: pl.DataFrame) -> pl.DataFrame:
        texts = [pl.col(name) if name in frame.columns else pl.lit(None, pl.String).alias(name) for name in self.texts]
        now = pl.col(NOW) if NOW in frame.columns else pl.lit(datetime.now(UTC), MOMENT).alias(NOW)
        base = frame.select("_position", now, *texts)
        return pl.concat([base, *(base.select(part) for part in self.values)], how="horizontal") if self.values else base


def compile_rules(definition: FormDefinition) -> RuleSet:
    """The rules of every answerable question of the version, and those of the form that are told of single responses."""
    rules = tuple(_all_rules(definition))
    parts = tuple(_part(part) for part in _parted(rules))
    wanted = {name for part in parts for name in part.columns}
    values = [expression for expression in _values(definition.answerable) if expression.meta.output_name() in wanted]
    return RuleSet(rules, tuple(map(column_name, definition.answerable)), tuple(map(tuple, _parted(values))), parts)


def _parted(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[first : first + PART] for first in range(0, len(items), PART))


def _part(rules: Sequence[Rule]) -> _Part:
    return _Part(tuple(rules), tuple(dict.fromkeys(name for rule in rules for name in rule.broken.meta.root_names())))


def _values(questions: Sequence[Question]) -> Iterator[pl.Expr]:
    for question in questions:
        yield given_value(question).alias(given_name(question))
        yield rule_value(pl.col(column_name(question)), question.type).alias(value_name(question))


def _all_rules(definition: FormDefinition) -> Iterator[Rule]:
    for question in definition.answerable:
        yield from _of_question(definition, question)
    for judged in judged_rules(definition):
        yield from _of_form(definition, judged)


def _of_question(definition: FormDefinition, question: Question) -> Iterator[Rule]:
    language = definition.languages[0]
    label = label_in(question.label, language, question.key)
    for broken in rules_of(question, definition):
        yield Rule(
            name=f"{question.key}.{broken.code}",
            question=question.key,
            label=label,
            code=broken.code,
            # what `rows_break` finds was rejected by a question inside, whatever the repeat itself says of its own rules
            severity="reject" if broken.code == "rows" else severity_of(question, broken.code),
            message=said_by_author(question, broken.code, language) or _message(broken, language, label),
            broken=broken.where,
            data=broken.data,
            node=broken.constraint.node if broken.constraint else None,
        )


def _message(broken: Broken, language: str | None, label: str) -> str:
    if broken.code == "rows":
        return f"An entry of “{label}” breaks a rule of its questions."
    name = f"{broken.code}.{broken.variant}" if broken.variant else broken.code
    return say(name, language, {"label": label, **broken.data})


def _of_form(definition: FormDefinition, judged: Judged) -> Iterator[Rule]:
    yield _form_rule(definition, judged, judged.broken, erred=False)
    if judged.erred is not None:
        yield _form_rule(definition, judged, judged.erred, erred=True)


def _form_rule(definition: FormDefinition, judged: Judged, where: pl.Expr, *, erred: bool) -> Rule:
    checked = judged.checked
    finding = rule_finding(definition, checked.rule, checked.questions, definition.languages[0], verdict="error" if erred else "broken")
    return Rule(
        name=f"rule.{checked.rule.name}{'.error' if erred else ''}",
        question=finding.question or "",
        label=finding.label or "",
        code=finding.code,
        severity=finding.severity,
        message=finding.message,
        broken=where,
        data=finding.data,
        node=checked.root,
        placement=checked.rule.placement,
    )
