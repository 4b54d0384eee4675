"""What one question says about another: choices_by and was, each fault with what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collect_pipelines.forms.faults import SELECT_TYPES, Fault, Place, nearest, spell

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question

__all__ = ["relation_faults"]

FILTER_TYPES = SELECT_TYPES | {"text", "hidden"}
"""Whose answers can be the value of an attribute."""


@dataclass(frozen=True, slots=True)
class _Placed:
    question: "Question"
    place: Place
    repeats: tuple[str, ...]
    """Keys of the repeats around it, outermost first."""


def relation_faults(questions: Sequence["Question"]) -> Iterator[Fault]:
    """Every fault of `choices_by` and `was` that only shows beside the other questions."""
    placed = list(_walk(questions, ("questions",), ()))
    by_key = {one.question.key: one for one in placed}
    former: dict[str, Place] = {}
    for one in placed:
        for index, key in enumerate(one.question.was):
            here = (*one.place, "was", index)
            if key in by_key and key != one.question.key:
                yield Fault(here, f"`{key}` is the key of a question at {spell(by_key[key].place)}; remove that question, or this name")
            elif key in former and key not in one.question.was[:index]:
                yield Fault(here, f"`{key}` is already named at {spell(former[key])}; only one question can have had it")
            former.setdefault(key, here)
        for attribute, key in one.question.choices_by.items():
            wrong = _filter_fault(one, key, by_key)
            if wrong:
                yield Fault((*one.place, "choices_by", attribute), wrong)


def _filter_fault(one: _Placed, key: str, by_key: dict[str, _Placed]) -> str | None:
    other = by_key.get(key)
    usable = [known for known, found in by_key.items() if found.question.type in FILTER_TYPES and known != one.question.key]
    if other is None:
        return f"`{key[:64]}` is no question of this form{nearest(key, usable) or '; name the key of the question that is answered before'}"
    if other is one:
        return "a question can't choose its own choices; name the key of the question that is answered before"
    if other.question.type not in FILTER_TYPES:
        return f"`{key}` is a {other.question.type}; only {', '.join(sorted(FILTER_TYPES))} can choose among choices"
    if other.repeats != one.repeats[: len(other.repeats)]:
        return f"`{key}` is asked in the repeat `{other.repeats[-1]}`, whose rows are not known here; name a question beside this one"
    return None


def _walk(questions: Sequence["Question"], place: Place, repeats: tuple[str, ...]) -> Iterator[_Placed]:
    for index, question in enumerate(questions):
        here = (*place, index)
        yield _Placed(question, here, repeats)
        yield from _walk(question.questions, (*here, "questions"), (*repeats, question.key) if question.type == "repeat" else repeats)
