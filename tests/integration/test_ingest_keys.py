"""Who may do what, and what nobody learns: keys, scopes, other organizations, and secrets that stay out of replies and logs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database
from collect_pipelines.store.keys import list_keys, revoke_key
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish, response, wait_for

FORM = "/v1/forms/household"
CANARY = "canary-4711"


@pytest.fixture(scope="module")
def server(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[IngestProcess, str]]:
    with cloned(postgres, template_database) as url:
        publish(url)
        publish(url, organization="other")
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running:
            yield running, url


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "key-missing"),
        ({"Authorization": "Basic abc"}, "key-malformed"),
        ({"Authorization": "Bearer"}, "key-malformed"),
        ({"Authorization": "Bearer a b"}, "key-malformed"),
        ({"Authorization": "Bearer cp_live_0000000000000000"}, "key-unknown"),
    ],
)
def test_without_a_known_key_nothing_is_opened(server: tuple[IngestProcess, str], headers: dict[str, str], expected: str) -> None:
    reply = httpx.post(f"{server[0].base_url}{FORM}/responses", json=response(), headers=headers)

    assert code(reply) == (401, expected)
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_an_expired_key_is_refused(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    key = make_key(url, "ingest", expires_at=datetime.now(UTC) - timedelta(seconds=1))

    with client_of(running, key) as client:
        assert code(client.post(f"{FORM}/responses", json=response())) == (401, "key-expired")


def test_a_revoked_key_stops_working_within_seconds(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    key = make_key(url, "read")
    database = Database(url)

    with client_of(running, key) as client:
        assert client.get("/v1/forms").status_code == 200
        with database.begin() as connection:
            revoke_key(connection, max(entry.key_id for entry in list_keys(connection)))
        wait_for(lambda: client.get("/v1/forms").status_code == 401, "the revoked key goes on working", seconds=4)
        assert code(client.get("/v1/forms")) == (401, "key-revoked")
    database.dispose()


def test_the_last_use_is_noted(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    key = make_key(url, "read")
    database = Database(url)

    with client_of(running, key) as client:
        client.get("/v1/forms")

    def noted() -> bool:
        with database.begin() as connection:
            return list_keys(connection)[-1].last_used_at is not None

    wait_for(noted, "the last use was not noted", seconds=4)
    database.dispose()


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", f"{FORM}/responses"),
        ("read", "POST", f"{FORM}/responses:batch"),
        ("admin", "PUT", f"{FORM}/responses/a"),
        ("read", "DELETE", f"{FORM}/responses/a"),
        ("ingest", "GET", "/v1/responses/a"),
        ("ingest", "GET", f"{FORM}/responses"),
        ("ingest", "GET", "/v1/forms"),
        ("ingest", "POST", "/v1/forms"),
    ],
)
def test_a_key_does_only_what_its_scopes_open(server: tuple[IngestProcess, str], scope: Any, method: str, path: str) -> None:
    running, url = server

    with client_of(running, make_key(url, scope)) as client:
        reply = client.request(method, path, json=response() if method in ("POST", "PUT") else None)

    assert code(reply) == (403, "scope-missing")


def test_another_organization_is_as_if_it_did_not_exist(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    publish(url, "form: secret\ntitle: Secret\nquestions:\n  - {key: q, type: text, label: Q}\n")
    mine, theirs = make_key(url, "ingest", "read"), make_key(url, "ingest", "read", organization="other")
    sent = {"id": "hidden", "answers": {"q": "x"}}

    with client_of(running, mine) as client:
        assert client.post("/v1/forms/secret/responses", json=sent).status_code == 201
    with client_of(running, theirs) as client:
        replies = [client.get(f"/v1/forms/{form}") for form in ("secret", "default.secret", "missing")]
        seen = client.get("/v1/responses/hidden"), client.get("/v1/responses/missing")
        written = client.post("/v1/forms/secret/responses", json=sent)
        listed = client.get("/v1/forms").json()["forms"]
        own = client.post("/v1/forms/household/responses", json=response())

    assert {code(reply) for reply in replies} == {(404, "unknown-form")}
    assert len({reply.text.replace(reply.headers["x-request-id"], "") for reply in replies}) == 1
    assert {code(reply) for reply in seen} == {(404, "unknown-response")}
    assert code(written) == (404, "unknown-form")
    assert [form["form"] for form in listed] == ["other.household"]
    assert own.json()["form"] == "other.household"


@pytest.mark.parametrize("query", ["key=cp_live_abcdefgh", "x=cp_live_abcdefgh", "access_token=abc"])
def test_a_key_in_the_url_is_refused(server: tuple[IngestProcess, str], query: str) -> None:
    running, url = server

    with client_of(running, make_key(url, "ingest")) as client:
        reply = client.post(f"{FORM}/responses?{query}", json=response())

    assert code(reply) == (401, "key-in-url")


def test_secrets_and_answers_stay_out_of_refusals_and_logs(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    key = make_key(url, "ingest", "read", "admin")
    poisoned = [
        response({"head": CANARY}),
        response({"head": {CANARY: CANARY}}),
        response({"head": "x", "water": CANARY, "members": CANARY, "phone": CANARY, "income": CANARY}),
        response({"head": CANARY + "\x00"}),
        response({"head": CANARY * 20}),
        response(respondent=CANARY, metadata={"a": CANARY}, submitted_at=CANARY),
        response(version=7, respondent=CANARY),
        [CANARY],
        CANARY,
    ]
    refusals = []

    with client_of(running, key) as client:
        for document in poisoned:
            refusals.append(client.post(f"{FORM}/responses", json=document))
        refusals.append(
            client.post(
                f"{FORM}/responses", content=f'{{"answers": {{"head": "{CANARY}'.encode(), headers={"Content-Type": "application/json"}
            )
        )
        refusals.append(client.get(f"/v1/responses/x?token={CANARY}"))
        refusals.append(client.post("/v1/forms", json={"form": CANARY, "title": 5, "questions": CANARY}))
    refusals.append(httpx.get(f"{running.base_url}/v1/forms", headers={"Authorization": f"Bearer {key}x"}))

    log = running.log_path.read_text("utf-8")
    password = url.split("@")[0].rpartition(":")[2]
    assert refusals[0].status_code == 201
    assert all(400 <= refusal.status_code < 500 for refusal in refusals[1:])
    assert [refusal.text for refusal in refusals[1:-2] if CANARY in refusal.text] == []
    for secret in (CANARY, key, key[8:], password):
        assert secret not in log
    assert all(key not in refusal.text for refusal in refusals)


def test_every_request_leaves_one_line_with_ids(server: tuple[IngestProcess, str]) -> None:
    running, url = server
    sent = response()

    with client_of(running, make_key(url, "ingest")) as client:
        client.post(f"{FORM}/responses", json=sent, headers={"X-Request-Id": "line-1"})

    (line,) = [line for line in running.log_lines() if line.get("request_id") == "line-1"]
    assert {name: line[name] for name in ("level", "event", "form", "response_id", "status", "outcome", "route")} == {
        "level": "info",
        "event": "request",
        "form": "household",
        "response_id": sent["id"],
        "status": 201,
        "outcome": "accepted",
        "route": "/v1/forms/{form}/responses",
    }
