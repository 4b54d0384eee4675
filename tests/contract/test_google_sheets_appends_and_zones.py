"""A row per revision where that is wanted, and clocks of the integration's time zone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collect_pipelines.destinations.google_sheets.content.tables import submitted_name
from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from tests.contract.google_sheets_fakes import Desk, entry, generous, people, settle

HEADER = ["Submitted (UTC)", "Name", "Age", "_id", "_revision"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    server.faults.clear()
    opened = Desk(server)
    yield opened
    opened.close()


def revisions(*names: str, start: int = 1) -> list[dict[str, object]]:
    return [entry("r1", start + place, name, place, revision=start + place) for place, name in enumerate(names)]


def test_every_revision_is_a_row_and_none_is_changed(desk: Desk) -> None:
    desk.deliver(*revisions("Asha", "Asha B"), append_only=True)
    desk.deliver(entry("r1", 3, revision=3, operation="delete"), entry("r2", 4, "Ravi", 7), number=2, append_only=True)

    assert [row[1:] for row in desk.values()[1:]] == [
        ["Asha", 0, "r1", 1],
        ["Asha B", 1, "r1", 2],
        ["", "", "r1", "3 (deleted)"],
        ["Ravi", 7, "r2", 1],
    ]


def test_a_row_per_revision_is_never_looked_up(desk: Desk) -> None:
    desk.deliver(*revisions("Asha"), append_only=True)
    first = desk.deliver(*revisions("Asha B", start=2), number=2, append_only=True)
    appended = desk.deliver(*people("Ravi", start=3), number=3, append_only=True)

    assert first.api_calls == appended.api_calls


@pytest.mark.parametrize("fault", [Fault(applied="yes", shown="cut"), Fault(applied="no", shown="error")], ids=["applied", "not applied"])
def test_a_revision_whose_answer_was_lost_is_there_once(desk: Desk, fault: Fault) -> None:
    desk.deliver(*revisions("Asha"), append_only=True)
    desk.server.faults.add(fault)
    settle(desk.worker, desk.batch(*revisions("Asha B", "Asha C", start=2), number=2, append_only=True))

    assert [row[-1] for row in desk.values()[1:]] == [1, 2, 3]


def test_revisions_that_landed_while_a_column_moved_are_put_right_each_in_its_row(desk: Desk) -> None:
    desk.deliver(*people("Zoe"), append_only=True)
    people_at_it = desk.people

    def move(step: str) -> None:
        if step == "guard" and not moved:
            moved.append(1)
            people_at_it.move_columns(desk.title, 1, 2, 4)

    moved: list[int] = []
    context = desk.context()
    worker = desk.worker(context)
    context.step = move
    worker.deliver(desk.batch(*revisions("Asha", "Asha B"), number=2, append_only=True))

    assert [(record.get("Name"), record["_id"], record["_revision"]) for record in desk.records()] == [
        ("Zoe", "r-zoe", 1),
        ("Asha", "r1", 1),
        ("Asha B", "r1", 2),
    ]


def test_moments_are_shown_in_the_zone_that_the_header_names(desk: Desk) -> None:
    desk.deliver(*people("Asha"), time_zone="Asia/Kolkata")

    assert desk.values()[:2] == [["Submitted (Asia/Kolkata)", *HEADER[1:]], ["2030-01-01 05:31:00", "Asha", 1, "r-asha", 1]]


def test_another_zone_is_another_column_so_that_no_column_holds_clocks_of_two(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.deliver(*people("Ravi", start=2), number=2, time_zone="Asia/Kolkata")
    edited = entry("r-asha", 3, "Asha B", 9, revision=2)
    desk.deliver(edited, number=3, time_zone="Asia/Kolkata")

    assert [(record.get(HEADER[0]), record.get("Submitted (Asia/Kolkata)"), record["Name"]) for record in desk.records()] == [
        ("2030-01-01 00:01:00", None, "Asha B"),
        (None, "2030-01-01 05:32:00", "Ravi"),
    ]


def test_the_mark_of_a_zones_column_is_short_and_its_own(tmp_path: Path) -> None:
    names = [submitted_name(zone) for zone in ("UTC", "Asia/Kolkata", "America/Argentina/ComodRivadavia", "America/Argentina/Buenos_Aires")]

    assert names[0] == "_submitted"
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 24
