"""What became different between two definitions of one question: texts per language, choices, and rules with their direction."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from collect_pipelines.forms.definition import Choice, Question
from collect_pipelines.forms.faults import comparable

__all__ = ["Change", "Direction", "label_changes", "question_changes", "shown"]

Direction = Literal["stricter", "looser"]

MAX_SHOWN = 80  # characters of a text or expression in a sentence


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, as a sentence and for programs."""

    kind: str
    """E.g. `question.added`, `choice.retired`, `bound.changed`, `rule.removed`."""
    subject: str
    """Key of the question, name of the rule or check, or `form`."""
    text: str
    """What changed, without the subject."""
    direction: Direction | None = None
    """Whether fewer (stricter) or more (looser) answers are accepted; None when that can't be told, or does not matter."""
    refused: bool = False
    """Publishing refuses it."""


def question_changes(old: Question, new: Question) -> Iterator[Change]:
    """Every difference but those of the questions inside, in the order in which people care."""
    key = new.key
    if old.type != new.type:
        yield Change("question.type", key, f"type {old.type} -> {new.type}; give the new question a new key", refused=True)
    yield from _retired(old, new)
    yield from label_changes("question.label", key, "label", old.label, new.label)
    for name in ("hint", "constraint_message", "required_message"):
        yield from label_changes(f"question.{name}", key, name, getattr(old, name), getattr(new, name))
    yield from _choices(old, new)
    for name, direction in _SWITCHES.items():
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield Change(f"question.{name}", key, f"{name}: {shown(before)} -> {shown(now)}", direction(before, now))
    for name, sign in _BOUNDS.items():
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            yield Change("bound.changed", key, f"{name}: {shown(before)} -> {shown(now)}", _bound_direction(new, before, now, sign))
    if old.metadata != new.metadata:
        yield Change("question.metadata", key, "metadata changed")


def label_changes(kind: str, subject: str, what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Change]:
    """One change per language."""
    for language in dict.fromkeys((*old, *new)):
        before, now = old.get(language), new.get(language)
        if before is None:
            yield Change(kind, subject, f"{what} in {language} added: {shown(now)}")
        elif now is None:
            yield Change(kind, subject, f"{what} in {language} removed")
        elif before != now:
            yield Change(kind, subject, f"{what} in {language}: {shown(before)} -> {shown(now)}")


def shown(value: Any) -> str:
    """A value in a sentence: texts in quotes, long ones cut."""
    if value in (None, "", (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    text = str(value)
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return f"“{text}”" if isinstance(value, str) else text


def _retired(old: Question, new: Question) -> Iterator[Change]:
    if old.retired is None and new.retired is not None:
        yield Change("question.retired", new.key, f"retired from {new.retired}: no longer asked, answers of old devices are kept", "looser")
    elif old.retired is not None and new.retired is None:
        yield Change("question.restored", new.key, "asked again", "stricter" if new.required else None)
    elif old.retired != new.retired:
        yield Change("question.retired", new.key, f"retired: {old.retired} -> {new.retired}")


def _choices(old: Question, new: Question) -> Iterator[Change]:
    before, now = ({choice.code: choice for choice in question.choices} for question in (old, new))
    for code, choice in now.items():
        if code not in before:
            yield Change("choice.added", new.key, f"choice `{code}` added: {_label(choice)}", "looser")
        else:
            yield from _choice(new.key, before[code], choice)
    for code, choice in before.items():
        if code not in now:
            text = f"choice `{code}` removed ({_label(choice)}); keep it with `retired: true`"
            yield Change("choice.removed", new.key, text, "stricter", refused=True)
    if [code for code in before if code in now] != [code for code in now if code in before]:
        yield Change("choice.order", new.key, "choices in another order")


def _choice(key: str, old: Choice, new: Choice) -> Iterator[Change]:
    if new.retired and not old.retired:
        yield Change("choice.retired", key, f"choice `{new.code}` retired ({_label(new)}): no longer offered, still readable")
    elif old.retired and not new.retired:
        yield Change("choice.restored", key, f"choice `{new.code}` offered again ({_label(new)})")
    yield from label_changes("choice.label", key, f"label of choice `{new.code}`", old.label, new.label)
    if old.attributes != new.attributes:
        yield Change("choice.attributes", key, f"attributes of choice `{new.code}`: {shown(old.attributes)} -> {shown(new.attributes)}")


def _label(choice: Choice) -> str:
    return shown(next(iter(choice.label.values()), ""))


def _bound_direction(question: Question, before: Any, now: Any, sign: int) -> Direction | None:
    """sign: 1 when a larger bound lets fewer answers through."""
    if before is None or now is None:
        return "looser" if now is None else "stricter"
    with suppress(ValueError, TypeError):
        kind = question.type if question.type not in ("select_multiple", "repeat") else "integer"
        raised = comparable(kind, now) > comparable(kind, before)
        return "stricter" if raised == (sign > 0) else "looser"
    return None


def _when_set(before: Any, now: Any) -> Direction | None:
    """For what only lets fewer answers through when it is there."""
    return "stricter" if not before else "looser" if not now else None


def _when_unset(before: Any, now: Any) -> Direction | None:
    return "looser" if not before else "stricter" if not now else None


_SWITCHES: dict[str, Callable[[Any, Any], Direction | None]] = {
    "required": _when_set,
    "relevant": lambda before, now: None,
    "choices_by": _when_set,
    "other": _when_unset,
    "pattern": _when_set,
    "region": lambda before, now: None,
    "on_violation": lambda before, now: "looser" if now == "flag" else "stricter",
    "pii": lambda before, now: None,
}
_BOUNDS = {"min": 1, "max": -1, "min_length": 1, "max_length": -1}
