"""The rules a form must keep as a whole, each with what to do: keys used twice, depth, size, languages, unique_by."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from collect_pipelines.forms.faults import MAX_DEPTH, MAX_QUESTIONS, UNIQUE_TYPES, Fault, Place, spell

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question

__all__ = ["form_faults"]


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
    texts = [((*place, name), getattr(question, name)) for name in ("label", "hint", "constraint_message", "required_message")]
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
