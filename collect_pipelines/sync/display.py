"""Answers as people read them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import Question, answerable_of, label_in
from collect_pipelines.forms.words import yes_no
from collect_pipelines.rules.moments import read_datetime
from collect_pipelines.validation.values import OTHER_MARK, OTHER_PREFIX, choice, choices, moment, typed

__all__ = ["CHOICE_SEPARATOR", "Speech", "code_list", "readable"]

CHOICE_SEPARATOR = "; "  # a comma occurs in labels, a semicolon hardly ever
MOMENT_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%:z"  # like an answer, with the offset of the zone it is shown in


@dataclass(frozen=True, slots=True)
class Speech:
    """How answers are told to people."""

    language: str | None = None
    labels: bool = True
    """Choices by their labels; else by their codes."""
    zone: str | None = None
    """Moments are shown as clocks of this zone show them; None: as they were answered."""


def readable(column: Column, speech: Speech, text: pl.Expr, *, typed_lists: bool = False) -> pl.Expr:
    """
    The display form of a text column of the log. Numbers are numbers, everything else is text.

    typed_lists: choices of a select_multiple stay a list.
    """
    kind = column.type
    if kind in ("integer", "rating", "decimal"):
        return typed(text, kind)
    if kind == "boolean" and speech.labels:
        yes, no = yes_no(speech.language)
        return text.replace({"true": yes, "false": no})
    if kind == "select_one":
        return choice(text).replace(_labels(column.question, speech)).str.replace(OTHER_MARK, "", literal=True)
    if kind == "select_multiple":
        labels = pl.element().replace(_labels(column.question, speech)).str.replace(OTHER_MARK, "", literal=True)
        shown = choices(text).list.eval(labels)
        return shown if typed_lists else pl.coalesce(shown.list.join(CHOICE_SEPARATOR), text)
    if kind == "datetime" and speech.zone is not None:
        return pl.coalesce(moment(text).dt.convert_time_zone(speech.zone).dt.to_string(MOMENT_FORMAT), text)
    layout = LAYOUTS.get(kind)
    if layout is None:
        return text
    return text.map_elements(_guarded(layout, column.question, speech), return_dtype=pl.String)


def code_list(text: pl.Expr) -> pl.Expr:
    """A select_multiple as the list of its codes, with OTHER_PREFIX before own words and before what is no such list: nothing is lost."""
    strange = pl.when(text.is_not_null()).then(pl.concat_list(pl.format(OTHER_PREFIX + "{}", text)))
    return pl.coalesce(typed(text, "select_multiple"), strange)


def _labels(question: Question, speech: Speech) -> dict[str, str]:
    if not speech.labels:
        return {}
    return {choice.code: label_in(choice.label, speech.language, choice.code) for choice in question.choices}


Layout = Callable[[Any, Question, Speech], str]


def _guarded(layout: Layout, question: Question, speech: Speech) -> Callable[[str], str]:
    def shown(text: str) -> str:
        try:
            return layout(json.loads(text), question, speech)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return text  # not of the declared shape: shown exactly as answered

    return shown


def _geopoint(value: Any, question: Question, speech: Speech) -> str:
    """`latitude, longitude`, which map programs take as it is."""
    return f"{_scalar(value['latitude'], speech)}, {_scalar(value['longitude'], speech)}"


def _file(value: Any, question: Question, speech: Speech) -> str:
    """The plain URL, else the name; never a formula."""
    return str(value.get("url") or value["name"])


def _repeat(value: Any, question: Question, speech: Speech) -> str:
    """One line per entry: `1. Name: Asha; Age: 12`."""
    return "\n".join(f"{number}. {CHOICE_SEPARATOR.join(_fields(entry, question, speech))}" for number, entry in enumerate(value, 1))


def _fields(entry: Mapping[str, Any], question: Question, speech: Speech) -> Iterator[str]:
    for inner in answerable_of(question.questions):
        answer = next((entry[key] for key in (inner.key, *inner.was) if entry.get(key) is not None), None)
        if answer is not None:
            yield f"{label_in(inner.label, speech.language, inner.key)}: {_answer(answer, inner, speech)}"


def _answer(value: Any, question: Question, speech: Speech) -> str:
    labels = _labels(question, speech)
    if isinstance(value, list) and question.type == "select_multiple":
        return CHOICE_SEPARATOR.join(_choice(code, labels) for code in value)
    if question.type == "datetime" and speech.zone is not None and isinstance(value, str):
        return _moment(value, speech.zone)
    if question.type in LAYOUTS:
        return LAYOUTS[question.type](value, question, speech)
    return _choice(value, labels) if question.type == "select_one" else _scalar(value, speech)


def _choice(code: Any, labels: Mapping[str, str]) -> str:
    return str(code["other"]) if isinstance(code, dict) else labels.get(str(code), str(code))


def _moment(text: str, zone: str) -> str:
    """The same as MOMENT_FORMAT."""
    moment = read_datetime(text)
    return text if moment is None else moment.astimezone(ZoneInfo(zone)).isoformat()


def _scalar(value: Any, speech: Speech) -> str:
    if isinstance(value, bool) and speech.labels:
        return yes_no(speech.language)[0 if value else 1]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


LAYOUTS: dict[str, Layout] = {"geopoint": _geopoint, "file": _file, "repeat": _repeat}
