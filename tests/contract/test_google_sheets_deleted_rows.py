"""A row that a person deleted is respected, refilled or reported; a response that is deleted loses its row only where that is wanted."""

import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.errors import TryLater
from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from tests.contract.google_sheets_fakes import Crash, Desk, entry, generous, people, settle
from tests.contract.test_google_sheets_exactly_once import UPDATE, CrashingContext

NAMES = ("Asha", "Bilal", "Chen", "Dina", "Efe", "Femi")
KNOWN = {"known": frozenset({"r-bilal"})}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    made.deliver(*people(*NAMES))
    yield made
    server.faults.clear()
    made.close()


def edited(**more: Any) -> dict[str, Any]:
    return {"rows": (entry("r-bilal", 7, "Bilal 2", 2, revision=2), entry("r-gita", 8, "Gita", 8)), **more}


def delete_row(desk: Desk, name: str) -> None:
    index = 1 + desk.column("Name").index(name)
    desk.people.delete_rows(desk.title, index, index + 1)


def test_a_row_that_a_person_deleted_stays_deleted_and_this_is_told(desk: Desk) -> None:
    delete_row(desk, "Bilal")

    said = desk.deliver(*edited()["rows"], number=2, **KNOWN)

    assert said.outcomes == (Outcome.skipped("A person deleted its row in the spreadsheet."), Outcome.delivered())
    assert desk.column("Name") == ["Asha", "Chen", "Dina", "Efe", "Femi", "Gita"]
    assert said.notices is not None
    assert [one.code for one in said.notices] == ["google_sheets.row_deleted"]


def test_a_deleted_row_is_refilled_where_that_is_wanted_once(desk: Desk) -> None:
    desk.config["deleted_rows"] = "refill"
    delete_row(desk, "Bilal")
    desk.server.faults.add(Fault(applied="yes", shown="cut", operations=UPDATE))

    settle(desk.worker, desk.batch(*edited()["rows"], number=2, **KNOWN))

    assert desk.column("Name") == ["Asha", "Chen", "Dina", "Efe", "Femi", "Bilal 2", "Gita"]


def test_a_deleted_row_is_reported_where_that_is_wanted_and_comes_back_when_a_person_sends_it_again(desk: Desk) -> None:
    desk.config["deleted_rows"] = "report"
    delete_row(desk, "Bilal")

    said = desk.deliver(*edited()["rows"], number=2, **KNOWN)
    assert [one.state for one in said.outcomes] == ["refused", "delivered"]
    desk.deliver(edited()["rows"][0], number=3, purpose="retry", **KNOWN)

    assert desk.column("Name") == ["Asha", "Chen", "Dina", "Efe", "Femi", "Gita", "Bilal 2"]


def test_an_edit_of_a_response_that_was_never_there_is_a_new_row(desk: Desk) -> None:
    desk.deliver(entry("r-hana", 9, "Hana", 9, revision=3), number=2)

    assert desk.column("Name") == [*NAMES, "Hana"]


def test_a_deletion_of_a_response_whose_row_a_person_deleted_is_done_already(desk: Desk) -> None:
    delete_row(desk, "Bilal")

    said = desk.deliver(entry("r-bilal", 7, revision=2, operation="delete"), number=2, on_delete="delete", **KNOWN)

    assert said.outcomes == (Outcome.delivered(),)
    assert len(desk.column("Name")) == 5


def test_a_deleted_response_loses_its_row_and_no_other_one(desk: Desk) -> None:
    desk.people.sort(desk.title, column=1, descending=True)

    rows = [entry(f"r-{name}", 7 + place, revision=2, operation="delete") for place, name in enumerate(("bilal", "efe", "asha"))]
    desk.deliver(*rows, entry("r-dina", 20, "Dina 2", 4, revision=2), number=2, on_delete="delete", known=frozenset())

    assert desk.column("Name") == ["Femi", "Dina 2", "Chen"]
    assert sum(tab.row_count for tab in desk.people.workbook.ordered() if tab.title == desk.title) == 4


def test_people_who_sort_at_the_very_moment_of_a_deletion_lose_no_row(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our last look and the deletion, each time anew, rows change places."""
    from collect_pipelines.destinations.google_sheets.editing import removing

    looked = removing.row_places
    chance = random.Random(4)
    times = iter(range(3))

    def sorted_after(*arguments: Any) -> dict[int, int]:
        found = looked(*arguments)
        if next(times, None) is not None:
            desk.people.sort(desk.title, column=chance.choice((1, 2)), descending=chance.random() < 0.5)
            desk.people.insert_rows(desk.title, 1)
        return found

    monkeypatch.setattr(removing, "row_places", sorted_after)
    settle(desk.worker, desk.batch(entry("r-chen", 7, revision=2, operation="delete"), number=2, on_delete="delete"))

    assert sorted(name for name in desk.column("Name") if name) == [name for name in NAMES if name != "Chen"]


def test_a_crash_at_any_step_of_a_deletion_takes_just_that_row(server: RunningServer) -> None:
    for crash_at in itertools.count(1):
        desk = Desk(server, title=f"Deleted {crash_at}")
        desk.deliver(*people(*NAMES[:3]))
        one = desk.batch(entry("r-bilal", 7, revision=2, operation="delete"), number=2, on_delete="delete")
        context = CrashingContext(desk, crash_at)
        with suppress(Crash):
            desk.worker(context).deliver(one)
        settle(desk.worker, one)

        assert desk.column("Name") == ["Asha", "Chen"]
        desk.close()
        if context.left > 0:
            return


@pytest.mark.parametrize("fault", [{"applied": "yes", "shown": "cut"}, {"applied": "no", "status": 503}])
def test_a_deletion_whose_answer_is_lost_takes_one_row(desk: Desk, fault: dict[str, Any]) -> None:
    desk.server.faults.add(Fault(operations=UPDATE, skip=1, **fault))
    one = desk.batch(entry("r-bilal", 7, revision=2, operation="delete"), number=2, on_delete="delete")

    with pytest.raises(TryLater):
        desk.worker().deliver(one)
    settle(desk.worker, one)

    assert desk.column("Name") == ["Asha", "Chen", "Dina", "Efe", "Femi"]
