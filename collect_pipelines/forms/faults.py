"""Faults of a form definition: their shape, the limits of forms, and the rules for names, text and data."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from collect_pipelines.rules.moments import read_date, read_datetime, read_time

__all__ = [
    "Fault",
    "Faults",
    "Place",
    "clean_text",
    "comparable",
    "key_fault",
    "nearest",
    "plain_data",
    "rule_name_fault",
    "slug_fault",
    "spell",
]

Place = tuple[str | int, ...]

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
SLUG = re.compile(r"[a-z][a-z0-9_-]{0,62}")
CODE = re.compile(r"[^\s,;|\x00-\x1f\x7f]{1,64}")
KEY_CHARACTERS = 63  # what a key has at most; comparing longer words costs time and finds nothing
RESERVED_KEYS = frozenset({"respondent"})  # `unique_by: respondent` means the sender, not a question
MAX_QUESTIONS = 1_000
MAX_CHOICES = 2_000
MAX_DEPTH = 8
MAX_LANGUAGES = 50
MAX_CHECKS = 20
MAX_RULES = 500  # judged for each response while a person waits
MAX_RULE_NAME = 59  # characters: with `rule.` before it a finding's code, which has 64
MAX_RULE_QUESTIONS = 20  # that one message names; with their labels they fit into a finding
MAX_RULE_MESSAGE = 1_000  # characters of a rule's message: a finding has 16 KiB
RESERVED_RULES = frozenset({"error"})  # the code `rule.error` tells that a rule could not be judged
MAX_ROWS = 1_000
"""Most rows of a repeat, and the number that holds when its author sets none."""
MAX_STARS = 100
DEFAULT_STARS = 5
MAX_EXTRA_DEPTH = 16
MAX_EXTRA_KEY = 200  # characters; YAML readers want a key to be short
MAX_EXTRA_TEXT = 100_000
INTEGER_LOW, INTEGER_HIGH = -(2**63), 2**63 - 1

TEXT_TYPES = frozenset({"text", "email", "url", "phone"})
SELECT_TYPES = frozenset({"select_one", "select_multiple"})
NUMBER_TYPES = frozenset({"integer", "decimal", "rating"})
TIME_TYPES = frozenset({"date", "time", "datetime"})
COUNTED_TYPES = frozenset({"select_multiple", "repeat"})
NESTING_TYPES = frozenset({"group", "repeat"})
UNIQUE_TYPES = TEXT_TYPES | TIME_TYPES | {"integer", "decimal", "select_one", "hidden"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, its place below the part it was found in, and what to do."""

    place: Place
    message: str


class Faults(ValueError):
    """Several faults at once, the way pydantic can carry them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in faults))


def clean_text(text: str, most: int) -> str:
    """The text itself; raises ValueError when it can't be stored (NUL, half a surrogate pair) or is longer than `most` characters."""
    if "\x00" in text:
        raise ValueError("holds the NUL character, which can't be stored; remove it")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds half a surrogate pair, which is no character; remove it")
    if not text or len(text) > most:
        raise ValueError(f"must have 1 to {most:,} characters; it has {len(text):,}")
    return text


def plain_data(value: Any, depth: int = MAX_EXTRA_DEPTH) -> Any:
    """The value itself; raises ValueError unless it is JSON data that can be stored: text keys, finite numbers, not too deep."""
    if depth == 0:
        raise ValueError(f"is nested deeper than {MAX_EXTRA_DEPTH} levels; flatten it")
    if isinstance(value, str):
        if value:
            clean_text(value, MAX_EXTRA_TEXT)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("a name must be text; put quotes around it")
            clean_text(key, MAX_EXTRA_KEY)
            plain_data(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            plain_data(item, depth - 1)
    elif not (value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))):
        raise ValueError("must be text, a number, true, false, null, a list or a mapping")
    return value


def key_fault(key: str) -> str | None:
    """What is wrong with a question key."""
    if key in RESERVED_KEYS:
        return f"`{key}` is a reserved word; use `{key}_name` or the like"
    if KEY.fullmatch(key):
        return None
    better = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")[:63]
    hint = f"; `{better}` would do" if KEY.fullmatch(better) else ""
    return f"a key has 1 to 63 of a-z, 0-9 and _, and starts with a letter{hint}"


def slug_fault(slug: str) -> str | None:
    """What is wrong with a form's name."""
    return None if SLUG.fullmatch(slug) else "a form's name has 1 to 63 of a-z, 0-9, _ and -, and starts with a letter"


def rule_name_fault(name: str) -> str | None:
    """What is wrong with the name of a rule."""
    if name in RESERVED_RULES:
        return f"`{name}` is a reserved word; say what is checked"
    if SLUG.fullmatch(name) and len(name) <= MAX_RULE_NAME:
        return None
    return f"a rule's name has 1 to {MAX_RULE_NAME} of a-z, 0-9, _ and -, and starts with a letter"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word most like this one, to end a message with; empty when none is like it."""
    near = get_close_matches(word[:KEY_CHARACTERS], list(known), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def comparable(kind: str, value: int | float | str) -> Any:
    """A bound or an answer as something to compare with others of its type. Raises ValueError when it is not of the type."""
    if kind not in TIME_TYPES:
        return value
    reading = {"date": read_date, "time": read_time, "datetime": read_datetime}[kind]
    moment = reading(value) if isinstance(value, str) else None
    if moment is None:
        raise ValueError(f"not a {kind}")
    return moment


def spell(place: Place) -> str:
    """A place as people write it: `questions[3].choices[0].code`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
