"""Every example in docs/rules.md has the verdict the page says, in both executions, and every function and limit is named."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.reading import read_form
from collect_pipelines.rules.evaluate import compiled, value_of
from collect_pipelines.rules.language import MAX_CHARACTERS, MAX_DEPTH, ValueType, check
from collect_pipelines.rules.operations import FUNCTIONS
from collect_pipelines.rules.patterns import MAX_PATTERN_CHARACTERS
from collect_pipelines.rules.vectorized import verdicts

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text("utf-8")
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
COLUMNS: dict[str, Any] = {
    "text": pl.String, "time": pl.String, "integer": pl.Int64, "decimal": pl.Float64, "boolean": pl.Boolean, "texts": pl.List(pl.String),
    "date": pl.Datetime("us", "UTC"), "datetime": pl.Datetime("us", "UTC"), "rows": pl.List(pl.Struct({"crop": pl.String})),
    "opaque": pl.Struct({"latitude": pl.Float64, "longitude": pl.Float64}),
}  # fmt: skip


def tables(*headings: str) -> list[tuple[str, ...]]:
    """Rows of every table with these headings; an escaped bar is a bar."""
    rows: list[tuple[str, ...]] = []
    for block in re.findall(rf"^\| {' [|] '.join(headings)} \|\n\|[-| ]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE):
        for line in block.splitlines():
            rows.append(tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]))
    return rows


def value_types() -> dict[str, ValueType]:
    """The value types by question type, as the page tells them in words."""
    words: dict[str, ValueType] = {
        "text": "text", "integer of": "integer", "decimal": "decimal", "true or": "boolean", "the codes": "texts", "a moment": "datetime",
        "its rows": "rows", "nothing but": "opaque",
    }  # fmt: skip
    types: dict[str, ValueType] = {}
    for names, value, _ in tables("question type", "value", "what goes with it"):
        kind = next(kind for word, kind in words.items() if value.startswith(word))
        types |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    return types | {"time": "time", "date": "date"}


TYPES = value_types()
FORM = read_form(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0])
QUESTIONS = {question.key: question.type for question in FORM.answerable}
FIELDS = {key: TYPES[kind] for key, kind in QUESTIONS.items()}
EXAMPLES = tables("expression", "answers", "verdict")


@pytest.mark.parametrize(("expression", "answers", "verdict"), EXAMPLES)
def test_every_example_has_the_verdict_the_page_says(expression: str, answers: str, verdict: str) -> None:
    root = check(expression.strip("`"), FIELDS).root
    row = {key: value_of(FIELDS[key], QUESTIONS[key], answer) for key, answer in json.loads(answers.strip("`")).items()}
    frame = pl.DataFrame({key: [row.get(key)] for key in FIELDS}, schema={key: COLUMNS[kind] for key, kind in FIELDS.items()})
    broken, error = frame.select(
        *(one.alias(name) for name, one in zip("be", verdicts(root, pl.col, pl.lit(NOW)), strict=True)),
    ).row(0)

    assert compiled(root)(row, NOW) == verdict
    assert (broken, error) == (verdict == "broken", verdict == "error")


@pytest.mark.parametrize(("expression", "message"), tables("expression", "refused with"))
def test_every_refusal_is_worded_as_the_page_says(expression: str, message: str) -> None:
    with pytest.raises(RuleInvalid, match=re.escape(message)):
        check(expression.strip("`"), FIELDS)


def test_every_kind_of_verdict_has_examples() -> None:
    assert len(EXAMPLES) >= 30
    assert {verdict for _, _, verdict in EXAMPLES} == {"kept", "broken", "missing", "error"}


def test_the_page_names_every_function_question_type_word_and_limit() -> None:
    from typing import get_args

    from collect_pipelines.forms.definition import QuestionType

    named = re.findall(r"([a-zA-Z]+)\(", "".join(cells[0] for cells in tables("written", "gives")))
    assert sorted(set(named)) == sorted(FUNCTIONS)
    assert set(TYPES) | {"note", "group"} == set(get_args(QuestionType))
    assert f"{MAX_CHARACTERS:,} characters and {MAX_DEPTH} operations" in PAGE
    assert f"a pattern {MAX_PATTERN_CHARACTERS:,} characters" in PAGE
    for word in re.findall(r"`(\w+)`", PAGE.partition("The words ")[2].partition("are CEL's own")[0]):
        with pytest.raises(RuleInvalid):
            check(f"{word} == 1", {word: "integer"})
