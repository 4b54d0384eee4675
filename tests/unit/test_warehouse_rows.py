"""What a batch becomes before it is merged: declared types, one row per response, JSON text for lists."""

import json
from dataclasses import replace

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse.frame import column_types, newest, questions
from collect_pipelines.destinations.warehouse.loads import load_of
from tests.contract.warehouse_fakes import AGE, NAME, batch, column, entry

CROPS = column("crops", "select_multiple", choices=[{"code": "rice", "label": {"en": "Rice", "hi": "चावल"}}], pii="indirect")


def rows_of(part: Batch) -> pl.DataFrame:
    return load_of(part, "shard_000", lambda: None).rows


def test_the_types_are_those_of_the_form_also_without_any_value() -> None:
    part = batch(entry("r1", 1), columns=[NAME, AGE, CROPS])
    rows = rows_of(part)

    assert dict(rows.schema) == column_types(part)
    assert rows.schema["q_crops"] == pl.String()


@given(st.lists(st.none() | st.lists(st.text(), max_size=4), min_size=1, max_size=6))
def test_lists_become_json_that_reads_back_as_the_same_list(lists: list[list[str] | None]) -> None:
    part = batch(*(entry(f"r{place}", place + 1, value) for place, value in enumerate(lists)), columns=[CROPS])
    stored = rows_of(part)["q_crops"].to_list()

    assert [None if text is None else json.loads(text) for text in stored] == lists


def test_only_the_newest_entry_of_a_response_remains_in_position_order() -> None:
    part = batch(entry("r2", 3, "c", revision=2), entry("r1", 1, "a"), entry("r2", 2, "b"))

    assert newest(part).select("_position", "q_name").rows() == [(1, "a"), (3, "c")]


def test_columns_nobody_declared_are_left_out() -> None:
    part = batch(entry("r1", 1, "a"))
    rows = rows_of(replace(part, frame=part.frame.with_columns(extra=pl.lit(1))))

    assert "extra" not in rows.columns


def test_deletions_are_left_out_or_emptied() -> None:
    part = batch(entry("r1", 1, "a", 1), entry("r2", 2, "b", 2, revision=2, operation="delete"))

    assert rows_of(part).select("_response_id", "q_name").rows() == [("r1", "a")]
    assert rows_of(replace(part, on_delete="tombstone")).select("_response_id", "q_name", "q_age").rows() == [
        ("r1", "a", 1),
        ("r2", None, None),
    ]


def test_columns_are_described_for_people() -> None:
    described = questions(batch(entry("r1", 1), columns=[CROPS]), "household").row(0, named=True)

    assert described == {
        "table_name": "household",
        "ordinal": 1,
        "column_name": "q_crops",
        "question": "crops",
        "type": "select_multiple",
        "label": "Crops",
        "labels": '{"en":"Crops"}',
        "choices": '{"rice":{"en":"Rice","hi":"चावल"}}',
        "pii": "indirect",
        "retired": None,
    }
