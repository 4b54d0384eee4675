"""Answers in the body: the value for machines, its words for people where those differ, and what was asked."""

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.forms.definition import label_in
from collect_pipelines.forms.words import yes_no
from collect_pipelines.model import JsonValue

__all__ = ["Answers", "moment"]

OTHER_PREFIX = "other: "  # before an answer in a person's own words: docs/rendering.md


def moment(value: datetime) -> str:
    """UTC with microseconds, always of one length, so that the texts sort like the moments."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Answers:
    """The answers of a batch's rows."""

    def __init__(self, batch: Batch) -> None:
        self._columns = [(column, _labels(column, batch.language)) for column in batch.columns]
        self._language, self._zone = batch.language, batch.time_zone

    def of(self, row: dict[str, Any]) -> dict[str, JsonValue]:
        """By the key the question had first: `{"savings": {"value": "y", "label": "Yes", "question": "Do you save?"}}`."""
        return {column.key: self._answer(column, labels, row[column.name]) for column, labels in self._columns}

    def _answer(self, column: Column, labels: dict[str, str], value: Any) -> dict[str, JsonValue]:
        plain = _plain(column, value)
        return {"value": plain, "label": self._label(column, labels, value, plain), "question": column.label}

    def _label(self, column: Column, labels: dict[str, str], value: Any, plain: JsonValue) -> JsonValue:
        if isinstance(value, bool):
            return yes_no(self._language)[0 if value else 1]
        if isinstance(value, list):
            return [_own_words(code, labels) for code in value]
        if isinstance(value, datetime):
            return value.astimezone(ZoneInfo(self._zone)).isoformat(timespec="seconds")
        if isinstance(plain, dict | list):
            return _of_parts(column.type, plain)
        return _own_words(value, labels) if labels and isinstance(value, str) else None


def _labels(column: Column, language: str | None) -> dict[str, str]:
    return {choice.code: label_in(choice.label, language, choice.code) for choice in column.question.choices}


def _own_words(code: str, labels: dict[str, str]) -> str:
    return labels.get(code) or code.removeprefix(OTHER_PREFIX)


def _plain(column: Column, value: Any) -> JsonValue:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if column.type in ("geopoint", "file", "repeat") and isinstance(value, str):
        try:
            parts: JsonValue = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parts if isinstance(parts, dict | list) else value
    whole: JsonValue = value
    return whole


def _of_parts(kind: str, parts: dict[str, JsonValue] | list[JsonValue]) -> str | None:
    """In words where one line can hold it; a repeat is told by its value."""
    if not isinstance(parts, dict):
        return None
    if kind == "geopoint":
        return f"{parts.get('latitude')}, {parts.get('longitude')}"
    return str(parts.get("url") or parts.get("name") or "") or None
