"""Which operations there are, for operands of which types, and what they give."""

from typing import Literal

__all__ = ["FUNCTIONS", "MOMENTS", "ORDERED", "ValueType", "result_of"]

ValueType = Literal["text", "integer", "decimal", "boolean", "texts", "date", "datetime", "time", "rows", "opaque", "duration"]
"""
What an answer is for a rule. `texts`: the codes of a select_multiple; `rows`: a repeat, which has a size only; `opaque`: a geopoint or
file, which is answered or not; `duration`: never an answer, the distance of two moments.
"""

MOMENTS = frozenset({"date", "datetime"})
ORDERED = frozenset({"text", "integer", "decimal", "time", "duration"}) | MOMENTS
_SCALARS = ORDERED | {"boolean"}

FUNCTIONS = (
    "answered", "contains", "date", "double", "duration", "endsWith", "int", "matches", "now", "round", "size", "startsWith", "string",
    "timestamp", "today",
)  # fmt: skip
"""Names an author can write before a parenthesis."""

_FIXED: dict[str, dict[tuple[str, ...], ValueType]] = {
    "&&": {("boolean", "boolean"): "boolean"},
    "||": {("boolean", "boolean"): "boolean"},
    "!": {("boolean",): "boolean"},
    "neg": {("integer",): "integer", ("decimal",): "decimal"},
    "in": {("text", "texts"): "boolean"},
    "size": {("text",): "integer", ("texts",): "integer", ("rows",): "integer"},
    "startsWith": {("text", "text"): "boolean"},
    "endsWith": {("text", "text"): "boolean"},
    "contains": {("text", "text"): "boolean"},
    "matches": {("text", "text"): "boolean"},
    "int": {("text",): "integer", ("integer",): "integer", ("decimal",): "integer"},
    "double": {("text",): "decimal", ("integer",): "decimal", ("decimal",): "decimal"},
    "string": {("text",): "text", ("integer",): "text", ("boolean",): "text"},
    "round": {("decimal",): "decimal", ("decimal", "integer"): "decimal"},
    "today": {(): "date", ("text",): "date"},
    "now": {(): "datetime"},
    "%": {("integer", "integer"): "integer"},
}
_ARITHMETIC: dict[tuple[str, ...], ValueType] = {("integer", "integer"): "integer", ("decimal", "decimal"): "decimal"}


def result_of(name: str, types: tuple[ValueType, ...]) -> ValueType | None:
    """Type of the result of an operation on operands of these types; None when there is no such operation."""
    if name in _FIXED:
        return _FIXED[name].get(types)
    if name == "answered":
        return "boolean" if len(types) == 1 and types[0] != "duration" else None
    if name == "one_of":
        return "boolean" if len(types) > 1 and types[0] in _SCALARS and all(alike(types[0], other) for other in types[1:]) else None
    if name == "?:":
        return _branch(types) if len(types) == 3 and types[0] == "boolean" else None
    if len(types) != 2:
        return None
    if name in ("==", "!="):
        return "boolean" if types[0] in _SCALARS and alike(*types) else None
    if name in ("<", "<=", ">", ">="):
        return "boolean" if types[0] in ORDERED and alike(*types) else None
    if name in ("+", "-", "*", "/"):
        return _ARITHMETIC.get(types) or _time_arithmetic(name, types)
    return None


def alike(one: ValueType, other: ValueType) -> bool:
    """Whether values of the two types can be compared: a date with a datetime, otherwise the same type only."""
    return one == other or (one in MOMENTS and other in MOMENTS)


def _branch(types: tuple[ValueType, ...]) -> ValueType | None:
    _, one, other = types
    if one not in _SCALARS or not alike(one, other):
        return None
    return one if one == other else "datetime"


def _time_arithmetic(name: str, types: tuple[ValueType, ...]) -> ValueType | None:
    left, right = types
    if left in MOMENTS and right == "duration" and name in ("+", "-"):
        return "datetime"
    if left == "duration" and right in MOMENTS and name == "+":
        return "datetime"
    return "duration" if left in MOMENTS and right in MOMENTS and name == "-" else None
