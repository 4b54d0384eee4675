"""The expressions of a form (rules and `relevant`) checked against its questions and kept as trees; every fault with its place."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collect_pipelines.errors import RuleInvalid, RuleProblem
from collect_pipelines.forms.faults import MAX_RULE_QUESTIONS, Fault, Place
from collect_pipelines.rules.nodes import Node, ValueType, call

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question
    from collect_pipelines.forms.rule import FormRule

__all__ = ["VALUE_TYPES", "CheckedForm", "CheckedRule", "check_form"]

VALUE_TYPES: Mapping[str, ValueType] = {
    **dict.fromkeys(("text", "email", "url", "phone", "hidden", "select_one"), "text"),
    **dict.fromkeys(("integer", "rating"), "integer"),
    **dict.fromkeys(("geopoint", "file"), "opaque"),
    "decimal": "decimal",
    "boolean": "boolean",
    "select_multiple": "texts",
    "date": "date",
    "time": "time",
    "datetime": "datetime",
    "repeat": "rows",
}
"""What the answer to a question of each type is in an expression; note and group have none."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule of the form, ready to be compiled."""

    rule: "FormRule"
    root: Node | None
    """The checked expression; None for a rule over many responses."""
    keys: tuple[str, ...]
    """Question keys the rule looks at, in order."""
    questions: tuple[str, ...]
    """Question keys its message is about, first the one it is shown at."""
    repeats: tuple[str, ...] = ()
    """Keys of the repeats whose rows it is judged for, outermost first; none when it is judged once for the response."""


@dataclass(frozen=True, slots=True)
class CheckedForm:
    """Every expression of a form, and what is wrong with them."""

    rules: tuple[CheckedRule, ...] = ()
    relevance: Mapping[str, Node] = field(default_factory=dict)
    """When a question is asked, what its groups and repeats say included; a question that is not in it is always asked."""
    types: Mapping[str, ValueType] = field(default_factory=dict)
    """What the answer to each question is in an expression, by key; those inside repeats included."""
    repeats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys of the repeats around each question, outermost first."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with its surroundings."""

    question: "Question"
    place: Place
    repeats: tuple[str, ...]
    around: tuple[Place, ...]
    """Places of the groups and repeats it is in."""


def check_form(questions: Sequence["Question"], rules: Sequence["FormRule"], zone: str = "UTC") -> CheckedForm:
    """
    All expressions of the form. zone: whose day `today()` is.

    Never raises; a question whose type is not known makes no fault in expressions that name it.
    """
    asked = list(_walk(questions, ("questions",), (), ()))
    if not rules and not any(one.question.relevant for one in asked):
        return CheckedForm(types=_types(asked), repeats=_repeats(asked))
    reader = _Reader(asked, zone)
    checked = tuple(reader.rules(rules))
    relevance = reader.relevance()
    return CheckedForm(checked, relevance, reader.types, reader.repeats, tuple(reader.faults))


def _types(asked: Sequence[_Asked]) -> dict[str, ValueType]:
    return {one.question.key: VALUE_TYPES[one.question.type] for one in asked if one.question.type in VALUE_TYPES}


def _repeats(asked: Sequence[_Asked]) -> dict[str, tuple[str, ...]]:
    return {one.question.key: one.repeats for one in asked}


class _Reader:
    """Checks the expressions of one form and gathers their faults."""

    def __init__(self, asked: Sequence[_Asked], zone: str) -> None:
        self.asked = asked
        self._zone = zone
        self.types = _types(asked)
        self.faults: list[Fault] = []
        self.repeats = _repeats(asked)
        self._unclear = {one.question.key for one in asked if one.question.type not in {*VALUE_TYPES, "note", "group"}}

    def rules(self, rules: Sequence["FormRule"]) -> Iterator[CheckedRule]:
        for index, rule in enumerate(rules):
            place: Place = ("rules", index)
            if rule.expression is None:
                yield _over_many(rule)
                continue
            found = self._checked(rule.expression, (*place, "expression"))
            if found is None:
                continue
            root, keys = found
            repeats = self._shared_repeats(keys, (*place, "expression"))
            if repeats is not None:
                questions = rule.questions or keys[:MAX_RULE_QUESTIONS]
                self._check_within(questions, repeats, (*place, "questions"))
                yield CheckedRule(rule, root, keys, questions, repeats)

    def relevance(self) -> dict[str, Node]:
        """Relevance by key, what is inherited included. A form that asks in circles has none."""
        own: dict[Place, tuple[Node, tuple[str, ...]]] = {}
        for one in self.asked:
            if one.question.relevant:
                place = (*one.place, "relevant")
                found = self._checked(one.question.relevant, place)
                if found is not None and self._in_scope(found[1], one, place):
                    own[one.place] = found
        inherited = {one.question.key: [own[place] for place in (*one.around, one.place) if place in own] for one in self.asked}
        needs = {key: tuple(dict.fromkeys(named for _, keys in found for named in keys)) for key, found in inherited.items()}
        circle = _circle(needs)
        if circle:
            self._tell_circle(circle, own)
            return {}
        return {key: _all_of([root for root, _ in found]) for key, found in inherited.items() if found and key in self.types}

    def _checked(self, text: str, place: Place) -> tuple[Node, tuple[str, ...]] | None:
        from collect_pipelines.rules.language import check

        if self._unclear.intersection(_WORD.findall(text)):
            return None
        try:
            found = check(text, self.types, self._zone)
        except RuleInvalid as exc:
            self.faults += [Fault(place, _in_words(problem, text)) for problem in exc.problems]
            return None
        return found.root, found.keys

    def _shared_repeats(self, keys: Sequence[str], place: Place) -> tuple[str, ...] | None:
        """The repeats whose rows a rule is judged for: those of its innermost question, which the others must lie around."""
        if not keys:
            self.faults.append(Fault(place, "names no question, so no answer can break it; name the answers it is about"))
            return None
        innermost = max(keys, key=lambda key: len(self.repeats[key]))
        repeats = self.repeats[innermost]
        for key in keys:
            if self.repeats[key] != repeats[: len(self.repeats[key])]:
                both = f"`{innermost}` is asked in the repeat `{repeats[-1]}`, `{key}` in the repeat `{self.repeats[key][-1]}`"
                self.faults.append(Fault(place, f"{both}; a rule can look at the rows of one repeat only"))
                return None
        return repeats

    def _check_within(self, questions: Sequence[str], repeats: tuple[str, ...], place: Place) -> None:
        for at, key in enumerate(questions):
            inside = self.repeats.get(key, ())
            if inside != repeats[: len(inside)]:
                self.faults.append(
                    Fault((*place, at), f"`{key}` is asked in the repeat `{inside[-1]}`, whose rows this rule does not look at")
                )

    def _in_scope(self, keys: Sequence[str], one: _Asked, place: Place) -> bool:
        for key in keys:
            inside = self.repeats[key]
            if inside != one.repeats[: len(inside)]:
                self.faults.append(
                    Fault(place, f"`{key}` is asked in the repeat `{inside[-1]}`, whose rows are not known here; use size({inside[-1]})")
                )
                return False
        return True

    def _tell_circle(self, circle: Sequence[str], own: Mapping[Place, object]) -> None:
        one = next(one for one in self.asked if one.question.key == circle[0])
        place = next(place for place in (one.place, *reversed(one.around)) if place in own)
        way = " -> ".join(f"`{key}`" for key in (*circle, circle[0]))
        told = f"whether `{circle[0]}` is asked depends on itself: {way}; take one of them out of the expressions"
        self.faults.append(Fault((*place, "relevant"), told))


def _over_many(rule: "FormRule") -> CheckedRule:
    keys = rule.unique or tuple(key for key in (rule.complete, rule.distribution) if key is not None)
    return CheckedRule(rule, None, keys, rule.questions or keys)


def _walk(questions: Sequence["Question"], place: Place, repeats: tuple[str, ...], around: tuple[Place, ...]) -> Iterator[_Asked]:
    for index, question in enumerate(questions):
        here = (*place, index)
        yield _Asked(question, here, repeats, around)
        inside = (*repeats, question.key) if question.type == "repeat" else repeats
        yield from _walk(question.questions, (*here, "questions"), inside, (*around, here))


def _in_words(problem: RuleProblem, text: str) -> str:
    line = f"line {problem.line}, " if "\n" in text.strip() else ""
    return f"{line}column {problem.column}: {problem.message}; {problem.fix}"


def _all_of(roots: Sequence[Node]) -> Node:
    whole = roots[0]
    for root in roots[1:]:
        whole = call("&&", whole, root)
    return whole


def _circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Keys that need one another in a circle, each of the next one; empty when there is none."""
    done: set[str] = set()
    for start in needs:
        way: list[str] = []
        ahead = [iter((start,))]
        while ahead:
            key = next((key for key in ahead[-1] if key not in done), None)
            if key is None:
                ahead.pop()
                if way:
                    done.add(way.pop())
            elif key in way:
                return way[way.index(key) :]
            else:
                way.append(key)
                ahead.append(iter(needs.get(key, ())))
    return []
