"""From a JSON answer to the value a rule works with; None is a missing answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.operations import ValueType

__all__ = ["INTEGER_HIGH", "INTEGER_LOW", "OTHER_PREFIX", "reader_of", "value_of"]

INTEGER_LOW, INTEGER_HIGH = -(2**63), 2**63 - 1
OTHER_PREFIX = "other: "
"""Before an answer in a person's own words. No code holds a space, so none can look like it."""


def value_of(value_type: ValueType, question_type: str, answer: Any) -> Any:
    """
    The answer as a rule sees it: text, int, float, bool, list of texts, aware UTC datetime, or `HH:MM:SS`.

    None when there is no answer: null, blank text, an empty list, and also an answer of another type than the question asks for (a
    finding of its own).
    """
    return None if answer is None else reader_of(value_type, question_type)(answer)


def reader_of(value_type: ValueType, question_type: str) -> Callable[[Any], Any]:
    """The same for an answer that is not null, chosen once for every answer to a question."""
    return _hidden if question_type == "hidden" else _READERS[value_type]


def _text(answer: Any) -> str | None:
    if type(answer) is str:
        return answer if answer and not answer.isspace() else None
    return _own_words(answer)


def _own_words(answer: Any) -> str | None:
    words = answer.get("other") if isinstance(answer, Mapping) and len(answer) == 1 else None
    return OTHER_PREFIX + words if isinstance(words, str) and words.strip() else None


def _hidden(answer: Any) -> str | None:
    """The text as the log stores it: `true`, `12`; a number without exponent, as Postgres writes it."""
    if type(answer) is str:
        return _text(answer)
    if isinstance(answer, bool):
        return "true" if answer else "false"
    if isinstance(answer, int):
        return str(answer)
    if isinstance(answer, float) and math.isfinite(answer):
        return format(Decimal(repr(answer or 0.0)), "f")  # Postgres knows no -0
    return None


def _integer(answer: Any) -> int | None:
    return answer if type(answer) is int and INTEGER_LOW <= answer <= INTEGER_HIGH else None


def _decimal(answer: Any) -> float | None:
    if isinstance(answer, bool) or not isinstance(answer, int | float):  # also the door's ExactNumber, a float with its own text
        return None
    try:
        number = float(answer)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _boolean(answer: Any) -> bool | None:
    return answer if type(answer) is bool else None


def _texts(answer: Any) -> list[str] | None:
    if not isinstance(answer, Sequence) or isinstance(answer, str) or not answer:
        return None
    texts = [item if type(item) is str else _own_words(item) for item in answer]
    return None if None in texts else texts  # type: ignore[return-value]  # no None is in it


def _date(answer: Any) -> datetime | None:
    day = read_date(answer) if type(answer) is str else None
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _datetime(answer: Any) -> datetime | None:
    return read_datetime(answer) if type(answer) is str else None


def _time(answer: Any) -> str | None:
    time = read_time(answer) if type(answer) is str else None
    return None if time is None else time.isoformat()


def _opaque(answer: Any) -> Any:
    return None if answer in ("", [], {}) or (type(answer) is str and answer.isspace()) else answer


def _rows(answer: Any) -> Any:
    return answer if isinstance(answer, list) and answer else None


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": _text, "integer": _integer, "decimal": _decimal, "boolean": _boolean, "texts": _texts, "date": _date, "datetime": _datetime,
    "time": _time, "rows": _rows, "opaque": _opaque,
}  # fmt: skip
