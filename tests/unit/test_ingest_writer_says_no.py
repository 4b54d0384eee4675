"""Whatever the writer says, the client is told the truth: stored, not stored, or unknown; with a writer that is made to say it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from collect_pipelines.errors import DurabilityOff, OutcomeUnknown, Unavailable
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.ingest.app import IngestApp
from collect_pipelines.ingest.authentication import Authenticator
from collect_pipelines.ingest.forms import FormBook
from collect_pipelines.ingest.health import Readiness
from collect_pipelines.ingest.services import Services
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.store.forms import FormRecord, VersionRecord, find_form, form_versions
from collect_pipelines.store.keys import ApiKey, find_key
from collect_pipelines.store.migrations import MigrationStatus, status
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DEFINITION = read_form("form: small\ntitle: Small\nquestions:\n  - {key: q, type: text, label: Q}\n")
PATH = "/v1/forms/small/responses"


class FakeWriter:
    """Keeps responses in memory, and says `says` instead when that is set."""

    def __init__(self, says: Exception | Accepted | None = None) -> None:
        self.says = says
        self.ready = True
        self.durability_problems: tuple[str, ...] = ()
        self.stored: list[Submission] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def accept(self, submission: Submission) -> Accepted:
        (accepted,) = await self.accept_many([submission])
        return accepted

    async def accept_many(self, submissions: Sequence[Submission]) -> list[Accepted]:
        if isinstance(self.says, Exception):
            raise self.says
        if self.says is not None:
            return [self.says] * len(submissions)
        self.stored.extend(submissions)
        return [Accepted("accepted", item.response_id, len(self.stored), 1, NOW, item.version) for item in submissions]


class FakeThreads:
    """Answers the store's functions from memory."""

    url = "postgresql://nowhere"

    def __init__(self, definition: FormDefinition = DEFINITION) -> None:
        scopes: frozenset[Any] = frozenset({"ingest", "read", "admin"})
        record = FormRecord(1, 1, "default", "small", "small", {}, "open", 0, 0, 1)
        self.answers: dict[Any, Callable[..., Any]] = {
            find_key: lambda text: ApiKey(1, 1, "default", "test", "cp_live_", scopes, NOW, None, None, NOW),
            find_form: lambda reference, organization: record,
            form_versions: lambda form_id: [VersionRecord(1, 1, definition, "", NOW)],
            status: lambda url: MigrationStatus("1", "1", ()),
        }

    async def transaction(self, function: Any, *arguments: Any) -> Any:
        return self.answers.get(function, lambda *_: None)(*arguments)

    read = transaction

    async def call(self, seconds: float, function: Any, *arguments: Any) -> Any:
        return self.answers.get(function, function)(*arguments)

    def close(self) -> None: ...


def app_with(writer: FakeWriter, **named: Any) -> IngestApp:
    threads = cast(StoreThreads, FakeThreads())
    services = Services(threads, Authenticator(threads), FormBook(threads), writer, IngestMetrics(), Readiness())
    return IngestApp(services, **named)


def ask(app: IngestApp, method: str, path: str, document: Any = None) -> httpx.Response:
    async def asked() -> httpx.Response:
        headers = {"Authorization": "Bearer cp_live_abcdefgh"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test", headers=headers) as client:  # type: ignore[arg-type]
            return await client.request(method, path, json=document)

    return asyncio.run(asked())


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


def test_too_many_at_once_are_sent_away() -> None:
    app = app_with(FakeWriter(), max_in_flight=0)

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
