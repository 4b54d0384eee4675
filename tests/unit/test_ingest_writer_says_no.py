"""Whatever the writer says, the client is told the truth: stored, not stored, or unknown; with a writer that is made to say it."""

from collections.abc import Callable
from typing import Any

import pytest

from collect_pipelines.errors import DurabilityOff, OutcomeUnknown, Unavailable
from collect_pipelines.ingest.health import Readiness
from collect_pipelines.model import Accepted
from collect_pipelines.store.migrations import MigrationStatus, status
from tests.unit.ingest_fakes import PATH, FakeWriter, app_with, ask


def overloaded() -> Unavailable:
    error = Unavailable("The queue is full.")
    error.overloaded = True  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable(), "unavailable"),
        (overloaded(), "overloaded"),
        (OutcomeUnknown(), "outcome-unknown"),
        (DurabilityOff(), "durability-off"),
    ],
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}:batch"])
def test_what_is_not_stored_is_a_503_that_invites_to_try_again(error: Exception, code: str, path: str) -> None:
    sent = {"id": "a", "answers": {"q": "x"}}

    reply = ask(app_with(FakeWriter(error)), "POST", path, [sent] if path.endswith("batch") else sent)

    assert (reply.status_code, reply.json()["code"], reply.json()["retryable"]) == (503, code, True)
    assert int(reply.headers["retry-after"]) >= 1
    assert ("Nothing was stored" in reply.json()["detail"]) == (code != "outcome-unknown")


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        ("conflict", 409, "response-conflict"),
        ("revision_conflict", 409, "revision-conflict"),
        ("not_unique", 409, "not-unique"),
        ("erased", 410, "response-erased"),
        ("unknown_response", 404, "unknown-response"),
        ("form_closed", 409, "form-closed"),
        ("not_stored", 422, "not-storable"),
    ],
)
def test_every_outcome_has_its_refusal(outcome: Any, status: int, code: str) -> None:
    reply = ask(app_with(FakeWriter(Accepted(outcome, "a", revision=3))), "POST", PATH, {"id": "a", "answers": {}})

    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_an_error_nobody_thought_of_is_a_500_without_its_text() -> None:
    app = app_with(FakeWriter(ValueError("canary-4711")))

    reply = ask(app, "POST", PATH, {"id": "a", "answers": {}})

    assert (reply.status_code, reply.json()["code"]) == (500, "internal")
    assert "canary-4711" not in reply.text
    assert 'outcome="error"' in app.services.metrics.exposition().decode()


@pytest.mark.parametrize("limit", ["max_in_flight", "max_bytes"])
def test_too_many_at_once_are_sent_away(limit: str) -> None:
    app = app_with(FakeWriter(), **{limit: 0})

    assert ask(app, "POST", PATH, {"id": "a", "answers": {}}).json()["code"] == "overloaded"
    assert ask(app, "GET", "/livez").status_code == 200


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda services: setattr(services, "stopping", True), "stopping"),
        (lambda services: setattr(services.writer, "ready", False), "writer"),
        (lambda services: setattr(services.writer, "durability_problems", ("fsync is off",)), "durability"),
        (lambda services: services.threads.answers.update({status: lambda url: MigrationStatus(None, "2", ("1", "2"))}), "migrations"),
        (lambda services: services.threads.answers.update({status: unavailable}), "postgres"),
    ],
)
def test_readiness_names_what_is_missing(change: Callable[[Any], None], named: str) -> None:
    app = app_with(FakeWriter())
    assert ask(app, "GET", "/readyz").status_code == 200
    app.services.readiness = Readiness()

    change(app.services)
    reply = ask(app, "GET", "/readyz")

    assert (reply.status_code, list(reply.json()["problems"])) == (503, [named])
    assert ask(app, "GET", "/livez").status_code == 200


def unavailable(url: str) -> MigrationStatus:
    raise Unavailable


def test_a_stopping_process_asks_clients_to_go_elsewhere() -> None:
    app = app_with(FakeWriter())
    app.services.stopping = True

    reply = ask(app, "POST", PATH, {"id": "a", "answers": {}})

    assert (reply.status_code, reply.headers["connection"]) == (201, "close")
