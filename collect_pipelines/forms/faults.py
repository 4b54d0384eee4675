"""The rules a form definition must keep, each with what to do; every fault is found, not only the first."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from collect_pipelines.forms.patterns import pattern_fault

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question

__all__ = ["Fault", "Faults", "Place", "clean_text", "form_faults", "key_fault", "plain_data", "question_faults", "slug_fault"]

Place = tuple[str | int, ...]

KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
SLUG = re.compile(r"[a-z][a-z0-9_-]{0,62}")
CODE = re.compile(r"[^\s,;|\x00-\x1f\x7f]{1,64}")
RESERVED_KEYS = frozenset({"respondent"})  # `unique_by: respondent` means the sender, not a question
MAX_QUESTIONS = 1_000
MAX_CHOICES = 2_000
MAX_DEPTH = 8
MAX_LANGUAGES = 50
MAX_CHECKS = 20
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


def question_faults(question: "Question") -> Iterator[Fault]:
    """Every fault of one question by itself; the questions inside it are judged on their own."""
    fault = key_fault(question.key)
    if fault:
        yield Fault(("key",), fault)
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


def _choice_faults(question: "Question") -> Iterator[Fault]:
    if question.type not in SELECT_TYPES:
        if question.choices:
            yield Fault(("choices",), f"{_only('choices', SELECT_TYPES)}, or make the type select_one")
        if question.other:
            yield Fault(("other",), _only("other", SELECT_TYPES))
        return
    if not question.choices:
        yield Fault(("choices",), "a select question needs at least one choice: a list of `code` and `label`")
    if len(question.choices) > MAX_CHOICES:
        yield Fault(("choices",), f"has {len(question.choices):,} choices, at most {MAX_CHOICES:,} are possible; ask for text instead")
    seen: dict[str, int] = {}
    for index, choice in enumerate(question.choices):
        if not CODE.fullmatch(choice.code):
            yield Fault(("choices", index, "code"), "a code has 1 to 64 characters, without spaces, `,`, `;` and `|`")
        if choice.code in seen:
            yield Fault(("choices", index, "code"), f"the code is taken by choices[{seen[choice.code]}]; codes are unique in a question")
        seen.setdefault(choice.code, index)


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
    most = {"rating": MAX_STARS, "repeat": MAX_ROWS, "select_multiple": MAX_CHOICES}.get(kind, INTEGER_HIGH)
    least = INTEGER_LOW if kind in ("integer", "decimal") else 0
    if not least <= value <= most:
        return f"for a {kind} it must be between {least} and {most}"
    return None


def comparable(kind: str, value: int | float | str) -> Any:
    """A bound or an answer as something to compare with others of its type. Raises ValueError when it is not of the type."""
    if kind not in TIME_TYPES:
        return value
    from collect_pipelines.forms.moments import read_date, read_datetime, read_time

    reading = {"date": read_date, "time": read_time, "datetime": read_datetime}[kind]
    moment = reading(value) if isinstance(value, str) else None
    if moment is None:
        raise ValueError(f"not a {kind}")
    return moment


def _region_fault(region: str) -> str | None:
    from phonenumbers import SUPPORTED_REGIONS

    if region in SUPPORTED_REGIONS:
        return None
    upper = region.upper()
    return "must be a country of two capital letters, e.g. IN" + (f"; write {upper}" if upper in SUPPORTED_REGIONS else "")


def form_faults(questions: Sequence["Question"], languages: Sequence[str], unique_by: str | None) -> Iterator[Fault]:
    """Every fault that only shows over the whole form: keys used twice, depth, number of questions, languages, unique_by."""
    seen: dict[str, Place] = {}
    top: dict[str, Question] = {}
    deepest: Place | None = None
    for place, question, in_repeat in _walk(questions, ("questions",), False):
        if question.key in seen:
            yield Fault((*place, "key"), f"`{question.key}` is already used at {spell(seen[question.key])}; keys are unique over the form")
        seen.setdefault(question.key, place)
        if not in_repeat and question.type not in ("note", "group"):
            top.setdefault(question.key, question)
        if len(place) > 2 * MAX_DEPTH and deepest is None:
            deepest = place
        yield from _language_faults(question, place, languages)
    if deepest is not None:
        yield Fault(deepest, f"is nested deeper than {MAX_DEPTH} levels; flatten the groups")
    if len(seen) > MAX_QUESTIONS:
        yield Fault(("questions",), f"has {len(seen):,} questions, at most {MAX_QUESTIONS:,} are possible; split the form")
    if unique_by is not None and unique_by != "respondent":
        yield from _unique_faults(top, unique_by)


def _unique_faults(top: Mapping[str, "Question"], unique_by: str) -> Iterator[Fault]:
    question = top.get(unique_by)
    if question is None:
        near = get_close_matches(unique_by, [*top, "respondent"], n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        yield Fault(("unique_by",), f"must be `respondent` or the key of a question outside of repeats{hint}")
    elif question.type not in UNIQUE_TYPES:
        yield Fault(("unique_by",), f"`{unique_by}` is a {question.type}, which can't identify a response; use a text or number question")
    elif question.retired is not None:
        yield Fault(("unique_by",), f"`{unique_by}` is retired; choose a question that is still asked")


def _language_faults(question: "Question", place: Place, languages: Sequence[str]) -> Iterator[Fault]:
    texts = [((*place, "label"), question.label), ((*place, "hint"), question.hint)]
    texts += [((*place, "choices", index, "label"), choice.label) for index, choice in enumerate(question.choices)]
    for where, labels in texts:
        for language in labels:
            if language not in languages:
                yield Fault(where, f"`{language}` is not in the form's `languages`; add it there (a plain text counts as `en`)")


def _walk(questions: Sequence["Question"], place: Place, in_repeat: bool) -> Iterator[tuple[Place, "Question", bool]]:
    for index, question in enumerate(questions):
        here = (*place, index)
        yield here, question, in_repeat
        yield from _walk(question.questions, (*here, "questions"), in_repeat or question.type == "repeat")


def spell(place: Place) -> str:
    """A place as people write it: `questions[3].choices[0].code`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
