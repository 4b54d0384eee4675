"""A form with every question type, and answers to any form: ordinary, missing, huge, and made to confuse."""

from collections.abc import Iterator, Mapping
from typing import Any

from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["every_type_form", "sample_answers"]

LONG_TEXT = 200_000  # characters; a form without max_length lets that through
MANY_ROWS = 500

# Texts that have confused programs: each is a legal answer to a question of type text.
TEXTS = {
    "ordinary": "Asha came on Tuesday and paid 450 rupees.",
    "one letter": "x",
    "spaces": "  \u00a0\u2003 a \t ",
    "digits": "٣٤٥ ४५६ 123",
    "devanagari": "क़िताब ख़रीदी, ज़्यादा नहीं",
    "tamil": "நான் வந்தேன்",
    "combining": "e\u0301" * 50 + "\u0323" * 200,
    "joiners": "क्\u200dष न्\u200cम a\u200bb",
    "right to left": "שלום \u202eabc\u202c مرحبا",
    "emoji": "👩\u200d👩\u200d👧 👍🏽 🇮🇳",
    "beyond the basic plane": "\U0001d49c\U0001d4c8\U0001d4bd\U0001d4b6 \U00020000",
    "html": "<script>alert(1)</script> &amp; <b>",
    "formula": "=HYPERLINK(\"http://example.org\")",
    "query": "'; drop table response; --",
    "template": "{label} {0} %s %(x)s ${HOME} {{7*7}}",
    "path": "../../../../etc/passwd\n\r\x7f",
    "json": '{"a": [1, null, {"b": "\\u0000"}]}',
    "catastrophic pattern": "a" * 5_000 + "!",
    "brackets": "([{" * 2_000,
    "repeated words": "no " * 20_000,
    "long": "wort" * (LONG_TEXT // 4),
    "long in one script": "क" * LONG_TEXT,
}  # fmt: skip

CHOICES = [{"code": "yes", "label": {"en": "Yes", "hi": "हाँ"}}, {"code": "no", "label": {"en": "No", "hi": "नहीं"}}]


def every_type_form() -> FormDefinition:
    """A form with each question type once, in English and Hindi, also inside a group and a repeat."""
    questions = [_question(kind) for kind in _PLAIN]
    inner = [{**_question(kind), "key": f"row_{kind}"} for kind in ("text", "phone", "integer", "select_one")]
    grouped = [{**_question("text"), "key": "grouped_text"}]
    return FormDefinition.model_validate(
        {
            "form": "every_type",
            "title": {"en": "Every type", "hi": "हर प्रकार"},
            "languages": ["en", "hi"],
            "questions": [
                *questions,
                {"key": "about", "type": "group", "label": {"en": "About"}, "questions": grouped},
                {"key": "members", "type": "repeat", "label": {"en": "Members"}, "questions": inner},
            ],
        }
    )


_PLAIN = (
    "text", "email", "url", "phone", "integer", "decimal", "boolean", "select_one", "select_multiple", "rating", "date", "time",
    "datetime", "geopoint", "file", "hidden",
)  # fmt: skip


def _question(kind: str) -> dict[str, Any]:
    question: dict[str, Any] = {"key": f"a_{kind}", "type": kind, "label": {"en": kind.title(), "hi": "प्रश्न"}}
    if kind.startswith("select"):
        question |= {"choices": CHOICES, "other": True}
    if kind == "phone":
        question["region"] = "IN"
    return question


def sample_answers(form: FormDefinition) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and answers of many responses that the form itself lets pass, up to their types; the first is an ordinary one."""
    ordinary = {question.key: _answer(question) for question in form.answerable}
    yield "ordinary answers", ordinary
    yield "no answers at all", {}
    yield "every answer null", dict.fromkeys(ordinary)
    for question in form.answerable:
        yield f"only {question.key}", {question.key: ordinary[question.key]}
        yield f"all but {question.key}", {key: value for key, value in ordinary.items() if key != question.key}
        for name, value in _odd_answers(question):
            yield f"{question.key} {name}", {**ordinary, question.key: value}
    for name, text in TEXTS.items():
        yield f"every text: {name}", {**ordinary, **{one.key: text for one in form.answerable if one.type == "text"}}


def _answer(question: Question) -> Any:
    if question.type == "repeat":
        return [{one.key: _answer(one) for one in question.questions} for _ in range(2)]
    if question.type.startswith("select"):
        codes = [choice.code for choice in question.choices if not choice.retired]
        return codes[:1] if question.type == "select_multiple" else codes[0]
    return _ORDINARY[question.type]


_ORDINARY: dict[str, Any] = {
    "text": TEXTS["ordinary"], "email": "asha@example.org", "url": "https://example.org/a?b=c", "phone": "+919845012345", "integer": 7,
    "decimal": 12.5, "boolean": True, "rating": 3, "date": "2026-01-31", "time": "09:30", "datetime": "2026-01-31T09:30:00+05:30",
    "geopoint": {"latitude": 12.97, "longitude": 77.59},
    "file": {"url": "https://example.org/photo.jpg", "name": "photo.jpg"}, "hidden": "x-1",
}  # fmt: skip

_ODD: dict[str, dict[str, Any]] = {
    "text": {"blank": "", "of spaces": "   "},
    "email": {
        "blank": "", "that is none": "asha at example", "long": "a" * 60_000 + "@example.org", "of another script": "आशा@उदाहरण.भारत",
    },
    "url": {"blank": "", "that is none": "not a url", "long": "https://example.org/" + "a" * 60_000, "odd": "javascript:alert(1)"},
    "phone": {
        "blank": "", "without country": "98450 12345", "that is none": "call me", "of other digits": "+٩١٩٨٤٥٠١٢٣٤٥",
        "long": "+" + "9" * 60_000, "with extension": "+91 98450 12345 ext. 7", "of brackets": "(" * 10_000,
    },
    "integer": {"zero": 0, "negative": -1, "largest": 2**63 - 1, "smallest": -(2**63)},
    "decimal": {"whole": 3, "huge": 1e308, "tiny": 5e-324, "negative": -0.0},
    "boolean": {"false": False},
    "rating": {"least": 1},
    "date": {"early": "0001-01-01", "late": "9999-12-31", "leap day": "2024-02-29"},
    "time": {"with seconds": "23:59:59", "midnight": "00:00"},
    "datetime": {"in UTC": "2026-01-31T00:00:00Z", "with a fraction": "2026-01-31T09:30:00.123456+14:00"},
    "geopoint": {"at the pole": {"latitude": -90, "longitude": 180}, "with accuracy": {"latitude": 0, "longitude": 0, "accuracy": 3.5}},
    "hidden": {"number": 12, "boolean": True, "text": TEXTS["emoji"]},
}  # fmt: skip


def _odd_answers(question: Question) -> Iterator[tuple[str, Any]]:
    yield from _ODD.get(question.type, {}).items()
    if question.type == "select_one" and question.other:
        yield "in own words", {"other": TEXTS["devanagari"]}
    elif question.type == "select_multiple":
        yield "none", []
        yield "all", [choice.code for choice in question.choices]
        if question.other:
            yield "in own words", [question.choices[0].code, {"other": TEXTS["html"]}]
    elif question.type == "repeat":
        row = {one.key: _answer(one) for one in question.questions}
        yield "without rows", []
        yield "with an empty row", [{}]
        yield "with many rows", [row] * MANY_ROWS
        for name in ("blank", "that is none"):
            yield f"with answers that are {name}", [{one.key: _ODD.get(one.type, {}).get(name, row[one.key]) for one in question.questions}]
