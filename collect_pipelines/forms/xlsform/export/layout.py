"""The questions of a definition in the order of a survey sheet: which are written, under which names, and inside what."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.expressions import check_form
from collect_pipelines.forms.xlsform.expressions.answers import Answer, Answers
from collect_pipelines.rules.language import check
from collect_pipelines.rules.nodes import unparse

__all__ = ["Layout", "Written", "kept_of", "layout_of"]

_NAMES_TAKEN = frozenset({"meta"})  # of pyxform's own group


@dataclass(frozen=True, slots=True)
class Written:
    """One question that has a row."""

    question: Question
    name: str
    path: str
    repeats: tuple[str, ...]
    children: tuple["Written", ...] = ()

    @property
    def kept(self) -> dict[str, Any]:
        """What an import kept for the way back."""
        return kept_of(self.question.metadata)


@dataclass(frozen=True, slots=True)
class Layout:
    """All questions of a definition."""

    definition: FormDefinition
    items: tuple[Written, ...]
    hidden: tuple[dict[str, Any], ...]
    """Questions without a row: `inside` (path), `at` and `question`."""
    answers: Answers
    """Of what has a row."""

    def plain(self) -> Callable[[str], str]:
        """Writes an expression without the freedom of writing it; retired questions can be named."""
        types = check_form(self.definition.questions, ()).types

        def written(expression: str) -> str:
            try:
                return unparse(check(expression, types).root)
            except RuleInvalid:
                return expression

        return written

    def every(self) -> list[Written]:
        """All that have a row, groups before what is inside."""
        return list(_walk(self.items))


def kept_of(metadata: dict[str, Any]) -> dict[str, Any]:
    """The part of the metadata that is ours."""
    found = metadata.get("xlsform")
    return found if isinstance(found, dict) else {}


def layout_of(definition: FormDefinition) -> Layout:
    """The layout of a definition."""
    hidden: list[dict[str, Any]] = []
    items = _level(definition.questions, "", (), hidden)
    every = list(_walk(items))
    answers = Answers.of(
        Answer(
            one.name,
            one.question.key,
            one.question.type,
            one.repeats,
            tuple(choice.code for choice in one.question.choices),
            one.question.other,
            "OK" if one.kept.get("type") in ("acknowledge", "trigger") else "true",
        )
        for one in every
        if one.question.type not in ("note", "group")
    )
    return Layout(definition, items, tuple(hidden), answers)


def _level(questions: Sequence[Question], inside: str, repeats: tuple[str, ...], hidden: list[dict[str, Any]]) -> tuple[Written, ...]:
    found: list[Written] = []
    taken: set[str] = set()
    for index, question in enumerate(questions):
        if not _offered(question):
            hidden.append({"inside": inside, "at": index, "question": question.model_dump(mode="json", exclude_defaults=True)})
            continue
        name = _name(question, taken)
        taken.add(name)
        path = f"{inside}/{name}" if inside else name
        around = (*repeats, question.key) if question.type == "repeat" else repeats
        found.append(Written(question, name, path, repeats, _level(question.questions, path, around, hidden)))
    return tuple(found)


def _offered(question: Question) -> bool:
    """Whether there is anything to ask: not when it is retired, or all that it offers is."""
    if question.retired is not None:
        return False
    if question.type in ("group", "repeat"):
        return any(_offered(one) for one in question.questions)
    return question.type not in ("select_one", "select_multiple") or any(not choice.retired for choice in question.choices)


def _name(question: Question, taken: set[str]) -> str:
    from pyxform.parsing.expression import is_xml_tag

    kept = kept_of(question.metadata).get("name")
    name = kept if isinstance(kept, str) and kept not in taken and ":" not in kept and is_xml_tag(kept) else question.key
    if question.type == "file" and kept_of(question.metadata).get("type") == "audit":
        return "audit"
    # The answers themselves are called data, and a repeat must not have their name.
    reserved = name in _NAMES_TAKEN or (name == "data" and question.type == "repeat")
    while reserved or name in taken:
        name, reserved = f"{name}_", False
    return name


def _walk(items: Sequence[Written]) -> Iterator[Written]:
    for item in items:
        yield item
        yield from _walk(item.children)
