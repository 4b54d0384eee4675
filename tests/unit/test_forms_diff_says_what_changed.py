"""Two definitions compared: every difference is told once, with its direction, and what would be refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collect_pipelines.cli import collect
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.diff import Difference, compare
from collect_pipelines.forms.reading import write_form

AGE: dict[str, Any] = {"key": "age", "type": "integer", "label": "Age", "min": 0, "max": 120}
PICK: dict[str, Any] = {"key": "pick", "type": "select_one", "choices": [{"code": "a", "label": "Apple"}, {"code": "b", "label": "Banana"}]}


def form(*questions: dict[str, Any], **more: Any) -> FormDefinition:
    return FormDefinition.model_validate({"form": "visit", "title": "Visit", "languages": ["en", "hi"], "questions": questions, **more})


def compared(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Difference:
    return compare(form(*before), form(*after))


def told(difference: Difference) -> list[tuple[str, str, str | None]]:
    return [(change.kind, change.subject, change.direction) for change in difference.changes]


def test_equal_definitions_have_no_changes() -> None:
    difference = compared([AGE, PICK], [AGE, PICK])

    assert difference.changes == ()
    assert difference.refused == ()


@pytest.mark.parametrize(
    ("before", "after", "kind", "subject", "direction"),
    [
        ([AGE], [AGE, PICK], "question.added", "pick", None),
        ([AGE], [AGE, {**PICK, "required": True}], "question.added", "pick", "stricter"),
        ([AGE], [{**AGE, "retired": "2026-01-01"}], "question.retired", "age", "looser"),
        ([{**AGE, "retired": "2026-01-01"}], [AGE], "question.restored", "age", None),
        ([AGE], [{**AGE, "key": "years", "was": ["age"]}], "question.renamed", "years", None),
        ([AGE], [{**AGE, "label": "Years"}], "question.label", "age", None),
        ([AGE], [{**AGE, "label": {"en": "Age", "hi": "आयु"}}], "question.label", "age", None),
        ([AGE], [{**AGE, "hint": "In years"}], "question.hint", "age", None),
        ([AGE], [{**AGE, "required": True}], "question.required", "age", "stricter"),
        ([AGE], [{**AGE, "min": 1}], "bound.changed", "age", "stricter"),
        ([AGE], [{**AGE, "max": 130}], "bound.changed", "age", "looser"),
        ([AGE], [{key: value for key, value in AGE.items() if key != "min"}], "bound.changed", "age", "looser"),
        ([{"key": "d", "type": "date"}], [{"key": "d", "type": "date", "min": "2026-01-01"}], "bound.changed", "d", "stricter"),
        ([AGE], [{**AGE, "on_violation": "flag"}], "question.on_violation", "age", "looser"),
        ([AGE], [{**AGE, "pii": "direct"}], "question.pii", "age", None),
        ([AGE], [{**AGE, "metadata": {"a": 1}}], "question.metadata", "age", None),
        ([AGE], [{"key": "g", "type": "group", "questions": [AGE]}], "question.moved", "age", None),
        ([AGE, PICK], [PICK, AGE], "question.order", "form", None),
        ([PICK], [{**PICK, "other": True}], "question.other", "pick", "looser"),
        ([PICK], [{**PICK, "choices": [*PICK["choices"], {"code": "c", "label": "Cherry"}]}], "choice.added", "pick", "looser"),
        ([PICK], [{**PICK, "choices": [{**PICK["choices"][0], "retired": True}, PICK["choices"][1]]}], "choice.retired", "pick", None),
        ([PICK], [{**PICK, "choices": [{"code": "a", "label": "Apples"}, PICK["choices"][1]]}], "choice.label", "pick", None),
        ([PICK], [{**PICK, "choices": PICK["choices"][::-1]}], "choice.order", "pick", None),
        (
            [{"key": "t", "type": "text", "pattern": "a"}],
            [{"key": "t", "type": "text"}],
            "question.pattern", "t", "looser",
        ),
        ([AGE], [{**AGE, "relevant": "true"}], "question.relevant", "age", None),
    ],
)  # fmt: skip
def test_a_change_is_told_with_its_direction(before: list[Any], after: list[Any], kind: str, subject: str, direction: str | None) -> None:
    difference = compared(before, after)

    assert (kind, subject, direction) in told(difference)
    assert not any(change.refused for change in difference.changes)
    assert difference.refused == ()


@pytest.mark.parametrize(
    ("after", "kind", "refused"),
    [
        ([PICK], "question.removed", "`age` is missing"),
        ([{**AGE, "type": "decimal"}, PICK], "question.type", "`age` was integer and is now decimal"),
        ([AGE, {**PICK, "choices": PICK["choices"][:1]}], "choice.removed", "choice `b` of `pick` is missing"),
    ],
)
def test_what_publishing_refuses_is_marked_with_what_to_do(after: list[Any], kind: str, refused: str) -> None:
    difference = compared([AGE, PICK], after)

    assert [change.kind for change in difference.changes if change.refused] == [kind]
    assert [problem for problem in difference.refused if refused in problem]


def test_rules_checks_and_settings_are_compared() -> None:
    rule = {"name": "adult", "expression": "age >= 18"}
    old = form(AGE, rules=[rule, {"name": "gone", "expression": "age > 1"}], checks={"phone": {"config": {"region": "IN"}}})
    new = form(
        AGE,
        rules=[{**rule, "severity": "flag", "expression": "age >= 21"}, {"name": "one_each", "unique": ["age"]}],
        checks={"phone": {"config": {"region": "DE"}}, "email": {}},
        title="Visits",
        unique_by="respondent",
    )

    difference = compare(old, new)

    assert set(told(difference)) == {
        ("form.title", "form", None),
        ("form.unique_by", "form", "stricter"),
        ("rule.changed", "adult", None),
        ("rule.changed", "adult", "looser"),
        ("rule.added", "one_each", "stricter"),
        ("rule.removed", "gone", "looser"),
        ("check.changed", "phone", None),
        ("check.added", "email", "stricter"),
    }
    assert "config.region: “IN” -> “DE”" in [change.text for change in difference.changes]


def test_new_columns_are_announced_and_renamed_ones_are_none() -> None:
    difference = compared([AGE], [{**AGE, "key": "years", "was": ["age"]}, PICK])

    assert "one new column after the last one: `pick`" in difference.destinations[0]
    assert any("stays in its column" in sentence for sentence in difference.destinations)
    assert "no new column" in compared([AGE], [{**AGE, "label": "Years"}]).destinations[0]


def test_an_earlier_version_counts_for_what_is_refused() -> None:
    first, second = form(AGE), form({**AGE, "key": "years", "was": ["age"]})
    third = form({**AGE, "key": "years", "was": ["age"]}, {"key": "age", "type": "text"} | {"key": "name"})

    assert compare(second, third, [first, second]).refused == ()
    assert compare(first, form(AGE, PICK), [first, second]).refused


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(collect, ["forms", "diff", *arguments])
    return result.exit_code, result.output


def test_two_files_are_compared_without_a_database(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(write_form(form(AGE, PICK)), "utf-8")
    new.write_text(write_form(form(AGE, PICK, {"key": "extra", "type": "text"})), "utf-8")

    code, output = run(str(old), str(new))
    assert code == 0
    assert "+ extra: added: text" in output
    assert f"Next: collect forms publish {new}" in output

    code, output = run(str(new), str(old), "--json")
    assert code == 3
    document = json.loads(output)
    assert document["refused"]
    assert [change["kind"] for change in document["changes"]] == ["question.removed"]

    assert "Nothing changed." in run(str(old), str(old))[1]


@pytest.mark.parametrize("arguments", [("one",), ("a", "b"), ("a", "b", "c", "d")])
def test_other_words_are_answered_with_how_to_write_it(arguments: tuple[str, ...]) -> None:
    code, output = run(*arguments)

    assert code != 0
    assert "collect forms diff FORM v1 v2" in output


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (form(AGE), form(AGE, timezone="Asia/Kolkata"), "form.timezone"),
        (form(AGE), form({**AGE, "constraint_message": "Ask again."}), "question.constraint_message"),
        (form(AGE), form({**AGE, "required_message": "Ask for it."}), "question.required_message"),
    ],
    ids=["time zone", "constraint message", "required message"],
)
def test_what_people_are_told_and_when_is_told(before: FormDefinition, after: FormDefinition, kind: str) -> None:
    assert [change.kind for change in compare(before, after).changes] == [kind]
