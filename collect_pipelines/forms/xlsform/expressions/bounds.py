"""The parts of a constraint that our questions have fields for: min, max, min_length, max_length and pattern, where that is exact."""

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from collect_pipelines.forms.faults import INTEGER_HIGH, INTEGER_LOW, MAX_CHOICES, MAX_STARS, TEXT_TYPES
from collect_pipelines.forms.xlsform.expressions.xpath import Binary, Expression, Func, Minus, Number, Self, Text, conjuncts
from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.patterns import pattern_fault

__all__ = ["BOUNDS", "bounds_of", "constraint_of", "whole_match", "without_anchors"]


def whole_match(pattern: str) -> str:
    """The pattern so that it has to match the whole text wherever it is run, as regex() of XLSForm does."""
    bare = without_anchors(pattern)
    return f"^(?:{bare})$" if "|" in bare else f"^{bare}$"


def without_anchors(pattern: str) -> str:
    """The pattern without ^ at its start and $ at its end, which say nothing where the whole text has to match."""
    bare = pattern[1:] if pattern.startswith("^") else pattern
    slashes = len(bare[:-1]) - len(bare[:-1].rstrip("\\"))
    return bare[:-1] if bare.endswith("$") and slashes % 2 == 0 else bare


BOUNDS = ("min", "max", "min_length", "max_length", "pattern")
"""The fields a constraint can become."""

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_COUNTS = {"string-length": ("min_length", "max_length"), "count-selected": ("min", "max")}
_RANGES = {"integer": (INTEGER_LOW, INTEGER_HIGH), "rating": (0, MAX_STARS), "select_multiple": (0, MAX_CHOICES)}

Bounds = dict[str, Any]


def bounds_of(node: Expression, kind: str) -> tuple[Bounds, list[Expression]]:
    """The fields that parts of the constraint become for a question of this type, and the parts that are left."""
    fields: Bounds = {}
    left: list[Expression] = []
    for part in conjuncts(node):
        found = _pattern(part, kind) or _bound(part, kind)
        if found is None or not _narrowed(fields, found):
            left.append(part)
    return fields, left


def constraint_of(fields: Mapping[str, Any], kind: str) -> list[str]:
    """The fields as XPath, one condition each, in the order `bounds_of` reads them; times of day have no order in XPath."""
    if kind == "time":
        return []
    parts = [f". {operator} {_spelled(kind, fields[name])}" for name, operator in (("min", ">="), ("max", "<=")) if name in fields]
    if kind == "select_multiple":
        parts = [part.replace(".", "count-selected(.)", 1) for part in parts]
    for name, operator in (("min_length", ">="), ("max_length", "<=")):
        if name in fields:
            parts.append(f"string-length(.) {operator} {fields[name]}")
    if "pattern" in fields:
        quote = '"' if "'" in fields["pattern"] else "'"
        parts.append(f"regex(., {quote}{whole_match(fields['pattern'])}{quote})")
    return parts


def _spelled(kind: str, value: Any) -> str:
    if kind == "date":
        return f"date('{value}')"
    if kind == "datetime":
        return f"date-time('{value}')"
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def _pattern(part: Expression, kind: str) -> Bounds | None:
    match part:
        case Func("regex", (Self(), Text(pattern))) if kind in TEXT_TYPES:
            bare = without_anchors(pattern)
            return {"pattern": bare} if bare and pattern_fault(bare) is None else None
    return None


def _bound(part: Expression, kind: str) -> Bounds | None:
    if not isinstance(part, Binary) or part.operator not in _FLIPPED:
        return None
    left, operator, right = part.left, part.operator, part.right
    if not _is_subject(left):
        left, operator, right = right, _FLIPPED[operator], left
    match left:
        case Self():
            names = ("min", "max")
        case Func(name, (Self(),)) if (name == "string-length" and kind in TEXT_TYPES) or (
            name == "count-selected" and kind == "select_multiple"
        ):
            names = _COUNTS[name]
        case _:
            return None
    if names == ("min", "max") and isinstance(left, Self):
        return _of_value(kind, operator, right)
    return _whole(names, operator, _number(right), (0, INTEGER_HIGH if names[0] == "min_length" else MAX_CHOICES))


def _is_subject(node: Expression) -> bool:
    return isinstance(node, Self) or (isinstance(node, Func) and node.name in _COUNTS and node.args == (Self(),))


def _of_value(kind: str, operator: str, right: Expression) -> Bounds | None:
    if kind in ("integer", "rating"):
        return _whole(("min", "max"), operator, _number(right), _RANGES[kind])
    if kind == "decimal":
        return _decimal(operator, _number(right))
    if kind in ("date", "time", "datetime"):
        return _moment(kind, operator, right)
    return None


def _whole(names: tuple[str, str], operator: str, value: Decimal | None, limits: tuple[int, int]) -> Bounds | None:
    if value is None:
        return None
    low = {">=": math.ceil(value), ">": math.floor(value) + 1}.get(operator)
    high = {"<=": math.floor(value), "<": math.ceil(value) - 1}.get(operator)
    if operator == "=" and value == value.to_integral_value() and names[0] != "min":
        low = high = int(value)
    found = {name: bound for name, bound in zip(names, (low, high), strict=True) if bound is not None}
    return found if found and all(limits[0] <= bound <= limits[1] for bound in found.values()) else None


def _decimal(operator: str, value: Decimal | None) -> Bounds | None:
    """A decimal has no next number, so > and < stay a rule."""
    if value is None or operator not in (">=", "<="):
        return None
    bound: int | float = int(value) if value == value.to_integral_value() and abs(value) < 10**15 else float(value)
    return {"min" if operator == ">=" else "max": bound} if Decimal(repr(bound)) == value else None


def _moment(kind: str, operator: str, right: Expression) -> Bounds | None:
    function = {"date": "date", "datetime": "date-time"}.get(kind)
    match right:
        case Text(text):
            pass
        case Func(name, (Text(text),)) if name == function:
            pass
        case _:
            return None
    if kind == "date" and (day := read_date(text)) is not None and operator != "=":
        shift = {">": 1, "<": -1}.get(operator, 0)
        return {"min" if operator in (">", ">=") else "max": (day + timedelta(days=shift)).isoformat()}
    readable = read_time(text) if kind == "time" else read_datetime(text) if kind == "datetime" else None
    return {"min" if operator == ">=" else "max": text} if readable is not None and operator in (">=", "<=") else None


def _number(node: Expression) -> Decimal | None:
    try:
        if isinstance(node, Minus) and isinstance(node.of, Number):
            return -Decimal(node.of.text)
        return Decimal(node.text) if isinstance(node, Number) else None
    except InvalidOperation:
        return None


def _narrowed(fields: Bounds, found: Bounds) -> bool:
    """Adds the bounds to those there are, the narrower one of two; False when both can't be said at once."""
    if not fields.keys() & found.keys():
        fields.update(found)
        return True
    if all(isinstance(found[name], int | float) and isinstance(fields.get(name, 0), int | float) for name in found):
        for name, value in found.items():
            known = fields.get(name, value)
            fields[name] = max(known, value) if name.startswith("min") else min(known, value)
        return True
    return False
