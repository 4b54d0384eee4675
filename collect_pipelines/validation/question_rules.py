"""What breaks each rule of one question, as polars expressions over its texts and its typed values."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.faults import COUNTED_TYPES, DEFAULT_STARS, MAX_ROWS, NUMBER_TYPES, TEXT_TYPES, TIME_TYPES, comparable
from collect_pipelines.forms.value_rules import rule_of
from collect_pipelines.rules.patterns import anchored
from collect_pipelines.validation.values import OTHER_MARK

__all__ = ["Broken", "rules_of"]

# What Python calls white space; Rust leaves out U+001C to U+001F.
BLANK = r"\A[\t-\r\x1c-\x20\x85\u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}]*\z"
NESTED = COUNTED_TYPES | {"geopoint", "file"}  # stored as a list or an object
TIME = r"\A(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?\z"


@dataclass(frozen=True, slots=True)
class Broken:
    """Where one rule is broken. `variant` chooses the sentence, as in `forms.value_rules.Violation`."""

    code: str
    where: pl.Expr
    variant: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def rules_of(question: Question, text: pl.Expr, value: pl.Expr) -> Iterator[Broken]:
    """
    Every rule of an answerable question. A row for which an expression is null does not break the rule.

    text: the answer as text, null when unanswered. value: the same typed, null when it is not of the type.
    """
    if question.required and question.retired is None:
        yield Broken("required", _unanswered(question, text))
    kind = question.type
    if kind in TEXT_TYPES:
        yield from _text_rules(question, text)
    elif kind in NUMBER_TYPES:
        yield Broken("type", _not_of_type(text, value), "decimal" if kind == "decimal" else "integer")
        yield from _bounds(question, value)
    elif kind in TIME_TYPES:
        yield from _time_rules(question, text, value)
    elif kind == "boolean":
        yield Broken("type", _not_of_type(text, value), kind)
    elif kind == "select_one":
        yield from _select_one_rules(question, value)
    elif kind == "select_multiple":
        yield from _select_multiple_rules(question, text, value)
    elif kind in ("geopoint", "file"):
        yield Broken("type", _breaks(text, _codes_of(question)), kind)
    elif kind == "repeat":
        yield from _rows_rules(question, text)


def _unanswered(question: Question, text: pl.Expr) -> pl.Expr:
    blank = text.is_null() | text.str.contains(BLANK)
    return blank | text.str.contains(r"\A\[\s*\]\z") if question.type in NESTED else blank


def _not_of_type(text: pl.Expr, value: pl.Expr) -> pl.Expr:
    return text.is_not_null() & value.is_null()


def _text_rules(question: Question, text: pl.Expr) -> Iterator[Broken]:
    given = text != ""
    length = text.str.len_chars()
    if question.min_length is not None:
        yield Broken("min_length", given & (length < question.min_length), data={"min_length": question.min_length})
    if question.max_length is not None:
        yield Broken("max_length", given & (length > question.max_length), data={"max_length": question.max_length})
    fine: pl.Expr = given
    if question.type != "text":
        bare = question.model_copy(update={"min_length": None, "max_length": None, "pattern": None})
        # the very functions of ingest: `\s` and friends mean something else in Rust
        wrong = _breaks(text, _codes_of(bare, parsed=False))
        yield Broken("format", given & wrong, question.type)
        fine = given & ~wrong
    if question.pattern is not None:
        yield Broken("pattern", fine & ~text.str.contains(anchored(question.pattern)))


def _bounds(question: Question, value: pl.Expr) -> Iterator[Broken]:
    low, high = question.min, question.max
    if question.type == "rating":
        low, high = (1 if low is None else low), (DEFAULT_STARS if high is None else high)
    if low is not None:
        yield Broken("min", value < low, data={"min": low})
    if high is not None:
        yield Broken("max", value > high, data={"max": high})


def _time_rules(question: Question, text: pl.Expr, value: pl.Expr) -> Iterator[Broken]:
    kind = question.type
    if kind == "time":
        right = text.str.contains(TIME)
        yield Broken("type", ~right, kind)
        value = pl.when(right).then(text.str.to_time("%H:%M:%S", strict=False).fill_null(text.str.to_time("%H:%M", strict=False)))
    else:
        yield Broken("type", _not_of_type(text, value), kind)
    if question.min is not None:
        yield Broken("min", value < pl.lit(comparable(kind, question.min)), data={"min": question.min})
    if question.max is not None:
        yield Broken("max", value > pl.lit(comparable(kind, question.max)), data={"max": question.max})


def _select_one_rules(question: Question, value: pl.Expr) -> Iterator[Broken]:
    own = value.str.starts_with(OTHER_MARK)
    yield Broken("type", _bad_own_words(question, value), "choice")
    yield Broken("choice.unknown", ~own & ~value.is_in(_known(question)))


def _select_multiple_rules(question: Question, text: pl.Expr, value: pl.Expr) -> Iterator[Broken]:
    item = pl.element()
    own = item.str.starts_with(OTHER_MARK)
    wrong = _not_of_type(text, value) | value.list.eval(_bad_own_words(question, item)).list.any()
    right = ~wrong & (value.list.len() > 0)
    codes = value.list.eval(item.filter(~own))
    repeated = (codes.list.n_unique() < codes.list.len()) | (codes.list.len() < value.list.len().cast(pl.Int64) - 1)
    least: Any = question.min or 0
    most: Any = len(question.choices) + 1 if question.max is None else question.max
    yield Broken("type", wrong, "choices")
    yield Broken("choice.repeated", right & repeated)
    yield Broken("choice.unknown", right & codes.list.eval(~item.is_in(_known(question))).list.any())
    if least:
        yield Broken("min", right & (value.list.len() < least), "count", {"min": least})
    yield Broken("max", right & ~repeated & (value.list.len() > most), "count", {"max": most})


def _bad_own_words(question: Question, item: pl.Expr) -> pl.Expr:
    """An answer in own words where none is asked for, or an empty one."""
    own = item.str.starts_with(OTHER_MARK)
    return own & item.str.slice(1).str.contains(BLANK) if question.other else own


def _known(question: Question) -> list[str]:
    return [choice.code for choice in question.choices]


def _rows_rules(question: Question, text: pl.Expr) -> Iterator[Broken]:
    # Constructed, not validated: the question was valid in its own form, whose languages this one does not know.
    form = FormDefinition.model_construct(form="rows", title={"en": "rows"}, questions=(question.model_copy(update={"required": False}),))

    def codes(answer: str) -> list[str]:
        try:
            rows = json.loads(answer)
        except (ValueError, RecursionError):
            rows = None
        if rows is None:  # a JSON null has no text, so the text `null` is no list
            return ["type"]
        found = check_answers(form, {question.key: rows})
        return [finding.code if finding.question == question.key else "rows" for finding in found if finding.severity == "reject"]

    found = _where(text, codes)
    yield Broken("type", found.list.contains("type"), "rows")
    yield Broken("rows", found.list.contains("rows"))
    if question.min:
        yield Broken("min", found.list.contains("min"), "count", {"min": question.min})
    yield Broken("max", found.list.contains("max"), "count", {"max": MAX_ROWS if question.max is None else question.max})


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


def _where(text: pl.Expr, codes: Callable[[str], list[str]]) -> pl.Expr:
    """The codes of the rules each text breaks, as a list; equal texts are judged once."""

    def judged(texts: pl.Series) -> pl.Series:
        known = {one: None if one is None else codes(one) for one in texts.unique().to_list()}
        return pl.Series(texts.name, [known[one] for one in texts.to_list()], dtype=pl.List(pl.String))

    return text.map_batches(judged, return_dtype=pl.List(pl.String))
