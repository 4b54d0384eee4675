"""A mapping that does not fit its form or its kind is refused with the field, what is wrong, and what to do."""

from typing import Any

import pytest

from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.columns import layout
from collect_pipelines.sync.mapping.notices import notices
from collect_pipelines.sync.mapping.reading import read_mapping, read_start, settings_of_kind
from tests.unit.mapping_tools import QUESTIONS, Display, Plain, form, planned


@pytest.mark.parametrize(
    ("mapping", "kind", "field", "told"),
    [
        ({"filter": "agee > 18"}, Display, "filter", "did you mean `age`"),
        ({"filter": "age > "}, Display, "filter", "column 7"),
        ({"filter": "age"}, Display, "filter", "not true or false"),
        ({"filter": "who == 'Asha'"}, Display, "filter", "who"),
        ({"columns": ["nmae"]}, Display, "columns", "did you mean `name`?"),
        ({"columns": ["who"]}, Display, "columns", "no question `who` of its own"),
        ({"columns": ["name", "name"]}, Display, "columns", "named twice"),
        ({"columns": ["name"], "exclude": ["name"]}, Display, "exclude", "also among `columns`"),
        ({"columns": ["name"], "masks": {"name": "drop"}}, Display, "columns", "no column is left"),
        ({"exclude": ["phonee"]}, Display, "exclude", "did you mean `phone`?"),
        ({"masks": {"phonee": "hash"}}, Display, "masks", "did you mean `phone`?"),
        ({"masks": {"phone": "year"}}, Display, "masks", "has no year"),
        ({"masks": {"crop": "last4"}}, Display, "masks", "use hash or drop"),
        ({"masks": {"_respondent": "year"}}, Display, "masks", "use drop, hash or last4"),
        ({"mode": "append_only"}, Plain, "mode", "plain can't keep every revision"),
        ({"on_delete": "tombstone"}, Plain, "on_delete", "use one of: ignore"),
        ({"on_delete": "clear"}, Display, "on_delete", "use one of: tombstone, delete, ignore"),
        ({"on_delete": "delete", "mode": "append_only"}, Display, "on_delete", "use tombstone or ignore"),
    ],
)
def test_every_misfit_names_its_field_and_a_way_out(mapping: dict[str, Any], kind: Any, field: str, told: str) -> None:
    found = planned(mapping, kind).misfits

    assert [misfit.field for misfit in found][:1] == [field]
    assert told in " ".join(map(str, found))


def test_all_misfits_are_told_at_once() -> None:
    found = planned({"filter": "agee > 1", "columns": ["nmae", "age"], "masks": {"phonee": "hash"}, "on_delete": "clear"}).misfits

    assert [misfit.field for misfit in found] == ["filter", "columns", "masks", "on_delete"]


def test_what_a_kind_can_not_do_is_ignored_unless_it_is_asked_for() -> None:
    assert planned({}, Plain).on_delete == "ignore"
    assert planned({}, Display).on_delete == "tombstone"
    assert planned({"on_delete": "delete"}, Display).on_delete == "delete"
    assert planned({"mode": "append_only"}, Display).on_delete == "tombstone"
    assert planned({"on_delete": "ignore"}, Display).takes_back is False


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"filtre": "age > 1"}, "Did you mean filter?"),
        ({"masks": {"phone": "blur"}}, "masks.phone"),
        ({"values": "both"}, "values"),
        ({"time_zone": "India"}, "Asia/Kolkata"),
        ({"columns": []}, "columns"),
        ({"filter": ""}, "filter"),
    ],
)
def test_a_field_that_is_none_or_holds_nonsense_is_named(document: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        read_mapping(document)

    assert told in f"{refused.value.message} {refused.value.fix}"


def test_a_question_is_masked_under_one_of_its_names() -> None:
    renamed = form([{"key": "tel", "was": ["phone"], "type": "phone", "label": "Phone"}])
    (misfit,) = planned({"masks": {"phone": "last4", "tel": "hash"}}, Display, renamed).misfits

    assert "`phone` and `tel` are the same question" in str(misfit)


def test_only_the_settings_at_fault_are_explained() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        settings_of_kind(Warehouse, {"read_copy": "maybe", "dataste": "x"})

    told = f"{refused.value.message} {refused.value.fix}"
    assert "dataste: there is no such field" in told and "Did you mean dataset?" in told
    assert "read_copy: duckdb: keep a copy" in told and "snowflake" not in told
    assert "collect plugins show warehouse" in told


def test_a_misspelt_setting_of_the_kind_is_told_with_the_one_that_may_be_meant_and_never_its_value() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        settings_of_kind(Warehouse, {"datset": "canary"})

    assert "dataset" in str(refused.value.fix)
    assert "canary" not in f"{refused.value.message} {refused.value.fix}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("since:2026-01-31", "2026-01-31T00:00:00+05:30"),
        ("since:2026-01-31T09:30:00Z", "2026-01-31T09:30:00+00:00"),
        ("all", "all"),
        ("now", "now"),
    ],
)
def test_a_start_is_a_word_or_a_moment_of_the_zone(text: str, moment: str) -> None:
    start = read_start(text, "Asia/Kolkata")

    assert (start if isinstance(start, str) else start.isoformat()) == moment


@pytest.mark.parametrize("text", ["yesterday", "since:", "since:31.1.2026", "2026-01-31", "since:2026-01-31T09:30:00"])
def test_a_start_that_is_none_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="start") as refused:
        read_start(text, "UTC")

    assert "since:2026-01-31" in str(refused.value.fix)


def told(mapping: dict[str, Any], questions: list[dict[str, Any]] = QUESTIONS) -> str:
    one = form(questions)
    return " ".join(notices(planned(mapping, Display, one), layout([one]), one))


def test_personal_answers_that_go_out_as_they_are_are_named() -> None:
    assert "name (direct), phone (direct), age (indirect), who (direct)" in told({})
    assert "phone" not in told({"masks": {"phone": "last4"}})
    assert "who" not in told({"masks": {"who": "hash"}})
    assert told({"columns": ["url"]}) == ""


def test_a_question_that_is_no_longer_asked_is_told_where_it_is_named() -> None:
    retired = [{**question, "retired": "2026-01-31"} if question["key"] in ("stars", "url") else question for question in QUESTIONS]
    sentences = told({"filter": "stars > 1", "columns": ["url"]}, retired)

    assert "columns: `url` is no longer asked since 2026-01-31" in sentences
    assert "filter: `stars` is no longer asked since 2026-01-31" in sentences


def test_only_masks_that_fit_are_advised_and_what_is_inside_a_repeat_is_not_said_to_be_excludable() -> None:
    inside = {
        "key": "members",
        "type": "repeat",
        "label": "M",
        "questions": [{"key": "who", "type": "geopoint", "label": "W", "pii": "direct"}],
    }

    assert "(--mask area=hash, or drop) or leave them out (--exclude area)" in told(
        {}, [{"key": "area", "type": "decimal", "label": "A", "pii": "direct"}]
    )
    assert "(--mask day=hash, or year or drop)" in told({}, [{"key": "day", "type": "date", "label": "D", "pii": "indirect"}])
    assert "(--mask who=hash, or drop) unless" in told({}, [inside])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('grain == "wheet"', "filter: `grain` has no choice `wheet`; did you mean `wheat`?"),
        ('!(grain in ["rice", "wheet"]) && "rics" in grains', "filter: `grains` has no choice `rics`; did you mean `rice`?"),
        ('grain != "rice" && own == "anything" && name == "wheet" && _source == "api"', ""),
    ],
)
def test_a_choice_that_the_filter_names_and_nobody_can_choose_is_told(text: str, said: str) -> None:
    choices = [{"code": "wheat", "label": "Wheat"}, {"code": "rice", "label": "Rice"}]
    questions: list[dict[str, Any]] = [
        {"key": "name", "type": "text", "label": "Name"},
        {"key": "grain", "type": "select_one", "label": "Grain", "choices": choices},
        {"key": "grains", "type": "select_multiple", "label": "Grains", "choices": choices},
        {"key": "own", "type": "select_one", "label": "Own", "choices": choices, "other": True},
    ]

    assert said in told({"filter": text}, questions)
    assert ("has no choice" in told({"filter": text}, questions)) is bool(said)


def test_a_language_the_form_does_not_speak_is_told() -> None:
    assert "no texts in ta: it has en, hi" in told({"language": "ta", "columns": ["url"]})
    assert told({"language": "hi-IN", "columns": ["url"]}) == ""
