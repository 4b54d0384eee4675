"""Delivery reports and replies through the real ingest: proven or refused, harmless when they come twice, seen in trace and timeline."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from collect_pipelines.destinations.sms.callbacks import signature
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import integration_by_id
from collect_pipelines.store.opt_outs import list_opt_outs
from collect_pipelines.store.organizations import organization_id_of
from tests.contract.sms_desk import ASHA, RAVI
from tests.contract.sms_twilio import SENDER, TOKEN, TwilioStandIn, twilio
from tests.integration.backlog_tools import Commands
from tests.integration.ingest_server import IngestProcess, ingest, make_key
from tests.integration.sms_tools import Receipts, receipts
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

PUBLIC = "https://collect.example.org"
SECRET = "a-secret-of-the-gateway"


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMS_TOKEN", TOKEN)
        patch.setenv("GATEWAY_SECRET", SECRET)
        yield opened


@pytest.fixture(scope="module")
def front(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    with ingest(database.url, tmp_path_factory.mktemp("ingest")) as running:
        yield running


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[TwilioStandIn]:
    with twilio() as running:
        yield running


@pytest.fixture
def it(database: Database, tmp_path: Path, server: TwilioStandIn) -> Receipts:
    return receipts(database, tmp_path, server.provider(), public_url=PUBLIC)


def post(front: IngestProcess, path: str, form: dict[str, str], token: str = TOKEN, signed: str | None = None) -> httpx.Response:
    """As Twilio posts: signed over the address it was told."""
    proof = signature(f"{PUBLIC}{signed or path}", list(form.items()), token)
    return httpx.post(f"{front.base_url}{path}", data=form, headers={"X-Twilio-Signature": proof}, timeout=15)


def report(front: IngestProcess, message: dict[str, Any], status: str, **more: str) -> int:
    form = {
        "MessageSid": message["sid"],
        "MessageStatus": status,
        "To": message["to"],
        "From": SENDER,
        "AccountSid": message["account_sid"],
    }
    return post(front, message["callback"].removeprefix(PUBLIC), form | more).status_code


def opted_out(database: Database) -> list[str]:
    with database.begin() as connection:
        return [one.address for one in list_opt_outs(connection, organization_id_of(connection, "default"), "sms")]


def test_reports_move_a_message_on_and_never_back(front: IngestProcess, server: TwilioStandIn, it: Receipts, tmp_path: Path) -> None:
    it.respond("asha", "ravi")
    it.deliver()
    first, second = server.messages[-2:]
    taken = [report(front, first, status) for status in ("delivered", "sent", "delivered", "undelivered")]
    taken += [report(front, second, status, ErrorCode="30003") for status in ("queued", "undelivered", "undelivered")]
    run = Commands(it.database.url, tmp_path)
    listed = run.json("sms", "list", it.integration.name)["messages"]
    story = run("trace", "ravi", "--form", it.integration.form).stdout
    key = make_key(it.database.url, "read")
    timeline = httpx.get(
        f"{front.base_url}/v1/responses/ravi/timeline",
        params={"form": it.integration.form},
        headers={"Authorization": f"Bearer {key}"},
    ).json()

    assert taken == [204] * 7
    assert it.states("asha", "ravi") == {"asha": "delivered", "ravi": "undelivered"}
    assert {one["response"]: (one["state"], one["reason"], one["message"]) for one in listed} == {
        "asha": ("delivered", None, first["sid"]),
        "ravi": ("undelivered", "30003", second["sid"]),
    }
    assert "sms undelivered" in story and "code 30003" in story
    noted = [event for event in timeline["events"] if event["event"] == "noted"]
    assert [(event["state"], event["kind"], event["code"]) for event in noted] == [("undelivered", "sms", "30003")]
    assert ASHA not in story + str(timeline) + str(listed)


def test_a_report_ends_the_doubt_about_a_message(front: IngestProcess, server: TwilioStandIn, it: Receipts) -> None:
    it.respond("asha")
    server.faults.append("500 after")
    it.deliver()
    doubtful = it.states("asha")
    server.deaf = True
    message = server.messages[-1]
    taken = report(front, message, "delivered")
    it.hurry()
    it.deliver()
    server.deaf = False

    assert (doubtful, taken, it.states("asha")) == ({"asha": "unknown"}, 204, {"asha": "delivered"})
    assert it.accounted() == {"delivered": 1}, "without a look-up"


def test_a_report_ends_the_doubt_that_was_left_to_a_person(front: IngestProcess, server: TwilioStandIn, it: Receipts) -> None:
    it.respond("asha")
    server.faults.append("500 after")
    it.deliver()
    server.deaf = True
    for _ in range(10):
        it.hurry()
        it.deliver()
    (letter,) = it.letters()
    left = it.accounted()
    report(front, server.messages[-1], "undelivered", ErrorCode="30003")
    it.deliver()
    server.deaf = False

    assert (letter.state, left) == ("open", {"dead_lettered": 1})
    assert (it.letters(), it.accounted()) == ([], {"delivered": 1}), "nobody has to decide any more"
    assert it.states("asha") == {"asha": "undelivered"}


def test_a_report_that_comes_before_the_answer_is_not_overwritten(front: IngestProcess, server: TwilioStandIn, it: Receipts) -> None:
    it.respond("asha")
    made = server.make

    def make_and_report(form: dict[str, str]) -> dict[str, Any]:
        message = made(form)
        assert report(front, server.messages[-1], "delivered") == 204
        return message

    server.make = make_and_report  # type: ignore[method-assign]
    it.deliver()
    del server.make  # type: ignore[method-assign]

    assert it.states("asha") == {"asha": "delivered"}


@pytest.mark.parametrize(
    "trouble", ["no signature", "bad signature", "another token", "another path", "changed field", "unknown integration"]
)
def test_what_proves_nothing_is_refused_and_changes_nothing(
    front: IngestProcess, server: TwilioStandIn, it: Receipts, trouble: str
) -> None:
    it.respond("asha")
    it.deliver()
    message = server.messages[-1]
    path = message["callback"].removeprefix(PUBLIC)
    form = {"MessageSid": message["sid"], "MessageStatus": "failed"}
    url, proof = f"{front.base_url}{path}", signature(f"{PUBLIC}{path}", list(form.items()), TOKEN)
    match trouble:
        case "no signature":
            answer = httpx.post(url, data=form)
        case "bad signature":
            answer = httpx.post(url, data=form, headers={"X-Twilio-Signature": "A" * 28})
        case "another token":
            answer = post(front, path, form, token="guessed")
        case "another path":
            answer = post(front, path, form, signed=path.replace("asha", "ravi"))
        case "changed field":
            answer = httpx.post(url, data=form | {"MessageStatus": "delivered"}, headers={"X-Twilio-Signature": proof})
        case _:
            answer = post(front, "/v1/callbacks/999999/status/asha", form)

    assert (answer.status_code, answer.json()["code"]) == (401, "callback-unproven")
    assert it.states("asha") == {"asha": "sent"}


def test_a_report_about_another_message_changes_nothing(front: IngestProcess, server: TwilioStandIn, it: Receipts) -> None:
    it.respond("asha")
    it.deliver()
    message = server.messages[-1]
    taken = [report(front, message | {"sid": "SM" + "f" * 32}, "failed"), report(front, message, "warming-up")]

    assert (taken, it.states("asha")) == ([204, 204], {"asha": "sent"})


def test_stop_puts_a_number_on_the_list_and_start_takes_it_off(front: IngestProcess, it: Receipts, tmp_path: Path) -> None:
    path = f"/v1/callbacks/{it.integration_id}/replies"
    stop = {"From": RAVI, "To": SENDER, "Body": " stop. ", "MessageSid": "SM1"}
    start = {"From": RAVI, "To": SENDER, "Body": "START", "MessageSid": "SM2"}
    run = Commands(it.database.url, tmp_path)
    seen = []
    for form in ({**stop, "Body": "stop calling my mother", "MessageSid": "SM0"}, stop, start, stop, start):
        assert post(front, path, form).status_code == 204
        seen.append(RAVI in opted_out(it.database))
    post(front, path, {**stop, "MessageSid": "SM3"})
    it.respond(ravi=RAVI, asha=ASHA)
    it.deliver()
    run("sms", "opt-out", "remove", RAVI)
    run("sms", "opt-out", "add", RAVI)
    post(front, path, {**start, "MessageSid": "SM4"})

    assert seen == [False, True, False, False, False], "a call that comes again changes nothing"
    assert it.states("ravi", "asha") == {"ravi": "suppressed", "asha": "sent"}
    assert RAVI in opted_out(it.database), "what an operator wrote down, an operator takes off"
    run("sms", "opt-out", "remove", RAVI)


def test_a_gateway_proves_its_reports_with_a_signature_that_grows_old(front: IngestProcess, database: Database, tmp_path: Path) -> None:
    provider = {"kind": "gateway", "url": "https://sms.example.org/send", "callback_secret": "env:GATEWAY_SECRET"}
    it = receipts(database, tmp_path, provider, public_url=PUBLIC)
    with database.begin() as connection:
        assert integration_by_id(connection, it.integration_id).kind == "sms"
    path = f"/v1/callbacks/{it.integration_id}/replies"
    body = json.dumps({"from": "+447400123456", "text": "STOP", "id": "m1"})

    def call(age: float, secret: str = SECRET, signed: str = path) -> int:
        moment = str(int(time.time() - age))
        proof = hmac.new(secret.encode(), f"{moment}.{signed}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Collect-Timestamp": moment, "X-Collect-Signature": f"sha256={proof}", "Content-Type": "application/json"}
        return httpx.post(f"{front.base_url}{path}", content=body, headers=headers, timeout=15).status_code

    refused = [call(400), call(-400), call(0, "guessed"), call(0, signed="/v1/callbacks/1/replies")]
    before = "+447400123456" in opted_out(database)

    assert (refused, before) == ([401] * 4, False)
    assert (call(200), "+447400123456" in opted_out(database)) == (204, True)


def test_stop_counts_however_a_gateway_writes_the_number_and_however_often_it_comes(
    front: IngestProcess, database: Database, tmp_path: Path
) -> None:
    provider = {
        "kind": "gateway",
        "url": "https://sms.example.org/send",
        "callback_secret": "env:GATEWAY_SECRET",
        "callback_proof": "token",
    }
    it = receipts(database, tmp_path, provider, public_url=PUBLIC)
    seen = []
    for sender, said in ((RAVI[1:], "STOP"), (RAVI, "START"), (RAVI[1:], "STOP"), ("ravi", "STOP"), (RAVI, "START")):
        answer = httpx.post(
            f"{front.base_url}/v1/callbacks/{it.integration_id}/replies",
            json={"from": sender, "text": said},
            headers={"Authorization": f"Bearer {SECRET}"},
            timeout=15,
        )
        assert answer.status_code == 204
        seen.append(RAVI in opted_out(database))

    assert seen == [True, False, True, True, False]


def test_nothing_of_a_callback_is_in_the_log(front: IngestProcess, it: Receipts) -> None:
    post(front, f"/v1/callbacks/{it.integration_id}/replies", {"From": RAVI, "Body": "a private word", "MessageSid": "SM9"})
    logged = front.log_path.read_text()

    assert "/v1/callbacks/{integration}/replies" in logged
    for secret in (RAVI, RAVI[1:], "private", TOKEN):
        assert secret not in logged


def test_opt_outs_are_imported_listed_and_removed(database: Database, tmp_path: Path) -> None:
    run = Commands(database.url, tmp_path)
    file = tmp_path / "stop.csv"
    file.write_text("number,since\n+44 7400 123457,2030\n\n+447400123458\n")
    added = run.json("sms", "opt-out", "import", str(file))
    again = run.json("sms", "opt-out", "import", str(file))
    listed = {one["address"]: one["source"] for one in run.json("sms", "opt-out", "list")["opt_outs"]}
    removed = run.json("sms", "opt-out", "remove", "+44 7400 123457")
    file.write_text("+447400123459\nhello\n")
    refused = run("sms", "opt-out", "import", str(file), code=3)

    assert (added, again) == ({"added": 2, "known": 0}, {"added": 0, "known": 2})
    assert listed["+447400123457"] == listed["+447400123458"] == "stop.csv"
    assert removed == {"removed": 1} and "+447400123457" not in opted_out(database)
    assert "stop.csv, line 2" in refused.stderr
    assert "+447400123459" not in opted_out(database), "all of a file or nothing"
    run("sms", "opt-out", "remove", "+447400123457", code=4)
