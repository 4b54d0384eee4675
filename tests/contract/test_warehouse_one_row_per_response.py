"""The warehouse shows one typed row per response: the newest revision, whatever comes twice or late (promises 5 and 6)."""

import gc
import os
from datetime import date
from pathlib import Path

import duckdb
import pytest

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.destinations.warehouse.database import database
from collect_pipelines.destinations.warehouse.loads import Load
from tests.contract.warehouse_fakes import AGE, NAME, batch, column, entry, query, warehouse

ROWS = "SELECT _response_id, _revision, q_name, q_age FROM forms.household ORDER BY 1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def test_new_responses_become_rows_and_each_row_has_an_outcome(path: Path) -> None:
    delivery = warehouse(path).deliver(batch(entry("r1", 1, "Asha", 31), entry("r2", 2, "Bela", None)))

    assert delivery.outcomes == (Outcome.delivered(), Outcome.delivered())
    assert query(path, ROWS) == [("r1", 1, "Asha", 31), ("r2", 1, "Bela", None)]


def test_nobody_else_on_the_machine_can_read_the_answers(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    before = os.umask(0o022)
    try:
        loader = warehouse(folder / "warehouse.duckdb")
        loader.deliver(batch(entry("r1", 1, "Asha", 31)))
        with database(folder / "warehouse.duckdb").writing() as writer:
            writer.connection.execute("CREATE TABLE probe (x INTEGER)")  # until the next checkpoint it is in DuckDB's log only
            rights = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        after = os.umask(0o022)
    finally:
        os.umask(before)

    assert {"warehouse.duckdb", "warehouse.duckdb.wal", "warehouse.read.duckdb", "warehouse.duckdb.dlt"} <= set(rights)
    assert {name: oct(mode) for name, mode in rights.items() if mode & 0o077} == {}
    assert folder.stat().st_mode & 0o777 == 0o711
    assert after == 0o022


def test_an_empty_list_is_told_apart_from_no_answer(path: Path) -> None:
    columns = [column("crops", "select_multiple")]
    warehouse(path).deliver(batch(entry("r1", 1, []), entry("r2", 2, None), columns=columns))

    assert query(path, "SELECT q_crops FROM forms.household ORDER BY _response_id") == [("[]",), (None,)]


def test_the_same_batch_again_changes_nothing(path: Path) -> None:
    destination = warehouse(path)
    again = batch(entry("r1", 1, "Asha", 31), entry("r2", 2, "Bela", 20))
    destination.deliver(again)
    before = query(path, "SELECT * FROM forms.household ORDER BY 1")
    destination.deliver(again)

    assert query(path, "SELECT * FROM forms.household ORDER BY 1") == before


def test_an_edit_replaces_the_row_and_an_older_batch_does_not_bring_it_back(path: Path) -> None:
    destination = warehouse(path)
    first = batch(entry("r1", 1, "Asha", 31), entry("r2", 2, "Bela", 20))
    destination.deliver(first)
    destination.deliver(batch(entry("r1", 3, "Asha", None, revision=2), number=2))
    destination.deliver(first)

    assert query(path, ROWS) == [("r1", 2, "Asha", None), ("r2", 1, "Bela", 20)]


def test_a_deleted_response_leaves_no_row_and_an_older_batch_does_not_bring_it_back(path: Path) -> None:
    destination = warehouse(path)
    first = batch(entry("r1", 1, "Asha", 31), entry("r2", 2, "Bela", 20))
    destination.deliver(first)
    destination.deliver(batch(entry("r1", 3, revision=2, operation="delete"), entry("r3", 4, "Chen", 5), number=2))
    destination.deliver(first)

    assert query(path, ROWS) == [("r2", 1, "Bela", 20), ("r3", 1, "Chen", 5)]
    assert query(path, "SELECT * FROM forms._deletions") == [("household", "r1", 3)]


def test_deleting_what_was_never_delivered_is_no_error(path: Path) -> None:
    delivery = warehouse(path).deliver(batch(entry("r1", 2, revision=2, operation="delete")))

    assert delivery.outcomes == (Outcome.delivered(),)


def test_a_response_that_comes_twice_in_one_batch_counts_once_by_its_newest_revision(path: Path) -> None:
    delivery = warehouse(path).deliver(batch(entry("r1", 1, "old", 1), entry("r1", 2, "new", 2, revision=2)))

    assert len(delivery.outcomes) == 2
    assert query(path, ROWS) == [("r1", 2, "new", 2)]


def test_a_new_question_becomes_a_column_and_a_retired_one_stays(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    retired = column("age", "integer", retired="2030-01-02")
    destination.deliver(batch(entry("r2", 2, "Bela", None, 1.5), columns=[NAME, retired, column("height", "decimal")], number=2))

    found = query(path, "SELECT _response_id, q_age, q_height FROM forms.household ORDER BY 1")
    assert found == [("r1", 31, None), ("r2", None, 1.5)]
    described = query(path, "SELECT column_name, question, type, label, retired FROM forms._questions ORDER BY ordinal")
    assert described == [
        ("q_name", "name", "text", "Name", None),
        ("q_age", "age", "integer", "Age", date(2030, 1, 2)),
        ("q_height", "height", "decimal", "Height", None),
    ]


def test_awkward_response_ids_are_only_values(path: Path) -> None:
    ids = ["a'b", 'c"d', "{e}", "%s", "ü", "f;g"]
    destination = warehouse(path)
    destination.deliver(batch(*(entry(key, place, key, 0) for place, key in enumerate(ids, start=1))))
    destination.deliver(batch(entry("a'b", 10, revision=2, operation="delete"), number=2))

    assert {key for key, _, _, _ in query(path, ROWS)} == set(ids[1:])


def test_forms_have_tables_of_their_own_in_one_file(path: Path) -> None:
    forms = ["household", "clinic", "north.household", "North Household", "घर", "घर-२", "2030"]
    for place, form in enumerate(forms):
        warehouse(path, form).deliver(batch(entry("r1", 1, form, place), form=form))
    warehouse(path, "clinic").deliver(batch(entry("r2", 2, "clinic", 9), form="clinic", number=2))

    tables = query(path, "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'forms' AND table_name NOT LIKE '\\_%' ESCAPE '\\'")
    assert len(tables) == len(forms)
    assert query(path, "SELECT q_age FROM forms.clinic ORDER BY 1") == [(1,), (9,)]


def test_answers_are_left_neither_in_the_staging_tables_nor_in_the_working_folder(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    destination.deliver(batch(entry("r2", 2, "Bela", 20), number=2))

    assert query(path, "SELECT count(*) FROM forms_staging.household") == [(0,)]
    left = [file for file in (path.parent / "warehouse.duckdb.dlt").rglob("*") if file.suffix in {".parquet", ".insert_values", ".sql"}]
    assert left == []


def test_loads_do_not_pile_up_rows_in_memory(path: Path) -> None:
    # dlt keeps a log of the settings it looked up, each with an error, its frames, and so the rows of every load
    destination = warehouse(path)
    for number in (1, 2, 3):
        destination.deliver(batch(entry("r1", number, "Asha", number, revision=number), number=number))
    gc.collect()

    assert [found for found in gc.get_objects() if isinstance(found, Load)] == []


def test_loads_do_not_pile_up_files(path: Path) -> None:
    destination = warehouse(path)

    def files() -> int:
        return sum(1 for _ in path.parent.rglob("*"))

    for number in (1, 2, 3):
        destination.deliver(batch(entry("r1", number, "Asha", number, revision=number), number=number))
    before = files()
    for number in (4, 5, 6):
        destination.deliver(batch(entry("r1", number, "Asha", number, revision=number), number=number))

    assert files() == before


def test_the_preview_shows_the_rows_and_writes_nothing(path: Path) -> None:
    shown = warehouse(path).preview(batch(entry("r1", 1, "Asha", 31), entry("r2", 2, revision=2, operation="delete")))

    assert "forms.household: 1 rows to merge, 1 to remove" in shown
    assert "Asha" in shown
    assert not path.exists()


def test_the_probe_names_file_and_table(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    report = destination.probe()

    assert report.facts == {
        "path": str(path),
        "table": "forms.household",
        "rows": 1,
        "read_copy": str(path.parent / "warehouse.read.duckdb"),
    }


def test_a_warehouse_file_that_was_removed_is_built_anew(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    path.unlink()
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    destination.deliver(batch(entry("r2", 2, "Bela", 20), number=2))

    assert query(path, ROWS) == [("r1", 1, "Asha", 31), ("r2", 1, "Bela", 20)]


def test_the_read_copy_is_complete_and_can_be_queried_while_a_load_holds_the_file(path: Path) -> None:
    from collect_pipelines.destinations.warehouse.database import database, open_readonly

    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    database(path)._copy_seconds = 0.0
    destination.deliver(batch(entry("r2", 2, "Bela", 20), columns=[NAME, AGE], number=2))
    with duckdb.connect(str(path)), open_readonly(path) as reader:
        found = reader.execute(ROWS).fetchall()

    assert found == [("r1", 1, "Asha", 31), ("r2", 1, "Bela", 20)]


def test_closing_renews_a_read_copy_that_lags_behind(path: Path) -> None:
    from collect_pipelines.destinations.warehouse.database import database, open_readonly

    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    database(path)._copy_seconds = 1e9
    destination.deliver(batch(entry("r2", 2, "Bela", 20), number=2))
    with open_readonly(path) as reader:
        assert reader.execute("SELECT count(*) FROM forms.household").fetchall() == [(1,)]
    destination.close()

    with open_readonly(path) as reader:
        assert reader.execute("SELECT count(*) FROM forms.household").fetchall() == [(2,)]


def test_a_copy_somebody_wrote_to_is_replaced_whole(path: Path) -> None:
    from collect_pipelines.destinations.warehouse.database import database, open_readonly

    destination = warehouse(path)
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    stray = path.parent / "warehouse.read.duckdb.wal"
    stray.write_bytes(b"left by a session that died")
    database(path)._copy_seconds = 0.0
    destination.deliver(batch(entry("r2", 2, "Bela", 20), number=2))

    assert not stray.exists()
    with open_readonly(path) as reader:
        assert reader.execute("SELECT count(*) FROM forms.household").fetchall() == [(2,)]
