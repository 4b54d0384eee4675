"""
What a batch looks like as a whole: shares, means and choices counted, kept per batch and compared with the batches before.

A profile holds counts and moments, never an answer. Profiles of two batches can be joined into that of both.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import Question
from collect_pipelines.validation.values import OTHER_MARK, answered, choice, choices, typed

__all__ = ["Answers", "Profile", "joined", "profile_of"]

NUMBERS = frozenset({"integer", "decimal", "rating"})
OWN_WORDS = "(own words)"  # all answers to "other" together: their texts are answers, and there is no end of them
MAX_CHOICES = 1_000  # counted one by one; the rest together
THE_REST = "(others)"


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one question in a batch. `mean` and `squares` (sum of squared distances from it) are those of numbers."""

    asked: int = 0
    answered: int = 0
    numbers: int = 0
    mean: float = 0.0
    squares: float = 0.0
    choices: Mapping[str, int] = field(default_factory=dict)

    def joined(self, other: "Answers") -> "Answers":
        """The answers of both."""
        count = self.numbers + other.numbers
        apart = other.mean - self.mean
        return Answers(
            asked=self.asked + other.asked,
            answered=self.answered + other.answered,
            numbers=count,
            mean=self.mean + apart * other.numbers / count if count else 0.0,
            squares=self.squares + other.squares + (apart * apart * self.numbers * other.numbers / count if count else 0.0),
            choices={code: self.choices.get(code, 0) + other.choices.get(code, 0) for code in {**self.choices, **other.choices}},
        )

    def as_json(self) -> dict[str, Any]:
        """For the store; what is zero is left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: dict(value) if name == "choices" else value for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class Profile:
    """One batch, or several joined."""

    rows: int = 0
    """Entries that were let through; the answers are theirs."""
    volumes: tuple[int, ...] = ()
    """Entries judged, those held back included, of each single batch; the newest first."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """By column name, which a question keeps when it is renamed."""

    def of(self, column: str) -> Answers:
        """The answers to a question; none when it was not looked at."""
        return self.answers.get(column, NO_ANSWERS)

    def as_json(self) -> dict[str, Any]:
        """For the store, beside the number of rows."""
        return {"volumes": list(self.volumes), "answers": {key: one.as_json() for key, one in self.answers.items()}}

    @classmethod
    def from_json(cls, rows: int, document: Mapping[str, Any]) -> "Profile":
        """What the store kept."""
        answers = {key: Answers(**one) for key, one in document.get("answers", {}).items()}
        return cls(rows, tuple(document.get("volumes", ())), answers)


NO_ANSWERS = Answers()


def joined(profiles: Iterable[Profile]) -> Profile:
    """All of them as one, given the newest first."""
    rows = 0
    volumes: list[int] = []
    answers: dict[str, Answers] = {}
    for profile in profiles:
        rows += profile.rows
        volumes += profile.volumes
        for key, one in profile.answers.items():
            answers[key] = answers[key].joined(one) if key in answers else one
    return Profile(rows, tuple(volumes), answers)


def profile_of(frame: pl.DataFrame, judged: int, questions: Iterable[tuple[Question, pl.Expr | None]]) -> Profile:
    """
    The profile of the entries in `frame` (answers as text under column names); `judged` counts those held back, too.

    questions: what to look at, each with where it is asked (None: everywhere).
    """
    answers = {}
    for question, asked in questions:
        rows = frame if asked is None else frame.filter(asked)
        name = column_name(question)
        answers[name] = _answers(question, rows[name] if name in rows.columns else pl.Series(name, [None] * rows.height, pl.String))
    return Profile(frame.height, (judged,), answers)


def _answers(question: Question, texts: pl.Series) -> Answers:
    text = pl.col(texts.name)
    given = texts.to_frame().filter(answered(text, question.type))
    counted = Answers(asked=texts.len(), answered=given.height)
    if question.type in NUMBERS:
        return _numbers(counted, given.select(typed(text, question.type).cast(pl.Float64)).to_series().drop_nulls())
    if question.type in ("boolean", "select_one", "select_multiple"):
        value = {"select_one": choice(text), "select_multiple": choices(text)}.get(question.type, text)
        chosen = given.select(value).to_series()
        return _choices(counted, chosen.explode(empty_as_null=False) if chosen.dtype == pl.List else chosen)
    return counted


def _numbers(counted: Answers, values: pl.Series) -> Answers:
    if values.is_empty():
        return counted
    mean, spread = float(values.mean()), float(values.var(ddof=0) or 0.0)  # type: ignore[arg-type]  # of numbers
    squares = spread * values.len()
    if not (math.isfinite(mean) and math.isfinite(squares)):
        return counted  # too large to be compared; bounds are the rule for such answers
    return Answers(counted.asked, counted.answered, values.len(), mean, squares)


def _choices(counted: Answers, codes: pl.Series) -> Answers:
    named = pl.when(codes.str.starts_with(OTHER_MARK)).then(pl.lit(OWN_WORDS)).otherwise(codes)
    frame = pl.select(named.alias("code")).drop_nulls().group_by("code").len().sort("len", "code", descending=[True, False])
    pairs = dict(frame.head(MAX_CHOICES).iter_rows())
    rest = int(frame.tail(max(frame.height - MAX_CHOICES, 0))["len"].sum())
    return Answers(counted.asked, counted.answered, choices=pairs | ({THE_REST: rest} if rest else {}))
