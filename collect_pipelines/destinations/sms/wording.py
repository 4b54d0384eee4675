"""Answers as the recipient reads them, in their language."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.destinations.sms.segments import beginning, printable
from collect_pipelines.destinations.sms.template import Field
from collect_pipelines.forms.definition import label_in

__all__ = ["Wording", "defused"]

MOST_CHARACTERS = 100  # of one answer: a receipt names it, it does not repeat a story
SEPARATOR = ", "

YES_NO = {"en": ("yes", "no"), "hi": ("हाँ", "नहीं"), "mr": ("होय", "नाही"), "bn": ("হ্যাঁ", "না"), "es": ("sí", "no"), "fr": ("oui", "non")}

# What phones turn into a link they open on a touch: a scheme, and a name with dots in it.
_SCHEME = re.compile(r"://")
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d_]{2})")


class Wording:
    """The answers and facts of one row."""

    def __init__(self, batch: Batch, columns: Mapping[str, Column], row: Mapping[str, Any], language: str | None) -> None:
        """columns: by the keys their questions are known by."""
        self._batch, self._columns, self._row, self._language = batch, columns, row, language

    def of(self, field: Field) -> str:
        """What stands for the field; empty for a question that was not answered."""
        if field.fact:
            return printable(self._fact(field.name))
        column = self._columns[field.name]
        if field.form == "question":
            return printable(label_in(column.question.label, self._language, column.question.key))
        said = printable(self._answer(self._row.get(column.name), column, codes=field.form == "code"))
        short = said if len(said) <= MOST_CHARACTERS else beginning(said, MOST_CHARACTERS - 3).rstrip() + "..."
        return defused(short)

    def _fact(self, name: str) -> str:
        if name == "form":
            return self._batch.form_title
        if name == "id":
            return str(self._row["_response_id"])
        received = self._row["_received_at"].astimezone(ZoneInfo(self._batch.time_zone))
        return f"{received:%Y-%m-%d}" if name == "date" else f"{received:%H:%M}"

    def _answer(self, value: Any, column: Column, *, codes: bool) -> str:
        if value is None:
            return ""
        if isinstance(value, Sequence) and not isinstance(value, str):
            return SEPARATOR.join(self._choice(str(one), column, codes=codes) for one in value)
        if column.type == "select_one":
            return self._choice(str(value), column, codes=codes)
        if isinstance(value, bool):
            return YES_NO.get((self._language or "en").partition("-")[0], YES_NO["en"])[0 if value else 1]
        return self._scalar(value, column)

    def _choice(self, code: str, column: Column, *, codes: bool) -> str:
        if codes:
            return code
        found = next((choice for choice in column.question.choices if choice.code == code), None)
        return label_in(found.label, self._language, code) if found is not None else code.removeprefix("other: ")

    def _scalar(self, value: Any, column: Column) -> str:
        if isinstance(value, datetime):
            return f"{value.astimezone(ZoneInfo(self._batch.time_zone)):%Y-%m-%d %H:%M}"
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, float):
            return f"{value:.10g}"
        return _said(str(value)) if column.type in ("geopoint", "file", "repeat") else str(value)


def defused(answer: str) -> str:
    """
    The answer, without anything a phone would make a link of: whoever fills in a form with somebody else's number can't send them one.

    >>> defused("see http://example.org/x")
    'see http: // example. org/x'
    """
    return _DOT.sub(". ", _SCHEME.sub(": // ", answer))


def _said(text: str) -> str:
    """The name of a file, the place of a point, the number of entries: what JSON has no short words for."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        if "latitude" in value and "longitude" in value:
            return f"{value['latitude']}, {value['longitude']}"
        return str(value.get("name", ""))
    return str(len(value)) if isinstance(value, list) else text
