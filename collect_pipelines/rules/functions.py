"""CEL's arithmetic and conversions for single Python values; None where CEL gives an error."""

import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

from collect_pipelines.rules.values import INTEGER_HIGH, INTEGER_LOW

__all__ = ["ARITHMETIC", "BLANKS", "CONVERSIONS", "DECIMAL", "INTEGER", "midnight", "rounded"]

INTEGER = r"^[+-]?0*[0-9]{1,19}$"
"""Texts int() reads; longer ones are no 64-bit integers."""
DECIMAL = r"^[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?$"
"""Texts double() reads: no hexadecimal, and not so long that reading them costs more than the rest of the response."""
BLANKS = " \t\n\v\f\r"
"""What may stand around a number in a text, as in Google's evaluator."""

_INTEGER, _DECIMAL = re.compile(INTEGER[1:-1]), re.compile(DECIMAL[1:-1])


def _bounded(number: int) -> int | None:
    return number if INTEGER_LOW <= number <= INTEGER_HIGH else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _quotient(one: int, other: int) -> int | None:
    """Towards zero, as in CEL; Python's // rounds down."""
    if other == 0:
        return None
    size = abs(one) // abs(other)
    return _bounded(size if (one < 0) == (other < 0) else -size)


def _remainder(one: int, other: int) -> int | None:
    """With the sign of the dividend, as in CEL; Python's has the divisor's."""
    if other == 0 or (one == INTEGER_LOW and other == -1):
        return None
    size = abs(one) % abs(other)
    return -size if one < 0 else size


def _moment(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def moved(one: Any, other: Any) -> Any:
        try:
            return function(one, other)
        except OverflowError:
            return None  # before year 1 or after year 9999

    return moved


def rounded(number: float, scale: float) -> float | None:
    """Rounded half away from zero to 1/scale."""
    fraction, whole = math.modf(number * scale)
    if not math.isfinite(whole):
        return None
    return (whole + math.copysign(1.0, fraction) if abs(fraction) >= 0.5 else whole) / scale


def midnight(moment: datetime, place: tzinfo = UTC) -> datetime | None:
    """The day it is at the place, as a date is: its midnight in UTC. None beyond the calendar."""
    try:
        there = moment.astimezone(place)
    except OverflowError:
        return None
    return datetime(there.year, there.month, there.day, tzinfo=UTC)


def _read_integer(text: str) -> int | None:
    digits = text.strip(BLANKS)
    if not _INTEGER.fullmatch(digits):
        return None
    sign = -1 if digits.startswith("-") else 1
    # Python reads no more than 4,300 digits, leading zeros included.
    return _bounded(sign * int(digits.lstrip("+-").lstrip("0") or "0"))


def _read_decimal(text: str) -> float | None:
    number = text.strip(BLANKS)
    return _finite(float(number)) if _DECIMAL.fullmatch(number) else None


def _truncated(number: float) -> int | None:
    # 2^63 itself is a double and no int64; CEL refuses the lower bound too.
    return int(number) if -(2.0**63) < number < 2.0**63 else None


def _same(value: Any) -> Any:
    return value


ARITHMETIC: dict[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("+", "integer"): lambda one, other: _bounded(one + other),
    ("-", "integer"): lambda one, other: _bounded(one - other),
    ("*", "integer"): lambda one, other: _bounded(one * other),
    ("/", "integer"): _quotient,
    ("%", "integer"): _remainder,
    ("+", "decimal"): lambda one, other: _finite(one + other),
    ("-", "decimal"): lambda one, other: _finite(one - other),
    ("*", "decimal"): lambda one, other: _finite(one * other),
    ("/", "decimal"): lambda one, other: None if other == 0 else _finite(one / other),
    ("+", "datetime"): _moment(operator.add),
    ("-", "datetime"): _moment(operator.sub),
    ("-", "duration"): _moment(operator.sub),
}
"""By operation and type of the result."""

CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("neg", "integer"): lambda number: _bounded(-number),
    ("neg", "decimal"): operator.neg,
    ("int", "text"): _read_integer,
    ("int", "integer"): _same,
    ("int", "decimal"): _truncated,
    ("double", "text"): _read_decimal,
    ("double", "integer"): float,
    ("double", "decimal"): _same,
    ("string", "text"): _same,
    ("string", "integer"): str,
    ("string", "boolean"): lambda flag: "true" if flag else "false",
}
"""By operation and type of the operand."""
