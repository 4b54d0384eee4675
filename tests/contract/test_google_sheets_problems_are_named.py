"""Whatever people do that must stop a sheet has its code; what need not stop it goes on; and after the repair nothing is lost."""

from collections.abc import Callable, Iterator

import pytest

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.errors import Blocked
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.google_sheets_fakes import Desk, entry, generous, people

ROBOT = "service-account@local-sheets.iam.sheets.local"
TITLE = "Household survey"
Deed = Callable[[Desk], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    """A sheet of a service account, in a spreadsheet that a person made and shared, with a response in it."""
    owner = Desk(server)
    owner.worker().probe()
    made = Desk(server, config={"spreadsheet": owner.spreadsheet, "credentials": f"file:{server.service_account_credentials}"})
    owner.close()
    made.people.share(ROBOT)
    made.deliver(*people("Asha"))
    yield made
    made.close()


def with_room(desk: Desk) -> None:
    desk.people.request({"appendDimension": {"sheetId": desk.people.tab_id(TITLE), "dimension": "ROWS", "length": 5}})


def reader(desk: Desk) -> None:
    desk.people.unshare(ROBOT)
    desk.people.share(ROBOT, "reader")


def protected(desk: Desk) -> None:
    with_room(desk)
    desk.people.protect(TITLE)


def without_tab(desk: Desk) -> None:
    desk.people.add_tab("Other")
    desk.people.delete_tab(TITLE)


def without_row(desk: Desk) -> None:
    with_room(desk)
    desk.people.delete_rows(TITLE, 1, 2)


def warned(desk: Desk) -> None:
    desk.people.protect(TITLE, warning_only=True)


STOPS: dict[str, Deed] = {
    "not_shared": lambda desk: desk.people.unshare(ROBOT),
    "view_only": reader,
    "not_found": lambda desk: desk.people.delete_file(),
    "protected_range": protected,
    "tab_deleted": without_tab,
    "id_column_deleted": lambda desk: desk.people.delete_columns(TITLE, 3, 4),
}

GOES_ON: dict[str, Deed] = {
    "the tab is renamed": lambda desk: desk.people.rename_tab(TITLE, "Ours"),
    "a header is renamed": lambda desk: desk.people.type_in(f"{TITLE}!B1", [["Who"]]),
    "columns are moved": lambda desk: desk.people.move_columns(TITLE, 1, 2, 5),
    "a column of a question is deleted": lambda desk: desk.people.delete_columns(TITLE, 2, 3),
    "the column of revisions is deleted": lambda desk: desk.people.delete_columns(TITLE, 4, 5),
    "a row is deleted": without_row,
    "rows are hidden": lambda desk: desk.people.filter(TITLE, 1, ["Asha"]),
    "a warning is put up": warned,
    "the file is in the bin": lambda desk: desk.people.trash(),
}


@pytest.mark.parametrize("code", STOPS)
def test_what_must_stop_stops_with_its_code(desk: Desk, code: str) -> None:
    STOPS[code](desk)
    with pytest.raises(Blocked) as told:
        desk.deliver(*people("Bela", start=2), number=2)

    assert told.value.problem == f"google_sheets.{code}"
    assert told.value.problem in {one.code for one in GoogleSheets.problems if one.stops}
    assert told.value.fix


@pytest.mark.parametrize("deed", GOES_ON)
def test_what_need_not_stop_does_not(desk: Desk, deed: str) -> None:
    GOES_ON[deed](desk)
    delivery = desk.deliver(*people("Bela", start=2), entry("r-asha", 3, "Asha", 9, revision=2), number=2)
    codes = {one.code for one in delivery.notices or ()}

    assert delivery.outcomes[0].state == "delivered"
    assert codes <= {one.code for one in GoogleSheets.problems if not one.stops}
    assert ("google_sheets.column_deleted" in codes) == deed.endswith(("question is deleted", "revisions is deleted"))
