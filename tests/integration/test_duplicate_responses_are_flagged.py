"""Responses that were sent before are flagged in the 201: by respondent or by content, within a window, also when both come at once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from collect_pipelines.local.postgres import EmbeddedPostgres
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish

FORM = """
form: {form}
title: Visits
checks:
  duplicate:
    timeout_ms: 2000
    config: {config}
  phone:
    config: {{region_from: {{question: country, regions: {{india: IN}}}}}}
  email: {{}}
deadline_ms: 5000
questions:
  - key: country
    type: select_one
    label: Country
    choices:
      - {{code: india, label: India}}
      - {{code: kenya, label: Kenya, attributes: {{region: KE}}}}
  - {{key: name, type: text, label: Name}}
  - {{key: phone, type: phone, label: Phone}}
  - {{key: mail, type: email, label: Mail}}
"""
FORMS = {
    "visits": "{}",
    "an-hour": "{match: [content], window: 1h}",
    "strict": "{match: [respondent], severity: reject}",
    "by-name": "{match: [content], questions: [name]}",
    "misspelt": "{questions: [nmae]}",
}


class World:
    """An ingest process on a database of its own."""

    def __init__(self, url: str, running: IngestProcess) -> None:
        self.url = url
        self.running = running
        self.client = client_of(running, make_key(url, "ingest", "read"))

    def send(self, name: str | None, form: str = "visits", answers: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        document = {"id": str(uuid4()), "answers": {"name": name, **(answers or {})}, **more}
        return self.client.post(f"/v1/forms/{form}/responses", json=document)


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cloned(postgres, template_database) as url:
        for form, config in FORMS.items():
            publish(url, FORM.format(form=form, config=config))
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running:
            made = World(url, running)
            yield made
            made.client.close()


@pytest.fixture
def name() -> str:
    return f"Asha {uuid4().hex[:8]}"


def duplicates(reply: httpx.Response) -> list[str]:
    """Codes of what the check found; the outcome agrees with them."""
    assert reply.status_code in (200, 201), reply.text
    (check,) = (check for check in reply.json()["checks"] if check["check"] == "duplicate")
    assert check["outcome"] == ("flagged" if check["findings"] else "passed"), check
    return [finding["code"] for finding in check["findings"]]


def test_the_same_answers_are_flagged_with_the_response_that_had_them(world: World, name: str) -> None:
    first, other, second = world.send(name), world.send(f"{name} b"), world.send(name, source="another")
    (check,) = (check for check in second.json()["checks"] if check["check"] == "duplicate")

    assert (duplicates(first), duplicates(other), duplicates(second)) == ([], [], ["duplicate.content"])
    assert [one["response_id"] for one in check["findings"][0]["data"]["earlier"]] == [first.json()["id"]]
    stored = world.client.get(f"/v1/responses/{second.json()['id']}").json()
    assert [(flag["code"], flag["severity"]) for flag in stored["flags"]] == [("duplicate.content", "flag")]


def test_the_same_respondent_is_flagged_whatever_is_answered(world: World, name: str) -> None:
    world.send(f"{name} 1", respondent=name)

    assert duplicates(world.send(f"{name} 2", respondent=name)) == ["duplicate.respondent"]
    assert duplicates(world.send(f"{name} 1", respondent=name)) == ["duplicate.respondent", "duplicate.content"]
    assert duplicates(world.send(f"{name} 3", respondent=f"{name} b")) == []


def test_the_same_response_again_or_edited_is_no_duplicate_of_itself(world: World, name: str) -> None:
    document = {"id": str(uuid4()), "answers": {"name": name}}
    path = "/v1/forms/visits/responses"
    first, replayed = (world.client.post(path, json=document) for _ in range(2))
    edited = world.client.put(f"{path}/{document['id']}", json={"answers": {"name": name}, "revision": 1})

    assert (duplicates(first), duplicates(replayed), duplicates(edited)) == ([], [], [])
    assert replayed.content == first.content
    assert replayed.headers["idempotent-replayed"] == "true"


def test_a_replay_of_a_duplicate_is_told_what_it_was_told_before(world: World, name: str) -> None:
    world.send(name)
    document = {"id": str(uuid4()), "answers": {"name": name}}
    first, replayed = (world.client.post("/v1/forms/visits/responses", json=document) for _ in range(2))

    assert duplicates(first) == ["duplicate.content"]
    assert replayed.content == first.content


def test_outside_the_window_nothing_is_a_duplicate(world: World, name: str) -> None:
    first = world.send(name, "an-hour")
    inside = world.send(name, "an-hour")
    with psycopg.connect(world.url) as connection:
        connection.execute("update collect.fingerprint set received_at = received_at - interval '61 minutes'")

    assert (duplicates(first), duplicates(inside)) == ([], ["duplicate.content"])
    assert duplicates(world.send(name, "an-hour")) == []


def test_another_form_a_deleted_response_and_blank_answers_are_no_match(world: World, name: str) -> None:
    first = world.send(name).json()
    assert duplicates(world.send(name, "an-hour")) == []
    world.client.delete(f"/v1/forms/visits/responses/{first['id']}?revision=1")

    assert duplicates(world.send(name)) == []
    assert duplicates(world.send(None)) == duplicates(world.send(None)) == []


def test_only_the_named_questions_count(world: World, name: str) -> None:
    world.send(name, "by-name", {"country": "india"})

    assert duplicates(world.send(name, "by-name", {"country": "kenya"})) == ["duplicate.content"]


def test_a_strict_form_sends_the_second_one_back(world: World, name: str) -> None:
    world.send(f"{name} 1", "strict", respondent=name)
    refused = world.send(f"{name} 2", "strict", respondent=name)

    assert (refused.status_code, refused.json()["code"]) == (422, "answers-rejected")
    assert [place["code"] for place in refused.json()["errors"]] == ["duplicate.respondent"]
    assert name not in refused.text


def test_a_check_that_does_not_fit_the_form_leaves_its_mark_and_fails_nothing(world: World, name: str) -> None:
    reply = world.send(name, "misspelt")
    (check,) = (check for check in reply.json()["checks"] if check["check"] == "duplicate")

    assert reply.status_code == 201
    assert (check["outcome"], [finding["code"] for finding in check["findings"]]) == ("error", ["check.error"])
    (told,) = (line["msg"] for line in world.running.log_lines() if line["event"] == "check_failed" and "duplicate" in line["msg"])
    assert "nmae" in told and "Name keys of questions" in told


def test_a_dry_run_knows_what_was_sent_and_is_not_remembered(world: World, name: str) -> None:
    path = "/v1/forms/visits/responses:validate"
    before = world.client.post(path, json={"answers": {"name": name}})
    world.send(name)
    after = world.client.post(path, json={"answers": {"name": name}})

    assert (duplicates(before), duplicates(after)) == ([], ["duplicate.content"])


def test_of_many_at_one_moment_all_but_the_first_are_flagged(world: World, name: str) -> None:
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: world.send(name), range(12)))
    found = [duplicates(reply) for reply in replies]

    assert sorted(found) == [[], *[["duplicate.content"]] * 11]
    first = min(replies, key=lambda reply: reply.json()["position"])
    assert duplicates(first) == []


def test_equal_rows_of_one_batch_are_flagged_but_the_first(world: World, name: str) -> None:
    items = [{"id": str(uuid4()), "answers": {"name": name}} for _ in range(40)]
    path = "/v1/forms/visits/responses:batch"
    reply, again = (world.client.post(path, json=items) for _ in range(2))
    results = reply.json()["results"]

    assert (reply.status_code, reply.json()["accepted"]) == (201, 40)
    assert [[flag["code"] for flag in one.get("flags", ())] for one in results] == [[], *[["duplicate.content"]] * 39]
    assert again.json()["duplicates"] == 40


def test_which_response_came_before_is_told_only_to_keys_that_may_read(world: World, name: str) -> None:
    first = world.send(name, respondent=name).json()["id"]
    world.send(name, "strict", respondent=name)
    with client_of(world.running, make_key(world.url, "ingest")) as sender:
        document = {"answers": {"name": name}, "respondent": name}
        sent = sender.post("/v1/forms/visits/responses", json={"id": str(uuid4()), **document})
        replies = [
            sent,
            sender.post("/v1/forms/visits/responses:validate", json=document),
            sender.post("/v1/forms/visits/responses:batch", json=[{"id": str(uuid4()), **document}]),
            sender.post("/v1/forms/strict/responses:batch", json=[{"id": str(uuid4()), **document}]),
            sender.post("/v1/forms/strict/responses:validate", json=document),
            sender.post("/v1/forms/strict/responses", json={"id": str(uuid4()), **document}),
        ]
    stored = world.client.get(f"/v1/responses/{sent.json()['id']}").json()

    assert [reply.status_code for reply in replies] == [201, 200, 201, 207, 422, 422]
    assert all("duplicate.respondent" in reply.text and "earlier" not in reply.text for reply in replies)
    assert duplicates(sent) == ["duplicate.respondent", "duplicate.content"]
    assert [flag["data"]["earlier"][0]["response_id"] for flag in stored["flags"]] == [first, first]


def test_of_many_earlier_ones_the_newest_are_told(world: World, name: str) -> None:
    ids = [world.send(name).json()["id"] for _ in range(5)]
    (check,) = (check for check in world.send(name).json()["checks"] if check["check"] == "duplicate")

    assert [one["response_id"] for one in check["findings"][0]["data"]["earlier"]] == ids[-3:]


def test_phone_and_email_are_noted_beside_the_answers(world: World, name: str) -> None:
    answers = {"country": "kenya", "phone": "0712 345678", "mail": "Asha@GMIAL.com"}
    reply = world.send(name, answers=answers)
    refused = world.send(name, answers={"phone": "0712 345678", "mail": "a..b@example.org"})
    with psycopg.connect(world.url) as connection:
        query = "select answer_metadata, answers ->> 'phone' from collect.response where response_id = %s"
        row = connection.execute(query, (reply.json()["id"],)).fetchone()

    checks = {check["check"]: check for check in reply.json()["checks"]}
    assert (checks["phone"]["outcome"], checks["email"]["outcome"]) == ("passed", "passed")
    assert [finding["data"] for finding in checks["email"]["findings"]] == [{"suggestion": "gmail.com"}]
    assert row is not None and row[1] == "0712 345678"
    assert row[0]["phone"] == {"e164": "+254712345678", "type": "mobile", "region": "KE"}
    assert row[0]["mail"] == {"email": "Asha@gmial.com", "domain": "gmial.com"}
    assert sorted(place["code"] for place in refused.json()["errors"]) == ["email.invalid", "phone.region"]


def test_no_plain_value_is_kept_as_a_fingerprint(world: World, name: str) -> None:
    world.send(name, respondent=name)
    with psycopg.connect(world.url) as connection:
        rows = connection.execute("select f::text, length(value) from collect.fingerprint f").fetchall()

    assert rows and all(name not in text and size == 32 for text, size in rows)
    assert json.dumps(name)[1:-1].encode().hex() not in str(rows)
