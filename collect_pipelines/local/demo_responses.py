"""Sample responses for any form: valid answers drawn from its questions, never a real person's."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["sample_answers", "sample_responses"]

ANSWERED = 0.85  # share of optional questions that get an answer: real exports have gaps
MAX_REPEATS = 3
DAYS_BACK = 90
WITHOUT_ANSWER = frozenset({"note", "file", "hidden"})


def sample_responses(definition: FormDefinition, seed: int) -> Iterator[dict[str, Any]]:
    """Response documents without end, as the ingest endpoint takes them; the same seed gives the same responses."""
    draw = random.Random(seed)  # noqa: S311 - sample data, not secrets
    while True:
        yield {
            "id": str(UUID(int=draw.getrandbits(128), version=4)),
            "answers": sample_answers(definition.answerable, draw),
            "source": "demo",
        }


def sample_answers(questions: tuple[Question, ...], draw: random.Random) -> dict[str, Any]:
    """Answers to some of the questions, to all required ones."""
    answers = {}
    for question in questions:
        if question.type in WITHOUT_ANSWER or question.retired:
            continue
        if question.required or draw.random() < ANSWERED:
            answers[question.key] = _answer(question, draw)
    return answers


def _answer(question: Question, draw: random.Random) -> Any:
    match question.type:
        case "boolean":
            return draw.random() < 0.5
        case "integer" | "rating":
            return draw.randint(int(question.min or 1), int(question.max or 5))
        case "decimal":
            return round(draw.uniform(float(question.min or 0), float(question.max or 100)), 2)
        case "select_one":
            return draw.choice(_codes(question))
        case "select_multiple":
            codes = _codes(question)
            return sorted(draw.sample(codes, draw.randint(1, len(codes))), key=codes.index)
        case "date":
            return (_today() - timedelta(days=draw.randrange(DAYS_BACK))).isoformat()
        case "time":
            return f"{draw.randrange(24):02}:{draw.randrange(60):02}:00"
        case "datetime":
            moment = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=draw.randrange(DAYS_BACK * 24 * 60))
            return moment.isoformat().replace("+00:00", "Z")
        case "geopoint":
            return {"latitude": round(draw.uniform(-60, 60), 5), "longitude": round(draw.uniform(-180, 180), 5)}
        case "repeat":
            return [sample_answers(question.questions, draw) for _ in range(draw.randint(1, MAX_REPEATS))]
        case _:
            return draw.choice(question.metadata.get("examples") or [f"Sample {draw.randrange(1000)}"])


def _codes(question: Question) -> list[str]:
    return [choice.code for choice in question.choices if not choice.retired]


def _today() -> date:
    return datetime.now(UTC).date()
