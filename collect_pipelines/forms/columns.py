"""Columns of a form: physical names that never change, and one layout over all versions."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from collect_pipelines.forms.definition import Choice, FormDefinition, Question, label_in

__all__ = ["META_COLUMNS", "Column", "Mask", "column_name", "first_key", "layout", "masked", "masked_name", "physical_name"]

META_COLUMNS = ("position", "response_id", "revision", "operation", "version", "submitted_at", "received_at", "source", "respondent")
"""First columns of every frame of log entries, each with a leading underscore (`_position`), in this order."""

MAX_NAME = 60  # Postgres cuts identifiers at 63 bytes; three are left for a suffix of the warehouse's own
Mask = Literal["drop", "hash", "last4", "year"]
"""What goes out instead of an answer: nothing, a digest under a secret key, its last four characters, or the year of a date."""

MASK_WORDS = {"hash": "hash", "last4": "last 4", "year": "year"}
TAG_CHARACTERS = 6  # 30 bits: two of a thousand keys share a tag once in two thousand forms, and then still differ by their slug


@dataclass(frozen=True, slots=True)
class Column:
    """One question as a destination sees it."""

    key: str
    """The key the question had first: stable for ever, also when the question is renamed. `question.key` is its key today."""
    name: str
    """Physical column name, ASCII, fixed at the question's creation: the column's name in a batch frame."""
    type: str
    """Question type, e.g. `select_one`."""
    label: str
    """Heading in the integration's language."""
    question: Question
    """The newest definition of the question, its choices being those of all versions."""
    keys: tuple[str, ...] = ()
    """Every key its answers stand under, the first one first; more than one after a renaming (`was`)."""


def physical_name(key: str) -> str:
    """
    The column name of a question with this first key: ASCII, at most 60 characters, a function of that key alone.

    >>> physical_name("age")
    'q_age_ae7viq'
    """
    ascii_key = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_key).strip("_")[: MAX_NAME - len("q__") - TAG_CHARACTERS]
    tag = base64.b32encode(hashlib.sha256(key.encode()).digest()).decode().lower()[:TAG_CHARACTERS]
    return f"q_{slug}_{tag}" if slug else f"q_{tag}"


def masked_name(key: str, mask: Mask) -> str:
    """
    The name of a column that holds what the mask leaves: another one than that of the answers, so that the two never mix.

    >>> masked_name("phone", "last4")
    'q_phone_ivlj3j_last4'
    """
    slug, _, tag = physical_name(key).rpartition("_")
    return f"{slug[: MAX_NAME - TAG_CHARACTERS - len(mask) - 2].rstrip('_')}_{tag}_{mask}"


def masked(column: Column, mask: Mask) -> Column:
    """The column as a destination sees it under a mask other than `drop`: text, or an integer for `year`."""
    kind: Literal["text", "integer"] = "integer" if mask == "year" else "text"
    return replace(
        column,
        key=f"{column.key}:{mask}",
        name=masked_name(column.key, mask),
        type=kind,
        label=f"{column.label} ({MASK_WORDS[mask]})",
        question=column.question.model_copy(update={"type": kind, "choices": (), "questions": (), "pii": "none"}),
    )


def first_key(question: Question) -> str:
    """The key under which the question was asked first: the oldest of `was`, else its key."""
    return question.was[0] if question.was else question.key


def column_name(question: Question) -> str:
    """The column name of a question, the same before and after it is renamed."""
    return physical_name(first_key(question))


def layout(versions: Sequence[FormDefinition], language: str | None = None) -> tuple[Column, ...]:
    """
    One column per question of all versions (oldest version first), in the order in which questions first appeared.

    A question added later comes after all earlier ones, whatever its place in the form, so that columns never move; a renamed one
    (`was`) keeps its column. Repeats are one column. Headings are in `language`, else as `label_in` falls back, else the key.
    """
    newest: dict[str, Question] = {}
    choices: dict[str, dict[str, Choice]] = {}
    keys: dict[str, dict[str, None]] = {}
    for version in versions:
        for question in version.answerable:
            first = first_key(question)
            newest[first] = question
            choices.setdefault(first, {}).update({choice.code: choice for choice in question.choices})
            keys.setdefault(first, {})[question.key] = None
    return tuple(
        _column(first, question, tuple(choices[first].values()), tuple(keys[first]), language) for first, question in newest.items()
    )


def _column(first: str, question: Question, choices: tuple[Choice, ...], keys: tuple[str, ...], language: str | None) -> Column:
    merged = question if choices == question.choices else question.model_copy(update={"choices": choices})
    return Column(
        key=first,
        name=physical_name(first),
        type=question.type,
        label=label_in(question.label, language, fallback=question.key),
        question=merged,
        keys=keys,
    )
