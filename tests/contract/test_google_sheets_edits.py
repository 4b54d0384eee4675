"""Promise 6: an edit or deletion changes the row of its response, wherever it stands, and an older revision never wins."""

import time
from collections.abc import Iterator

import pytest

from collect_pipelines.errors import TryLater
from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from tests.contract.google_sheets_fakes import Desk, again, column, entry, generous, people, settle
from tests.contract.test_google_sheets_exactly_once import FAULTS, wait_for_late_calls

TITLE = "Household survey"
WRITE = "spreadsheets.values.batchUpdateByDataFilter"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    server.faults.clear()
    made.close()


def test_an_edit_changes_its_row_where_people_sorted_it_and_keeps_when_it_came(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal", "Chen"))
    desk.people.sort(TITLE, 1, descending=True)
    desk.deliver(entry("r-asha", 4, "Asha B", None, revision=2), number=2)

    assert desk.values()[1:] == [
        ["2030-01-01 00:03:00", "Chen", 3, "r-chen", 1],
        ["2030-01-01 00:02:00", "Bilal", 2, "r-bilal", 1],
        ["2030-01-01 00:01:00", "Asha B", "", "r-asha", 2],
    ]


def test_a_batch_of_new_rows_and_edits_takes_three_writes(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal"))
    desk.server.service.forget_calls()
    delivery = desk.deliver(*people("Chen", start=3), entry("r-asha", 4, "Asha B", 9, revision=2), number=2)

    assert desk.column("Name") == ["Asha B", "Bilal", "Chen"]
    assert desk.server.count("spreadsheets.batchUpdate") == 2
    assert desk.server.count(WRITE) == 1
    assert delivery.api_calls == len(desk.server.calls)
    assert len(delivery.outcomes) == 2


def test_a_response_first_seen_as_an_edit_becomes_one_new_row(desk: Desk) -> None:
    """Created and edited between two batches, or released from quarantine."""
    desk.deliver(*people("Asha"))
    one = desk.batch(entry("r-bilal", 3, "Bilal", 2, revision=2), entry("r-chen", 4, "Chen", 3, operation="release", revision=2), number=2)
    desk.worker().deliver(one)
    desk.worker().deliver(again(one))

    assert desk.column("Name") == ["Asha", "Bilal", "Chen"]


def test_an_edit_finds_its_row_when_a_person_typed_the_id_in_again_as_a_number(desk: Desk) -> None:
    desk.deliver(entry("3433001", 1, "Asha", 1), *people("Bilal", start=2))
    desk.people.type_in(f"{TITLE}!D2", [["3433001"]])
    assert desk.column("_id") == [3433001, "r-bilal"]

    desk.deliver(entry("3433001", 3, "Asha B", 9, revision=2), number=2)

    assert desk.column("Name") == ["Asha B", "Bilal"]
    assert desk.column("_id") == ["3433001", "r-bilal"]


def test_an_older_batch_that_comes_again_never_overwrites_a_newer_revision(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    older = desk.batch(entry("r-asha", 2, "second", 2, revision=2), number=2)
    desk.worker().deliver(older)
    desk.deliver(entry("r-asha", 3, "third", 3, revision=3), number=3)
    desk.worker().deliver(again(older))

    assert desk.column("Name") == ["third"]


@pytest.mark.parametrize("name", FAULTS)
def test_an_edit_lands_when_its_write_fails(desk: Desk, name: str) -> None:
    desk.deliver(*people("Asha", "Bilal"))
    fault = desk.server.faults.add(Fault(operations=frozenset({WRITE}), **FAULTS[name]))
    settle(desk.worker, desk.batch(entry("r-asha", 3, "Asha B", 9, revision=2), *people("Chen", start=4), number=2))

    assert fault.hits == 1
    assert desk.column("Name") == ["Asha B", "Bilal", "Chen"]


def test_a_late_copy_of_an_edit_changes_nothing_after_a_newer_one(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.server.service.forget_calls()
    desk.server.faults.add(Fault(applied="later", shown="cut", delay=4.0, operations=frozenset({WRITE})))
    with pytest.raises(TryLater) as lost:
        desk.deliver(entry("r-asha", 2, "second", 2, revision=2), number=2)
    assert lost.value.unknown
    desk.deliver(entry("r-asha", 2, "second", 2, revision=2), number=2, attempt=2)
    desk.deliver(entry("r-asha", 3, "third", 3, revision=3), number=3)
    assert desk.server.count(WRITE) == 2
    until = time.monotonic() + 10
    while desk.server.count(WRITE) < 3:
        assert time.monotonic() < until
        time.sleep(0.01)

    assert desk.column("Name") == ["third"]


def test_rows_that_are_sorted_while_they_are_edited_are_found_again(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal", "Chen"))
    context = desk.context()
    acts = [lambda: None, lambda: desk.people.sort(TITLE, 1, descending=True), lambda: desk.people.sort(TITLE, 1)]

    def step(name: str) -> None:
        if name == "guard" and acts:
            acts.pop()()

    context.step = step
    edits = [entry(f"r-{name}", place, f"{name} 2", place, revision=2) for place, name in enumerate(("asha", "bilal", "chen"), 4)]
    settle(lambda: desk.worker(context), desk.batch(*edits, number=2))

    assert sorted(desk.column("Name")) == ["asha 2", "bilal 2", "chen 2"]
    assert {record["_id"]: record["Name"] for record in desk.records()} == {f"r-{one}": f"{one} 2" for one in ("asha", "bilal", "chen")}


def test_a_deleted_response_keeps_its_row_without_answers(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal"))
    one = desk.batch(entry("r-asha", 3, revision=2, operation="delete"), entry("r-never", 4, revision=2, operation="delete"), number=2)
    desk.worker().deliver(one)
    desk.worker().deliver(again(one))

    assert desk.values()[1:] == [
        ["2030-01-01 00:01:00", "", "", "r-asha", "2 (deleted)"],
        ["2030-01-01 00:02:00", "Bilal", 2, "r-bilal", 1],
    ]


def test_a_deleted_response_can_lose_its_whole_row_but_not_what_people_wrote_beside_it(server: RunningServer) -> None:
    desk = Desk(server)
    desk.deliver(*people("Asha", "Bilal"))
    desk.add_column()
    desk.people.type_in(f"'{TITLE}'!F1:F2", [["comment"], ["mine"]])
    one = desk.batch(entry("r-asha", 3, revision=2, operation="delete"), number=2, on_delete="clear")
    desk.worker().deliver(one)
    desk.worker().deliver(again(one))

    assert desk.values()[1:] == [["", "", "", "", "", "mine"], ["2030-01-01 00:02:00", "Bilal", 2, "r-bilal", 1]]
    desk.close()


def test_a_row_a_person_deleted_comes_back_only_with_an_edit(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal"))
    desk.people.delete_rows(TITLE, 1, 2)
    desk.deliver(*people("Chen", start=3), number=2)
    assert desk.column("Name") == ["Bilal", "Chen"]
    desk.deliver(entry("r-asha", 4, "Asha B", 1, revision=2), number=3)

    assert desk.column("Name") == ["Bilal", "Chen", "Asha B"]


def test_a_new_question_that_comes_with_edits_only_still_gets_its_column(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    columns = (column("name"), column("age", "integer"), column("village"))
    one = desk.batch(entry("r-asha", 2, "Asha", 1, "Hilltop", revision=2), columns=columns, number=2)
    desk.worker().deliver(one)
    desk.worker().deliver(again(one))

    assert desk.records() == [
        {"Submitted (UTC)": "2030-01-01 00:01:00", "Name": "Asha", "Age": 1, "_id": "r-asha", "_revision": 2, "Village": "Hilltop"}
    ]


def test_many_edits_at_once_leave_no_more_marks_than_the_next_write_removes(desk: Desk) -> None:
    many = [entry(f"r{place}", place, f"n{place}", place) for place in range(1, 701)]
    desk.deliver(*many)
    desk.deliver(*(entry(f"r{place}", 1000 + place, f"m{place}", place, revision=2) for place in range(1, 701)), number=2)
    desk.deliver(*people("Asha", start=2000), number=3)

    assert desk.column("Name") == [*(f"m{place}" for place in range(1, 701)), "Asha"]
    assert [one for one in desk.people.workbook.metadata.entries.values() if one.key == "e"] == []


def test_late_edits_of_the_fault_table_never_undo_the_edit(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.server.service.forget_calls()
    desk.server.faults.add(Fault(applied="later", shown="cut", delay=0.1, operations=frozenset({"spreadsheets.batchUpdate"})))
    settle(desk.worker, desk.batch(entry("r-asha", 2, "second", 2, revision=2), number=2))
    wait_for_late_calls(desk.server, 2)

    assert desk.column("Name") == ["second"]
