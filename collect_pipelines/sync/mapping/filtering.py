"""The filter of an integration: the rule language over answers and over what is known of each entry; only true passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from collect_pipelines.errors import RuleInvalid, RuleProblem
from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.rules.evaluate import compiled
from collect_pipelines.rules.language import check
from collect_pipelines.rules.nodes import Node, ValueType, keys
from collect_pipelines.rules.vectorized import expression
from collect_pipelines.sync.mapping.model import RESPONDENT
from collect_pipelines.validation.values import rule_value

__all__ = ["META_FIELDS", "Filter", "read_filter", "why_not"]

META_FIELDS: Mapping[str, ValueType] = {"_source": "text", RESPONDENT: "text", "_version": "integer"}
"""What a filter may name besides questions."""

NOW = "_received_at"  # what now() and today() are about: the same however often the entry is looked at


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that fits its form."""

    text: str
    root: Node
    columns: Mapping[str, Column]
    """The questions it names, by the keys it names them by."""

    def values(self, entries: pl.DataFrame) -> pl.DataFrame:
        """What the filter looks at: a column per name, and `_received_at`. `entries` is a `text_frame` with the filter's columns."""
        answers = [rule_value(pl.col(column.name), column.type).alias(key) for key, column in self.columns.items()]
        named = [name for name in META_FIELDS if name in keys(self.root)]
        meta = [pl.col(name) if name == "_version" else rule_value(pl.col(name), "text").alias(name) for name in named]
        return entries.select(NOW, *meta, *answers)

    def passes(self, entries: pl.DataFrame) -> pl.Series:
        """One Boolean per entry; false also where it can't be decided."""
        verdict = expression(self.root, pl.col, pl.col(NOW))
        return self.values(entries).select(verdict.fill_null(False).alias("passes")).to_series()


def read_filter(text: str, columns: Sequence[Column], zone: str) -> Filter:
    """
    The filter, checked against the questions of all versions by every key they had.

    zone: whose day `today()` is. Raises RuleInvalid with what is wrong, where, and what to write instead.
    """
    by_key = {key: column for column in columns for key in (*column.keys, column.question.key)}
    types = {key: VALUE_TYPES[column.type] for key, column in by_key.items()}
    root = check(text, {**types, **META_FIELDS}, zone).root
    named = keys(root)
    if not named:
        raise RuleInvalid(problems=[RuleProblem(1, 1, "the filter names no question", 'name one, e.g. `state == "mh"`')])
    return Filter(text, root, {key: by_key[key] for key in named if key not in META_FIELDS})


def why_not(chosen: Filter, values: Mapping[str, Any]) -> str:
    """Why a response does not pass, for a person. values: one row of `Filter.values`."""
    now, row = values[NOW], {name: _plain(value) for name, value in values.items()}
    verdict = compiled(chosen.root)(row, now)
    if verdict == "missing":
        missing = ", ".join(f"`{key}`" for key in keys(chosen.root) if row.get(key) is None)
        return f"the filter can't be decided: there is no answer to {missing}"
    return "the filter can't be computed for these answers" if verdict == "error" else "the filter is not true"


def _plain(value: Any) -> Any:
    """A value of a frame as the rules know it: a day is its midnight."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
