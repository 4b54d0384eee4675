"""What one answer must be, compiled per question into a function that is fast when nothing is wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.forms.definition import Question
from collect_pipelines.forms.faults import (
    DEFAULT_STARS,
    INTEGER_HIGH,
    INTEGER_LOW,
    MAX_ROWS,
    NUMBER_TYPES,
    TEXT_TYPES,
    TIME_TYPES,
    comparable,
)
from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.patterns import compiled

__all__ = ["Rule", "Violation", "is_email", "is_url", "rule_of"]

MAX_EMAIL = 254  # characters of an address, RFC 5321
MAX_URL = 2_048  # longer ones are cut by browsers and tools on the way
MAX_FILE_NAME = 255
MAX_PHONE = 64

_EMAIL = re.compile(r'[^\s@<>()\[\],;:\\"]{1,64}@[^\s@<>()\[\],;:\\"./]+(\.[^\s@<>()\[\],;:\\"./]+)+')
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#\[\]@:\\]+)(:[0-9]{1,5})?([/?#]\S*)?", re.IGNORECASE)
_PHONE_DIGITS = 3  # the shortest numbers, such as emergency calls
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")


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
    if kind in NUMBER_TYPES:
        return _number_rule(question)
    if kind in TIME_TYPES:
        return _time_rule(question)
    if kind == "select_one":
        return _select_one_rule(question)
    if kind == "select_multiple":
        return _select_multiple_rule(question)
    if kind == "repeat":
        return _rows_rule(question)
    return _shape_rule(kind, {"boolean": _is_boolean, "geopoint": _is_geopoint, "file": _is_file, "hidden": _is_scalar}[kind])


def _shape_rule(kind: str, fits: Callable[[Any], bool]) -> Rule:
    wrong = (Violation("type", kind),)
    return lambda value: _FINE if fits(value) else wrong


def _text_rule(question: Question) -> Rule:
    wrong = (Violation("type", "text"),)
    fits = {"email": is_email, "url": is_url, "phone": _is_phone}.get(question.type)
    low, high = question.min_length, question.max_length
    pattern = compiled(question.pattern).fullmatch if question.pattern is not None else None
    bounded = fits is not None or low is not None or high is not None or pattern is not None

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not str:
            return wrong
        if not bounded or not value:  # empty text is no answer
            return _FINE
        found: list[Violation] = []
        if low is not None and len(value) < low:
            found.append(Violation("min_length", data={"min_length": low}))
        if high is not None and len(value) > high:
            found.append(Violation("max_length", data={"max_length": high}))
        if fits is not None and not fits(value):
            found.append(Violation("format", question.type))
        elif pattern is not None and pattern(value) is None:
            found.append(Violation("pattern"))
        return tuple(found) if found else _FINE

    return rule


def _number_rule(question: Question) -> Rule:
    kind = question.type
    low, high = question.min, question.max
    if kind == "rating":
        low, high = (1 if low is None else low), (DEFAULT_STARS if high is None else high)
    wrong = (Violation("type", "decimal" if kind == "decimal" else "integer"),)
    least: Any = INTEGER_LOW if low is None else low
    most: Any = INTEGER_HIGH if high is None else high
    too_low = (Violation("min", data={"min": least}),)
    too_high = (Violation("max", data={"max": most}),)

    def whole(value: Any) -> tuple[Violation, ...]:
        if type(value) is not int or not INTEGER_LOW <= value <= INTEGER_HIGH:
            return wrong
        return too_low if value < least else too_high if value > most else _FINE

    def number(value: Any) -> tuple[Violation, ...]:
        if type(value) is bool or not isinstance(value, int | float) or value - value != 0:  # the last is true for NaN and infinity
            return wrong
        if low is not None and value < least:
            return too_low
        return too_high if high is not None and value > most else _FINE

    return number if kind == "decimal" else whole


def _time_rule(question: Question) -> Rule:
    kind = question.type
    read: Callable[[str], Any] = {"date": read_date, "time": read_time, "datetime": read_datetime}[kind]
    wrong = (Violation("type", kind),)
    low = None if question.min is None else comparable(kind, question.min)
    high = None if question.max is None else comparable(kind, question.max)
    too_low = (Violation("min", data={"min": question.min}),)
    too_high = (Violation("max", data={"max": question.max}),)

    def rule(value: Any) -> tuple[Violation, ...]:
        moment = read(value) if type(value) is str else None
        if moment is None:
            return wrong
        if low is not None and moment < low:
            return too_low
        return too_high if high is not None and moment > high else _FINE

    return rule


def _select_one_rule(question: Question) -> Rule:
    offered = frozenset(choice.code for choice in question.choices if not choice.retired)
    retired = frozenset(choice.code for choice in question.choices if choice.retired)
    wrong, unknown, gone = (Violation("type", "choice"),), (Violation("choice.unknown"),), (Violation("choice.retired"),)
    other = question.other

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not str:
            return _FINE if other and _is_other(value) else wrong
        if value in offered:
            return _FINE
        return gone if value in retired else unknown

    return rule


def _select_multiple_rule(question: Question) -> Rule:
    one = _select_one_rule(question)
    wrong = (Violation("type", "choices"),)
    least: Any = question.min or 0
    most: Any = len(question.choices) + 1 if question.max is None else question.max

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not list:
            return wrong
        if not value:  # nothing chosen is no answer
            return _FINE
        found: dict[str, Violation] = {}
        codes = [item for item in value if type(item) is str]
        if len(codes) < len(value) - 1 or len(set(codes)) < len(codes):
            found["choice.repeated"] = Violation("choice.repeated")
        for item in value:
            for violation in one(item):
                if violation.code == "type":
                    return wrong
                found[violation.code] = violation
        if len(value) < least:
            found["min"] = Violation("min", "count", {"min": least})
        elif len(value) > most and "choice.repeated" not in found:
            found["max"] = Violation("max", "count", {"max": most})
        return tuple(found.values()) if found else _FINE

    return rule


def _rows_rule(question: Question) -> Rule:
    wrong = (Violation("type", "rows"),)
    least: Any = question.min or 0
    most: Any = MAX_ROWS if question.max is None else question.max
    too_few = (Violation("min", "count", {"min": least}),)
    too_many = (Violation("max", "count", {"max": most}),)

    def rule(value: Any) -> tuple[Violation, ...]:
        if type(value) is not list:
            return wrong
        count = len(value)
        return too_many if count > most else too_few if 0 < count < least else _FINE

    return rule


def is_email(text: str) -> bool:
    """Whether the text has the form of an email address; whether it exists, only a mail can tell."""
    return len(text) <= MAX_EMAIL and _EMAIL.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether the text is an absolute http or https address without credentials."""
    return len(text) <= MAX_URL and _URL.fullmatch(text) is not None


def _is_phone(text: str) -> bool:
    return len(text) <= MAX_PHONE and sum(map(str.isdigit, text)) >= _PHONE_DIGITS


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_other(value: Any) -> bool:
    return type(value) is dict and len(value) == 1 and type(value.get("other")) is str and bool(value["other"].strip())


def _between(value: Any, low: float, high: float) -> bool:
    return type(value) is not bool and isinstance(value, int | float) and low <= value <= high


def _is_geopoint(value: Any) -> bool:
    if type(value) is not dict or not value.keys() <= {"latitude", "longitude", "altitude", "accuracy"}:
        return False
    return (
        _between(value.get("latitude"), -90, 90)
        and _between(value.get("longitude"), -180, 180)
        and (value.get("altitude") is None or _between(value["altitude"], -1e7, 1e9))  # metres; a balloon and a mine both fit
        and (value.get("accuracy") is None or _between(value["accuracy"], 0, 1e9))
    )


def _is_file(value: Any) -> bool:
    if type(value) is not dict or not value.keys() <= {"name", "url", "sha256", "size", "type"}:
        return False
    name, url, digest, size, media = (value.get(key) for key in ("name", "url", "sha256", "size", "type"))
    return (
        _is_file_name(name)
        and (url is not None or digest is not None)
        and (url is None or (type(url) is str and is_url(url)))
        and (digest is None or (type(digest) is str and _SHA256.fullmatch(digest) is not None))
        and (size is None or (type(size) is int and 0 <= size <= INTEGER_HIGH))
        and (media is None or (type(media) is str and _MEDIA_TYPE.fullmatch(media) is not None))
    )


def _is_file_name(name: Any) -> bool:
    """A bare name: a path in it could lead someone who saves the file out of the folder."""
    if type(name) is not str or not 1 <= len(name) <= MAX_FILE_NAME or name in (".", "..") or not name.isprintable():
        return False
    return "/" not in name and "\\" not in name
