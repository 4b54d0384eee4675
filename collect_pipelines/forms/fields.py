"""What the fields of a form file hold: texts per language, codes, bounds, days, attributes and facts of the author's own."""

import json
import re
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from collect_pipelines.forms.faults import clean_text, plain_data, slug_fault
from collect_pipelines.rules.zones import is_zone

__all__ = ["DEFAULT_LANGUAGE", "Attributes", "Bound", "Code", "Day", "Extra", "Labels", "Language", "Part", "Slug", "Zone", "label_in"]

DEFAULT_LANGUAGE = "en"
MAX_TEXT = 10_000  # characters of a label: longer than any question, shorter than a document
MAX_ATTRIBUTE = 200  # characters of an attribute's name or value: a place, a language, a code
LANGUAGE_PATTERN = r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"
_LANGUAGE = re.compile(LANGUAGE_PATTERN)


class Part(BaseModel):
    """A part of a form file: frozen, and fields nobody knows are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _labels(value: Any) -> Any:
    labels = {DEFAULT_LANGUAGE: value} if isinstance(value, str) else value
    if not isinstance(labels, dict):
        raise ValueError("must be text, or a mapping of language to text; put quotes around numbers")
    for language, text in labels.items():
        if not isinstance(language, str) or not _LANGUAGE.match(language):
            raise ValueError("a language is a BCP-47 tag such as en, hi or pt-BR")
        if not isinstance(text, str):
            raise ValueError(f"the text for {language} must be text; put quotes around it")
        clean_text(text, MAX_TEXT)
    return labels


def _slug(value: str) -> str:
    fault = slug_fault(value)
    if fault:
        raise ValueError(fault)
    return value


def _language(value: str) -> str:
    if not _LANGUAGE.match(value):
        raise ValueError("a language is a BCP-47 tag such as en, hi or pt-BR")
    return value


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("is no time zone; write an IANA name such as Asia/Kolkata or UTC")
    return value


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number, or a date or time in quotes")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str | date):
        raise ValueError("must be a day such as 2026-01-31")
    return value


def _code(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"must be text; write {json.dumps(str(value))} in quotes")
    return value


def _attributes(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of a name to a text or a list of texts, e.g. {state: mh}")
    found: dict[str, str | tuple[str, ...]] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise ValueError("the name of an attribute must be text; put quotes around it")
        texts = list(item) if isinstance(item, list | tuple) else [item]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"`{name}` must be a text or a list of texts; put quotes around numbers")
        for text in (name, *texts):
            clean_text(text, MAX_ATTRIBUTE)
        found[name] = item if isinstance(item, str) else tuple(texts)
    return found


Labels = Annotated[
    dict[str, str],
    BeforeValidator(_labels),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "patternProperties": {LANGUAGE_PATTERN: {"type": "string", "minLength": 1}},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""Text per BCP-47 language; a plain string is English."""

Attributes = Annotated[
    dict[str, str | tuple[str, ...]],
    BeforeValidator(_attributes),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
                ]
            },
        }
    ),
]
"""Facts about a choice, each one text or several."""

Slug = Annotated[str, AfterValidator(_slug)]
Language = Annotated[str, AfterValidator(_language)]
Code = Annotated[str, BeforeValidator(_code)]
Bound = Annotated[int | float | str, BeforeValidator(_bound), WithJsonSchema({"type": ["number", "string"]})]
Zone = Annotated[str, AfterValidator(_zone)]
Day = Annotated[date, BeforeValidator(_day)]
Extra = Annotated[dict[str, Any], AfterValidator(plain_data)]
"""Facts of the author's own: plain JSON data."""


def label_in(labels: dict[str, str], language: str | None, fallback: str = "") -> str:
    """The text in the language, else in its base language (`en` for `en-GB`), else in English, else the first there is."""
    for wanted in (language, (language or "").partition("-")[0], DEFAULT_LANGUAGE):
        if wanted and wanted in labels:
            return labels[wanted]
    return next(iter(labels.values()), fallback)
