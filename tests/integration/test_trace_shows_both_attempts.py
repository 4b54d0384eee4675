"""A response that is sent back, corrected and sent again is accepted, and its story shows both attempts: over HTTP and in the shell."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from collect_pipelines.cli.root import collect
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database
from collect_pipelines.store.forgetting import forget_expired
from collect_pipelines.store.migrations import upgrade
from collect_pipelines.store.organizations import ensure_organization
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish, wait_for

PATH = "/v1/forms/household/responses"
BUDGET = """
form: budget
title: Budget
checks:
  phone: {config: {region: IN}}
questions:
  - {key: phone, type: phone, label: Phone}
  - {key: debt, type: decimal, label: Debt}
  - {key: income, type: decimal, label: Income}
  - {key: savings, type: decimal, label: Savings}
rules:
  - {name: savings_within_income, expression: savings <= income, message: Ask for both again.}
  - {name: debt_is_told, expression: debt > income, severity: flag}
"""
SECRET = "Asha of Ward 7"


class World:
    """One ingest process on a database of its own, and who asks it."""

    def __init__(self, url: str, running: IngestProcess) -> None:
        self.url = url
        self.running = running
        self.key = make_key(url, "ingest", "read")
        self.client = client_of(running, self.key)

    def send(self, members: Any, response_id: str, **more: Any) -> httpx.Response:
        """A response; valid with 1 to 40 members."""
        return self.client.post(PATH, json={"id": response_id, "answers": {"head": SECRET, "members": members}, **more})

    def recorded(self, response_id: str, count: int) -> None:
        """Returns once so many attempts are in the database: they are written behind the reply."""
        wait_for(lambda: self.count(response_id) == count, f"{self.count(response_id)} attempts are recorded, not {count}")

    def count(self, response_id: str) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("select count(*) from collect.rejection where response_id = %s", (response_id,)).fetchone()
        assert row is not None
        return int(row[0])

    def timeline(self, response_id: str) -> list[dict[str, Any]]:
        reply = self.client.get(f"/v1/responses/{response_id}/timeline")
        assert reply.status_code == 200, reply.text
        events: list[dict[str, Any]] = reply.json()["events"]
        return events

    def told(self, *words: str, given: str | None = None) -> str:
        done = CliRunner().invoke(collect, words, env={"COLLECT_DATABASE_URL": self.url}, input=given)
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cloned(postgres, template_database) as url:
        publish(url)
        publish(url, BUDGET)
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running:
            made = World(url, running)
            yield made
            made.client.close()


@pytest.fixture
def response_id() -> str:
    return f"visit-{uuid4().hex[:12]}"


def test_the_corrected_response_is_accepted_and_both_attempts_are_told(world: World, response_id: str) -> None:
    refused = world.send(99, response_id)
    world.recorded(response_id, 1)
    accepted = world.send(9, response_id)
    position = accepted.json()["position"]

    assert (refused.status_code, refused.json()["response_id"], accepted.status_code) == (422, response_id, 201)
    first, second = world.timeline(response_id)
    finding = {"code": "max", "severity": "reject", "question": "members", "label": "Members"}
    facts = {"operation": "create", "version": 1, "source": "api", "findings": [finding]}
    assert first == {"at": first["at"], "event": "sent-back", "attempt": 1, **facts}
    assert (second["event"], second["attempt"], second["position"]) == ("received", 2, position)
    told = world.told("trace", response_id)
    assert "attempt 1 sent back\tmax: members; version 1, from api" in told
    assert f"attempt 2 accepted as position {position}" in told
    shown = json.loads(world.told("responses", "show", response_id, "--json"))
    assert [one["attempt"] for one in shown["sent_back"]] == [1]
    assert [one["revision"] for one in shown["responses"]] == [1]
    assert "sent back" in world.told("responses", "show", response_id)


def test_a_business_rule_is_told_by_name_with_the_questions_it_concerns(world: World, response_id: str) -> None:
    replies = [
        world.client.post("/v1/forms/budget/responses", json={"id": response_id, "answers": {"income": income, "savings": 12_345}})
        for income in (9_000, 19_000)
    ]
    world.recorded(response_id, 1)
    first, second = world.timeline(response_id)
    told = world.told("trace", response_id)

    assert [reply.status_code for reply in replies] == [422, 201]
    assert [finding["rule"] for finding in first["findings"]] == ["savings_within_income"]
    assert [finding["questions"] for finding in first["findings"]] == [["savings", "income"]]
    assert second["attempt"] == 2
    assert "attempt 1 sent back\trule.savings_within_income: savings, income;" in told
    assert "12345" not in told


def test_what_checks_flagged_is_told_with_its_questions_and_without_answers(world: World, response_id: str) -> None:
    sent = {"id": response_id, "answers": {"income": 12_345, "debt": 1, "savings": 0}}
    reply = world.client.post("/v1/forms/budget/responses", json=sent)
    told, shown = world.told("trace", response_id), world.told("responses", "show", response_id)

    assert reply.status_code == 201
    assert "\trule.debt_is_told: debt, income; version 1, from api" in told
    assert "12345" not in told
    assert "rule.debt_is_told: debt, income" in shown


def test_who_submits_in_the_shell_is_told_what_checks_flagged(world: World) -> None:
    door = ("--url", world.running.base_url, "--key", world.key)
    told = world.told("responses", "submit", "budget", *door, given='{"income": 2, "debt": 1}')

    assert "  flag rule.debt_is_told: “Debt” and “Income” do not go together." in told


def test_what_checks_noted_of_an_answer_can_be_read(world: World, response_id: str) -> None:
    world.client.post("/v1/forms/budget/responses", json={"id": response_id, "answers": {"phone": "98450 12345"}})
    read = world.client.get(f"/v1/responses/{response_id}").json()

    assert (read["answers"]["phone"], read["answer_metadata"]["phone"]["e164"]) == ("98450 12345", "+919845012345")
    assert '"e164": "+919845012345"' in world.told("responses", "show", response_id)


def test_a_response_that_was_never_accepted_has_a_story_without_answers(world: World, response_id: str) -> None:
    for members in (99, "many"):
        world.send(members, response_id)
    world.recorded(response_id, 2)

    events = world.timeline(response_id)
    told, shown = world.told("trace", response_id), world.told("responses", "show", response_id)
    document = json.loads(world.told("trace", response_id, "--json"))
    assert [(event["event"], event["attempt"], event["findings"][0]["code"]) for event in events] == [
        ("sent-back", 1, "max"),
        ("sent-back", 2, "type"),
    ]
    assert "sent back, and nothing accepted since" in told
    assert "attempt 2 sent back\ttype: members" in told
    assert (document["entries"], len(document["sent_back"])) == ([], 2)
    assert world.client.get(f"/v1/responses/{response_id}").status_code == 404
    assert all(SECRET not in text for text in (json.dumps(events), told, shown, json.dumps(document)))
    with psycopg.connect(world.url) as connection:
        rows = connection.execute("select r::text from collect.rejection r where response_id = %s", (response_id,)).fetchall()
    assert all(SECRET not in row and "many" not in row for (row,) in rows)


def test_who_sends_an_idempotency_key_learns_the_id_and_keeps_it(world: World, response_id: str) -> None:
    headers = {"Idempotency-Key": response_id}
    refused = world.client.post(PATH, json={"answers": {"head": "A", "members": 0}}, headers=headers)
    accepted = world.client.post(PATH, json={"answers": {"head": "A", "members": 1}}, headers=headers)
    derived = refused.json()["response_id"]
    world.recorded(derived, 1)

    assert (refused.status_code, accepted.status_code, accepted.json()["id"]) == (422, 201, derived)
    assert [event["event"] for event in world.timeline(derived)] == ["sent-back", "received"]


def test_items_of_a_batch_and_edits_are_attempts_too(world: World, response_id: str) -> None:
    items = [{"id": response_id, "answers": {"head": "A", "members": members}} for members in (0, 2)]
    reply = world.client.post(f"{PATH}:batch", json=items)
    edits = [
        world.client.put(f"{PATH}/{response_id}", json={"answers": {"head": "A", "members": members}, "revision": 1}) for members in (77, 3)
    ]
    world.recorded(response_id, 2)

    assert reply.json()["results"][0]["problem"]["response_id"] == response_id
    assert [edit.status_code for edit in edits] == [422, 200]
    assert [(event["event"], event["attempt"], event.get("operation")) for event in world.timeline(response_id)] == [
        ("sent-back", 1, "create"),
        ("received", 2, None),
        ("sent-back", 3, "edit"),
        ("edited", 4, None),
    ]


def test_a_dry_run_and_a_replay_are_no_attempts(world: World, response_id: str) -> None:
    validated = world.client.post(f"{PATH}:validate", json={"id": response_id, "answers": {"head": "A", "members": 0}})
    world.send(5, response_id)
    replayed = world.send(5, response_id)
    world.send(0, f"{response_id}-after")
    world.recorded(f"{response_id}-after", 1)  # attempts are written in order: an earlier one would be there by now

    assert (validated.status_code, replayed.headers["idempotent-replayed"]) == (422, "true")
    assert world.count(response_id) == 0


def test_another_organization_sees_nothing_of_it(world: World, response_id: str) -> None:
    database = Database(world.url)
    with database.begin() as connection:
        ensure_organization(connection, "strangers")
    database.dispose()
    world.send(99, response_id)
    world.recorded(response_id, 1)

    with client_of(world.running, make_key(world.url, "ingest", "read", organization="strangers")) as stranger:
        for path in (f"/v1/responses/{response_id}/timeline", f"/v1/responses/{response_id}/timeline?form=household"):
            assert stranger.get(path).status_code == 404


def test_twenty_attempts_of_a_response_are_kept_for_a_month(world: World, response_id: str) -> None:
    for _ in range(23):
        world.send(99, response_id)
    world.recorded(response_id, 20)

    assert [event["attempt"] for event in world.timeline(response_id)] == list(range(1, 21))
    database = Database(world.url)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "update collect.rejection set attempted_at = attempted_at - interval '31 days' where response_id = %s", (response_id,)
        )
        assert forget_expired(connection) == 20
        assert forget_expired(connection) == 0
    database.dispose()


def test_attempts_survive_an_outage_of_postgres_and_hold_nobody_up(tmp_path: Path, response_id: str) -> None:
    # Not below pytest's own folder: any other run of pytest closes that to the user the server runs as.
    with tempfile.TemporaryDirectory(prefix="collect-trace-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", port=free_port()) as server:
            upgrade(server.url())
            publish(server.url())
            with ingest(server.url(), tmp_path) as running:
                world = World(server.url(), running)
                holder = psycopg.connect(server.url())
                holder.execute("lock table collect.rejection in access exclusive mode")
                refused = [world.send(99, response_id) for _ in range(3)]
                accepted = world.send(9, response_id)
                server.stop()
                holder.close()
                server.start()
                world.recorded(response_id, 3)
                world.client.close()

    assert [reply.status_code for reply in (*refused, accepted)] == [422, 422, 422, 201]
    assert max(reply.elapsed.total_seconds() for reply in (*refused, accepted)) < 2
