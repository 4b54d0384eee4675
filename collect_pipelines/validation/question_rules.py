"""
What breaks each rule of one question, as polars expressions over its texts and its values.

Constraints are those of `forms.constraints`, translated from their trees; whether an answer has its type and format is told here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.constraints import Constraint, constraints_of
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.faults import TEXT_TYPES
from collect_pipelines.forms.value_rules import rule_of
from collect_pipelines.rules.vectorized import verdicts
from collect_pipelines.validation.rows import NOW, are_rows, rows_break, value_name
from collect_pipelines.validation.values import BLANK, EMPTY_LIST, NESTED, OTHER_MARK, choice, choices, rule_value, typed

__all__ = ["Broken", "given_name", "given_value", "rules_of"]

PRESENCE = frozenset({"required", "irrelevant"})
"""Told of whether there is an answer, of whatever type."""

RELATIONS = PRESENCE | {"choice.filtered"}
"""Told of answers as rules see them, where blank text is missing; other constraints judge an answer as it was given."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where one rule is broken. `variant` chooses the sentence, as in `forms.value_rules.Violation`; `node` is None for types."""

    code: str
    where: pl.Expr
    variant: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    constraint: Constraint | None = None


def given_name(question: Question) -> str:
    """Name of the column with the answers as they were given, typed; null when unanswered or not of the type."""
    return f"{column_name(question)}~"


def given_value(question: Question) -> pl.Expr:
    """What stands in the column `given_name`."""
    text = pl.col(column_name(question))
    reading = {"select_one": choice, "select_multiple": choices}.get(question.type)
    if reading is not None:
        return reading(text)
    if question.type in TEXT_TYPES:
        return pl.when(text != "").then(text)  # blank text is judged, empty text is no answer
    return rule_value(text, question.type) if question.type in ("time", "repeat") else typed(text, question.type)


def rules_of(question: Question, form: FormDefinition) -> Iterator[Broken]:
    """Every rule of an answerable question of the form. A row for which an expression is null does not break the rule."""
    text, given = pl.col(column_name(question)), pl.col(given_name(question))
    shapes = {broken.code: broken for broken in _shapes(question, form, text, given)}
    constraints = [_constraint(one, question, form) for one in constraints_of(question, form)]
    told = {broken.code for broken in constraints}
    if "required" in told:
        yield constraints.pop(0)
    yield from shapes.values()
    for broken in constraints:
        yield _where_it_counts(broken, question, given, shapes)


def _anything(question: Question) -> pl.Expr:
    """The text of an answer, whatever it is; null for blank text and an empty list."""
    text = pl.col(column_name(question))
    given = ~text.str.contains(BLANK)
    return pl.when(given & ~text.str.contains(EMPTY_LIST) if question.type in NESTED else given).then(text)


def _where_it_counts(broken: Broken, question: Question, given: pl.Expr, shapes: Mapping[str, Broken]) -> Broken:
    """The constraint, silent where another fault of the answer explains it."""
    where = broken.where
    if broken.code == "pattern" and "format" in shapes:
        where = where & ~shapes["format"].where
    elif question.type == "select_multiple" and broken.code not in RELATIONS:
        where = where & ~shapes["type"].where
        if broken.code == "max":
            where = where & ~_repeated(given)
    return Broken(broken.code, where, broken.variant, broken.data, broken.constraint)


def _constraint(constraint: Constraint, question: Question, form: FormDefinition) -> Broken:
    def column(key: str) -> pl.Expr:
        if key == question.key and constraint.code in PRESENCE:
            return _anything(question)
        if key != question.key or constraint.code in RELATIONS:
            return pl.col(value_name(form.by_key[key]))
        value = pl.col(given_name(question))
        if question.type == "select_one":
            return pl.when(~value.str.starts_with(OTHER_MARK)).then(value)
        return pl.when(value.list.len() > 0).then(value) if question.type == "select_multiple" else value

    if constraint.each:
        codes = pl.col(given_name(question)).list.eval(pl.element().filter(~pl.element().str.starts_with(OTHER_MARK)))
        one, _ = verdicts(constraint.node, lambda key: pl.element(), pl.lit(None))
        where = codes.list.eval(one).list.any()
    else:
        where, _ = verdicts(constraint.node, column, pl.col(NOW))
    return Broken(constraint.code, where, constraint.variant, constraint.data, constraint)


def _shapes(question: Question, form: FormDefinition, text: pl.Expr, given: pl.Expr) -> Iterator[Broken]:
    kind = question.type
    if kind in ("email", "url", "phone"):
        bare = question.model_copy(update={"min_length": None, "max_length": None, "pattern": None})
        # the very functions of ingest: `\s` and friends mean something else in Rust
        yield Broken("format", (text != "") & _breaks(text, _codes_of(bare, parsed=False)), kind)
    elif kind in ("integer", "rating", "decimal", "date", "time", "datetime", "boolean"):
        yield Broken("type", text.is_not_null() & given.is_null(), "integer" if kind == "rating" else kind)
    elif kind == "select_one":
        yield Broken("type", _bad_own_words(question, given), "choice")
    elif kind == "select_multiple":
        wrong = (text.is_not_null() & given.is_null()) | given.list.eval(_bad_own_words(question, pl.element())).list.any()
        yield Broken("type", wrong.fill_null(False), "choices")
        yield Broken("choice.repeated", ~wrong.fill_null(False) & (given.list.len() > 0) & _repeated(given))
    elif kind in ("geopoint", "file"):
        yield Broken("type", _breaks(text, _codes_of(question)), kind)
    elif kind == "repeat":
        yield Broken("type", text.is_not_null() & ~text.map_batches(are_rows, return_dtype=pl.Boolean), "rows")
        yield Broken("rows", rows_break(question, form))


def _repeated(given: pl.Expr) -> pl.Expr:
    """One code twice, or more than one answer in own words."""
    codes = given.list.eval(pl.element().filter(~pl.element().str.starts_with(OTHER_MARK)))
    return (codes.list.n_unique() < codes.list.len()) | (codes.list.len() < given.list.len().cast(pl.Int64) - 1)


def _bad_own_words(question: Question, item: pl.Expr) -> pl.Expr:
    """An answer in own words where none is asked for, or an empty one."""
    own = item.str.starts_with(OTHER_MARK)
    return own & item.str.slice(1).str.contains(BLANK) if question.other else own


def _codes_of(question: Question, *, parsed: bool = True) -> Callable[[str], list[str]]:
    rule = rule_of(question)

    def codes(answer: str) -> list[str]:
        try:
            value = json.loads(answer) if parsed else answer
        except (ValueError, RecursionError):
            value = answer
        return [violation.code for violation in rule(value)]

    return codes


def _breaks(text: pl.Expr, codes: Callable[[str], list[str]]) -> pl.Expr:
    """Whether a text breaks any rule; equal texts are judged once."""

    def judged(texts: pl.Series) -> pl.Series:
        known = {one: None if one is None else bool(codes(one)) for one in texts.unique().to_list()}
        return pl.Series(texts.name, [known[one] for one in texts.to_list()], dtype=pl.Boolean)

    return text.map_batches(judged, return_dtype=pl.Boolean)
