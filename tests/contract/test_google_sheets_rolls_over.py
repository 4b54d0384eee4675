"""A spreadsheet is never full: rows go on in the next one, each once, and edits find their row in the old ones."""

import itertools
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets.content.tables import tables_of
from collect_pipelines.destinations.google_sheets.landing.appending import Appender
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.wire.problems import FileFull
from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.testing import Fault, Limits, RunningServer, running_server
from tests.contract.google_sheets_fakes import Crash, Desk, MemoryContext, again, column, entry, people, settle
from tests.contract.test_google_sheets_exactly_once import UPDATE, CrashingContext

CELLS = 1500  # per spreadsheet; 270 are those of the hidden tab and the list of parts, and a tenth is left free
SERVER_CELLS = 30_000  # an empty new spreadsheet has 26,000


@dataclass
class Small(Desk):
    """An integration whose spreadsheets are small."""

    most_cells: int = CELLS

    def resume(self, one: Batch) -> None:
        """What the core does after a crash; a minute later each time, so that it is known by then whether Google made a file."""
        for attempt in range(2, 8):
            worker = self.worker()
            worker.clock = lambda ahead=60 * attempt: time.time() + ahead
            try:
                worker.deliver(again(one, attempt))
            except TryLater:
                continue
            return
        raise AssertionError("not delivered")

    def context(self) -> MemoryContext:
        """The context of a new worker."""
        context = super().context()
        context.settings["sheets_cells_per_spreadsheet"] = str(self.most_cells)
        return context

    @property
    def files(self) -> list[str]:
        """The spreadsheets, oldest first."""
        stored: Any = self.postgres.memory[self.integration_id, "files"]
        return [one["spreadsheet"] for one in stored]

    def at(self, spreadsheet: str) -> People:
        """The owner, at one of them."""
        return self.server.people(spreadsheet)

    def names(self, spreadsheet: str) -> list[Any]:
        """The names of one of them."""
        header, *rows = self.server.values(spreadsheet, self.title)
        return [row[header.index("Name")] for row in rows]

    def fill(self, first: int, last: int, size: int = 40) -> None:
        """Delivers the responses with these numbers."""
        for number, start in enumerate(range(first, last + 1, size)):
            rows = [entry(f"r{place}", place, f"N{place}", place) for place in range(start, min(start + size, last + 1))]
            self.deliver(*rows, number=first + number)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    plenty = 10**6
    limits = Limits(cells=SERVER_CELLS, writes_per_user=plenty, reads_per_user=plenty, writes_per_project=plenty, reads_per_project=plenty)
    with running_server(tmp_path_factory.mktemp("sheets"), limits=limits) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Small]:
    made = Small(server)
    yield made
    server.faults.clear()
    made.close()


def test_rows_go_on_in_the_next_spreadsheet_before_one_is_full(desk: Small) -> None:
    desk.fill(1, 600)

    assert len(desk.files) > 2
    assert [name for one in desk.files for name in desk.names(one)] == [f"N{place}" for place in range(1, 601)]
    assert [desk.at(one).workbook.title for one in desk.files][:3] == [f"Household survey{more}" for more in ("", " (2)", " (3)")]
    assert all(sum(tab.cell_count for tab in desk.at(one).workbook.ordered()) <= CELLS for one in desk.files)


def test_each_spreadsheet_leads_to_all_others(desk: Small) -> None:
    desk.fill(1, 600)

    for one in desk.files:
        head, *lines = desk.server.values(one, "Parts")
        assert head == ["Part", "Rows", "Spreadsheet"]
        assert [line[2] for line in lines] == [f"https://docs.google.com/spreadsheets/d/{other}/edit" for other in desk.files]


def test_a_list_of_parts_that_a_person_deleted_stays_away_and_rows_go_on(desk: Small) -> None:
    desk.fill(1, 280)
    desk.at(desk.files[0]).delete_tab("Parts")
    desk.fill(281, 520)

    assert len(desk.files) > 2
    assert "Parts" not in [tab.title for tab in desk.at(desk.files[0]).workbook.ordered()]
    assert [name for one in desk.files for name in desk.names(one)] == [f"N{place}" for place in range(1, 521)]


def test_an_edit_finds_its_row_in_the_old_spreadsheet_and_a_new_question_gets_its_column_there(desk: Small) -> None:
    desk.fill(1, 280)
    more = (column("name"), column("age", "integer"), column("village"))

    desk.deliver(entry("r3", 300, "Edited", 3, "Hilltop", revision=2), number=300, columns=more)

    assert len(desk.files) == 2
    old = desk.server.values(desk.files[0], desk.title)
    assert [row for row in old if "r3" in row] == [["2030-01-01 00:03:00", "Edited", 3, "r3", 2, "Hilltop"]]
    assert [name for one in desk.files for name in desk.names(one)].count("Edited") == 1
    assert "Edited" not in desk.names(desk.files[1])


def test_when_people_fill_the_spreadsheet_the_batch_goes_into_the_next_one_once(desk: Small) -> None:
    desk.most_cells = 10**6
    desk.fill(1, 40)
    crowded = desk.at(desk.files[0])
    crowded.request({"addSheet": {"properties": {"sheetId": 77, "gridProperties": {"rowCount": 2950, "columnCount": 10}}}})
    late = desk.batch(*people("Asha", "Bilal", start=300), *(entry(f"l{n}", 302 + n, "L", n) for n in range(60)), number=300)
    desk.server.faults.add(Fault(applied="no", shown="cut", operations=UPDATE))

    settle(desk.worker, late)
    crowded.delete_tab(crowded.workbook.tabs[77].title)

    assert len(desk.files) == 2
    assert "Asha" not in desk.names(desk.files[0])
    assert desk.names(desk.files[1])[:2] == ["Asha", "Bilal"]
    # a copy of the request that was under way all the time finds its marker taken
    worker = desk.worker()
    old = Book.open(worker.context, worker._session().api, desk.files[0])
    with pytest.raises(FileFull):
        Appender(old, tables_of(late), late, worker.clock).append(1, {"": list(tables_of(late)[0].rows)}, old.layouts())
    assert "Asha" not in desk.names(desk.files[0])


def test_a_part_that_landed_unseen_before_the_spreadsheet_was_full_is_not_sent_to_the_next(desk: Small) -> None:
    desk.most_cells = 10**6
    desk.fill(1, 40)
    one = desk.batch(*people("Asha", "Bilal", start=300), number=300)
    desk.server.faults.add(Fault(applied="yes", shown="cut", operations=UPDATE))
    with pytest.raises(TryLater):
        desk.worker().deliver(one)
    desk.at(desk.files[0]).request({"addSheet": {"properties": {"gridProperties": {"rowCount": 2950, "columnCount": 10}}}})

    settle(desk.worker, one)

    assert [name for file in desk.files for name in desk.names(file)][-2:] == ["Asha", "Bilal"]
    assert len(desk.files) == 1


@pytest.mark.parametrize("crowded", [pytest.param(False, marks=pytest.mark.slow), True])  # True takes every step of False and more
def test_a_crash_at_any_step_of_the_change_leaves_one_row_per_response(server: RunningServer, crowded: bool) -> None:
    for crash_at in itertools.count(1):
        desk = Small(server, title=f"Crash {crowded} {crash_at}")
        desk.most_cells = 600
        desk.fill(1, 80, size=80)
        if crowded:
            grid = {"rowCount": 2940, "columnCount": 10}
            desk.at(desk.files[0]).request({"addSheet": {"properties": {"gridProperties": grid}}})
            desk.most_cells = 10**6
        one = desk.batch(*(entry(f"r{place}", place, f"N{place}", place) for place in range(81, 121)), number=500)
        context = CrashingContext(desk, crash_at)
        context.settings["sheets_cells_per_spreadsheet"] = str(desk.most_cells)
        with suppress(Crash):
            desk.worker(context).deliver(one)
        desk.resume(one)

        assert len(desk.files) <= 2
        assert [name for file in desk.files for name in desk.names(file)] == [f"N{place}" for place in range(1, 121)]
        desk.close()
        if context.left > 0:
            assert crash_at > 10
            return


def test_a_service_account_asks_in_time_and_goes_on_with_what_it_is_given(server: RunningServer, desk: Small) -> None:
    robot = server.service_account_email
    given = []
    for title in ("First", "Second"):
        made = Desk(server, desk.postgres, title=title, integration_id=90 + len(given))
        made.deliver(*people("X"), integration_id=90 + len(given))
        made.people.share(robot)
        given.append(made.spreadsheet)
        made.close()
    desk.config = {"spreadsheet": given[0], "credentials": f"file:{server.service_account_credentials}"}
    desk.fill(1, 190)
    said = desk.deliver(*people("Asha", start=500), number=500).notices
    assert said is not None
    assert [one.code for one in said] == ["google_sheets.file_filling"]
    assert said[0].fix is not None
    assert robot in said[0].fix

    desk.at(given[0]).request({"addSheet": {"properties": {"gridProperties": {"rowCount": 2850, "columnCount": 10}}}})
    with pytest.raises(Blocked) as stopped:
        desk.fill(191, 400)
    assert stopped.value.problem == "google_sheets.file_full"
    kept = len(desk.names(given[0]))
    desk.config = desk.config | {"next_spreadsheets": given[1]}
    settle(desk.worker, desk.batch(*people("Bilal", start=600), number=600))

    assert len(desk.names(given[0])) in (kept, kept + 1)
    assert (desk.names(given[0]) + desk.names(given[1])).count("Bilal") == 1


def test_a_person_may_name_another_spreadsheet_and_edits_still_find_their_rows_in_the_first(server: RunningServer, desk: Small) -> None:
    other = Desk(server, desk.postgres, title="Elsewhere", integration_id=95)
    other.deliver(*people("X"), integration_id=95)
    desk.fill(1, 10)
    desk.config = {"spreadsheet": other.spreadsheet}

    desk.deliver(*people("Asha", start=50), entry("r2", 60, "Edited", 2, revision=2), number=50)

    assert desk.names(desk.files[0]) == ["N1", "Edited", *(f"N{place}" for place in range(3, 11))]
    assert desk.names(other.spreadsheet) == ["Asha"]
    other.close()


def test_the_hidden_tab_tells_the_state_in_words_and_costs_no_call_of_its_own(desk: Small) -> None:
    desk.most_cells = 10**6
    desk.fill(1, 80)
    desk.server.service.forget_calls()
    desk.fill(81, 120)

    tab = next(tab for tab in desk.at(desk.files[0]).workbook.ordered() if tab.title == "_collect")
    assert tab.properties["hidden"]
    told = dict(row for row in desk.server.values(desk.files[0], "_collect") if len(row) == 2)
    assert told["Integration"] == "sheet-1"
    assert told["Spreadsheet"] == "1 of 1"
    assert told["Cells"].startswith("about ")
    assert (desk.server.count("spreadsheets.batchUpdate"), desk.server.count()) == (1, 2)


def test_a_person_may_delete_the_hidden_tab(desk: Small) -> None:
    desk.fill(1, 5)
    desk.at(desk.files[0]).delete_tab("_collect")
    an_hour_on = desk.worker()
    an_hour_on.clock = lambda: type(an_hour_on).clock() + 3600
    an_hour_on.deliver(desk.batch(*people("Asha", start=50), number=50))

    desk.deliver(*people("Bilal", start=51), number=51)
    assert desk.names(desk.files[0])[-2:] == ["Asha", "Bilal"]
    assert "_collect" not in [tab.title for tab in desk.at(desk.files[0]).workbook.ordered()]
