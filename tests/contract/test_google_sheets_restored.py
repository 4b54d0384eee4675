"""After a restore of Postgres from a backup the numbers of batches come a second time: no row is lost, none is written twice."""

import copy
from collections.abc import Iterator

import pytest

from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.google_sheets_fakes import AGE, NAME, Desk, again, column, entry, generous, people, settle


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    made.deliver(*people("Asha", "Bilal"), number=1)
    yield made
    made.close()


def test_a_number_that_stands_for_other_rows_is_never_taken_for_success(desk: Desk) -> None:
    backup = copy.deepcopy((desk.postgres.memory, desk.postgres.numbers))
    desk.deliver(*people("Chen", "Dina", start=3), number=2)
    desk.postgres.memory, desk.postgres.numbers = backup

    # Chen's sender sent the response again after the restore, Efe is new, Dina's is not known any more
    one = desk.batch(*people("Efe", "Chen", start=3), number=2)
    with pytest.raises(TryLater):
        desk.worker().deliver(one)
    settle(desk.worker, again(one))

    assert desk.column("Name") == ["Asha", "Bilal", "Chen", "Dina", "Efe"]


def test_batches_go_on_after_that_and_each_lands_once(desk: Desk) -> None:
    backup = copy.deepcopy((desk.postgres.memory, desk.postgres.numbers))
    for number, name in enumerate(("Chen", "Dina", "Efe"), 2):
        desk.deliver(*people(name, start=number + 1), number=number)
    desk.postgres.memory, desk.postgres.numbers = backup
    for number, name in enumerate(("Efe", "Femi", "Gita", "Chen"), 2):
        settle(desk.worker, desk.batch(*people(name, start=number + 1), number=number))
        settle(desk.worker, desk.batch(*people(name, start=number + 1), number=number))

    assert sorted(desk.column("Name")) == ["Asha", "Bilal", "Chen", "Dina", "Efe", "Femi", "Gita"]


def test_a_question_that_was_new_in_the_lost_time_keeps_its_column(desk: Desk) -> None:
    more = (NAME, AGE, column("village"))
    backup = copy.deepcopy((desk.postgres.memory, desk.postgres.numbers))
    desk.deliver(entry("r-chen", 3, "Chen", 3, "Hilltop"), number=2, columns=more)
    desk.postgres.memory, desk.postgres.numbers = backup

    settle(desk.worker, desk.batch(entry("r-dina", 3, "Dina", 3, "Lakeside"), number=2, columns=more))

    assert desk.column("Village") == [None, None, "Hilltop", "Lakeside"]


def test_a_new_column_whose_number_is_taken_gets_another_one(desk: Desk) -> None:
    backup = copy.deepcopy((desk.postgres.memory, desk.postgres.numbers))
    for number in range(2, 12):
        desk.deliver(*people(f"Lost{number}", start=number + 1), number=number)
    desk.postgres.memory, desk.postgres.numbers = backup

    one = desk.batch(entry("r-dina", 3, "Dina", 3, "Lakeside"), number=90, columns=(NAME, AGE, column("village")))
    settle(desk.worker, one)

    assert desk.column("Village")[-1] == "Lakeside"
    assert desk.column("Name").count("Dina") == 1


def test_where_every_revision_is_a_row_nothing_can_be_compared_and_a_person_decides(desk: Desk) -> None:
    backup = copy.deepcopy((desk.postgres.memory, desk.postgres.numbers))
    desk.deliver(*people("Chen", start=3), number=2, append_only=True)
    desk.postgres.memory, desk.postgres.numbers = backup

    with pytest.raises(Blocked) as stopped:
        desk.deliver(*people("Dina", start=3), number=2, append_only=True)

    assert stopped.value.problem == "google_sheets.foreign_marks"
    assert desk.column("Name") == ["Asha", "Bilal", "Chen"]
