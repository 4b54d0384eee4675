"""What one answer must be, compiled per question into a function that is fast when nothing is wrong."""

import sys
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from collect_pipelines.forms.constraints import Constraint, all_of, constraints_of
from collect_pipelines.forms.definition import Question
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.faults import INTEGER_HIGH, INTEGER_LOW, TEXT_TYPES, TIME_TYPES
from collect_pipelines.forms.shapes import is_boolean, is_email, is_file, is_geopoint, is_other, is_phone, is_scalar, is_url
from collect_pipelines.rules.evaluate import compiled, value_of
from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.nodes import Call, Field, Literal

__all__ = ["Rule", "Violation", "is_email", "is_url", "quick_of", "rule_of"]

_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)  # constraints of one answer know no today() and now()
_FORMATS = {"email": is_email, "url": is_url, "phone": is_phone}
MAX_FLOAT = sys.float_info.max
_RELATIONS = frozenset({"required", "irrelevant", "choice.filtered"})  # judged with the answers beside it, by forms.answers


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule an answer breaks. `variant` chooses the sentence, e.g. `integer` for code `type`."""

    code: str
    variant: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Rule = Callable[[Any], tuple[Violation, ...]]
_FINE: tuple[Violation, ...] = ()


def rule_of(question: Question) -> Rule:
    """The rule of one answerable question: what is wrong with a value that is not None. Never raises, never changes the value."""
    kind = question.type
    if kind in TEXT_TYPES:
        return _text_rule(question)
    if kind in TIME_TYPES:
        return _time_rule(question)
    if kind == "decimal":
        return _decimal_rule(question)
    if kind in ("integer", "rating"):
        return _integer_rule(question)
    if kind == "select_one":
        return _select_one_rule(question)
    if kind == "select_multiple":
        return _select_multiple_rule(question)
    if kind == "repeat":
        return _rows_rule(question)
    return _shape_rule(kind, {"boolean": is_boolean, "geopoint": is_geopoint, "file": is_file, "hidden": is_scalar}[kind])


def quick_of(question: Question) -> Callable[[Any], bool]:
    """
    How to see at once that an answer is fine; what it doubts goes to `rule_of`.

    Never true for an answer that breaks something; may be false for one that is fine.
    """
    kind = question.type
    if kind in ("select_one", "select_multiple"):
        return _quick_choices(question)
    if kind in _QUICK and (bounds := _bounds_of(question)) is not None:
        return _QUICK[kind](*bounds)
    rule = rule_of(question)
    return lambda value: not rule(value)


def _bounds_of(question: Question) -> tuple[Any, Any] | None:
    """The least and the greatest that the nodes of a question allow its answer, or the size of it; None when they say more than that."""
    lows, highs = [], []
    for one in _constraints(question):
        match one.node:
            case Call(">=", (Field() | Call("size", (Field(),)), Literal(bound))):
                lows.append(bound)
            case Call("<=", (Field() | Call("size", (Field(),)), Literal(bound))):
                highs.append(bound)
            case _:
                return None
    return max(lows, default=None), min(highs, default=None)


def _quick_integer(low: int | None, high: int | None) -> Callable[[Any], bool]:
    least, most = INTEGER_LOW if low is None else low, INTEGER_HIGH if high is None else high
    return lambda value: type(value) is int and least <= value <= most


def _quick_decimal(low: float | None, high: float | None) -> Callable[[Any], bool]:
    # An integer is compared before it becomes a float, which keeps the order. The defaults leave out infinity; NaN is in no bounds.
    least, most = -MAX_FLOAT if low is None else low, MAX_FLOAT if high is None else high
    return lambda value: (type(value) is float or type(value) is int) and least <= value <= most


def _quick_size(kind: type[Sized], fits: Callable[[Any], bool] | None = None) -> Callable[[int | None, int | None], Callable[[Any], bool]]:
    """For texts and lists; an empty one is no answer."""

    def quick(low: int | None, high: int | None) -> Callable[[Any], bool]:
        least, most = low or 0, INTEGER_HIGH if high is None else high
        if fits is not None:
            return lambda value: type(value) is kind and (not value or (least <= len(value) <= most and fits(value)))
        if low is None and high is None:
            return lambda value: type(value) is kind
        return lambda value: type(value) is kind and (not value or least <= len(value) <= most)

    return quick


def _quick_moment(
    read: Callable[[str], Any], least: Any, most: Any, of: Callable[[Any], Any]
) -> Callable[[Any, Any], Callable[[Any], bool]]:
    """read: of an answer. least, most: that can be read. of: makes of a bound what `read` makes of an answer."""

    def quick(low: Any, high: Any) -> Callable[[Any], bool]:
        first, last = least if low is None else of(low), most if high is None else of(high)
        return lambda value: type(value) is str and (moment := read(value)) is not None and first <= moment <= last

    return quick


_QUICK: Mapping[str, Callable[[Any, Any], Callable[[Any], bool]]] = {
    "text": _quick_size(str),
    **{kind: _quick_size(str, fits) for kind, fits in _FORMATS.items()},
    "integer": _quick_integer,
    "rating": _quick_integer,
    "decimal": _quick_decimal,
    "date": _quick_moment(read_date, date.min, date.max, datetime.date),
    "time": _quick_moment(read_time, time.min, time.max, time.fromisoformat),
    "datetime": _quick_moment(read_datetime, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), lambda moment: moment),
    "repeat": _quick_size(list),
}


def _quick_choices(question: Question) -> Callable[[Any], bool]:
    rule = _select_one_rule(question)
    fine = frozenset(choice.code for choice in question.choices if not rule(choice.code))  # what the compiled node says of each code
    if question.type == "select_one":
        return lambda value: type(value) is str and value in fine
    within = _quick_size(list)(*(_bounds_of(question) or (1, 0)))

    def fits(value: Any) -> bool:
        try:
            return within(value) and len(set(value)) == len(value) and fine.issuperset(value)
        except TypeError:  # an answer in own words is an object
            return False

    return fits


def _constraints(question: Question, *, each: bool = False) -> list[Constraint]:
    """The constraints that look at one answer only, or at each of its items."""
    return [one for one in constraints_of(question) if one.code not in _RELATIONS and one.each == each]


def _judge(question: Question, *, each: bool = False) -> Rule | None:
    """What is wrong with a value of the right type, by the constraints of the question; None when there are none."""
    wanted = _constraints(question, each=each)
    if not wanted:
        return None
    key = question.key
    fine = compiled(all_of([one.node for one in wanted]))
    singly = [(compiled(one.node), _violation(one)) for one in wanted]

    def judge(value: Any) -> tuple[Violation, ...]:
        row = {key: value}
        if fine(row, _ANY_MOMENT) == "kept":
            return _FINE
        return tuple(violation for verdict, violation in singly if verdict(row, _ANY_MOMENT) != "kept")

    return judge


def _violation(constraint: Constraint) -> Violation:
    return Violation(constraint.code, constraint.variant, constraint.data)


def _shape_rule(kind: str, fits: Callable[[Any], bool]) -> Rule:
    wrong = (Violation("type", kind),)
    return lambda value: _FINE if fits(value) else wrong


def _text_rule(question: Question) -> Rule:
    wrong = (Violation("type", "text"),)
    misshapen = Violation("format", question.type)
    fits = _FORMATS.get(question.type)
    judge = _judge(question)

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not str:
            return wrong
        if not value:  # empty text is no answer
            return _FINE
        found = judge(value) if judge is not None else _FINE
        if fits is not None and not fits(value):
            return (*(one for one in found if one.code != "pattern"), misshapen)
        return found

    return rule


def _integer_rule(question: Question) -> Rule:
    wrong = (Violation("type", "integer"),)
    judge = _judge(question)

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not int or not INTEGER_LOW <= value <= INTEGER_HIGH:
            return wrong
        return judge(value) if judge is not None else _FINE

    return rule


def _decimal_rule(question: Question) -> Rule:
    return _typed_rule(question, (Violation("type", "decimal"),))


def _time_rule(question: Question) -> Rule:
    return _typed_rule(question, (Violation("type", question.type),))


def _typed_rule(question: Question, wrong: tuple[Violation, ...]) -> Rule:
    """For types whose answers the rule language reads into another value: what it can't read is of the wrong type."""
    kind, value_type = question.type, VALUE_TYPES[question.type]
    judge = _judge(question)

    def rule(value: Any) -> tuple[Violation, ...]:
        typed = value_of(value_type, kind, value)
        if typed is None:
            return wrong
        return judge(typed) if judge is not None else _FINE

    return rule


def _select_one_rule(question: Question) -> Rule:
    retired = frozenset(choice.code for choice in question.choices if choice.retired)
    wrong, gone = (Violation("type", "choice"),), (Violation("choice.retired"),)
    judge = _judge(question, each=question.type == "select_multiple")
    other = question.other

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not str:
            return _FINE if other and is_other(value) else wrong
        if value in retired:
            return gone
        return judge(value) if judge is not None else _FINE

    return rule


def _select_multiple_rule(question: Question) -> Rule:
    one, judge = _select_one_rule(question), _judge(question)
    wrong, repeated = (Violation("type", "choices"),), Violation("choice.repeated")

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not list:
            return wrong
        if not value:  # nothing chosen is no answer
            return _FINE
        found: dict[str, Violation] = {}
        codes = [item for item in value if type(item) is str]
        if len(codes) < len(value) - 1 or len(set(codes)) < len(codes):
            found["choice.repeated"] = repeated
        for item in value:
            for violation in one(item):
                if violation.code == "type":
                    return wrong
                found[violation.code] = violation
        for violation in judge(value) if judge is not None else _FINE:
            if violation.code != "max" or "choice.repeated" not in found:  # too many because one is there twice
                found[violation.code] = violation
        return tuple(found.values()) if found else _FINE

    return rule


def _rows_rule(question: Question) -> Rule:
    wrong = (Violation("type", "rows"),)
    judge = _judge(question)

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not list:
            return wrong
        return judge(value) if value and judge is not None else _FINE  # no row is no answer

    return rule
