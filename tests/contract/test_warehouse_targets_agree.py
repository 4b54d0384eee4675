"""DuckDB, Postgres and Parquet files hold the same rows after the same batches (promises 5 and 6)."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.errors import Blocked, LeaseLost, TryLater
from tests.contract.warehouse_fakes import AGE, NAME, MemoryContext, batch, column, entry
from tests.contract.warehouse_targets import TARGETS, Place, open_place

TEXTS = [
    "राजेश", "🙂👩‍👩‍👧", "=1+1", "'; DROP TABLE household; --", '"; drop', "", " spaces ", "a\tb\r\nc", "x\n\\.\ny", "\\.", "\\n",
    "\u202etxt",
    "x" * 300_000, "NULL", "\\N", "{}", "%s %(a)s", 'say "yes", or no', "a,b;c",
]  # fmt: skip


@pytest.fixture(params=TARGETS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return open_place(request.param, tmp_path, lambda: str(request.getfixturevalue("database_url")))


def shown(place: Place, table: str = "household") -> list[tuple[Any, ...]]:
    return sorted((row["_response_id"], row["_revision"], row["q_name"], row["q_age"]) for row in place.rows(table))


def test_edits_deletions_and_batches_that_come_again_or_late_leave_the_newest_revision(place: Place) -> None:
    it = place.integration()
    first = batch(entry("r1", 1, "Asha", 31), entry("r2", 2, "Bela", 20), entry("r3", 3, "Chen", None))
    second = batch(entry("r1", 4, "Asha", 32, revision=2), entry("r2", 5, revision=2, operation="delete"), entry("r4", 6, "", 4), number=2)
    for part in (first, second, second, first):
        it.deliver(part)

    assert shown(place) == [("r1", 2, "Asha", 32), ("r3", 1, "Chen", None), ("r4", 1, "", 4)]
    assert place.rows("_deletions") == [{"table_name": "household", "_response_id": "r2", "_position": 5}]
    it.deliver(batch(entry("r2", 7, "Bela", 21, revision=3, operation="release"), number=3))
    it.deliver(second)
    assert shown(place)[1] == ("r2", 3, "Bela", 21)


def test_a_tombstone_keeps_the_row_without_its_answers(place: Place) -> None:
    it = place.integration()
    first = batch(entry("r1", 1, "Asha", 31), on_delete="tombstone")
    for part in (first, batch(entry("r1", 2, "Asha", 31, revision=2, operation="delete"), on_delete="tombstone"), first):
        it.deliver(part)

    [row] = place.rows("household")
    assert (row["_revision"], row["_operation"], row["q_name"], row["q_age"]) == (2, "delete", None, None)


def test_with_append_only_every_revision_is_a_row_once(place: Place) -> None:
    it = place.integration()
    first = batch(entry("r1", 1, "Asha", 31), entry("r1", 2, "Asha", 32, revision=2), append_only=True, on_delete="tombstone")
    second = batch(entry("r1", 3, revision=3, operation="delete"), entry("r2", 4, "Bela", 1), append_only=True, on_delete="tombstone")
    for part in (first, first, second, first, second):
        it.deliver(part)

    assert shown(place, "household__history") == [
        ("r1", 1, "Asha", 31),
        ("r1", 2, "Asha", 32),
        ("r1", 3, None, None),
        ("r2", 1, "Bela", 1),
    ]


def test_types_are_those_of_the_form_and_values_arrive_exactly(place: Place) -> None:
    answers = {
        "text": "line\nbreak", "integer": -(2**63), "decimal": 0.1, "boolean": True, "select_one": "red",
        "select_multiple": ["a", 'b"\\', "ü"], "rating": 5, "date": date(1900, 2, 28), "time": "23:59:59.123",
        "datetime": datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=UTC), "geopoint": '{"latitude":1.5,"longitude":-2}',
        "file": '{"name":"x.jpg"}', "repeat": '[{"k":1}]',
    }  # fmt: skip
    columns = [column(kind, kind) for kind in answers]
    it = place.integration()
    it.deliver(batch(entry("r1", 1), columns=columns))  # the types are there before any answer
    it.deliver(batch(entry("r2", 2, *answers.values()), columns=columns, number=2))

    words = {
        "duckdb": ["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE"],
        "postgres": ["character varying", "bigint", "double precision", "boolean", "date", "timestamp with time zone"],
        "filesystem": ["String", "Int64", "Float64", "Boolean", "Date", "Datetime(time_unit='us', time_zone='UTC')"],
    }[place.to]
    special = {"integer": 1, "rating": 1, "decimal": 2, "boolean": 3, "date": 4, "datetime": 5}
    types = place.types("household")
    assert {kind: types[f"q_{kind}"] for kind in answers} == {kind: words[special.get(kind, 0)] for kind in answers}
    empty, full = place.rows("household")
    assert all(empty[f"q_{kind}"] is None for kind in answers)
    stored = {kind: full[f"q_{kind}"] for kind in answers}
    assert json.loads(stored.pop("select_multiple")) == answers.pop("select_multiple")
    assert stored == answers


def test_any_text_arrives_as_it_was(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(*(entry(f"r{number:02}", number + 1, text, number) for number, text in enumerate(TEXTS))))
    plain = [text for text in TEXTS if text and "\\." not in text]
    it.deliver(batch(*(entry(f"s{number:02}", number + 100, text, number) for number, text in enumerate(plain)), number=2))

    assert [row["q_name"] for row in place.rows("household")] == TEXTS + plain


def test_names_in_every_script_are_tables_and_columns_of_their_own(place: Place) -> None:
    forms = ["household", "घर", "घर-२", "🙂", "2030", "select", "x" * 80, "x" * 81, '"; drop table forms; --', "North", "north"]
    names = ["नाम", "नाव", "🙂", "2030", "select", "q_" + "y" * 70 + "_last4", "q_" + "y" * 70 + "_hash", '"; drop', "Name", "name"]
    columns = [column("question", "text")] * len(names)
    columns = [type(one)(one.key, name, one.type, one.label, one.question) for one, name in zip(columns, names, strict=True)]
    answers = [[f"{number} {name}" for name in names] for number in range(len(forms))]
    parts = [batch(entry("r1", 1, *given), form=form, columns=columns) for form, given in zip(forms, answers, strict=True)]
    Warehouse.deliver_together([(place.integration(part.form), part) for part in parts])

    from collect_pipelines.destinations.warehouse.naming import column_name, table_name

    for number, form in enumerate(forms):
        [row] = place.rows(table_name(form))
        assert [row[column_name(name)] for name in names] == [f"{number} {name}" for name in names]


def test_a_new_question_is_a_column_a_retired_one_stays_and_all_is_described(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    height = column("height", "decimal")
    it.deliver(batch(entry("r2", 2, "Bela", 1.5), columns=[NAME, height], number=2))
    it.deliver(batch(entry("r1", 3, "Asha", 1.6, 32, revision=2), columns=[NAME, height, AGE], number=3))

    found = [(row["_response_id"], row["q_name"], row["q_age"], row["q_height"]) for row in place.rows("household")]
    assert found == [("r2", "Bela", None, 1.5), ("r1", "Asha", 32, 1.6)]
    assert [row["column_name"] for row in sorted(place.rows("_questions"), key=lambda row: row["ordinal"])] == [
        "q_name",
        "q_height",
        "q_age",
    ]


def test_a_question_of_another_type_blocks_and_the_rows_stay(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    with pytest.raises(Blocked, match="q_age") as raised:
        it.deliver(batch(entry("r2", 2, "Bela", 2.5), columns=[NAME, column("age", "decimal")], number=2))

    assert raised.value.fix
    assert shown(place) == [("r1", 1, "Asha", 31)]


def test_answers_rendered_for_people_are_text_whatever_their_question(place: Place) -> None:
    from dataclasses import replace

    import polars as pl

    part = batch(entry("r1", 1, "Asha", None), columns=[NAME, column("married", "boolean")])
    place.integration().deliver(replace(part, frame=part.frame.with_columns(q_married=pl.lit("हाँ"))))

    assert place.rows("household")[0]["q_married"] == "हाँ"


def test_several_forms_are_loaded_together_and_a_bad_one_fails_alone(place: Place) -> None:
    forms = [f"form_{number}" for number in range(6)]
    for form in forms[:3]:
        place.integration(form).deliver(batch(entry("r0", 1, "old", 1), form=form))
    together = [(place.integration(form), batch(entry("r1", 2, form, 2), form=form, number=2)) for form in forms]
    clash = batch(entry("r1", 2, "x", 2.5), form=forms[1], columns=[NAME, column("age", "decimal")], number=2)
    together[1] = (together[1][0], clash)
    lost = together[2][0].context
    assert isinstance(lost, MemoryContext)
    lost.lease_lost = True
    assert len({it.shares() for it, _ in together}) == 1
    results = Warehouse.deliver_together(together)

    assert isinstance(results[1], Blocked)
    assert isinstance(results[2], TryLater)
    assert [len(place.rows(form)) for form in forms] == [2, 1, 1, 1, 1, 1]


def test_two_batches_of_one_form_in_one_call_are_loaded_in_their_order(place: Place) -> None:
    it = place.integration()
    first, second = batch(entry("r1", 1, "Asha", 31)), batch(entry("r1", 2, "Asha", 32, revision=2), number=2)
    Warehouse.deliver_together([(it, first), (it, second)])

    assert shown(place) == [("r1", 2, "Asha", 32)]


def test_nothing_is_written_after_the_lease_is_lost(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    assert isinstance(it.context, MemoryContext)
    it.context.lease_lost = True
    with pytest.raises(LeaseLost):
        it.deliver(batch(entry("r1", 2, "Bela", 20, revision=2), number=2))

    assert shown(place) == [("r1", 1, "Asha", 31)]


def test_the_probe_tells_place_and_rows_and_no_secret(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    report = it.probe()

    assert report.facts["rows"] == 1
    assert "forms.household holds 1 rows" in report.summary
    assert place.url == "" or place.url not in repr(report)


def test_no_answer_is_left_in_the_working_folder(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Canary-4711", 31), entry("r2", 2, "", 1)))
    it.deliver(batch(entry("r1", 3, "Canary-4712", 32, revision=2), number=2))
    places = [path for path in place.folder.rglob("*") if path.is_file() and ".dlt" in str(path)]

    assert places or place.to == "filesystem"
    assert [path.name for path in places if b"Canary" in path.read_bytes()] == []
