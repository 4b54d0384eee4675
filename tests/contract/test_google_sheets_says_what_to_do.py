"""What stops a sheet is named in plain words, with what a person can do; nothing else stops it, and no answer is quoted."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets.wire.problems import Explainer
from collect_pipelines.errors import Blocked, Refused, TryLater
from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from tests.contract.google_sheets_fakes import Desk, MemoryContext, Postgres, batch, destination, generous, people

ROBOT = "service-account@local-sheets.iam.sheets.local"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    """A service account and a spreadsheet a person made."""
    owner = Desk(server)
    owner.worker().probe()
    made = Desk(server, config={"spreadsheet": owner.spreadsheet, "credentials": f"file:{server.service_account_credentials}"})
    owner.close()
    yield made
    server.faults.clear()
    made.close()


def told(desk: Desk, action: str = "deliver") -> Blocked:
    with pytest.raises(Blocked) as stopped:
        desk.worker().probe() if action == "probe" else desk.deliver(*people("Asha", start=50), number=50)
    return stopped.value


def test_a_service_account_writes_into_a_spreadsheet_that_was_shared_with_it(desk: Desk) -> None:
    desk.people.share(ROBOT)
    report = desk.worker().probe()
    desk.deliver(*people("Asha"))

    assert report.url is not None and desk.spreadsheet in report.url
    assert ROBOT in report.summary
    assert desk.column("Name") == ["Asha"]
    after = desk.worker().probe()
    assert after.facts["tab"] == "Household survey"
    assert after.facts["truncated_cells"] == 0


def test_the_probe_leaves_nothing_behind_and_can_be_repeated(desk: Desk) -> None:
    desk.people.share(ROBOT)
    for _ in range(3):
        desk.worker().probe()

    assert desk.people.workbook.metadata.entries == {}


def test_a_probe_beside_a_delivery_takes_nothing_from_it(server: RunningServer) -> None:
    desk = Desk(server)
    context = desk.context()
    # the delivery runs to its end while the probe has read what is remembered and not yet written anything
    context.step = lambda name: desk.deliver(*people("Asha")) if name == "guard" and context.guards == 2 else None
    desk.worker(context).probe()
    desk.deliver(*people("Bilal", start=2), number=2)

    assert desk.column("Name") == ["Asha", "Bilal"]
    desk.close()


def test_a_probe_and_a_first_delivery_at_once_create_one_spreadsheet(server: RunningServer) -> None:
    before = len(server.library.all())
    desk = Desk(server)
    context = desk.context()

    def step(name: str) -> None:
        if name == "guard" and context.guards == 1:
            with pytest.raises(TryLater, match="being created"):
                desk.deliver(*people("Asha"))

    context.step = step
    desk.worker(context).probe()
    desk.deliver(*people("Asha"), attempt=2)

    assert len(server.library.all()) == before + 1
    desk.close()


@pytest.mark.parametrize("action", ["probe", "deliver"])
def test_not_shared(desk: Desk, action: str) -> None:
    error = told(desk, action)

    assert error.reason == f"The spreadsheet is not shared with {ROBOT}."
    assert error.fix == f"In Google Sheets, Share: add {ROBOT} as Editor; then run `collect integrations resume sheet-1`."


@pytest.mark.parametrize("action", ["probe", "deliver"])
def test_view_only(desk: Desk, action: str) -> None:
    desk.people.share(ROBOT, "reader")
    error = told(desk, action)

    assert error.reason == f"{ROBOT} may view the spreadsheet but not edit it."


def test_unshared_while_it_was_in_use(desk: Desk) -> None:
    desk.people.share(ROBOT)
    worker = desk.worker()
    worker.deliver(desk.batch(*people("Asha")))
    desk.people.unshare(ROBOT)
    with pytest.raises(Blocked, match="not shared"):
        worker.deliver(desk.batch(*people("Bilal", start=50), number=50))
    desk.people.share(ROBOT)
    desk.deliver(*people("Bilal", start=50), number=50)

    assert desk.column("Name") == ["Asha", "Bilal"]


@pytest.mark.parametrize("action", ["probe", "deliver"])
def test_not_found(desk: Desk, action: str) -> None:
    desk.config["spreadsheet"] = "1nobodyhasmadethisspreadsheet0000000000000000"

    assert "knows no spreadsheet with this id" in told(desk, action).reason


def test_a_protected_tab(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    tab_id = desk.people.tab_id("Household survey")
    desk.people.request({"appendDimension": {"sheetId": tab_id, "dimension": "ROWS", "length": 5}})
    number = desk.people.protect("Household survey")
    error = told(desk)
    assert error.reason == "A protected range keeps this integration from writing."
    assert error.fix is not None and ROBOT in error.fix
    desk.people.unprotect(number)
    desk.deliver(*people("Bilal", start=50), number=50)

    assert desk.column("Name") == ["Asha", "Bilal"]


def test_a_full_spreadsheet(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    before, desk.server.limits.cells = desk.server.limits.cells, 5 * 3
    try:
        error = told(desk)
        with pytest.raises(Blocked):
            desk.deliver(*people("Bilal", "Chen", start=2), number=2)
    finally:
        desk.server.limits.cells = before
    assert "is full" in error.reason
    assert desk.column("Name") == ["Asha"]


def test_revoked_credentials_ask_for_a_new_connection_and_go_on_after_it(server: RunningServer, tmp_path: Path) -> None:
    person = server.identity.add_person("clerk")
    path = tmp_path / "clerk.json"
    path.write_text(json.dumps(person.credentials(server.token_url)))
    desk = Desk(server, config={"credentials": f"file:{path}"})
    desk.deliver(*people("Asha"))
    worker = desk.worker()
    server.revoke(person.email)
    for action in ("probe", "deliver"):
        assert (
            told(desk, action).reason
            == f"Reconnect needed: Google no longer accepts the credentials of {person.email}. The backlog is kept."
        )
    with pytest.raises(Blocked, match="Reconnect needed"):
        worker.deliver(desk.batch(*people("Bilal", start=2), number=2))
    server.identity.revoke(person.email, False)
    worker.deliver(desk.batch(*people("Bilal", start=2), number=2))

    assert desk.column("Name") == ["Asha", "Bilal"]
    desk.close()


def test_an_expired_token_is_renewed_in_silence(desk: Desk) -> None:
    desk.people.share(ROBOT)
    worker = desk.worker()
    worker.deliver(desk.batch(*people("Asha")))
    desk.server.expire_tokens()
    worker.deliver(desk.batch(*people("Bilal", start=2), number=2))

    assert desk.column("Name") == ["Asha", "Bilal"]


def test_a_service_account_is_told_that_it_can_own_nothing(server: RunningServer) -> None:
    before = len(server.library.all())
    desk = Desk(server, config={"credentials": f"file:{server.service_account_credentials}"})
    error = told(desk)

    assert "no storage of its own" in error.reason
    assert error.fix is not None and f"share it with {ROBOT} as Editor" in error.fix
    assert len(server.library.all()) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json {", "not a JSON file"),
        ("[]", "not a JSON file"),
        ('{"type": "service_account"}', "not a JSON file"),
        ('{"type": "service_account", "client_email": "a@b", "private_key": "SECRET"}', "not a JSON file"),
        ('{"installed": {"client_id": "x"}}', "those of an OAuth client"),
    ],
)
def test_unusable_credentials_are_named_and_never_quoted(server: RunningServer, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    error = told(Desk(server, config={"credentials": f"file:{path}"}))

    assert words in error.reason
    assert "SECRET" not in str(error) + str(error.__cause__)


def test_google_without_credentials_is_told_before_anything_is_sent(server: RunningServer) -> None:
    context = MemoryContext(server, Postgres())
    context.settings["sheets_base_url"] = "https://sheets.googleapis.com"
    with pytest.raises(Blocked, match="No credentials are configured"):
        destination(context).probe()


def test_429_empties_the_buckets_until_the_next_minute_and_is_surely_not_applied(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    desk.server.faults.add(Fault(status=429))
    context = desk.context()
    with pytest.raises(TryLater) as refused:
        desk.worker(context).deliver(desk.batch(*people("Bilal", start=2), number=2))

    assert not refused.value.unknown
    assert refused.value.after is not None and 0 < refused.value.after <= 63
    account = f"local-sheets:{ROBOT}"
    assert [key for key, _ in context.drained] == [f"sheets:write:account:{account}"], "the others of the project go on"


def test_every_call_takes_its_token_from_the_account_and_from_the_project(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    desk.server.service.forget_calls()
    context = desk.context()
    desk.worker(context).deliver(desk.batch(*people("Bilal", start=2), number=2))

    kinds = sorted(key.split(":")[1:3] for key in context.taken)
    assert kinds == [["read", "account"], ["read", "project"], ["write", "account"], ["write", "project"]]
    assert [call.operation for call in desk.server.calls] == ["spreadsheets.developerMetadata.search", "spreadsheets.batchUpdate"]
    assert context.guards == 1


def test_without_a_token_nothing_is_sent_and_the_wait_is_told(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    desk.server.service.forget_calls()
    context = desk.context()
    context.waits = [7.5]
    with pytest.raises(TryLater) as waiting:
        desk.worker(context).deliver(desk.batch(*people("Bilal", start=2), number=2))

    assert (waiting.value.after, waiting.value.unknown) == (7.5, False)
    assert desk.server.calls == []


def test_a_server_that_is_away_is_not_a_doubt(server: RunningServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    context = MemoryContext(server, Postgres())
    context.settings |= {"sheets_base_url": address, "drive_base_url": address}
    started = time.monotonic()
    with pytest.raises(TryLater) as away:
        destination(context).deliver(batch(*people("Asha")))
    assert not away.value.unknown
    assert time.monotonic() - started < 5
    # and when it is back, nobody waits for a creation that never began
    context.settings |= {"sheets_base_url": server.base_url, "drive_base_url": server.base_url}
    back = destination(context)
    back.deliver(batch(*people("Asha")))
    back.close()


def test_an_outage_of_everything_is_waited_out(desk: Desk) -> None:
    desk.people.share(ROBOT)
    desk.deliver(*people("Asha"))
    with desk.server.faults.outage(), pytest.raises(TryLater):
        desk.deliver(*people("Bilal", start=2), number=2)
    desk.deliver(*people("Bilal", start=2), number=2, attempt=2)

    assert desk.column("Name") == ["Asha", "Bilal"]


EXPLAIN = Explainer("sheet-1", "robot@example.org", "service_account")


def explained(status: int, message: str, **error: Any) -> Exception:
    document = {"error": {"code": status, "message": message, **error}}
    return EXPLAIN.answer(status, document, "write", could_read=False)


def test_a_refusal_that_quotes_an_answer_is_not_quoted() -> None:
    text = "Invalid value at 'requests[0].append_cells.rows[0].values[1]' (TYPE_STRING), \"my secret answer\""
    error = explained(400, text)

    assert isinstance(error, Refused)
    assert "secret" not in str(error)
    assert "requests[0].append_cells.rows[0].values[1]" in str(error)


def test_a_base_url_that_is_no_sheets_api_is_named() -> None:
    error = EXPLAIN.answer(404, None, "read", could_read=False)

    assert isinstance(error, Blocked)
    assert error.fix is not None and "COLLECT_SHEETS_BASE_URL" in error.fix


def test_a_disabled_api_and_a_missing_scope_are_told_apart() -> None:
    disabled = explained(403, "Google Sheets API has not been used", details=[{"reason": "SERVICE_DISABLED"}])
    narrow = explained(403, "insufficient scopes", details=[{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}])

    assert "not enabled" in str(disabled)
    assert "granted too little" in str(narrow)


def test_the_room_for_marks_comes_back_by_itself() -> None:
    error = explained(
        400, "Invalid requests[0].createDeveloperMetadata: Adding the requested developer metadata would exceed the allowed storage limit"
    )

    assert isinstance(error, TryLater) and not error.unknown
