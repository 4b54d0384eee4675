"""Over real HTTP and Postgres: a response is accepted once, and every later word about it is an answer to what is stored."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from collect_pipelines.local.postgres import EmbeddedPostgres
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish, response

FORM = "/v1/forms/household"
UNIQUE = """
form: once
title: Once
unique_by: respondent
questions:
  - {key: q, type: text, label: Q}
"""
LARGE = """
form: large
title: Large
questions:
  - {key: q, type: text, label: Q}
"""


@pytest.fixture(scope="module")
def server(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[IngestProcess, str]]:
    with cloned(postgres, template_database) as url:
        publish(url)
        publish(url, UNIQUE)
        publish(url, LARGE)
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running:
            yield running, make_key(url, "ingest", "read", "admin")


@pytest.fixture
def client(server: tuple[IngestProcess, str]) -> Iterator[httpx.Client]:
    with client_of(*server) as opened:
        yield opened


def post(client: httpx.Client, document: Any, path: str = f"{FORM}/responses", **named: Any) -> httpx.Response:
    return client.post(path, json=document, **named)


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def test_a_receipt_names_id_position_revision_version_and_checks(client: httpx.Client) -> None:
    sent = response({"phone": "98765 43210"})

    reply = post(client, sent, headers={"X-Request-Id": "trace-1"})

    assert reply.status_code == 201
    receipt = reply.json()
    assert receipt["id"] == sent["id"]
    assert (receipt["form"], receipt["revision"], receipt["version"]) == ("household", 1, 1)
    assert receipt["position"] >= 1
    assert [(check["check"], check["outcome"]) for check in receipt["checks"]] == [("answers", "passed"), ("phone", "passed")]
    assert reply.headers["location"] == f"/v1/responses/{sent['id']}"
    assert reply.headers["x-request-id"] == "trace-1"
    assert "idempotent-replayed" not in reply.headers


def test_a_replay_gets_the_same_body_and_says_so(client: httpx.Client) -> None:
    sent = response({"phone": "12345"})
    first = post(client, sent)
    assert first.json()["checks"][1]["outcome"] == "flagged"

    reordered = json.dumps({name: sent[name] for name in reversed(sent)}, indent=4).encode()
    again = client.post(f"{FORM}/responses", content=reordered, headers={"Content-Type": "application/json"})

    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content


def test_the_same_id_with_other_content_is_a_conflict(client: httpx.Client) -> None:
    sent = response({"income": 1})
    post(client, sent)

    assert code(post(client, {**sent, "answers": {**sent["answers"], "income": 1.0}})) == (409, "response-conflict")


def test_fifty_at_once_make_one_response(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    sent = response()

    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=running.base_url, headers={"Authorization": f"Bearer {key}"}, timeout=15) as client:
            return await asyncio.gather(*(client.post(f"{FORM}/responses", json=sent) for _ in range(50)))

    replies = asyncio.run(all_at_once())

    assert {reply.status_code for reply in replies} == {201}
    assert len([reply for reply in replies if "idempotent-replayed" not in reply.headers]) == 1
    assert len({reply.content for reply in replies}) == 1


def test_an_edit_names_the_revision_it_replaces(client: httpx.Client) -> None:
    sent = response()
    path = f"{FORM}/responses/{sent['id']}"
    post(client, sent)
    new = {"answers": {"head": "Ravi"}}

    assert code(client.put(path, json=new)) == (428, "revision-required")
    first = client.put(path, json=new, headers={"If-Match": '"1"'})
    replayed = client.put(path, json=new, headers={"If-Match": '"1"'})
    stale = client.put(path, json={"answers": {"head": "Kiran"}}, headers={"If-Match": '"1"'})
    second = client.put(path, json={"answers": {"head": "Kiran"}, "revision": 2})

    assert (first.status_code, first.json()["revision"], first.headers["etag"]) == (200, 2, '"2"')
    assert (replayed.status_code, replayed.content) == (200, first.content)
    assert code(stale) == (409, "revision-conflict")
    assert stale.json()["current_revision"] == 2
    assert second.json()["revision"] == 3
    shown = client.get(f"/v1/responses/{sent['id']}")
    assert (shown.json()["answers"], shown.headers["etag"]) == ({"head": "Kiran"}, '"3"')


def test_an_edit_of_nothing_is_not_found(client: httpx.Client) -> None:
    reply = client.put(f"{FORM}/responses/{uuid4()}", json={"answers": {"head": "x"}}, headers={"If-Match": '"1"'})

    assert code(reply) == (404, "unknown-response")


def test_put_creates_under_the_id_in_the_path(client: httpx.Client) -> None:
    path = f"{FORM}/responses/{uuid4()}"

    created = client.put(path, json={"answers": {"head": "x"}}, headers={"If-None-Match": "*"})

    assert (created.status_code, created.json()["revision"]) == (201, 1)
    assert code(client.put(path, json={"id": "other", "answers": {"head": "x"}}, headers={"If-None-Match": "*"})) == (422, "envelope")


def test_a_deleted_response_stays_deleted(client: httpx.Client) -> None:
    sent = response()
    path = f"{FORM}/responses/{sent['id']}"
    post(client, sent)

    deleted = client.delete(path, params={"revision": 1})
    replayed = client.delete(path, headers={"If-Match": '"1"'})

    assert (deleted.status_code, deleted.json()["revision"]) == (200, 2)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (200, "true")
    assert code(client.get(f"/v1/responses/{sent['id']}")) == (410, "response-erased")
    assert code(post(client, response(id=sent["id"], submitted_at="2026-01-01T00:00:00Z"))) == (410, "response-erased")
    assert code(client.put(path, json={"answers": {"head": "x"}, "revision": 2})) == (410, "response-erased")


def test_an_idempotency_key_is_an_identity(client: httpx.Client) -> None:
    key, sent = uuid4().hex, {"answers": {"head": "Asha"}}

    first = post(client, sent, headers={"Idempotency-Key": f'"{key}"'})
    again = post(client, sent, headers={"Idempotency-Key": key})
    other = post(client, {"answers": {"head": "Ravi"}}, headers={"Idempotency-Key": key})

    assert (first.status_code, again.status_code) == (201, 201)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert code(other) == (422, "idempotency-key-reused")
    assert code(post(client, sent, headers={"Idempotency-Key": "x" * 256})) == (400, "idempotency-key-format")
    assert code(post(client, sent)) == (422, "id-required")


def test_a_respondent_answers_once(client: httpx.Client) -> None:
    path = "/v1/forms/once/responses"
    sent = {"id": "a", "respondent": "R-1", "answers": {"q": "x"}}

    assert post(client, sent, path).status_code == 201
    assert code(post(client, {**sent, "id": "b"}, path)) == (409, "not-unique")
    assert post(client, {**sent, "id": "c", "respondent": "R-2"}, path).status_code == 201


def test_validating_says_what_submitting_would_and_stores_nothing(client: httpx.Client) -> None:
    sent = response()
    path = f"{FORM}/responses:validate"

    good = post(client, sent, path)
    bad = post(client, response({"members": 0, "water": "sea"}), path)

    assert (good.status_code, good.json()["valid"]) == (200, True)
    assert code(bad) == (422, "answers-rejected")
    assert [place["pointer"] for place in bad.json()["errors"]] == ["#/answers/members", "#/answers/water"]
    assert code(client.get(f"/v1/responses/{sent['id']}")) == (404, "unknown-response")


def test_a_rejection_names_question_and_label_in_the_callers_language(client: httpx.Client) -> None:
    reply = post(client, response({"head": None}), headers={"Accept-Language": "hi-IN,en;q=0.5"})

    (place,) = reply.json()["errors"]
    assert (place["question"], place["code"], place["label"]) == ("head", "required", "मुखिया")
    assert reply.json()["checks"][0]["outcome"] == "rejected"


def test_a_batch_stores_the_good_and_names_the_bad(client: httpx.Client) -> None:
    known = response()
    post(client, known)
    items = [response() for _ in range(96)] + [known, response({"members": "4"}), {"answers": {}}, {**known, "answers": {"head": "other"}}]

    reply = client.post(f"{FORM}/responses:batch", json=items)

    document = reply.json()
    assert reply.status_code == 207
    assert [document[name] for name in ("accepted", "duplicates", "rejected")] == [96, 1, 3]
    results = document["results"]
    assert [result["index"] for result in results] == list(range(100))
    assert [result["id"] for result in results] == [item.get("id") for item in items]
    assert [result["status"] for result in results[95:]] == [201, 201, 422, 422, 409]
    assert results[96]["replayed"] is True
    assert [result["problem"]["code"] for result in results[97:]] == ["answers-rejected", "id-required", "response-conflict"]
    positions = [result["position"] for result in results[:96]]
    assert positions == list(range(positions[0], positions[0] + 96))


def test_a_batch_of_lines_is_sent_again_without_harm(client: httpx.Client) -> None:
    lines = b"\r\n".join(json.dumps(response()).encode() for _ in range(1000)) + b"\n\n"
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}

    first = client.post(f"{FORM}/responses:batch", content=gzip.compress(lines), headers=headers)
    again = client.post(f"{FORM}/responses:batch", content=gzip.compress(lines), headers=headers)

    assert (first.status_code, first.json()["accepted"]) == (201, 1000)
    assert (again.status_code, again.json()["duplicates"]) == (201, 1000)


def test_one_line_that_is_not_json_spoils_only_itself(client: httpx.Client) -> None:
    lines = b"\n".join([json.dumps(response()).encode(), b'{"id": ', json.dumps(response()).encode()])

    reply = client.post(f"{FORM}/responses:batch", content=lines, headers={"Content-Type": "application/x-ndjson"})

    assert [result["status"] for result in reply.json()["results"]] == [201, 400, 201]


def test_pages_follow_the_log_without_a_gap(client: httpx.Client) -> None:
    client.post("/v1/forms/once/responses:batch", json=[{"id": f"p{number}", "answers": {"q": "x"}} for number in range(7)])

    positions, after = [], 0
    while after is not None:
        page = client.get("/v1/forms/once/responses", params={"after": after, "limit": 3}).json()
        positions += [entry["position"] for entry in page["responses"]]
        after = page["next"]

    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) >= 7


def test_a_page_of_large_responses_is_cut_short_and_says_where_it_goes_on(client: httpx.Client) -> None:
    for number in range(25):
        post(client, {"id": f"l{number}", "answers": {"q": "x" * 900_000}}, "/v1/forms/large/responses").raise_for_status()

    first = client.get("/v1/forms/large/responses", params={"limit": 1000})
    rest = client.get("/v1/forms/large/responses", params={"limit": 1000, "after": first.json()["next"] or 0}).json()
    exact = client.get("/v1/forms/large/responses", params={"limit": 2}).json()

    assert len(first.content) < 20_000_000
    assert [entry["id"] for entry in [*first.json()["responses"], *rest["responses"]]] == [f"l{number}" for number in range(25)]
    assert rest["next"] is None
    assert exact["next"] == 2


def test_showing_a_response_reads_its_newest_revision_only(server: tuple[IngestProcess, str], client: httpx.Client) -> None:
    path = "/v1/forms/large/responses/edited"
    client.put(path, json={"answers": {"q": "0"}}, headers={"If-None-Match": "*"}).raise_for_status()
    for revision in range(1, 61):
        answers = {"q": f"{revision}" + "x" * 900_000}
        client.put(path, json={"answers": answers}, headers={"If-Match": f'"{revision}"'}).raise_for_status()
    before = _memory(server[0])

    shown = [client.get("/v1/responses/edited").json() for _ in range(4)]
    timeline = client.get("/v1/responses/edited/timeline").json()["events"]

    assert {(reply["revision"], reply["answers"]["q"][:2]) for reply in shown} == {(61, "60")}
    assert len(timeline) == 61
    assert _memory(server[0]) - before < 40_000_000  # all revisions are 54 MB, and twice that while they are read


def _memory(running: IngestProcess) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_one_number_nobody_can_keep_spoils_only_its_own_response(client: httpx.Client) -> None:
    poison = b'{"id": "poison", "answers": {"q": 1e-99999999999999999999}}'
    lines = b"\n".join([b'{"id": "good", "answers": {"q": "x"}}', poison])

    reply = client.post("/v1/forms/once/responses:batch", content=lines, headers={"Content-Type": "application/x-ndjson"})

    assert [result["status"] for result in reply.json()["results"]] == [201, 400]


def test_the_timeline_tells_every_revision(client: httpx.Client) -> None:
    sent = response()
    post(client, sent)
    client.put(f"{FORM}/responses/{sent['id']}", json={"answers": {"head": "Ravi"}}, headers={"If-Match": '"1"'})

    events = client.get(f"/v1/responses/{sent['id']}/timeline").json()["events"]

    assert [(event["event"], event["revision"]) for event in events] == [("received", 1), ("edited", 2)]


def test_an_id_in_two_forms_must_name_the_form(client: httpx.Client) -> None:
    sent = response()
    post(client, sent)
    post(client, {"id": sent["id"], "answers": {"q": "x"}}, "/v1/forms/once/responses")

    assert code(client.get(f"/v1/responses/{sent['id']}")) == (409, "ambiguous-id")
    assert client.get(f"/v1/responses/{sent['id']}", params={"form": "once"}).json()["answers"] == {"q": "x"}
    assert client.get(f"{FORM}/responses/{sent['id']}").json()["answers"] == sent["answers"]


def test_a_published_version_is_taken_at_once_and_old_ones_still_are(client: httpx.Client) -> None:
    definition = {"form": "grown", "title": "Grown", "questions": [{"key": "a", "type": "text", "label": "A"}]}
    published = client.post("/v1/forms", json=definition)
    assert (published.status_code, published.json()) == (201, {"form": "grown", "version": 1, "created": True})
    path = "/v1/forms/grown/responses"
    assert code(post(client, {"id": "1", "answers": {"b": 1}}, path)) == (422, "answers-rejected")

    definition["questions"].append({"key": "b", "type": "integer", "label": "B", "required": True})  # type: ignore[attr-defined]
    assert client.post("/v1/forms", json=definition).json()["version"] == 2

    assert post(client, {"id": "1", "answers": {"b": 1}}, path).json()["version"] == 2
    assert post(client, {"id": "2", "answers": {"a": "x"}, "version": 1}, path).json()["version"] == 1
    assert code(post(client, {"id": "3", "answers": {"b": 1}, "version": 9}, path)) == (422, "unknown-version")
    assert client.post("/v1/forms", json=definition).status_code == 200


def test_a_replay_is_a_replay_also_when_todays_form_would_refuse_it(client: httpx.Client) -> None:
    definition = {"form": "stricter", "title": "Stricter", "questions": [{"key": "a", "type": "text", "label": "A"}]}
    path = "/v1/forms/stricter/responses"
    sent = {"id": "1", "answers": {"a": "x"}}
    client.post("/v1/forms", json=definition)
    first = post(client, sent, path)
    definition["questions"].append({"key": "b", "type": "text", "label": "B", "required": True})  # type: ignore[attr-defined]
    client.post("/v1/forms", json=definition)

    again = post(client, sent, path)
    batch = client.post(f"{path}:batch", json=[sent, {**sent, "answers": {"a": "y"}}, {**sent, "id": "2"}])

    assert (again.status_code, again.content) == (201, first.content)
    assert [result["status"] for result in batch.json()["results"]] == [201, 422, 422]
    assert code(post(client, {**sent, "answers": {"a": "y"}}, path)) == (422, "answers-rejected")


def test_a_definition_that_is_wrong_or_incompatible_is_refused_with_every_fault(client: httpx.Client) -> None:
    yaml = "form: typed\ntitle: Typed\nquestions:\n  - {key: a, type: text, label: A}\n"
    headers = {"Content-Type": "application/yaml"}
    assert client.post("/v1/forms", content=yaml, headers=headers).status_code == 201

    retyped = client.post("/v1/forms", content=yaml.replace("type: text", "type: integer"), headers=headers)
    wrong = client.post("/v1/forms", content=yaml.replace("type: text", "type: txt"), headers=headers)

    assert code(retyped) == (409, "form-incompatible")
    assert code(wrong) == (422, "form-invalid")
    assert retyped.json()["errors"] and wrong.json()["errors"]


def test_forms_are_listed_shown_and_offered_as_a_schema(client: httpx.Client) -> None:
    listed = {form["form"]: form for form in client.get("/v1/forms").json()["forms"]}
    assert {"household", "once"} <= set(listed)
    # the length of the log, edits included: it is not called responses
    assert all(isinstance(form["entries"], int) and "responses" not in form for form in listed.values())
    assert client.get("/v1/forms/once").json()["entries"] == listed["once"]["entries"]
    shown = client.get(FORM).json()
    schema = client.get(f"{FORM}/schema")

    assert (shown["state"], shown["shown_version"], shown["definition"]["form"]) == ("open", 1, "household")
    assert "head" in schema.json()["properties"]
    assert schema.headers["content-type"] == "application/schema+json"


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    reply = client.head(FORM)

    assert (reply.status_code, reply.content) == (200, b"")
