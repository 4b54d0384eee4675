"""What people change in a warehouse behind the loader's back costs an attempt at most, never rows."""

from pathlib import Path

import pytest

from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.errors import Blocked
from tests.contract.warehouse_fakes import NAME, MemoryContext, batch, column, entry
from tests.contract.warehouse_targets import Place, open_place

DECIMAL_AGE = [NAME, column("age", "decimal")]


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return open_place(request.param, tmp_path, lambda: str(request.getfixturevalue("database_url")))


def test_a_renamed_column_makes_room_for_one_of_the_new_type(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    retyped = batch(entry("r2", 2, "Bela", 2.5), columns=DECIMAL_AGE, number=2)
    with pytest.raises(Blocked):
        it.deliver(retyped)
    place.change('ALTER TABLE forms.household RENAME COLUMN q_age TO "q_age_until_2030"')
    it.deliver(retyped)

    found = [(row["_response_id"], row["q_age_until_2030"], row["q_age"]) for row in place.rows("household")]
    assert found == [("r1", 31, None), ("r2", None, 2.5)]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE forms.household",
        "DROP TABLE forms_staging.household",
        "DROP SCHEMA forms_staging CASCADE",
        "DROP TABLE forms._dlt_version",
        "ALTER TABLE forms.household DROP COLUMN q_age",
    ],
)
def test_what_somebody_dropped_is_made_anew_within_two_attempts(place: Place, change: str) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    place.change(change)
    again = batch(entry("r2", 2, "Bela", 20), number=2)
    [result] = Warehouse.deliver_together([(it, again)])
    if isinstance(result, Exception):
        it.deliver(again)

    assert place.rows("household")[-1]["q_age"] == 20


def test_a_form_that_moves_to_another_shard_keeps_its_table(place: Place) -> None:
    it = place.integration()
    it.deliver(batch(entry("r1", 1, "Asha", 31)))
    moved = place.integration()
    moved._number = 500
    moved.deliver(batch(entry("r1", 2, "Asha", 32, revision=2), entry("r2", 3, "Bela", 1), number=2))

    assert [(row["_response_id"], row["q_age"]) for row in place.rows("household")] == [("r1", 32), ("r2", 1)]
    assert isinstance(moved.context, MemoryContext)


def test_a_schema_with_tables_of_something_else_is_left_alone(tmp_path: Path, database_url: str) -> None:
    place = open_place("postgres", tmp_path, lambda: database_url)
    with pytest.raises(Blocked, match="holds tables of something else") as raised:
        place.integration(dataset="collect").deliver(batch(entry("r1", 1, "Asha", 31)))

    assert raised.value.fix and "dataset" in raised.value.fix
