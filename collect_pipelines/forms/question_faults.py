"""The rules one question must keep, each with what to do; every fault is found, not only the first."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from collect_pipelines.forms.faults import (
    CODE,
    COUNTED_TYPES,
    DEFAULT_STARS,
    INTEGER_HIGH,
    INTEGER_LOW,
    MAX_CHOICES,
    MAX_ROWS,
    MAX_STARS,
    NESTING_TYPES,
    NUMBER_TYPES,
    SELECT_TYPES,
    TEXT_TYPES,
    TIME_TYPES,
    Fault,
    comparable,
    key_fault,
    nearest,
)
from collect_pipelines.rules.patterns import pattern_fault

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question

__all__ = ["question_faults"]


def question_faults(question: "Question") -> Iterator[Fault]:
    """Every fault of one question by itself; the questions inside it are judged on their own."""
    fault = key_fault(question.key)
    if fault:
        yield Fault(("key",), fault)
    yield from _was_faults(question)
    yield from _choice_faults(question)
    yield from _nesting_faults(question)
    yield from _length_faults(question)
    yield from _bound_faults(question)
    if question.pattern is not None:
        wrong = pattern_fault(question.pattern) if question.type in TEXT_TYPES else _only("pattern", TEXT_TYPES)
        if wrong:
            yield Fault(("pattern",), wrong)
    if question.region is not None:
        wrong = _region_fault(question.region) if question.type == "phone" else _only("region", frozenset({"phone"}))
        if wrong:
            yield Fault(("region",), wrong)
    if question.required and question.type in ("note", "group"):
        yield Fault(("required",), f"a {question.type} has no answer and can't be required; mark the questions instead")


def _only(field: str, types: frozenset[str]) -> str:
    return f"`{field}` is only for {', '.join(sorted(types))}; remove it"


def _was_faults(question: "Question") -> Iterator[Fault]:
    for index, key in enumerate(question.was):
        fault = key_fault(key)
        if fault:
            yield Fault(("was", index), fault)
        elif key == question.key or key in question.was[:index]:
            yield Fault(("was", index), f"`{key}` is {'the key itself' if key == question.key else 'named twice'}; remove it")


def _choice_faults(question: "Question") -> Iterator[Fault]:
    if question.type not in SELECT_TYPES:
        if question.choices:
            yield Fault(("choices",), f"{_only('choices', SELECT_TYPES)}, or make the type select_one")
        for field in ("other", "choices_by"):
            if getattr(question, field):
                yield Fault((field,), _only(field, SELECT_TYPES))
        return
    if not question.choices:
        yield Fault(("choices",), "a select question needs at least one choice: a list of `code` and `label`")
    if len(question.choices) > MAX_CHOICES:
        yield Fault(("choices",), f"has {len(question.choices):,} choices, at most {MAX_CHOICES:,} are possible; ask for text instead")
    yield from _filter_faults(question)
    seen: dict[str, int] = {}
    for index, choice in enumerate(question.choices):
        if not CODE.fullmatch(choice.code):
            yield Fault(("choices", index, "code"), "a code has 1 to 64 characters, without spaces, `,`, `;` and `|`")
        if choice.code in seen:
            yield Fault(("choices", index, "code"), f"the code is taken by choices[{seen[choice.code]}]; codes are unique in a question")
        seen.setdefault(choice.code, index)


def _filter_faults(question: "Question") -> Iterator[Fault]:
    attributes = sorted({name for choice in question.choices for name in choice.attributes})
    for attribute in question.choices_by:
        if attribute not in attributes:
            hint = nearest(attribute, attributes) or f"; give the choices `attributes: {{{attribute}: ...}}`"
            yield Fault(("choices_by", attribute), f"no choice has the attribute `{attribute}`{hint}")


def _nesting_faults(question: "Question") -> Iterator[Fault]:
    if question.type in NESTING_TYPES and not question.questions:
        yield Fault(("questions",), f"a {question.type} needs `questions`; add them or remove the {question.type}")
    if question.type not in NESTING_TYPES and question.questions:
        yield Fault(("questions",), f"{_only('questions', NESTING_TYPES)}, or make the type group or repeat")


def _length_faults(question: "Question") -> Iterator[Fault]:
    for field in ("min_length", "max_length"):
        value = getattr(question, field)
        if value is not None and question.type not in TEXT_TYPES:
            yield Fault((field,), _only(field, TEXT_TYPES))
        elif value is not None and not 0 <= value <= INTEGER_HIGH:
            yield Fault((field,), "a length is a whole number from 0")
    if question.min_length is not None and question.max_length is not None and question.min_length > question.max_length:
        yield Fault(("min_length",), "min_length is larger than max_length; no answer could pass")


def _bound_faults(question: "Question") -> Iterator[Fault]:
    usable = True
    for field in ("min", "max"):
        value = getattr(question, field)
        fault = None if value is None else _bound_fault(question.type, field, value)
        if fault:
            usable = False
            yield Fault((field,), fault)
    low, high = question.min, question.max
    if question.type == "rating":
        low, high = (1 if low is None else low), (DEFAULT_STARS if high is None else high)
    if usable and low is not None and high is not None and comparable(question.type, low) > comparable(question.type, high):
        yield Fault(("min",), "min is larger than max; no answer could pass")


def _bound_fault(kind: str, field: str, value: int | float | str) -> str | None:
    if kind not in NUMBER_TYPES | TIME_TYPES | COUNTED_TYPES:
        return _only(field, NUMBER_TYPES | TIME_TYPES | COUNTED_TYPES)
    if kind in TIME_TYPES:
        wanted = {"date": '"2026-01-31"', "time": '"09:30"', "datetime": '"2026-01-31T09:30:00Z"'}[kind]
        try:
            comparable(kind, value)
        except ValueError:
            return f"for a {kind} write it like {wanted}"
        return None
    if isinstance(value, str) or (kind != "decimal" and not isinstance(value, int)):
        return f"for a {kind} it must be a {'number' if kind == 'decimal' else 'whole number'}, without quotes"
    if kind == "decimal":
        return None if math.isfinite(value) else "for a decimal it must be a finite number"
    most = {"rating": MAX_STARS, "repeat": MAX_ROWS, "select_multiple": MAX_CHOICES}.get(kind, INTEGER_HIGH)
    least = INTEGER_LOW if kind == "integer" else 0
    if not least <= value <= most:
        return f"for a {kind} it must be between {least} and {most}"
    return None


def _region_fault(region: str) -> str | None:
    from phonenumbers import SUPPORTED_REGIONS

    if region in SUPPORTED_REGIONS:
        return None
    upper = region.upper()
    return "must be a country of two capital letters, e.g. IN" + (f"; write {upper}" if upper in SUPPORTED_REGIONS else "")
