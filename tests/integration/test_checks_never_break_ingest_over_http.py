"""Checks that misbehave in every way we know, against a real ingest server under load: no 5xx, and every outcome is told."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database
from collect_pipelines.store.references import add_rows
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish, wait_for
from tests.strangers import install

HOSTILE = [
    "none", "leave", "raise with the answer", "exit", "crash", "close descriptors", "write rubbish", "sleep", "spin", "regex", "leak",
    "swallow", "print", "fork", "connect",
]  # fmt: skip
SOUND = {"leak", "print", "fork"}  # these give an answer, whatever else they do
SECRET = "SECRET-4711"
PER_FORM = 8


def definition(name: str, kind: str = "stranger", **settings: Any) -> str:
    questions = [{"key": "name", "type": "text", "label": "Name"}]
    checks = {kind: {"timeout_ms": 300, **settings}}
    return json.dumps({"form": name, "title": name, "deadline_ms": 600, "checks": checks, "questions": questions})


def slug(do: str) -> str:
    return do.replace(" ", "-")


@pytest.fixture(scope="module")
def database_address(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    with cloned(postgres, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def server(database_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[IngestProcess, str]]:
    strange = install(tmp_path_factory.mktemp("strange"))
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(strange))
    patch.setenv("SOMETHING_SECRET", SECRET)
    url = database_address
    for do in HOSTILE:
        publish(url, definition(slug(do), config={"do": do, "megabytes": 100}))
    for name in ("sound", "told", "stuck"):
        publish(url, definition(name, config={"do": "as told"}))
    publish(url, definition("sent-back", config={"do": "exit"}, on_error="reject"))
    publish(url, definition("recogniser", "recogniser"))
    publish(url, definition("never-imported", "hangs_on_import"))
    publish(url, definition("not-installed", "not_installed"))
    key = make_key(url, "ingest", "read")
    with ingest(url, tmp_path_factory.mktemp("ingest"), check_pause_seconds=0.7, check_memory_mb=300) as running:
        yield running, key
    patch.undo()


def noted(reply: httpx.Response) -> dict[str, Any]:
    """What the recogniser was told."""
    findings = [finding for check in reply.json()["checks"] for finding in check["findings"] if finding["code"] == "told"]
    return dict(findings[0]["data"]) if findings else {}


def metric(client: httpx.Client, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def send(client: httpx.Client, form: str, name: str = SECRET) -> httpx.Response:
    return client.post(f"/v1/forms/{form}/responses", json={"id": str(uuid4()), "answers": {"name": name}})


def outcome(reply: httpx.Response) -> str:
    (check,) = [check for check in reply.json()["checks"] if check["check"] != "answers"]
    return str(check["outcome"])


def test_whatever_checks_do_every_response_is_stored_and_told_what_became_of_its_checks(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    with client_of(running, key) as client:
        wait_for(lambda: outcome(send(client, "sound", "pass")) == "passed", "the processes did not come up")
        alone = {do: send(client, slug(do)) for do in HOSTILE}
        assert {do: reply.status_code for do, reply in alone.items()} == dict.fromkeys(HOSTILE, 201)

    async def load() -> dict[str, list[httpx.Response]]:
        async with httpx.AsyncClient(base_url=running.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as many:

            async def one(form: str) -> httpx.Response:
                return await many.post(f"/v1/forms/{form}/responses", json={"id": str(uuid4()), "answers": {"name": SECRET}})

            replies = await asyncio.gather(*(one(slug(do)) for _ in range(PER_FORM) for do in HOSTILE))
            return {do: replies[index :: len(HOSTILE)] for index, do in enumerate(HOSTILE)}

    found = asyncio.run(load())

    assert {do: {reply.status_code for reply in replies} for do, replies in found.items()} == {do: {201} for do in HOSTILE}
    for do, replies in found.items():
        told = {outcome(reply) for reply in replies}
        assert told <= ({"passed", "error", "timeout"} if do in SOUND else {"error", "timeout"}), do
        for reply in replies:
            codes = [finding["code"] for check in reply.json()["checks"] for finding in check["findings"]]
            assert codes == ([] if outcome(reply) == "passed" else [f"check.{outcome(reply)}"]), do
    with client_of(running, key) as client:
        reply = send(client, "spin")
        kept = client.get(f"/v1/responses/{reply.json()['id']}").json()
        assert [flag["check"] for flag in kept["flags"]] == ["stranger"]
        wait_for(lambda: outcome(send(client, "sound", "pass")) == "passed", "the processes did not come back")
        assert metric(client, 'collect_check_outcomes_total{outcome="error",plugin="stranger"}') > PER_FORM
        lost = sum(
            metric(client, f'collect_ingest_check_restarts_total{{plugin="stranger",reason="{name}"}}') for name in ("crash", "overrun")
        )
        assert lost >= 3


def test_a_check_that_fails_sends_the_response_back_where_the_form_says_so(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    with client_of(running, key) as client:
        reply = send(client, "sent-back")

    assert (reply.status_code, reply.json()["code"], reply.json()["checks"][1]["outcome"]) == (422, "answers-rejected", "rejected")


def test_a_breaker_opens_and_closes_again_and_both_can_be_seen(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    gauge = 'collect_ingest_check_breaker_open{form="told",plugin="stranger"}'
    with client_of(running, key) as client:
        told = []
        wait_for(lambda: told.append(outcome(send(client, "told", "sleep"))) or metric(client, gauge) == 1.0, "the breaker did not open")

        assert {"timeout"} <= set(told) <= {"timeout", "error"}
        assert outcome(send(client, "told", "pass")) == "error"
        wait_for(lambda: outcome(send(client, "told", "pass")) == "passed", "the breaker did not close")
        assert metric(client, gauge) == 0.0
    events = [line["event"] for line in running.log_lines() if line.get("form") == "told" and line["event"].startswith("check_breaker")]
    assert (events[0], events[-1]) == ("check_breaker_opened", "check_breaker_closed")


@pytest.mark.parametrize("form", ["never-imported", "not-installed"])
def test_a_plug_in_that_never_comes_up_holds_up_nothing_but_itself(server: tuple[IngestProcess, str], form: str) -> None:
    running, key = server
    with client_of(running, key) as client:
        reply = send(client, form)

        assert (reply.status_code, outcome(reply)) == (201, "error")
        assert client.get("/readyz").status_code == 200


def test_a_check_in_a_process_is_told_earlier_responses_and_the_lists_of_the_organization(
    server: tuple[IngestProcess, str], database_address: str
) -> None:
    running, key = server
    with client_of(running, key) as client:
        wait_for(lambda: noted(send(client, "recogniser", "nobody")) != {}, "the check did not come up")
        first = send(client, "recogniser", "Asha")
        second = send(client, "recogniser", "Asha")

        assert noted(first) == {"earlier": [], "words": []}
        assert [[name, response_id] for name, response_id, _ in noted(second)["earlier"]] == [["name", first.json()["id"]]]

        database = Database(database_address)
        with database.begin() as connection:
            add_rows(connection, "default", "words", "a test", "none", [{"term": "jugaad"}])
        database.dispose()
        wait_for(lambda: [row["term"] for row in noted(send(client, "recogniser"))["words"]] == ["jugaad"], "the change was not seen")


def test_nothing_a_check_was_given_or_printed_is_in_the_log(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    with client_of(running, key) as client:
        send(client, "print")

    assert SECRET not in running.log_path.read_text()
    assert SECRET not in (running.log_path.parent / "ingest-errors.log").read_text()


def test_the_server_ends_with_all_its_processes(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    with client_of(running, key) as client:
        send(client, "fork")
        send(client, "stuck", "ignore signals")
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert children

    assert running.terminate() == 0

    wait_for(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in children), "processes were left")
