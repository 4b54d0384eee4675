"""Failures on purpose: before a call is applied, after it, late, or with no answer at all; and what is in the sheet then."""

import time
from collections.abc import Iterator

import httpx
import pytest

from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from tests.contract.local_sheets_tools import Api, append, error, generous, marker, person

WAIT_SECONDS = 10.0  # for something that happens within a second on an idle machine


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as server:
        yield server


@pytest.fixture
def server(running: RunningServer) -> Iterator[RunningServer]:
    running.service.forget_calls()
    yield running
    running.faults.clear()


@pytest.fixture
def api(server: RunningServer) -> Iterator[Api]:
    with person(server) as calling:
        yield calling


@pytest.mark.parametrize(
    ("status", "word", "text"),
    [
        (500, "INTERNAL", "Internal error encountered."),
        (503, "UNAVAILABLE", "The service is currently unavailable."),
        (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    ],
)
def test_an_error_before_the_call_is_applied_leaves_nothing(api: Api, server: RunningServer, status: int, word: str, text: str) -> None:
    sheet = api.create()
    server.faults.add(Fault(status=status))

    answer = api.batch(sheet, append(["x"]))

    assert error(answer) == (status, text)
    assert answer.json()["error"]["status"] == word
    assert server.values(sheet, "Sheet1") == []
    assert api.batch(sheet, append(["x"])).status_code == 200  # a fault hits once unless told otherwise


def test_a_502_comes_as_a_page_of_html(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(shown="html"))

    answer = api.batch(sheet, append(["x"]))

    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "try again in 30 seconds" in answer.text


def test_an_applied_call_can_answer_with_an_error(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="yes", status=500))

    assert api.batch(sheet, append(["x"])).status_code == 500
    assert server.values(sheet, "Sheet1") == [["x"]]


@pytest.mark.parametrize("applied", ["yes", "no"])
def test_a_connection_can_be_cut_before_and_after_the_call_is_applied(api: Api, server: RunningServer, applied: str) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="yes" if applied == "yes" else "no", shown="cut"))

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        api.batch(sheet, append(["x"]))

    assert server.values(sheet, "Sheet1") == ([["x"]] if applied == "yes" else [])


def test_an_answer_can_break_off_in_the_middle(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="yes", shown="truncated"))

    with pytest.raises(httpx.RemoteProtocolError):
        api.batch(sheet, append(["x"]))

    assert server.values(sheet, "Sheet1") == [["x"]]


def test_an_answer_can_be_200_and_no_json(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="yes", shown="garbled"))

    answer = api.batch(sheet, append(["x"]))

    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()


def test_an_answer_may_never_come(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="yes", shown="never"))
    api.http.timeout = httpx.Timeout(0.5)

    with pytest.raises(httpx.ReadTimeout):
        api.batch(sheet, append(["x"]))

    assert server.values(sheet, "Sheet1") == [["x"]]


def test_a_call_can_be_cut_now_and_applied_later(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="later", shown="cut", delay=0.3))

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        api.batch(sheet, marker(1), append(["x"]))

    assert server.values(sheet, "Sheet1") == []
    deadline = time.monotonic() + WAIT_SECONDS
    while not server.values(sheet, "Sheet1"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert api.batch(sheet, marker(1), append(["x"])).status_code == 400
    assert server.values(sheet, "Sheet1") == [["x"]]


def test_a_late_copy_of_a_batch_that_landed_meanwhile_is_refused(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="later", shown="cut", delay=0.2))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        api.batch(sheet, marker(1), append(["x"]))

    assert api.batch(sheet, marker(1), append(["x"])).status_code == 200

    deadline = time.monotonic() + WAIT_SECONDS
    while server.count("spreadsheets.batchUpdate") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [call.status for call in server.calls if call.operation == "spreadsheets.batchUpdate"] == [200, 400]
    assert server.values(sheet, "Sheet1") == [["x"]]


def test_an_outage_takes_reads_and_tokens_with_it_and_ends(api: Api, server: RunningServer) -> None:
    sheet = api.create()

    with server.faults.outage():
        assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 503
        assert api.http.post("/token").status_code == 503
        assert api.call("GET", "/drive/v3/files").json()["error"]["errors"][0]["reason"] == "backendError"
    with server.faults.outage("cut"), pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        api.call("GET", f"/v4/spreadsheets/{sheet}")

    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 200


def test_a_fault_hits_the_calls_it_names_as_often_as_it_says(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    fault = server.faults.add(Fault(operations=frozenset({"spreadsheets.values.get"}), skip=1, times=2))

    assert api.batch(sheet, append(["x"])).status_code == 200
    statuses = [api.call("GET", f"/v4/spreadsheets/{sheet}/values/A1").status_code for _ in range(4)]

    assert statuses == [200, 503, 503, 200]
    assert fault.hits == 2


def test_the_token_endpoint_can_fail_too(api: Api, server: RunningServer) -> None:
    server.faults.add(Fault(operations=frozenset({"token"}), status=500))

    assert api.http.post("/token").status_code == 500
    api.sign_in()


def test_people_change_the_sheet_without_using_quota(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    people = server.people(sheet)
    api.done(sheet, append(["id", "n"], ["a", "2"], ["b", "1"]))
    calls = len(server.calls)

    people.sort("Sheet1", 1)
    people.insert_rows("Sheet1", 1)
    people.insert_columns("Sheet1", 0)
    people.type_in("Sheet1!A1", [["mine", None, None, "=1+1"]])
    people.move_columns("Sheet1", 0, 1, 3)
    people.move_rows("Sheet1", 1, 2, 4)
    people.rename_tab("Sheet1", "Ours")
    people.add_tab("Theirs")
    people.trim("Ours", 4, 4)

    assert server.values(sheet, "Ours") == [["id", "n", "mine", "#NAME?"], ["b", "1"], ["a", "2"]]
    people.delete_columns("Ours", 2, 4)
    people.delete_rows("Ours", 1, 2)
    assert server.values(sheet, "Ours") == [["id", "n"], ["a", "2"]]
    people.delete_tab("Ours")
    assert [tab.title for tab in people.workbook.ordered()] == ["Theirs"]
    assert len(server.calls) == calls
    people.delete_file()
    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 404


def test_a_storm_answers_the_real_429_to_reads_and_writes_until_its_minute_is_over(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.storm(60)

    refused = api.batch(sheet, append(["x"]))

    assert error(refused)[1].startswith("Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user'")
    assert refused.json()["error"]["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert "retry-after" not in refused.headers
    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 429
    server.service.clock.advance(59)
    assert api.batch(sheet, append(["x"])).status_code == 429
    server.service.clock.advance(1)
    api.done(sheet, append(["x"]))


def test_an_outage_of_an_hour_ends_by_the_servers_clock(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.begin_outage(seconds=3600)

    assert api.batch(sheet, append(["x"])).status_code == 503
    server.service.clock.advance(3599)
    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 503
    server.service.clock.advance(1.5)
    assert api.batch(sheet, append(["x"])).status_code == 401  # an hour is the life of a token too
    api.sign_in()
    api.done(sheet, append(["x"]))


def test_only_batches_that_take_too_long_pass_the_deadline(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(status=504, times=None, bytes_at_least=2_000))

    assert error(api.batch(sheet, append(["x" * 2_000])))[0] == 504
    api.done(sheet, append(["short"]))
    assert server.values(sheet, "Sheet1") == [["short"]]


def test_a_cut_call_can_be_kept_and_land_when_the_test_says(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.faults.add(Fault(applied="held", shown="cut"))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        api.batch(sheet, marker(1), append(["once"]))
    assert server.values(sheet, "Sheet1") == []

    api.done(sheet, marker(1), append(["once"]))
    assert server.land_held() == 1

    assert server.values(sheet, "Sheet1") == [["once"]]


def test_a_person_can_act_between_any_two_calls(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    people = server.people(sheet)
    seen: list[str] = []

    def act(operation: str) -> None:
        seen.append(operation)
        people.insert_rows("Sheet1", 0)

    with server.meanwhile(act):
        api.done(sheet, append(["first"]))
        api.done(sheet, append(["second"]))
    api.done(sheet, append(["third"]))

    assert seen == ["spreadsheets.batchUpdate"] * 2
    assert [row[0] for row in server.values(sheet, "Sheet1") if row] == ["first", "second", "third"]
    assert server.values(sheet, "Sheet1")[1] == ["first"]
