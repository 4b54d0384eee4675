"""Answers as people read them."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import Question, answerable_of, label_in
from collect_pipelines.validation.values import OTHER_MARK, choice, choices, typed

__all__ = ["CHOICE_SEPARATOR", "readable", "yes_no"]

CHOICE_SEPARATOR = "; "  # a comma occurs in labels, a semicolon hardly ever

YES_NO: dict[str, tuple[str, str]] = {
    "ar": ("نعم", "لا"),
    "bn": ("হ্যাঁ", "না"),
    "de": ("Ja", "Nein"),
    "en": ("Yes", "No"),
    "es": ("Sí", "No"),
    "fr": ("Oui", "Non"),
    "hi": ("हाँ", "नहीं"),
    "id": ("Ya", "Tidak"),
    "it": ("Sì", "No"),
    "mr": ("होय", "नाही"),
    "pt": ("Sim", "Não"),
    "sw": ("Ndiyo", "Hapana"),
}


def readable(column: Column, language: str | None) -> pl.Expr:
    """The display form of a text column of the log. Numbers are numbers, everything else is text."""
    text = pl.col(column.name)
    kind = column.type
    if kind in ("integer", "rating", "decimal"):
        return typed(text, kind)
    if kind == "boolean":
        yes, no = yes_no(language)
        return text.replace({"true": yes, "false": no})
    if kind == "select_one":
        return choice(text).replace(_labels(column.question, language)).str.replace(OTHER_MARK, "", literal=True)
    if kind == "select_multiple":
        labels = pl.element().replace(_labels(column.question, language)).str.replace(OTHER_MARK, "", literal=True)
        return pl.coalesce(choices(text).list.eval(labels).list.join(CHOICE_SEPARATOR), text)
    layout = LAYOUTS.get(kind)
    if layout is None:
        return text
    return text.map_elements(_guarded(layout, column.question, language), return_dtype=pl.String)


def yes_no(language: str | None) -> tuple[str, str]:
    """The words for true and false in the language, in English where it is not known here."""
    base = (language or "").partition("-")[0]
    return YES_NO.get(base, YES_NO["en"])


def _labels(question: Question, language: str | None) -> dict[str, str]:
    return {choice.code: label_in(choice.label, language, choice.code) for choice in question.choices}


Layout = Callable[[Any, Question, str | None], str]


def _guarded(layout: Layout, question: Question, language: str | None) -> Callable[[str], str]:
    def shown(text: str) -> str:
        try:
            return layout(json.loads(text), question, language)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return text  # not of the declared shape: shown exactly as answered

    return shown


def _geopoint(value: Any, question: Question, language: str | None) -> str:
    """`latitude, longitude`, which map programs take as it is."""
    return f"{_scalar(value['latitude'], language)}, {_scalar(value['longitude'], language)}"


def _file(value: Any, question: Question, language: str | None) -> str:
    """The plain URL, else the name; never a formula."""
    return str(value.get("url") or value["name"])


def _repeat(value: Any, question: Question, language: str | None) -> str:
    """One line per entry: `1. Name: Asha; Age: 12`."""
    return "\n".join(f"{number}. {CHOICE_SEPARATOR.join(_fields(entry, question, language))}" for number, entry in enumerate(value, 1))


def _fields(entry: Mapping[str, Any], question: Question, language: str | None) -> Iterator[str]:
    for inner in answerable_of(question.questions):
        answer = next((entry[key] for key in (inner.key, *inner.was) if entry.get(key) is not None), None)
        if answer is not None:
            yield f"{label_in(inner.label, language, inner.key)}: {_answer(answer, inner, language)}"


def _answer(value: Any, question: Question, language: str | None) -> str:
    labels = _labels(question, language)
    if isinstance(value, list) and question.type == "select_multiple":
        return CHOICE_SEPARATOR.join(_choice(code, labels) for code in value)
    if question.type in LAYOUTS:
        return LAYOUTS[question.type](value, question, language)
    return _choice(value, labels) if question.type == "select_one" else _scalar(value, language)


def _choice(code: Any, labels: Mapping[str, str]) -> str:
    return str(code["other"]) if isinstance(code, dict) else labels.get(str(code), str(code))


def _scalar(value: Any, language: str | None) -> str:
    if isinstance(value, bool):
        return yes_no(language)[0 if value else 1]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


LAYOUTS: dict[str, Layout] = {"geopoint": _geopoint, "file": _file, "repeat": _repeat}
