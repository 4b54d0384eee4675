"""Promise 10: what is masked never reaches a destination, not even as a digest that anybody could make."""

import hashlib
import hmac
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from collect_pipelines.forms.columns import masked_name, physical_name
from collect_pipelines.sync.mapping.masks import LAST4_TYPES, YEAR_TYPES
from tests.drawn import drawn
from tests.unit.mapping_tools import ANSWERS, KEY, QUESTIONS, Display, Typed, answers_of, planned, shown

TYPES = {question["key"]: question["type"] for question in QUESTIONS}
INSIDE = {"who": "text", "born": "date", "seen": "datetime", "grows": "select_multiple", "deeper": "repeat", "secret": "text"}
MASKS = {
    key: ["drop", "hash", *(["last4"] if kind in LAST4_TYPES else []), *(["year"] if kind in YEAR_TYPES else [])]
    for key, kind in {**TYPES, **INSIDE}.items()
}
WORDS = st.text("ghijklmnopqrstuvwxyzनमस्ते £", min_size=3, max_size=30).map(lambda text: f"q{text}z")  # no hexadecimal digits
NUMBERS = st.integers(10**11, 10**17)
DAYS = st.dates().map(lambda day: f"{day}")
MOMENTS = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "+05:30")
ROWS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"who": WORDS, "born": DAYS, "seen": MOMENTS, "grows": st.lists(WORDS, min_size=1), "deeper":
        st.lists(st.fixed_dictionaries({"secret": WORDS}), max_size=2)}
    ),
    max_size=3,
)  # fmt: skip
BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("text", "email", "url", "phone", "hidden", "time", "select_one"), WORDS),
    **dict.fromkeys(("integer", "rating"), NUMBERS),
    "decimal": NUMBERS.map(float), "boolean": st.just("qznoboolean"), "select_multiple": st.lists(WORDS, min_size=1), "date": DAYS,
    "datetime": MOMENTS, "geopoint": st.fixed_dictionaries({"latitude": NUMBERS}), "file": st.fixed_dictionaries({"name": WORDS}),
    "repeat": ROWS,
}  # fmt: skip
RESPONSES = st.fixed_dictionaries({}, optional={key: BY_TYPE[kind] | WORDS for key, kind in TYPES.items()})
CHOSEN = st.fixed_dictionaries({key: st.sampled_from(masks) for key, masks in MASKS.items()})


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value if isinstance(value, str) else json.dumps(value)]


@drawn(40, suppress_health_check=list(HealthCheck))
@given(responses=st.lists(RESPONSES, min_size=1, max_size=3), masks=CHOSEN, kind=st.sampled_from([Display, Typed]))
def test_no_masked_answer_is_in_the_frame_nor_a_digest_that_needs_no_key(
    responses: list[dict[str, Any]], masks: dict[str, str], kind: Any
) -> None:
    columns = [key for key in TYPES if masks[key] != "drop"] or ["age"]
    mapping = {"masks": {**masks, "age": "hash", "_respondent": "hash"}, "columns": list(dict.fromkeys([*columns, "age"]))}
    written = shown(mapping, *responses, kind=kind, respondent="q the respondent z").write_ndjson()

    for response in responses:
        for text in {leaf for answer in response.values() for leaf in leaves(answer)} | {"q the respondent z"}:
            assert text not in json.dumps(json.loads(f"[{','.join(written.splitlines())}]"), ensure_ascii=False)
            for spelled in (text, text.strip(), text.strip().lower()):
                assert hashlib.sha256(spelled.encode()).hexdigest() not in written
                assert hashlib.md5(spelled.encode()).hexdigest() not in written


def test_a_repeat_that_is_sent_has_no_masked_answer_in_its_rows() -> None:
    mapping = {"columns": ["members"], "masks": {"who": "last4", "born": "year", "secret": "hash", "seen": "drop"}}
    digest = hmac.digest(KEY, b"under the tree", "sha256").hex()
    (members,) = answers_of(mapping, kind=Typed).values()

    assert json.loads(members) == [{"who": " Rao", "born": 1987, "grows": ["w"], "deeper": [{"secret": digest}]}]
    assert answers_of(mapping)["Members"] == f"1. Who:  Rao; Born: 1987; Grows: Wheat; Deeper: 1. Secret: {digest}"


@pytest.mark.parametrize("broken", ["not JSON at all", '{"who": "Ravi Rao"}', '["Ravi Rao"]', '[[{"who": "Ravi Rao"}]]', "[{"])
def test_rows_of_another_shape_are_not_let_through_unseen(broken: str) -> None:
    for kind in (Display, Typed):
        (members,) = answers_of({"columns": ["members"], "masks": {"who": "hash"}}, {"members": broken}, kind).values()
        assert "Ravi" not in (members or "")


def test_a_masked_column_has_a_name_a_type_and_a_heading_of_its_own() -> None:
    plan = planned({"columns": ["phone", "day"], "masks": {"phone": "last4", "day": "year"}})
    phone, day = plan.columns

    assert (phone.key, phone.name, phone.type, phone.label) == ("phone:last4", masked_name("phone", "last4"), "text", "Phone (last 4)")
    assert (day.key, day.type, day.question.type, day.label) == ("day:year", "integer", "integer", "Day (year)")
    assert phone.question.pii == "none"
    assert shown({"masks": {"phone": "last4", "day": "year"}}, ANSWERS).schema[day.name] == pl.Int64()


@pytest.mark.parametrize("key", ["phone", "x" * 63, "a_b_c"])
@pytest.mark.parametrize("mask", ["hash", "last4", "year"])
def test_the_name_fits_every_warehouse_and_is_no_other_columns(key: str, mask: Any) -> None:
    name = masked_name(key, mask)

    assert len(name) <= 60
    assert name.isascii() and name.endswith(f"_{mask}")
    assert name != physical_name(key)


def test_equal_numbers_and_addresses_have_equal_digests_however_they_are_written() -> None:
    mapping = {"columns": ["phone", "email"], "masks": {"phone": "hash", "email": "hash"}}
    frame = shown(
        mapping, {"phone": "+91 98450-12345", "email": "A@b.org"}, {"phone": "+919845012345", "email": " a@B.org "}, {"phone": " "}
    )
    phones, emails = (frame[column.name].to_list() for column in planned(mapping).columns)

    assert phones[0] == phones[1] == hmac.digest(KEY, b"+919845012345", "sha256").hex()
    assert emails[0] == emails[1]
    assert phones[2] is None and emails[2] is None


def test_short_answers_show_no_last_four_characters() -> None:
    frame = shown({"columns": ["name"], "masks": {"name": "last4"}}, {"name": "12345678"}, {"name": "1234567"}, {"name": "abcd"})

    assert frame[masked_name("name", "last4")].to_list() == ["5678", None, None]


def test_the_year_is_that_of_the_integrations_zone() -> None:
    # 2025-12-31T23:30-05:00 is the 1st of January in India
    years = [
        answers_of({"columns": ["moment"], "masks": {"moment": "year"}, "time_zone": zone}) for zone in ("Asia/Kolkata", "America/New_York")
    ]

    assert [found["Moment (year)"] for found in years] == [2026, 2025]


def test_a_deleted_response_has_no_masked_answer_either() -> None:
    frame = shown({"columns": ["phone"], "masks": {"phone": "hash"}}, ANSWERS, operation="delete")

    assert frame[masked_name("phone", "hash")].to_list() == [None]


@pytest.mark.parametrize(
    ("mask", "left"), [("drop", None), ("hash", hmac.digest(KEY, b"+91 98450 12345", "sha256").hex()), ("last4", "2345")]
)
def test_who_answered_can_be_masked_too(mask: str, left: str | None) -> None:
    assert shown({"masks": {"_respondent": mask}}, ANSWERS, respondent="+91 98450 12345")["_respondent"].to_list() == [left]
