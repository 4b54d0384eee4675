"""A question whose answer stands in several columns of an export: one per option, and one for own words."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from collect_pipelines.forms.definition import Choice, Question

__all__ = ["parts_of"]

Put = Callable[[dict[str, Any], str], None]


def parts_of(question: Question) -> dict[str, tuple[Put, bool]]:
    """
    What to do with the cells of the columns that the question's metadata names; True for the column of own words.

    `columns`: column by code of the choice. `marks`: what it holds when the choice is made, where that is not its label.
    `unchosen`: what it holds when it is not, besides nothing. `other_column`, and `other_with`: what the question's own column holds
    beside own words.
    """
    return dict(_parts(question))


def _parts(question: Question) -> Iterator[tuple[str, tuple[Put, bool]]]:
    facts = question.metadata
    columns, marks, other = _mapping(facts.get("columns")), _mapping(facts.get("marks")), facts.get("other_column")
    if question.type == "select_multiple":
        unchosen = facts.get("unchosen")
        for choice in question.choices:
            column = columns.get(choice.code)
            if isinstance(column, str):
                yield column, (partial(_chosen, question.key, choice, _words(choice, marks), unchosen), False)
    if isinstance(other, str) and question.other:
        put = _also if question.type == "select_multiple" else partial(_instead, facts.get("other_with"), question)
        yield other, (partial(put, question.key), True)


def _words(choice: Choice, marks: Mapping[str, Any]) -> frozenset[Any]:
    mark = marks.get(choice.code)
    return frozenset((*choice.label.values(), choice.code) if mark is None else (mark,))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _chosen(key: str, choice: Choice, words: frozenset[Any], unchosen: Any, answers: dict[str, Any], cell: str) -> None:
    if cell in words:
        answers.setdefault(key, []).append(choice.code)
    elif cell == unchosen:
        answers.setdefault(key, [])
    else:
        raise ValueError("the option itself, or what the form's metadata says of its column, is expected.")


def _also(key: str, answers: dict[str, Any], cell: str) -> None:
    _refuse_blank(cell)
    answers.setdefault(key, []).append({"other": cell})


def _instead(beside: Any, question: Question, key: str, answers: dict[str, Any], cell: str) -> None:
    _refuse_blank(cell)
    known = answers.get(key)
    codes = {choice.code for choice in question.choices if beside in (choice.code, *choice.label.values())}
    if known is not None and known != {"other": beside} and known not in codes:
        raise ValueError("the response has a choice, too, and the question takes one of both; make an own text question of this column.")
    answers[key] = {"other": cell}


def _refuse_blank(cell: str) -> None:
    if not cell.strip():
        raise ValueError("white space is no answer in own words.")
