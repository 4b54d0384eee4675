"""A checked rule as Python functions, for one response: on the hot path of ingest."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from collect_pipelines.rules import functions
from collect_pipelines.rules.nodes import Call, Field, Node, keys
from collect_pipelines.rules.nodes import Literal as LiteralNode
from collect_pipelines.rules.patterns import searched
from collect_pipelines.rules.values import value_of

__all__ = ["Verdict", "compiled", "constant", "is_constant", "value_of"]

Verdict = Literal["kept", "broken", "missing", "error"]

_ANY_MOMENT = datetime.min.replace(tzinfo=UTC)  # no constant asks for it

Row = Mapping[str, Any]
Step = Callable[[Row, datetime], Any]
"""A compiled node: its value for a row, None when it is undecidable."""


def compiled(root: Node, on_missing: Literal["skip", "fail"] = "skip") -> Callable[[Row, datetime], Verdict]:
    """
    A function of typed values by key (see value_of; None or absent is missing) and the moment of acceptance (aware). It never raises.

    kept: the rule gives true. broken: false. missing: it can't be decided and an answer it names is missing (`on_missing: fail` makes that
    broken). error: it can't be decided although every answer is there: a zero divisor, an overflow, a conversion that fails.
    """
    step = _step(root)
    named = keys(root)
    undecided: Verdict = "broken" if on_missing == "fail" else "missing"

    def verdict(row: Row, now: datetime) -> Verdict:
        try:
            result = step(row, now)
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            return "error"  # a value of another type than declared: never a pass
        if result is True:
            return "kept"
        if result is False:
            return "broken"
        for key in named:
            if row.get(key) is None:
                return undecided
        return "error"

    return verdict


def is_constant(node: Node) -> bool:
    """Whether the node is the same for every response."""
    if isinstance(node, Call):
        return node.name not in ("now", "today") and all(map(is_constant, node.args))
    return isinstance(node, LiteralNode)


def constant(node: Node) -> Any:
    """The value of a constant node; None when it is undecidable for every response."""
    return _step(node)({}, _ANY_MOMENT)


def _step(node: Node) -> Step:
    if isinstance(node, Field):
        key = node.key
        return lambda row, now: row.get(key)
    if isinstance(node, LiteralNode):
        value = node.value
        return lambda row, now: value
    return _SPECIAL.get(node.name, _strict)(node)


def _strict(node: Call) -> Step:
    """An operation that is undecidable as soon as one operand is."""
    name, args = node.name, node.args
    if len(args) == 1:
        return _unary(_UNARY[name] if name in _UNARY else functions.CONVERSIONS[name, args[0].type], _step(args[0]))
    if name in _COMPARISONS:
        return _binary(_COMPARISONS[name], *args)
    return _binary(functions.ARITHMETIC[name, node.type], *args)


def _unary(function: Callable[[Any], Any], operand: Step) -> Step:
    def step(row: Row, now: datetime) -> Any:
        value = operand(row, now)
        return None if value is None else function(value)

    return step


def _binary(function: Callable[[Any, Any], Any], left: Node, right: Node) -> Step:
    # The common shapes take the answers straight from the row: half the time.
    if isinstance(left, Field) and isinstance(right, Field):
        return _of_fields(function, left.key, right.key)
    if isinstance(left, Field) and isinstance(right, LiteralNode):
        return _of_field(function, left.key, right.value)
    return _of_steps(function, _step(left), _step(right))


def _of_fields(function: Callable[[Any, Any], Any], left: str, right: str) -> Step:
    def step(row: Row, now: datetime) -> Any:
        one = row.get(left)
        if one is None:
            return None
        other = row.get(right)
        return None if other is None else function(one, other)

    return step


def _of_field(function: Callable[[Any, Any], Any], key: str, literal: Any) -> Step:
    def step(row: Row, now: datetime) -> Any:
        value = row.get(key)
        return None if value is None else function(value, literal)

    return step


def _of_steps(function: Callable[[Any, Any], Any], left: Step, right: Step) -> Step:
    def step(row: Row, now: datetime) -> Any:
        one = left(row, now)
        if one is None:
            return None
        other = right(row, now)
        return None if other is None else function(one, other)

    return step


def _and(node: Call) -> Step:
    left, right = map(_step, node.args)

    def step(row: Row, now: datetime) -> bool | None:
        one = left(row, now)
        if one is False:
            return False
        other = right(row, now)
        if other is False:
            return False
        return None if one is None or other is None else True

    return step


def _or(node: Call) -> Step:
    left, right = map(_step, node.args)

    def step(row: Row, now: datetime) -> bool | None:
        one = left(row, now)
        if one is True:
            return True
        other = right(row, now)
        if other is True:
            return True
        return None if one is None or other is None else False

    return step


def _choice(node: Call) -> Step:
    condition, one, other = map(_step, node.args)

    def step(row: Row, now: datetime) -> Any:
        decided = condition(row, now)
        if decided is None:
            return None
        return one(row, now) if decided else other(row, now)

    return step


def _answered(node: Call) -> Step:
    operand = _step(node.args[0])
    return lambda row, now: operand(row, now) is not None


def _one_of(node: Call) -> Step:
    values = frozenset(item.value for item in node.args[1:] if isinstance(item, LiteralNode))
    return _unary(values.__contains__, _step(node.args[0]))


def _matches(node: Call) -> Step:
    pattern = node.args[1]
    assert isinstance(pattern, LiteralNode)
    search = searched(str(pattern.value)).search
    return _unary(lambda text: search(text) is not None, _step(node.args[0]))


def _rounded(node: Call) -> Step:
    digits = node.args[1] if len(node.args) == 2 else None
    scale = 10.0 ** int(digits.value) if isinstance(digits, LiteralNode) else 1.0  # type: ignore[arg-type]  # an integer, checked
    return _unary(lambda number: functions.rounded(number, scale), _step(node.args[0]))


def _today(node: Call) -> Step:
    zone = node.args[0] if node.args else None
    place = ZoneInfo(str(zone.value)) if isinstance(zone, LiteralNode) else UTC
    return lambda row, now: functions.midnight(now, place)


_SPECIAL: dict[str, Callable[[Call], Step]] = {
    "&&": _and,
    "||": _or,
    "?:": _choice,
    "answered": _answered,
    "one_of": _one_of,
    "matches": _matches,
    "round": _rounded,
    "now": lambda node: lambda row, now: now,
    "today": _today,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "in": lambda item, items: item in items,
    "startsWith": str.startswith, "endsWith": str.endswith, "contains": operator.contains,
}  # fmt: skip
_UNARY: dict[str, Callable[[Any], Any]] = {"!": operator.not_, "size": len}
