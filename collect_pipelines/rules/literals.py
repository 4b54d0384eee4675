"""Values written in a rule: dates, moments, durations, and numbers that take the type they are compared with."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from collect_pipelines.rules.moments import read_date, read_datetime
from collect_pipelines.rules.nodes import Call, Literal, Node, ValueType

__all__ = ["fitted", "moment_literal", "time_fault"]

MAX_DURATION = timedelta(seconds=315_576_000_000)  # about 10,000 years, CEL's own limit: further apart no two moments are

_DURATION = re.compile(r"(-?)((?:[0-9]{1,15}(?:\.[0-9]{1,9})?(?:h|ms|us|m|s))+)")
_PART = re.compile(r"([0-9.]+)(h|ms|us|m|s)")
_MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_TOO_FINE = re.compile(r"\.[0-9]{7,}")


def moment_literal(function: str, text: str, position: int) -> Literal:
    """What `date("...")`, `timestamp("...")` and `duration("...")` stand for; ValueError(what, fix) when it is none."""
    if function == "date":
        day = read_date(text)
        if day is None:
            raise ValueError("this is no day of the calendar", 'write year-month-day, e.g. date("2026-01-31")')
        return Literal(datetime(day.year, day.month, day.day, tzinfo=UTC), "date", position)
    if function == "timestamp":
        moment = None if _TOO_FINE.search(text) else read_datetime(text)
        if moment is None:
            raise ValueError(
                "this is no moment", 'write e.g. timestamp("2026-01-31T09:30:00Z"), or +05:30 instead of Z; at most microseconds'
            )
        return Literal(moment, "datetime", position)
    return Literal(_duration(text), "duration", position)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    wrong = ValueError("this is no duration", 'write e.g. duration("72h"), with h, m, s, ms or us; at most microseconds and 10,000 years')
    if found is None:
        raise wrong
    total = sum((Fraction(number) * _MICROSECONDS[unit] for number, unit in _PART.findall(found[2])), Fraction())
    if total.denominator != 1 or total > MAX_DURATION // timedelta(microseconds=1):
        raise wrong
    return timedelta(microseconds=-int(total) if found[1] else int(total))


def fitted(node: Node, goal: ValueType | None) -> Node:
    """The literal (or a choice between literals) as a value of the goal's type where that changes nothing; otherwise the node itself."""
    if isinstance(node, Call) and node.name == "?:":
        one, other = fitted(node.args[1], goal), fitted(node.args[2], goal)
        return replace(node, args=(node.args[0], one, other), type=one.type) if one.type == other.type == goal else node
    if not isinstance(node, Literal):
        return node
    if goal == "decimal" and node.type == "integer" and isinstance(node.value, int):
        number = float(node.value)
        return replace(node, value=number, type="decimal") if int(number) == node.value else node
    return replace(node, type="time") if goal == "time" and node.type == "text" else node


def time_fault(node: Node) -> tuple[str, str] | None:
    """What is wrong with a text compared with a time, and what to write."""
    if isinstance(node, Call) and node.name == "?:":
        return time_fault(node.args[1]) or time_fault(node.args[2])
    if not isinstance(node, Literal) or node.type != "time" or _TIME.fullmatch(str(node.value)):
        return None
    return "a time has hours, minutes and seconds", 'write e.g. "09:30:00"'
