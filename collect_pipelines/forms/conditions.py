"""What answers must be beside one another, by the form's `relevant` and `choices_by`, compiled for one list of questions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collect_pipelines.forms.constraints import constraints_of
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.value_rules import Violation
from collect_pipelines.rules.evaluate import Verdict, compiled, value_of
from collect_pipelines.rules.nodes import Node, keys

__all__ = ["Broken", "Conditions", "is_unanswered"]

Broken = tuple[str, tuple[Violation, ...]]
"""A question key, and what its answer breaks."""

Judge = Callable[[Mapping[str, Any], datetime], Verdict]


def is_unanswered(value: Any) -> bool:
    """Whether there is no answer: null, blank text, an empty list."""
    return value is None or value == [] or (type(value) is str and (not value or value.isspace()))


@dataclass(frozen=True, slots=True)
class _Relevance:
    """Questions asked under the same condition; it is decided once for all of them."""

    judge: Judge
    keys: tuple[str, ...]
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Filter:
    key: str
    judge: Judge
    violation: Violation


class Conditions:
    """The conditions on the answers of one sheet: of the form, or of a row of a repeat."""

    __slots__ = ("_filters", "_reads", "_relevance", "keys")

    def __init__(self, questions: Sequence[Question], form: FormDefinition, inner: "Iterable[Conditions]") -> None:
        """questions: those of the sheet, groups opened. inner: of the rows of its repeats, which see the answers of this sheet."""
        relevance = form.checked.relevance
        groups: dict[Node, list[Question]] = {}
        for question in questions:
            if question.key in relevance:
                groups.setdefault(relevance[question.key], []).append(question)
        self._relevance = tuple(_relevance(node, members) for node, members in groups.items())
        filtered = [
            (question.key, one) for question in questions for one in constraints_of(question, form) if one.code == "choice.filtered"
        ]
        self._filters = tuple(_Filter(key, compiled(one.node), Violation(one.code, data=one.data)) for key, one in filtered)
        named = {*(key for node in groups for key in keys(node)), *(key for _, one in filtered for key in keys(one.node))}
        self.keys: frozenset[str] = frozenset(named.union(*(one.keys for one in inner)))
        """Keys that are looked at here or further inside."""
        self._reads = tuple((one.key, VALUE_TYPES[one.type], one.type) for one in questions if one.key in self.keys)

    def __bool__(self) -> bool:
        """Whether there is anything to look at: a condition may name no question, such as `today() < date("2026-06-30")`."""
        return bool(self._relevance or self.keys)

    def values(self, answers: Mapping[str, Any], outer: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answers the conditions look at, as values of rules, on top of those around them."""
        if not self._reads:
            return outer
        return {**outer, **{key: value_of(value_type, kind, answers.get(key)) for key, value_type, kind in self._reads}}

    def broken(self, answers: Mapping[str, Any], values: Mapping[str, Any], now: datetime) -> list[Broken]:
        """What is required because it is asked, answered although it is not, or chosen although it was not offered."""
        found: list[Broken] = []
        for one in self._relevance:
            verdict = one.judge(values, now)
            if verdict == "kept":
                found += [(key, (_REQUIRED,)) for key in one.required if is_unanswered(answers.get(key))]
            elif verdict == "broken":
                found += [(key, (_IRRELEVANT,)) for key in one.keys if not is_unanswered(answers.get(key))]
        for limit in self._filters:
            if answers.get(limit.key) is not None and limit.judge(values, now) in ("broken", "error"):
                found.append((limit.key, (limit.violation,)))
        return found


_REQUIRED, _IRRELEVANT = Violation("required"), Violation("irrelevant")


def _relevance(node: Node, questions: Sequence[Question]) -> _Relevance:
    required = tuple(question.key for question in questions if question.required and question.retired is None)
    return _Relevance(compiled(node), tuple(question.key for question in questions), required)
