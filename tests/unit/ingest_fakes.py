"""The ingest application without Postgres: a writer and a store in memory."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx

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
