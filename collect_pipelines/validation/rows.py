"""The rows of a repeat inside a frame: JSON in one column, judged row by row by the very functions of ingest."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from collect_pipelines.forms.answers import check_rows
from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.expressions import CheckedRule
from collect_pipelines.forms.rule_rows import RuleRows
from collect_pipelines.rules.evaluate import compiled
from collect_pipelines.rules.nodes import keys
from collect_pipelines.validation.values import INTEGER, NUMBER

__all__ = ["BROKEN", "ERRED", "NOW", "are_rows", "rows_break", "rows_verdict", "value_name"]

NOW = "_received_at"
"""The column that rules call now()."""

BROKEN, ERRED = 1, 2
"""What `rows_verdict` says of a response."""

_INTEGER = re.compile(INTEGER.replace(r"\z", r"\Z"))
_NUMBER = re.compile(NUMBER.replace(r"\z", r"\Z"))


def value_name(question: Question) -> str:
    """Name of the column with the values of a question as rules see them."""
    return f"{column_name(question)}="


def are_rows(texts: pl.Series) -> pl.Series:
    """Which texts are JSON lists."""
    return pl.Series(texts.name, [isinstance(_read(text), list) for text in texts.to_list()], dtype=pl.Boolean)


def rows_break(question: Question, form: FormDefinition) -> pl.Expr:
    """Where a row of a repeat breaks a rule of the questions inside it, with what the form says about when they are asked."""
    beside = [form.by_key[key] for key in _looked_at(question, form) if key in form.by_key and key != question.key]
    text = column_name(question)
    texts = {one.key: (column_name(one), one.type) for one in beside}

    def breaks(row: Mapping[str, Any]) -> bool:
        rows = _read(row[text])
        if not isinstance(rows, list):
            return False
        answers = {key: _answer(row[name], kind) for key, (name, kind) in texts.items()}
        return any(finding.severity == "reject" for finding in check_rows(form, question.key, rows, answers, row[NOW]))

    def batch(rows: pl.Series) -> pl.Series:
        return pl.Series([breaks(row) for row in rows.to_list()], dtype=pl.Boolean)

    columns = [text, *dict.fromkeys(name for name, _ in texts.values()), NOW]
    return pl.struct(columns).map_batches(batch, return_dtype=pl.Boolean)


def rows_verdict(checked: CheckedRule, form: FormDefinition) -> pl.Expr:
    """How the rows of a repeat keep a rule of the form: 1 where one breaks it, 2 where one can't be judged and none breaks it, else 0."""
    outermost = form.by_key[checked.repeats[0]]
    outer = {key: value_name(form.by_key[key]) for key in checked.keys if key in form.by_key}
    text = column_name(outermost)
    rows = RuleRows(form, checked.repeats, checked.keys)
    assert checked.root is not None
    judge = compiled(checked.root, checked.rule.on_missing)

    def verdict(row: Mapping[str, Any]) -> int:
        around = {key: _plain(row[name]) for key, name in outer.items()}
        found = {judge(values, row[NOW]) for values, _ in rows.of_repeat(_read(row[text]), around)}
        return BROKEN if "broken" in found else ERRED if "error" in found else 0

    def batch(rows: pl.Series) -> pl.Series:
        return pl.Series([verdict(row) for row in rows.to_list()], dtype=pl.Int8)

    return pl.struct(text, *outer.values(), NOW).map_batches(batch, return_dtype=pl.Int8)


def _looked_at(question: Question, form: FormDefinition) -> Iterator[str]:
    """Keys that decide whether, and with which choices, anything in the repeat is asked."""
    for one in (question, *_inside(question)):
        if one.key in form.checked.relevance:
            yield from keys(form.checked.relevance[one.key])
        yield from one.choices_by.values()


def _inside(question: Question) -> Iterator[Question]:
    for inner in question.questions:
        yield inner
        yield from _inside(inner)


def _plain(value: Any) -> Any:
    """A typed value of a frame as `value_of` gives it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def _answer(text: str | None, kind: str) -> Any:
    """The JSON answer a text of the log stands for; one of another type stays a text."""
    if text is None or kind in ("text", "email", "url", "phone", "date", "time", "datetime", "hidden"):
        return text
    if kind in ("integer", "rating"):
        return int(text) if _INTEGER.match(text) else text
    if kind == "decimal":
        return float(text) if _NUMBER.match(text) else text
    value = _read(text)
    if kind == "boolean":
        return value if isinstance(value, bool) else text
    return text if value is None or not isinstance(value, list | dict) else value


def _read(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None
