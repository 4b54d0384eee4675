"""Where people wrote words of their own in a response, and which languages are spoken in the city they named."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from collect_pipelines.checks.slang.lexicon import clean_language
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["OwnText", "city_faults", "languages_of_city", "own_texts", "spoken_in_choices"]

WRITTEN = frozenset({"text", "hidden"})
OWN_WORDS = frozenset({*WRITTEN, "select_one", "select_multiple"})


class OwnText(NamedTuple):
    """A text of a person's own: where it is, the question, the text."""

    place: str
    """Question key; inside a repeat `members[2].note`, counted from 0."""
    question: Question
    text: str


def own_texts(questions: Sequence[Question], answers: Mapping[str, Any], only: frozenset[str], prefix: str = "") -> Iterator[OwnText]:
    """
    The answers to text questions and the own words (`{"other": "text"}`) of selects, also in repeats, in the order of the form.

    only: keys of the questions to look at; empty is all. The key of a repeat or group takes in what is inside.
    """
    for question in questions:
        kind = question.type
        if kind in OWN_WORDS:
            value = answers.get(question.key)
            if value and (not only or question.key in only):
                for text in _words(kind, value):
                    yield OwnText(prefix + question.key, question, text)
        elif kind == "group":
            yield from own_texts(question.questions, answers, _inside(question, only), prefix)
        elif kind == "repeat":
            rows = answers.get(question.key)
            for index, row in enumerate(rows if isinstance(rows, list) else ()):
                if isinstance(row, dict):
                    yield from own_texts(question.questions, row, _inside(question, only), f"{prefix}{question.key}[{index}].")


def _inside(question: Question, only: frozenset[str]) -> frozenset[str]:
    return frozenset() if question.key in only else only


def _words(kind: str, value: Any) -> Sequence[str]:
    if kind in WRITTEN:
        return (value,) if isinstance(value, str) else ()
    if isinstance(value, str):  # a code
        return ()
    items = value if isinstance(value, list) else [value]
    return [item["other"] for item in items if isinstance(item, dict) and isinstance(item.get("other"), str)]


def languages_of_city(form: FormDefinition, city: str | None, answers: Mapping[str, Any], otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """
    The languages (BCP-47) to search: those of the answered choice of `city`.

    `otherwise` when there is no such question, no answer, an answer in own words, or a choice that names none.
    """
    question = form.by_key.get(city) if city else None
    answer = answers.get(city) if city else None
    if question is None or not isinstance(answer, str):
        return otherwise
    return next((choice.attribute("language") for choice in question.choices if choice.code == answer), ()) or otherwise


def spoken_in_choices(form: FormDefinition, city: str) -> dict[str, tuple[str, ...]]:
    """The languages of each choice of the city question, by code."""
    return {choice.code: choice.attribute("language") for choice in form.by_key[city].choices}


def city_faults(form: FormDefinition, city: str | None, questions: Sequence[str]) -> None:
    """Raises ConfigInvalid when the form has no such questions, or its city names no languages."""
    known = set(_keys(form.questions))
    for key in (*questions, *([city] if city else [])):
        if key not in known:
            raise ConfigInvalid(
                f"The form has no question {key!r}.", fix="Correct `checks: slang: config:`; it names questions of the form by key."
            )
    if city is None:
        return
    question = form.by_key.get(city)
    if question is None or question.type != "select_one":
        raise ConfigInvalid(f"{city!r} can't be the city: it is no select_one outside of repeats.", fix="Name the one that asks for it.")
    languages = [tag for choice in question.choices for tag in choice.attribute("language")]
    if not languages:
        raise ConfigInvalid(
            f"No choice of {city!r} says what is spoken there.",
            fix="Give its choices `attributes: {language: [mr, hi]}`, or name fixed `languages` instead of a city.",
        )
    wrong = next((tag for tag in languages if clean_language(tag) is None), None)
    if wrong is not None:
        raise ConfigInvalid(f"{wrong!r} at a choice of {city!r} is no language.", fix="Write BCP-47 tags such as hi, mr or en-IN.")


def _keys(questions: Sequence[Question]) -> Iterator[str]:
    for question in questions:
        yield question.key
        yield from _keys(question.questions)
