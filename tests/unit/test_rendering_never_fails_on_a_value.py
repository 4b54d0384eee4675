"""The frame of a batch: every type in both modes, bad values, deletions, and a digest that tells one content from another."""

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.warehouse.frame import COLUMN_TYPES, META_TYPES
from collect_pipelines.forms.columns import META_COLUMNS, Column, layout
from collect_pipelines.forms.definition import FormDefinition, QuestionType
from collect_pipelines.sync.rendering import digest_of, display_frame, typed_frame
from tests.contract.warehouse_fakes import TYPES
from tests.drawn import drawn

CHOICES = [{"code": "w", "label": {"en": "Wheat", "hi": "गेहूँ"}}, {"code": "r", "label": {"en": "Rice"}}]
KINDS: list[tuple[QuestionType, dict[str, Any]]] = [
    ("text", {}), ("email", {}), ("url", {}), ("phone", {}), ("integer", {}), ("decimal", {}), ("boolean", {}), ("rating", {}),
    ("select_one", {"choices": CHOICES, "other": True}), ("select_multiple", {"choices": CHOICES, "other": True}), ("date", {}),
    ("time", {}),
    ("datetime", {}), ("geopoint", {}), ("file", {}), ("hidden", {}),
    ("repeat", {"questions": [
        {"key": "member", "type": "text", "label": {"en": "Member", "hi": "सदस्य"}},
        {"key": "grown", "type": "boolean", "label": "Grown up"},
        {"key": "grows", "type": "select_multiple", "label": "Grows", "choices": CHOICES}]}),
]  # fmt: skip
FORM = FormDefinition.model_validate(
    {
        "form": "all",
        "title": "All",
        "languages": ["en", "hi"],
        "questions": [{"key": kind, "type": kind, "label": kind, **more} for kind, more in KINDS],
    }
)
COLUMNS = layout([FORM])
GOOD = {
    "text": "=1+1\n\"quoted\", ''", "email": "a@b.cc", "url": "https://a.b/c", "phone": "+91 98", "integer": "-7", "decimal": "12.50",
    "boolean": "true", "rating": "4", "select_one": "w", "select_multiple": '["r", "w", {"other": "Tea; \\"green\\""}]',
    "date": "2026-01-31",
    "time": "09:30", "datetime": "2026-01-31T09:30:00.5+05:30", "geopoint": '{"latitude": 12.5, "longitude": -77, "accuracy": 3}',
    "file": '{"name": "a.jpg", "url": "https://a.b/a.jpg", "size": 12}', "hidden": "3",
    "repeat": '[{"member": "Asha", "grown": true, "grows": ["w", "x"]}, {"member": "Ravi"}]',
}  # fmt: skip


def csv(*rows: dict[str, str | None], operation: str = "create", columns: tuple[Column, ...] = COLUMNS) -> bytes:
    """The log as the store hands it over: null unquoted, everything else quoted."""
    lines = [",".join([*META_COLUMNS, *(f"k{place}" for place in range(len(columns)))])]
    for position, row in enumerate(rows, 1):
        cells = [str(position), f"r{position}", "1", operation, "1", None, "2026-01-31T04:00:00.123456Z", "api", None]
        cells += [row.get(column.key) for column in columns]
        lines.append(",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def answers(frame: pl.DataFrame) -> dict[str, Any]:
    return {column.key: frame[column.name][0] for column in COLUMNS}


def test_typed_values_are_codes_numbers_lists_and_moments() -> None:
    frame = typed_frame(csv(GOOD), COLUMNS)
    found = answers(frame)

    assert found["select_multiple"].to_list() == ["r", "w", 'other: Tea; "green"']
    del found["select_multiple"]
    assert found == {
        **{key: text for key, text in GOOD.items() if key != "select_multiple"},
        "integer": -7,
        "decimal": 12.5,
        "boolean": True,
        "rating": 4,
        "date": date(2026, 1, 31),
        "datetime": datetime(2026, 1, 31, 4, 0, 0, 500_000, UTC),
    }


def test_display_values_are_what_people_read() -> None:
    found = answers(display_frame(csv(GOOD), COLUMNS, None))

    assert found == {
        **GOOD,
        "integer": -7,
        "decimal": 12.5,
        "boolean": "Yes",
        "rating": 4,
        "select_one": "Wheat",
        "select_multiple": 'Rice; Wheat; Tea; "green"',
        "geopoint": "12.5, -77",
        "file": "https://a.b/a.jpg",
        "repeat": "1. Member: Asha; Grown up: Yes; Grows: Wheat; x\n2. Member: Ravi",
    }


def test_display_speaks_the_integrations_language() -> None:
    found = answers(display_frame(csv(GOOD), COLUMNS, "hi-IN"))

    assert (found["boolean"], found["select_one"], found["select_multiple"]) == ("हाँ", "गेहूँ", 'Rice; गेहूँ; Tea; "green"')
    assert found["repeat"].startswith("1. सदस्य: Asha; Grown up: हाँ")


def test_an_answer_in_own_words_is_told_apart_from_a_code() -> None:
    rows = csv({"select_one": '{"other": "w"}'}, {"select_one": "w"})

    assert typed_frame(rows, COLUMNS)[COLUMNS[8].name].to_list() == ["other: w", "w"]
    assert display_frame(rows, COLUMNS)[COLUMNS[8].name].to_list() == ["w", "Wheat"]


def test_a_file_without_address_shows_its_name() -> None:
    shown = display_frame(csv({"file": json.dumps({"name": "a.jpg", "sha256": "0" * 64})}), COLUMNS, None)

    assert answers(shown)["file"] == "a.jpg"


def test_types_are_those_the_warehouse_declares() -> None:
    frame = typed_frame(csv(), COLUMNS)

    assert {name: frame.schema[name] for name in META_TYPES} == META_TYPES
    assert list(frame.columns[: len(META_COLUMNS)]) == [f"_{name}" for name in META_COLUMNS]
    for column in COLUMNS:
        assert frame.schema[column.name] == TYPES.get(column.type, pl.String())
        if column.type != "select_multiple":
            assert frame.schema[column.name] == COLUMN_TYPES.get(column.type, pl.String())


def test_an_unanswered_question_is_not_an_empty_text() -> None:
    frame = typed_frame(csv({"text": ""}, {"text": None}), COLUMNS)

    assert frame[COLUMNS[0].name].to_list() == ["", None]


@pytest.mark.parametrize("render", [typed_frame, display_frame])
def test_a_deleted_response_keeps_its_place_without_answers(render: Any) -> None:
    frame = render(csv(GOOD, operation="delete"), COLUMNS, None)

    assert set(answers(frame).values()) == {None}
    assert frame["_response_id"].to_list() == ["r1"]


ANYTHING = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    st.sampled_from([
        *GOOD.values(), "", "1e999", "-0", "NaN", "9" * 30, "[", "[]", "[1]", "[null]", '["\\q"]', '["\\ud800"]', "{}", "null",
    "0000-00-00",
        "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-01:00", '{"latitude": {}}', '[{"member": {"a": 1}}]', '{"other": "\\u0000"}', '"' * 7,
    ]),
)  # fmt: skip


@given(st.lists(st.fixed_dictionaries({kind: ANYTHING for kind, _ in KINDS}), max_size=4))
@drawn(15)
def test_no_value_fails_a_batch_and_the_same_rows_render_to_the_same_digest(rows: list[dict[str, str | None]]) -> None:
    for frames in ([typed_frame(csv(*rows), COLUMNS) for _ in range(2)], [display_frame(csv(*rows), COLUMNS, "hi") for _ in range(2)]):
        assert frames[0].height == len(rows)
        assert digest_of(frames[0]) == digest_of(frames[1])
        assert frames[0][COLUMNS[0].name].to_list() == [row["text"] for row in rows]


def test_the_digest_sees_every_difference() -> None:
    def digest(**row: str | None) -> str:
        return digest_of(typed_frame(csv(row, {}), COLUMNS))

    contents = [
        {}, {"text": ""}, {"text": "a"}, {"email": "a"}, {"text": "a", "email": "b"}, {"text": "ab", "email": ""}, {"text": "b",
    "email": "a"},
        {"integer": "0"}, {"integer": "1"}, {"decimal": "1"}, {"boolean": "false"}, {"select_multiple": "[]"}, {"select_multiple": '["a"]'},
        {"select_multiple": '["a", "b"]'}, {"select_multiple": '["ab"]'}, {"date": "1970-01-01"}, {"datetime": "1970-01-01T00:00:00Z"},
    ]  # fmt: skip

    assert len({digest(**content) for content in contents}) == len(contents)


def test_the_digest_does_not_depend_on_how_the_frame_is_held() -> None:
    whole = typed_frame(csv(GOOD, {}, GOOD), COLUMNS)
    pieces = pl.concat([whole[:1], whole[1:2], whole[2:]], rechunk=False)

    assert digest_of(whole) == digest_of(pieces)


def test_the_digest_is_the_same_in_every_release() -> None:
    # a batch can be open while a new release is installed: if this changes, open batches are blocked
    assert digest_of(typed_frame(csv(GOOD, {}), COLUMNS)) == "13c0e88f75add16d2d169cf2aa4fef00a4092d44ee6a49cd473fc987805182e6"
    assert digest_of(display_frame(csv(GOOD, {}), COLUMNS, "hi")) == "1a5abb3b4313eb7e823e838bd23009a6ab890aedce98b20ee8a9927725e0e8ac"
