"""Which columns go out, in which order, under which headings, and in which words."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from collect_pipelines.forms.columns import META_COLUMNS, masked_name, physical_name
from collect_pipelines.sync.mapping.model import FrozenMapping, MappingConfig
from collect_pipelines.sync.mapping.plan import plan_of
from tests.unit.mapping_tools import ANSWERS, KEYS, QUESTIONS, Display, Typed, answers_of, entries, form, planned, shown


def headings(mapping: dict[str, Any]) -> list[str]:
    return [column.label for column in planned(mapping).columns]


def test_without_a_choice_everything_goes_out_in_the_order_of_the_form() -> None:
    assert [column.key for column in planned({}).columns] == KEYS
    assert shown({}, ANSWERS).columns == [f"_{name}" for name in META_COLUMNS] + [physical_name(key) for key in KEYS]


def test_chosen_columns_go_out_in_their_order_under_their_headings() -> None:
    mapping = {"columns": ["age", {"question": "name", "heading": "Who"}]}

    assert headings(mapping) == ["Age", "Who"]
    assert shown(mapping, ANSWERS).columns[len(META_COLUMNS) :] == [physical_name("age"), physical_name("name")]


def test_excluded_columns_stay_behind_and_new_questions_come_by_themselves() -> None:
    excluding, choosing = {"exclude": ["name", "phone"]}, {"columns": ["age"]}
    newer = form([*QUESTIONS, {"key": "extra", "type": "text", "label": "Extra"}])
    keys = [column.key for column in planned(excluding, Display, form(), newer).columns]

    assert keys == [key for key in KEYS if key not in ("name", "phone")] + ["extra"]
    assert [column.key for column in planned(choosing, Display, form(), newer).columns] == ["age"]


def test_only_what_goes_out_or_is_filtered_by_is_read_from_the_log() -> None:
    plan = planned({"columns": ["age"], "filter": "stars > 2", "masks": {"phone": "hash"}})

    assert {column.key for column in plan.sources} == {"age", "stars"}


def test_a_renamed_question_is_known_by_every_key_it_had() -> None:
    renamed = [{**question, "key": "years", "was": ["age"]} if question["key"] == "age" else question for question in QUESTIONS]
    for key in ("age", "years"):
        mapping = FrozenMapping.model_validate({"columns": [key, "name"], "filter": f"{key} > 18", "masks": {key: "hash"}})
        plan = plan_of((form(), form(renamed)), mapping, Display)

        assert plan.misfits == ()
        assert [column.name for column in plan.columns] == [masked_name("age", "hash"), physical_name("name")]
        assert plan.filter is not None
        assert plan.filter.passes(entries(plan.sources, {"age": 19}, {"years": 19}, {"years": 3})).to_list() == [True, True, False]


@pytest.mark.parametrize(("kind", "values"), [(Display, None), (Display, "labels")])
def test_people_read_labels(kind: Any, values: str | None) -> None:
    found = answers_of({"values": values, "language": "hi"}, kind=kind)

    assert (found["Crop"], found["Crops"], found["Agrees"]) == ("गेहूँ", "गेहूँ; Rice", "हाँ")
    assert found["Members"] == (
        "1. कौन: Ravi Rao; Born: 1987-05-04; Seen: 2026-01-31T04:00:00Z; Grows: गेहूँ; Deeper: 1. Secret: under the tree"
    )


def test_codes_for_people_are_codes_in_the_same_places() -> None:
    found = answers_of({"values": "codes"})

    assert (found["Crop"], found["Crops"], found["Agrees"], found["Age"]) == ("w", "w; r", "true", 34)
    assert "Grows: w" in found["Members"]


def test_machines_read_codes_and_values_of_their_types() -> None:
    found = answers_of({}, kind=Typed)

    assert (found["Crop"], found["Crops"], found["Agrees"], found["Day"]) == ("w", ["w", "r"], True, date(2026, 1, 31))
    assert found["Moment"] == datetime(2026, 1, 1, 4, 30, tzinfo=UTC)


def test_labels_for_machines_change_the_choices_and_no_type() -> None:
    codes, labels = shown({}, ANSWERS, kind=Typed), shown({"values": "labels", "language": "hi"}, ANSWERS, kind=Typed)
    found = answers_of({"values": "labels", "language": "hi"}, kind=Typed)

    assert codes.schema == labels.schema
    assert (found["Crop"], found["Crops"], found["Agrees"]) == ("गेहूँ", ["गेहूँ", "Rice"], True)


def test_own_words_go_out_as_they_are_whatever_stands_for_choices() -> None:
    own = {"crop": {"other": "Tea"}, "crops": ["w", {"other": "Tea"}]}

    assert [answers_of({"values": values}, own)["Crops"] for values in ("labels", "codes")] == ["Wheat; Tea", "w; Tea"]
    assert [answers_of({"values": values}, own, Typed)["Crop"] for values in ("labels", "codes")] == ["Tea", "other: Tea"]


@pytest.mark.parametrize(
    ("zone", "moment", "seen"),
    [
        (None, "2025-12-31T23:30:00-05:00", "2026-01-31T04:00:00Z"),
        ("Asia/Kolkata", "2026-01-01T10:00:00+05:30", "2026-01-31T09:30:00+05:30"),
        ("UTC", "2026-01-01T04:30:00+00:00", "2026-01-31T04:00:00+00:00"),
    ],
)
def test_moments_are_shown_in_the_zone_when_one_is_named(zone: str | None, moment: str, seen: str) -> None:
    found = answers_of({"time_zone": zone})

    assert found["Moment"] == moment
    assert f"Seen: {seen};" in found["Members"]


def test_the_zone_of_the_form_counts_when_the_integration_names_none() -> None:
    plan = planned({}, Display, form(timezone="Asia/Kolkata"))

    assert (plan.zone, plan.shown_zone) == ("Asia/Kolkata", "Asia/Kolkata")


def test_a_moment_that_is_none_is_shown_as_answered() -> None:
    assert answers_of({"time_zone": "Asia/Kolkata"}, {"moment": "yesterday"})["Moment"] == "yesterday"


def test_a_mapping_is_the_same_after_it_was_stored() -> None:
    mapping = MappingConfig.model_validate(
        {"filter": "age > 1", "columns": ["age", {"question": "name", "heading": "Who"}], "masks": {"age": "drop"}, "mode": "append_only"}
    )

    assert MappingConfig.model_validate(mapping.document()) == mapping
    assert MappingConfig().document() == {}
