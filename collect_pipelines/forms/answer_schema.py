"""JSON Schema of the answers of a form version, so that clients check before they send."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from collect_pipelines.forms.definition import FormDefinition, Question, answerable_of, label_in
from collect_pipelines.forms.faults import DEFAULT_STARS, INTEGER_HIGH, INTEGER_LOW, MAX_ROWS
from collect_pipelines.rules.patterns import anchored

__all__ = ["answer_schema"]

Schema = dict[str, Any]
_RE2_ONLY = re.compile(r"\(\?|\\[pPx]|\[:")
"""What JSON Schema's regular expressions (ECMA 262) read differently or not at all."""


def answer_schema(definition: FormDefinition) -> Schema:
    """
    JSON Schema 2020-12 of `answers`: what it refuses, ingest refuses.

    Ingest refuses a little more, e.g. the 30th of February. Rules that only flag are left out, and so is what depends on other answers:
    rules, filters, and whether a question that is not always asked is required.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": label_in(definition.title, None, definition.form),
        **_object(_with_always_required(definition.questions)),
    }


def _with_always_required(questions: Sequence[Question], asked: bool = True) -> list[Question]:
    """The questions, required only where they are always asked."""
    found = []
    for question in questions:
        always = asked and question.relevant is None
        inner = tuple(_with_always_required(question.questions, always))
        changes = {"questions": inner} if always else {"questions": inner, "required": False}
        found.append(question.model_copy(update=changes) if inner or not always else question)
    return found


def _object(questions: Sequence[Question]) -> Schema:
    asked = list(answerable_of(questions))
    schema: Schema = {
        "type": "object",
        "properties": {question.key: _property(question) for question in asked},
        "additionalProperties": False,
    }
    required = [question.key for question in asked if _must(question)]
    return {**schema, "required": required} if required else schema


def _property(question: Question) -> Schema:
    schema = _TYPES[question.type](_enforced(question))
    if not _must(question):
        schema = {"anyOf": [schema, {"type": "null"}]}
    schema["title"] = label_in(question.label, None, question.key)
    hint = label_in(question.hint, None)
    if hint:
        schema["description"] = hint
    if question.retired is not None:
        schema["deprecated"] = True
    return schema


def _must(question: Question) -> bool:
    return question.required and question.retired is None and question.on_violation == "reject"


def _enforced(question: Question) -> Question:
    """The question with the rules that reject."""
    if question.on_violation == "reject":
        return question
    off = {"required": False, "choices": (), "min": None, "max": None, "min_length": None, "max_length": None, "pattern": None}
    return question.model_copy(update=off)


def _text(question: Question) -> Schema:
    schema: Schema = {"type": "string"}
    if question.required:
        schema["minLength"] = 1
    if question.min_length is not None:
        schema["minLength"] = max(question.min_length, schema.get("minLength", 0))
    if question.max_length is not None:
        schema["maxLength"] = question.max_length
    if question.pattern is not None and not _RE2_ONLY.search(question.pattern):
        schema["pattern"] = anchored(question.pattern)
    if question.type in ("email", "url"):
        schema["format"] = {"email": "email", "url": "uri"}[question.type]
    return schema if question.required else {"anyOf": [schema, {"const": ""}]} if len(schema) > 1 else schema


def _number(question: Question) -> Schema:
    low, high = question.min, question.max
    if question.type == "rating" and question.on_violation == "reject":
        low, high = (1 if low is None else low), (DEFAULT_STARS if high is None else high)
    if question.type == "integer":
        low, high = (INTEGER_LOW if low is None else low), (INTEGER_HIGH if high is None else high)
    schema: Schema = {"type": "number" if question.type == "decimal" else "integer"}
    if low is not None:
        schema["minimum"] = low
    if high is not None:
        schema["maximum"] = high
    return schema


def _moment(question: Question) -> Schema:
    pattern = {
        "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "time": "^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$",
        "datetime": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
    }[question.type]
    return {"type": "string", "pattern": pattern}


def _choice(question: Question) -> Schema:
    codes: Schema = (
        {"type": "string"}
        if question.on_violation == "flag"
        else {
            "oneOf": [
                {
                    "const": choice.code,
                    "title": label_in(choice.label, None, choice.code),
                    **({"deprecated": True} if choice.retired else {}),
                }
                for choice in question.choices
            ]
        }
    )
    if not question.other:
        return codes
    own = {
        "type": "object",
        "properties": {"other": {"type": "string", "minLength": 1}},
        "required": ["other"],
        "additionalProperties": False,
    }
    return {"anyOf": [codes, own]}


def _choices(question: Question) -> Schema:
    schema: Schema = {"type": "array", "items": _choice(question), "uniqueItems": question.on_violation == "reject"}
    least = max(int(question.min or 0), 1 if question.required else 0)
    if question.max is not None:
        schema["maxItems"] = question.max
    if least:
        schema["minItems"] = least
    return schema if question.required or not least else {"anyOf": [schema, {"type": "array", "maxItems": 0}]}


def _rows(question: Question) -> Schema:
    schema: Schema = {
        "type": "array",
        "items": _object(question.questions),
    }
    if question.on_violation == "reject":
        schema["maxItems"] = MAX_ROWS if question.max is None else question.max
    least = max(int(question.min or 0), 1 if question.required else 0)
    if least:
        schema["minItems"] = least
    return schema if question.required or not least else {"anyOf": [schema, {"type": "array", "maxItems": 0}]}


def _geopoint(_: Question) -> Schema:
    number = {"type": ["number", "null"]}
    properties = {
        "latitude": {"type": "number", "minimum": -90, "maximum": 90},
        "longitude": {"type": "number", "minimum": -180, "maximum": 180},
        "altitude": number,
        "accuracy": {**number, "minimum": 0},
    }
    return {"type": "object", "properties": properties, "required": ["latitude", "longitude"], "additionalProperties": False}


def _file(_: Question) -> Schema:
    properties = {
        "name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^/\\]+$"},
        "url": {"type": ["string", "null"], "pattern": "^[hH][tT][tT][pP][sS]?://"},
        "sha256": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
        "size": {"type": ["integer", "null"], "minimum": 0},
        "type": {"type": ["string", "null"]},
    }
    one_of_two = [{"required": ["url"]}, {"required": ["sha256"]}]
    return {"type": "object", "properties": properties, "required": ["name"], "anyOf": one_of_two, "additionalProperties": False}


_TYPES: dict[str, Callable[[Question], Schema]] = {
    **dict.fromkeys(("text", "email", "url", "phone"), _text),
    **dict.fromkeys(("integer", "decimal", "rating"), _number),
    **dict.fromkeys(("date", "time", "datetime"), _moment),
    "boolean": lambda _: {"type": "boolean"},
    "select_one": _choice,
    "select_multiple": _choices,
    "geopoint": _geopoint,
    "file": _file,
    "hidden": lambda _: {"type": ["string", "number", "boolean"]},
    "repeat": _rows,
}
