"""Promise 8: people own their sheet. Whatever they do to it, no row is lost or doubled, no answer moves, and theirs stays theirs."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collect_pipelines.errors import Blocked
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.google_sheets_fakes import NAME, Desk, MemoryContext, column, entry, generous, people, settle

TITLE = "Household survey"
FORMULAS = ["=1+1", "+49 170 1234567", "@x", "-5", "0042", '=HYPERLINK("http://x","y")', "'quoted", "6'3\"", "TRUE", "1/2"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    made.close()


def test_the_first_row_is_a_frozen_header_and_the_grid_has_no_empty_columns(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    tab = next(iter(desk.people.workbook.ordered()))

    assert desk.values()[0] == ["Submitted (UTC)", "Name", "Age", "_id", "_revision"]
    assert tab.grid_properties == {"frozenRowCount": 1}
    assert (tab.row_count, tab.column_count) == (2, 5)
    assert desk.people.workbook.title == TITLE


def test_an_answer_that_looks_like_a_formula_stays_text(desk: Desk) -> None:
    desk.deliver(*(entry(f"r{place}", place, text, place) for place, text in enumerate(FORMULAS, 1)))
    desk.deliver(*(entry(f"r{place}", 100 + place, text + " ", place, revision=2) for place, text in enumerate(FORMULAS, 1)), number=2)

    assert desk.column("Name") == [text + " " for text in FORMULAS]
    assert desk.column("Age") == list(range(1, len(FORMULAS) + 1))


def test_renamed_moved_hidden_and_inserted_columns_keep_getting_their_answers(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    person = desk.people
    person.type_in(f"'{TITLE}'!B1", [["Who"]])
    person.move_columns(TITLE, 3, 4, 0)  # the id column to the front
    person.insert_columns(TITLE, 2)
    person.type_in(f"'{TITLE}'!C1:C2", [["status"], ["called"]])
    person.rename_tab(TITLE, "Visits")
    desk.deliver(*people("Bilal", start=2), number=2)

    assert desk.values("Visits") == [
        ["_id", "Submitted (UTC)", "status", "Who", "Age", "_revision"],
        ["r-asha", "2030-01-01 00:01:00", "called", "Asha", 1, 1],
        ["r-bilal", "2030-01-01 00:02:00", "", "Bilal", 2, 1],
    ]


def test_sorting_filtering_and_inserting_rows_between_batches_loses_and_doubles_nothing(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal", "Chen"))
    person = desk.people
    person.sort(TITLE, 1, descending=True)
    person.filter(TITLE, 1, ["Bilal"])
    person.insert_rows(TITLE, 2)
    desk.deliver(*people("Dina", "Efe", start=4), number=2)

    assert [name for name in desk.column("Name") if name] == ["Chen", "Bilal", "Asha", "Dina", "Efe"]


def test_a_new_question_becomes_a_column_at_the_end_with_its_rows(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.add_column()
    desk.people.type_in(f"'{TITLE}'!F1:F2", [["comment"], ["mine"]])
    columns = (NAME, column("age", "integer"), column("village", label="Village"), column("note", label="Name"))
    desk.deliver(entry("r-bilal", 2, "Bilal", 2, "Hilltop", "n"), columns=columns, number=2)

    assert desk.values() == [
        ["Submitted (UTC)", "Name", "Age", "_id", "_revision", "comment", "Village", "Name (2)"],
        ["2030-01-01 00:01:00", "Asha", 1, "r-asha", 1, "mine"],
        ["2030-01-01 00:02:00", "Bilal", 2, "r-bilal", 1, "", "Hilltop", "n"],
    ]


def test_a_deleted_column_is_not_brought_back(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.delete_columns(TITLE, 2, 3)
    desk.deliver(*people("Bilal", start=2), number=2)
    desk.deliver(entry("r-asha", 3, "Asha 2", 9, revision=2), number=3)

    assert desk.values() == [
        ["Submitted (UTC)", "Name", "_id", "_revision"],
        ["2030-01-01 00:01:00", "Asha 2", "r-asha", 2],
        ["2030-01-01 00:02:00", "Bilal", "r-bilal", 1],
    ]


def test_without_the_id_column_nothing_is_written_and_a_person_is_told(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.delete_columns(TITLE, 3, 4)

    with pytest.raises(Blocked, match="column _id was deleted") as told:
        desk.deliver(*people("Bilal", start=2), number=2)
    assert told.value.fix is not None and "Version history" in told.value.fix
    assert desk.column("Name") == ["Asha"]


def test_a_deleted_tab_is_not_refilled_in_silence(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.add_tab("Other")
    desk.people.delete_tab(TITLE)

    with pytest.raises(Blocked, match="was deleted"):
        desk.deliver(*people("Bilal", start=2), number=2)
    with pytest.raises(Blocked, match="was deleted"):
        desk.worker().probe()


def test_the_tab_gets_another_title_when_a_person_has_one_of_that_name(desk: Desk) -> None:
    desk.worker().probe()
    desk.people.add_tab("household SURVEY")
    desk.deliver(*people("Asha"))

    assert desk.column("Name", f"{TITLE} (2)") == ["Asha"]


def test_two_integrations_share_a_spreadsheet_without_touching_each_other(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    second = Desk(desk.server, desk.postgres, title="Clinic", config={"spreadsheet": desk.spreadsheet}, integration_id=2)
    second.deliver(*people("Bilal"))
    desk.deliver(*people("Chen", start=2), number=2)
    second.deliver(*people("Dina", start=2), number=2)

    assert desk.column("Name") == ["Asha", "Chen"]
    assert second.column("Name") == ["Bilal", "Dina"]
    second.close()


class Interrupting(MemoryContext):
    """Lets a person act right before the n-th write: after our look at the columns, before the rows land."""

    def __init__(self, desk: Desk, act: Callable[[], None], write: int = 1) -> None:
        super().__init__(desk.server, desk.postgres)
        self._left = write
        self._act = act
        self.step = self._count

    def _count(self, name: str) -> None:
        if name == "guard":
            self._left -= 1
            if self._left == 0:
                self._act()


def test_a_column_moved_at_the_very_moment_of_the_write_is_noticed_and_put_right(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.add_column()
    desk.people.type_in(f"'{TITLE}'!F1", [["comment"]])
    context = Interrupting(desk, lambda: desk.people.move_columns(TITLE, 1, 2, 6))
    desk.worker(context).deliver(desk.batch(*people("Bilal", "Chen", start=2), number=2))

    assert desk.values() == [
        ["Submitted (UTC)", "Age", "_id", "_revision", "comment", "Name"],
        ["2030-01-01 00:01:00", 1, "r-asha", 1, "", "Asha"],
        ["2030-01-01 00:02:00", 2, "r-bilal", 1, "", "Bilal"],
        ["2030-01-01 00:03:00", 3, "r-chen", 1, "", "Chen"],
    ]


def test_a_column_inserted_at_the_very_moment_of_the_write_stays_empty(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    context = Interrupting(desk, lambda: desk.people.insert_columns(TITLE, 1, 2))
    desk.worker(context).deliver(desk.batch(*people("Bilal", start=2), number=2))

    assert desk.values()[1:] == [
        ["2030-01-01 00:01:00", "", "", "Asha", 1, "r-asha", 1],
        ["2030-01-01 00:02:00", "", "", "Bilal", 2, "r-bilal", 1],
    ]


def test_a_column_moved_while_an_answer_is_lost_is_put_right_by_the_resend(desk: Desk) -> None:
    from collect_pipelines.local.sheets.testing import Fault

    desk.deliver(*people("Asha"))
    desk.server.faults.add(Fault(applied="yes", shown="cut"))
    context = Interrupting(desk, lambda: desk.people.move_columns(TITLE, 0, 1, 3))
    workers = [desk.worker(context)]
    settle(lambda: workers.pop() if workers else desk.worker(), desk.batch(*people("Bilal", start=2), number=2))

    assert desk.values() == [
        ["Name", "Age", "Submitted (UTC)", "_id", "_revision"],
        ["Asha", 1, "2030-01-01 00:01:00", "r-asha", 1],
        ["Bilal", 2, "2030-01-01 00:02:00", "r-bilal", 1],
    ]


def test_a_column_moved_at_the_moment_of_an_edit_leaves_peoples_cells_as_they_were(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bilal"))
    desk.people.insert_columns(TITLE, 1)
    desk.people.type_in(f"'{TITLE}'!B1:B3", [["status"], ["called"], ["ill"]])
    # the second write is the edit itself: the person moves the names in between, so that Age would land in "status"
    context = Interrupting(desk, lambda: desk.people.move_columns(TITLE, 2, 3, 0), write=2)
    settle(lambda: desk.worker(context), desk.batch(entry("r-asha", 3, "Asha 2", 77, revision=2), number=2))

    assert desk.values() == [
        ["Name", "Submitted (UTC)", "status", "Age", "_id", "_revision"],
        ["Asha 2", "2030-01-01 00:01:00", "called", 77, "r-asha", 2],
        ["Bilal", "2030-01-01 00:02:00", "ill", 2, "r-bilal", 1],
    ]


@pytest.mark.parametrize("seed", range(6))
def test_any_mix_of_what_people_do_between_and_during_batches_keeps_every_response_once(server: RunningServer, seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk(server, title=f"Mix {seed}")
    desk.deliver(*people("Zero", start=1), number=1)
    person = desk.people
    desk.add_column()
    person.type_in(f"'{desk.title}'!F1:F2", [["mine"], ["keep me"]])
    ages = {"r-zero": 1}

    def act() -> None:
        width = len(desk.values()[0])
        chance.choice([
            lambda: person.sort(desk.title, chance.randrange(width), descending=chance.random() < 0.5),
            lambda: person.insert_rows(desk.title, chance.randrange(1, len(desk.values()))),
            lambda: person.move_columns(desk.title, *_move(chance, width)),
            lambda: person.insert_columns(desk.title, chance.randrange(width)),
            lambda: person.hide_rows(desk.title, 1, 2),
        ])()  # fmt: skip

    position = 1
    for number in range(2, 14):
        rows: list[dict[str, Any]] = []
        for _ in range(chance.randrange(1, 4)):
            position += 1
            known = chance.choice(sorted(ages))
            if chance.random() < 0.4 and known not in [row["_response_id"] for row in rows]:
                rows.append(entry(known, position, f"n-{known}", position, revision=position))
                ages[known] = position
            else:
                rows.append(entry(f"r{position}", position, f"n-r{position}", position))
                ages[f"r{position}"] = position
        if chance.random() < 0.5:
            act()
        writes = chance.choice([1, 2, 99])
        settle(lambda writes=writes: desk.worker(Interrupting(desk, act, writes)), desk.batch(*rows, number=number))  # type: ignore[misc]

    found = [record for record in desk.records() if "_id" in record]
    assert {record["_id"]: record["Age"] for record in found} == ages
    assert len(found) == len(ages)
    assert [record["Name"] for record in found if record["_id"] != "r-zero"] == [
        f"n-{record['_id']}" for record in found if record["_id"] != "r-zero"
    ]
    assert [record["mine"] for record in found if "mine" in record] == ["keep me"]
    assert all(set(record) <= {"Submitted (UTC)", "Name", "Age", "_id", "_revision", "mine"} for record in desk.records())
    desk.close()


def _move(chance: random.Random, width: int) -> tuple[int, int, int]:
    start = chance.randrange(width)
    return start, start + 1, chance.choice([place for place in range(width + 1) if place not in (start, start + 1)])
