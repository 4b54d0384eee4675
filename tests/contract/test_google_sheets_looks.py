"""A tab looks as people like it when it is made, and headers follow the form without touching what people named themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.google_sheets_fakes import NAME, Desk, column, entry, generous, people

CHOICES = [{"code": "rice", "label": "Rice"}, {"code": "m", "label": "Maize"}]
CROP = column("crop", "select_one", label="Main crop", hint="The one that brings most", choices=CHOICES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    made.close()


def header_cells(desk: Desk) -> list[dict[str, Any]]:
    tab = next(tab for tab in desk.people.workbook.ordered() if tab.title == desk.title)
    return [cell if isinstance(cell, dict) else {"v": cell} for cell in tab.row_cells(0)]


def header(desk: Desk) -> list[Any]:
    return desk.values()[0]


def test_the_note_of_a_header_tells_the_question_its_key_type_and_choices(desk: Desk) -> None:
    desk.deliver(entry("r1", 1, "Asha", "Rice"), columns=(NAME, CROP))

    notes = [cell.get("n") for cell in header_cells(desk)]
    assert notes[2] == (
        "Main crop\nThe one that brings most\nKey: crop; type: select_one\nrice = Rice\nm = Maize\n"
        "Written by collect-pipelines. You may rename, move, hide and colour this column."
    )


def test_people_are_warned_before_they_change_a_header_and_nobody_is_stopped(desk: Desk, server: RunningServer) -> None:
    desk.deliver(*people("Asha"))
    tab = next(tab for tab in desk.people.workbook.ordered() if tab.title == desk.title)
    assert [(one["warningOnly"], one["area"][:2]) for one in tab.protected] == [(True, [0, 1])]

    desk.people.type_in(f"'{desk.title}'!B1", [["Full name"]])
    desk.deliver(*people("Bilal", start=2), number=2)
    assert desk.column("Full name") == ["Asha", "Bilal"]


def test_a_new_label_becomes_the_header_and_a_header_that_a_person_wrote_stays(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.type_in(f"'{desk.title}'!C1", [["Age in years"]])
    desk.people.move_columns(desk.title, 1, 2, 5)

    renamed = (column("name", label="Name of the head"), column("age", "integer", label="Age now"))
    desk.deliver(entry("r2", 2, "Bilal", 2), number=2, columns=renamed)
    assert "Name of the head" in header(desk)
    assert "Age in years" in header(desk)
    assert "Age now" not in header(desk)

    again = (column("name", label="Head"), column("age", "integer", label="Age again"))
    desk.deliver(entry("r3", 3, "Chen", 3), number=3, columns=again)
    assert [one for one in header(desk) if one in ("Head", "Age in years", "Age again")] == ["Age in years", "Head"]
    assert desk.column("Head") == ["Asha", "Bilal", "Chen"]


def test_nothing_is_read_or_written_for_headers_while_labels_stay(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.deliver(*people("Bilal", start=2), number=2)
    desk.server.service.forget_calls()
    desk.deliver(*people("Chen", start=3), number=3)

    assert desk.server.count() == 2


def test_a_column_that_a_person_deleted_is_told_of(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.delete_columns(desk.title, 2, 3)

    said = desk.deliver(*people("Bilal", start=2), number=2).notices

    assert said is not None
    assert [(one.code, "age" in one.message) for one in said] == [("google_sheets.column_deleted", True)]


def test_answers_that_were_cut_are_told_of(desk: Desk) -> None:
    said = desk.deliver(entry("r1", 1, "x" * 60_000, 1)).notices

    assert said is not None
    assert [one.code for one in said] == ["google_sheets.cells_truncated"]
