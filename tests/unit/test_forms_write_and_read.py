"""A form written as YAML is read back equal; its JSON Schema is current and agrees with the reader."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import form_json_schema, read_form, write_form
from tests.drawn import drawn

ROOT = Path(__file__).resolve().parents[2]

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=30)
AWKWARD = TEXT | st.sampled_from(
    [
        "no",
        "null",
        "~",
        "1",
        "1.0",
        "- a",
        "a: b",
        "a #b",
        "#",
        "'",
        '"',
        "\n",
        " a ",
        "a\\nb",
        "{",
        "*a",
        "&a",
        "!a",
        "%",
        "@",
        "2026-01-01",
        "\x85",
        "\u2028",
        "\ufeff",
        "\x7f",
        "😀",
    ]
)
EXTRA = st.dictionaries(
    AWKWARD,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | AWKWARD
        | st.just(""),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(AWKWARD, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@st.composite
def forms(draw: st.DrawFn) -> FormDefinition:
    labels = st.fixed_dictionaries({}, optional={"en": AWKWARD, "hi": AWKWARD})
    questions: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 4))):
        question = {
            "key": f"q{index}",
            "label": draw(labels),
            "hint": draw(labels),
            "metadata": draw(EXTRA),
            "required": draw(st.booleans()),
        }
        kind = draw(st.sampled_from(["text", "select_one", "decimal", "date", "repeat"]))
        question |= {
            "text": {"pattern": draw(st.sampled_from([None, "[0-9]+", r"\d#"]))},
            "select_one": {"choices": [{"code": draw(st.sampled_from(["no", "1", "a", "~", "-", ":", "é"])), "label": draw(labels)}]},
            "decimal": {"min": draw(st.none() | st.integers(-5, 5) | st.floats(-1e3, 1e3)), "max": draw(st.none() | st.floats(1e3, 1e300))},
            "date": {"min": "2026-01-01", "retired": "2026-05-05"},
            "repeat": {"questions": [{"key": f"inner{index}", "type": "text", "label": draw(labels)}]},
        }[kind]
        questions.append({**question, "type": kind})
    return FormDefinition.model_validate(
        {"form": "f", "title": draw(labels), "languages": ["en", "hi"], "questions": questions, "metadata": draw(EXTRA)}
    )


@drawn(40)
@given(forms())
def test_what_is_written_is_read_back_equal(form: FormDefinition) -> None:
    again = read_form(write_form(form))

    assert again == form
    assert again.content_hash == form.content_hash


@drawn(15)
@given(forms())
def test_the_schema_of_form_files_accepts_every_form(form: FormDefinition) -> None:
    document = form.model_dump(mode="json", exclude_defaults=True)

    assert not list(Draft202012Validator(form_json_schema()).iter_errors(document))


def test_the_published_schema_is_current() -> None:
    published = json.loads((ROOT / "docs" / "form.schema.json").read_text("utf-8"))

    assert published == form_json_schema()
    Draft202012Validator.check_schema(published)


def test_every_field_of_a_form_file_is_described_for_editors() -> None:
    schema = form_json_schema()
    parts = [schema, *schema["$defs"].values()]

    assert [name for part in parts for name, field in part["properties"].items() if not field.get("description")] == []


@pytest.mark.parametrize(
    "question",
    [
        {"key": "A", "type": "text"},
        {"key": "a", "type": "txt"},
        {"key": "a", "type": "select_one"},
        {"key": "a", "type": "text", "choices": [{"code": "a", "label": "A"}]},
        {"key": "a", "type": "group", "questions": []},
        {"key": "a", "type": "text", "lable": "A"},
        {"key": "a", "type": "text", "label": {"english": "A"}},
    ],
)
def test_the_schema_underlines_common_mistakes(question: dict[str, Any]) -> None:
    form = {"form": "f", "title": "F", "questions": [question]}

    assert list(Draft202012Validator(form_json_schema()).iter_errors(form))


def test_a_written_form_names_its_schema_in_the_first_line() -> None:
    form = read_form("{form: f, title: F, questions: [{key: a, type: text}]}")

    assert write_form(form, schema="../docs/form.schema.json").splitlines()[0] == "# yaml-language-server: $schema=../docs/form.schema.json"
