"""Where answers of one question type stand in a response: at the top, in groups, and in the rows of repeats."""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.forms.definition import Question, QuestionType

__all__ = ["TextAnswer", "answers_of"]


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """One answer that is text and not blank."""

    place: str
    """The question's key, inside a repeat `members[2].phone`."""
    question: Question
    text: str
    beside: Mapping[str, Any]
    """All answers a person sees around it by key: those of its row, then those around the row."""


def answers_of(kind: QuestionType, questions: Sequence[Question], answers: Mapping[str, Any], prefix: str = "") -> Iterator[TextAnswer]:
    """Every answer to a question of this type, in the order of the form."""
    for question in questions:
        value = answers.get(question.key)
        if question.type == kind and isinstance(value, str) and value.strip():
            yield TextAnswer(prefix + question.key, question, value, answers)
        elif question.type == "repeat" and isinstance(value, list):
            for index, row in enumerate(value):
                if isinstance(row, dict):
                    around: Mapping[str, Any] = ChainMap(row, answers)  # type: ignore[arg-type]  # read only: nothing is set in it
                    yield from answers_of(kind, question.questions, around, f"{prefix}{question.key}[{index}].")
        elif question.type == "group":
            yield from answers_of(kind, question.questions, answers, prefix)
