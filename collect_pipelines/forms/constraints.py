"""What a question asks of its answer as trees of the rule language, so that one compiler decides it at ingest and over a frame."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.faults import (
    COUNTED_TYPES,
    DEFAULT_STARS,
    MAX_ROWS,
    NUMBER_TYPES,
    TEXT_TYPES,
    TIME_TYPES,
)
from collect_pipelines.model import Severity
from collect_pipelines.rules.nodes import Field, Node, call, literal
from collect_pipelines.rules.nodes import field as answer
from collect_pipelines.rules.patterns import anchored
from collect_pipelines.rules.values import value_of

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["ALWAYS_FLAG", "ALWAYS_REJECT", "Constraint", "all_of", "constraints_of", "severity_of"]

ALWAYS_REJECT = frozenset({"type", "unknown"})
ALWAYS_FLAG = frozenset({"irrelevant", "retired", "choice.retired"})
"""Nothing is wrong with the answer; old devices, or a question answered before another one changed, still send it."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """
    One thing an answer must be. `node` is true when it is; where it can't be decided, nothing is wrong.

    An answer is judged as it was given: blank text, which counts as missing in rules, is judged like any other text that is not empty.
    """

    code: str
    node: Node
    data: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    """Chooses the sentence, as in `forms.value_rules.Violation`."""
    each: bool = False
    """The node speaks of every single item of the list (select_multiple), which stands under the question's key as a text."""


def severity_of(question: "Question", code: str) -> Severity:
    """How much it matters that an answer breaks a constraint, or has the wrong type."""
    if code in ALWAYS_REJECT:
        return "reject"
    return "flag" if code in ALWAYS_FLAG else question.on_violation


def constraints_of(question: "Question", form: "FormDefinition | None" = None) -> Iterator[Constraint]:
    """
    Every constraint of a question that has answers, in the order they are told.

    Types and formats (email, url, phone) are no constraints: an answer of the wrong type is judged by nothing else. Choices are judged
    by their codes: where `choice.unknown` is judged, an answer in own words counts as missing.
    form: with it come those that look at other questions, too: `relevant` in `required` and `irrelevant`, and `choices_by`.
    """
    if question.type not in VALUE_TYPES:
        return
    value = answer(question.key, VALUE_TYPES[question.type])
    relevant = form.checked.relevance.get(question.key) if form is not None else None
    if question.required and question.retired is None:
        given = call("answered", value)
        yield Constraint("required", given if relevant is None else call("?:", relevant, given, literal(True)))
    if question.type in TEXT_TYPES:
        yield from _lengths(question, value)
    elif question.type in NUMBER_TYPES | TIME_TYPES:
        yield from _bounds(question, value)
    elif question.type in COUNTED_TYPES | {"select_one"}:
        yield from _choices(question, value, form)
    if relevant is not None:
        yield Constraint("irrelevant", call("||", relevant, call("!", call("answered", value))))


def all_of(nodes: Sequence[Node]) -> Node:
    """True when every node is; halved again and again, so that a long list is no deep tree."""
    return _halved("&&", nodes)


def _halved(name: str, nodes: Sequence[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    middle = len(nodes) // 2
    return call(name, _halved(name, nodes[:middle]), _halved(name, nodes[middle:]))


def _lengths(question: "Question", value: Node) -> Iterator[Constraint]:
    if question.min_length is not None:
        yield Constraint("min_length", call(">=", call("size", value), literal(question.min_length)), {"min_length": question.min_length})
    if question.max_length is not None:
        yield Constraint("max_length", call("<=", call("size", value), literal(question.max_length)), {"max_length": question.max_length})
    if question.pattern is not None:
        yield Constraint("pattern", call("matches", value, literal(anchored(question.pattern))))


def _bounds(question: "Question", value: Node) -> Iterator[Constraint]:
    low, high = question.min, question.max
    if question.type == "rating":
        low, high = (1 if low is None else low), (DEFAULT_STARS if high is None else high)
    if low is not None:
        yield Constraint("min", call(">=", value, _bound(question.type, low)), {"min": low})
    if high is not None:
        yield Constraint("max", call("<=", value, _bound(question.type, high)), {"max": high})


def _bound(question_type: str, bound: int | float | str) -> Node:
    kind = VALUE_TYPES[question_type]
    return literal(value_of(kind, question_type, bound), kind)


def _choices(question: "Question", value: Node, form: "FormDefinition | None") -> Iterator[Constraint]:
    if question.choices:
        known = call("one_of", answer(question.key, "text"), *(literal(choice.code) for choice in question.choices))
        yield Constraint("choice.unknown", known, each=question.type == "select_multiple")
    if form is not None:
        for attribute, key in question.choices_by.items():
            if key in form.checked.types:  # else the form is only a part of one
                yield from _filtered(question, value, attribute, answer(key, form.checked.types[key]))
    if question.type in COUNTED_TYPES:
        yield from _counts(question, call("size", value))


def _counts(question: "Question", count: Node) -> Iterator[Constraint]:
    most = question.max
    if most is None:
        most = MAX_ROWS if question.type == "repeat" else len(question.choices) + 1  # one more is an answer in own words
    if question.min:
        yield Constraint("min", call(">=", count, literal(int(question.min))), {"min": question.min}, "count")
    yield Constraint("max", call("<=", count, literal(int(most))), {"max": most}, "count")


def _filtered(question: "Question", value: Node, attribute: str, chooser: Field) -> Iterator[Constraint]:
    """Every choice that has the attribute must have it with the chooser's answer; one without it goes with any."""
    codes: dict[tuple[str, ...], list[str]] = {}
    for choice in question.choices:
        if choice.attribute(attribute):
            codes.setdefault(choice.attribute(attribute), []).append(choice.code)
    if codes:
        data = {"attribute": attribute, "by": chooser.key}
        yield Constraint("choice.filtered", all_of([_fits(value, group, chooser, texts) for texts, group in codes.items()]), data)


def _fits(value: Node, codes: Sequence[str], chooser: Node, texts: Sequence[str]) -> Node:
    return call("||", call("!", _any(value, codes)), _any(chooser, texts))


def _any(value: Node, texts: Sequence[str]) -> Node:
    """Whether the answer is, or has among it, one of the texts."""
    if value.type == "texts":
        return _halved("||", [call("in", literal(text), value) for text in texts])
    return call("one_of", value, *(literal(text) for text in texts))
