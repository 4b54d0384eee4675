"""A new version may add and reword; it may not change what stored answers mean. Columns never move."""

from typing import Any

import pytest

from collect_pipelines.errors import FormIncompatible
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.columns import column_name, layout, physical_name
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


def renamed(question: dict[str, Any], key: str, *was: str) -> dict[str, Any]:
    return {**question, "key": key, "was": list(was)}


def test_a_question_may_be_renamed_again_and_again_with_all_its_earlier_keys() -> None:
    versions = [form(AGE, NAME), form(renamed(AGE, "years", "age"), NAME), form(renamed(AGE, "years_old", "age", "years"), NAME)]

    for number, version in enumerate(versions):
        check_compatible(versions[:number], version)
    check_compatible(versions, versions[-1])


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([renamed({**AGE, "type": "text"}, "old", "age", "years"), NAME], "`years` was integer and is now text as `old`: keep `years` as"),
        ([renamed(AGE, "old", "years"), NAME], "`old` must name all its earlier keys, the oldest first: write `was: [age, years]`"),
        ([renamed(AGE, "old", "years", "age"), NAME], "`old` must name all its earlier keys, the oldest first: write `was: [age, years]`"),
        ([renamed(AGE, "old", "age"), NAME], "`old` must name all its earlier keys, the oldest first: write `was: [age, years]`"),
        ([{**AGE, "key": "years"}, NAME], "`years` must name all its earlier keys, the oldest first: write `was: [age]`"),
        ([AGE, NAME], "`age` was a key of `years` and stays its own"),
        ([renamed(AGE, "age", "years"), NAME], "`age` was a key of `years` and stays its own"),
        ([renamed(AGE, "years", "age", "name")], "`years` names keys of several questions (`years` and `name`)"),
        (
            [renamed(AGE, "years", "age"), NAME, renamed(NAME, "called", "nobody")],
            "`called` says it was `nobody`, which no published version asks",
        ),
        ([renamed(AGE, "years", "age"), {**NAME, "key": "called"}], "`name` is missing"),
    ],
)
def test_a_renaming_that_could_mix_two_questions_is_refused_with_what_to_write(after: list[Any], told: str) -> None:
    found = problems([form(AGE, NAME), form(renamed(AGE, "years", "age"), NAME)], form(*after))

    assert len(found) == 1
    assert told in found[0]


def test_a_question_inside_a_renamed_repeat_stays_where_it_is() -> None:
    before = form({"key": "rows", "type": "repeat", "questions": [AGE]})
    after = form({"key": "members", "type": "repeat", "was": ["rows"], "questions": [renamed(AGE, "years", "age")]})

    check_compatible([before], after)


def test_a_form_that_was_renamed_elsewhere_may_be_published_as_a_first_version() -> None:
    check_compatible([], form(renamed(AGE, "years", "age")))
    check_compatible([form(renamed(AGE, "years", "age"))], form(renamed(AGE, "old", "age", "years")))


def test_a_renamed_question_keeps_its_column_and_reads_all_its_keys() -> None:
    versions = [form(NAME, select("a")), form(renamed(select("b"), "chosen", "pick"), NAME)]

    columns = layout(versions)

    assert [(column.key, column.name, column.keys) for column in columns] == [
        ("name", physical_name("name"), ("name",)),
        ("pick", physical_name("pick"), ("pick", "chosen")),
    ]
    assert columns[1].question.key == "chosen"
    assert [choice.code for choice in columns[1].question.choices] == ["a", "b"]
    assert column_name(versions[1].questions[0]) == physical_name("pick")


def test_the_old_key_under_the_new_version_is_refused_with_the_new_name() -> None:
    (finding,) = check_answers(form(renamed(AGE, "years", "age")), {"age": 3})

    assert (finding.code, finding.severity, finding.message) == (
        "unknown", "reject", "The question “age” was renamed to “years” in this version of the form.",
    )  # fmt: skip


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
