"""A new version may add and reword; it may not change what stored answers mean. Columns never move."""

from typing import Any

import pytest

from collect_pipelines.errors import FormIncompatible
from collect_pipelines.forms.columns import layout, physical_name
from collect_pipelines.forms.compatibility import check_compatible
from collect_pipelines.forms.definition import FormDefinition


def form(*questions: dict[str, Any], name: str = "visit") -> FormDefinition:
    return FormDefinition.model_validate({"form": name, "title": "Visit", "languages": ["en", "hi"], "questions": questions})


def select(*codes: str, **more: Any) -> dict[str, Any]:
    return {"key": "pick", "type": "select_one", "choices": [{"code": code, "label": code.upper()} for code in codes], **more}


AGE = {"key": "age", "type": "integer", "label": "Age"}
NAME = {"key": "name", "type": "text", "label": "Name"}
RETIRED = {"retired": "2026-01-01"}


def problems(earlier: list[FormDefinition], new: FormDefinition) -> tuple[str, ...]:
    with pytest.raises(FormIncompatible) as caught:
        check_compatible(earlier, new)
    assert caught.value.fix
    return caught.value.problems


def test_labels_order_groups_bounds_and_new_questions_are_free_to_change() -> None:
    before = form(AGE, NAME, select("a"))
    after = form(
        {"key": "intro", "type": "note", "label": "Welcome"},
        {
            "key": "person",
            "type": "group",
            "questions": [{**NAME, "required": True}, {**AGE, "label": {"en": "Age in years", "hi": "आयु"}, "max": 120}],
        },
        select("b", "a"),
    )

    check_compatible([before], after)
    check_compatible([], after)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([AGE, NAME], [NAME], "`age` is missing: keep the question and give it `retired:`"),
        ([AGE], [{**AGE, "type": "text"}], "`age` was integer and is now text: keep `age` as integer with `retired:`"),
        ([AGE], [{"key": "rows", "type": "repeat", "questions": [AGE]}], "`age` was outside of repeats"),
        (
            [{"key": "rows", "type": "repeat", "questions": [AGE]}],
            [{"key": "rows", "type": "repeat", "questions": [NAME]}, AGE],
            "`age` was in the repeat `rows`",
        ),
        ([select("a", "b")], [select("a")], "choice `b` of `pick` is missing: keep it with `retired: true`"),
        ([{**AGE, **RETIRED}], [{**AGE, "label": "Number of rooms"}], "`age` was retired and is used for another question"),
        (
            [{**select(), "choices": [{"code": "a", "label": "Apple", "retired": True}]}],
            [{**select(), "choices": [{"code": "a", "label": "Avocado"}]}],
            "choice `a` of `pick` was retired and now means something else",
        ),
    ],
)
def test_a_change_of_meaning_is_refused_with_what_to_do(before: list[Any], after: list[Any], told: str) -> None:
    assert any(told in problem for problem in problems([form(*before)], form(*after)))


def test_every_change_is_listed_once_and_older_versions_count() -> None:
    versions = [form(AGE, NAME, select("a", "old")), form({**AGE, **RETIRED}, NAME, select("a", "old"))]

    assert len(problems(versions, form({**AGE, "type": "text"}, select("a")))) == 3


def test_another_form_is_refused() -> None:
    assert "keep the name" in problems([form(AGE)], form(AGE, name="other"))[0]


def test_retiring_and_bringing_back_the_same_question_is_possible() -> None:
    check_compatible([form(AGE)], form({**AGE, **RETIRED}))
    check_compatible([form(AGE), form({**AGE, **RETIRED})], form(AGE))


def test_columns_keep_their_place_over_versions_and_choices_are_merged() -> None:
    first = form(NAME, select("a", "b"))
    second = form(AGE, {"key": "g", "type": "group", "questions": [{**select("b", "c"), "label": {"en": "Pick", "hi": "चुनें"}}]}, NAME)

    columns = layout([first, second], "hi")

    assert [(column.key, column.type, column.label) for column in columns] == [
        ("name", "text", "Name"),
        ("pick", "select_one", "चुनें"),
        ("age", "integer", "Age"),
    ]
    assert sorted(choice.code for choice in columns[1].question.choices) == ["a", "b", "c"]


def test_notes_and_groups_have_no_column_and_a_repeat_has_one() -> None:
    rows = {"key": "rows", "type": "repeat", "questions": [AGE]}

    assert [column.key for column in layout([form({"key": "n", "type": "note"}, rows)])] == ["rows"]


def test_column_names_are_short_ascii_and_made_of_the_key_alone() -> None:
    assert physical_name("age") == "q_age_ae7viq"
    assert physical_name("a" * 63) != physical_name("a" * 62)
    assert all(len(physical_name(key)) <= 60 and physical_name(key).isascii() for key in ("a" * 63, "नाम", "名前", "select"))
    assert physical_name("नाम") != physical_name("名前")
