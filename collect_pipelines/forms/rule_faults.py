"""The rules of a form as a whole: names, languages and keys, each fault with what to do. Expressions are checked beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from collect_pipelines.forms.faults import MAX_RULES, UNIQUE_TYPES, Fault, Place, nearest

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import Question
    from collect_pipelines.forms.rule import FormRule

__all__ = ["rule_faults"]

COUNTABLE_TYPES = frozenset({"integer", "decimal", "rating", "boolean", "select_one", "select_multiple"})
"""What a distribution can be told of."""


def rule_faults(rules: Sequence["FormRule"], questions: Sequence["Question"], languages: Sequence[str]) -> Iterator[Fault]:
    """Every fault of the rules but those inside their expressions."""
    if len(rules) > MAX_RULES:
        yield Fault(
            ("rules",), f"has {len(rules):,} rules, at most {MAX_RULES:,} are possible; put what belongs together into one expression"
        )
        return
    top = dict(_answerable(questions, inside=False))
    every = dict(_answerable(questions, inside=True))
    seen: dict[str, int] = {}
    for index, rule in enumerate(rules):
        place: Place = ("rules", index)
        if rule.name in seen:
            yield Fault(
                (*place, "name"), f"`{rule.name}` is already used at rules[{seen[rule.name]}]; names of rules are unique in the form"
            )
        seen.setdefault(rule.name, index)
        for language in rule.message:
            if language not in languages:
                yield Fault(
                    (*place, "message"), f"`{language}` is not in the form's `languages`; add it there (a plain text counts as `en`)"
                )
        for at, key in enumerate(rule.questions):
            yield from _known((*place, "questions", at), key, every)
        yield from _over_many(rule, place, top)


def _over_many(rule: "FormRule", place: Place, top: Mapping[str, "Question"]) -> Iterator[Fault]:
    for at, key in enumerate(rule.unique):
        yield from _known((*place, "unique", at), key, top, UNIQUE_TYPES, "told apart; use text, number, date and select_one questions")
        if key in rule.unique[:at]:
            yield Fault((*place, "unique", at), f"`{key}` is named twice; remove it")
    if rule.complete is not None:
        yield from _known((*place, "complete"), rule.complete, top)
    if rule.distribution is not None:
        wanted = "compared over batches; use a number, boolean or select question"
        yield from _known((*place, "distribution"), rule.distribution, top, COUNTABLE_TYPES, wanted)


def _known(
    place: Place, key: str, questions: Mapping[str, "Question"], types: frozenset[str] | None = None, otherwise: str = ""
) -> Iterator[Fault]:
    question = questions.get(key)
    if question is None:
        yield Fault(place, f"`{key[:64]}` is no question that can be named here{nearest(key, questions) or '; name the key of a question'}")
    elif types is not None and question.type not in types:
        yield Fault(place, f"`{key}` is a {question.type}, whose answers can't be {otherwise}")


def _answerable(questions: Sequence["Question"], *, inside: bool) -> Iterator[tuple[str, "Question"]]:
    """Questions with answers by key; `inside` counts those in repeats, too."""
    for question in questions:
        if question.type not in ("group", "note"):
            yield question.key, question
        if question.type == "group" or inside:
            yield from _answerable(question.questions, inside=inside)
