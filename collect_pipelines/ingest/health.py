"""Is the process alive, can it do its job, what are its numbers, and what does a problem code mean."""

from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.cache import Cache
from collect_pipelines.ingest.problems import PROBLEMS, Problem, ProblemKind
from collect_pipelines.ingest.request import Reply, Request, json_reply
from collect_pipelines.ingest.services import Services
from collect_pipelines.store.migrations import MigrationStatus, status

__all__ = ["Readiness", "list_problems", "live", "metrics", "ready", "show_problem"]

CACHE_SECONDS = 1.0  # several probes a second must not become work for Postgres
EXPOSITION = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Readiness:
    """What keeps this process from accepting responses."""

    def __init__(self, cache_seconds: float = CACHE_SECONDS) -> None:
        self._found: Cache[str, dict[str, str]] = Cache(cache_seconds)

    async def problems(self, services: Services) -> dict[str, str]:
        """What is wrong, in words, by name: stopping, postgres, migrations, durability, writer. Empty when all is well."""
        if services.stopping:
            return {"stopping": "The process was asked to end and finishes what it has begun."}
        found = dict(await self._found.get("", lambda: self._look(services)))
        if services.writer.durability_problems:
            found["durability"] = " ".join(services.writer.durability_problems)
        if not services.writer.ready and not found:
            found["writer"] = "The writer is not connected to Postgres yet."
        return found

    async def _look(self, services: Services) -> dict[str, str]:
        try:
            migrations = await services.threads.call(1.5, status, services.threads.url)
        except Unavailable:
            return {"postgres": "Postgres can't be reached."}
        return _behind(migrations)


def _behind(migrations: MigrationStatus) -> dict[str, str]:
    if not migrations.pending:
        return {}
    return {"migrations": f"The schema is behind by {len(migrations.pending)}: run `collect db upgrade`."}


async def live(_: Services, __: Request) -> Reply:
    """200 while the event loop turns; says nothing about Postgres."""
    return json_reply(200, {"live": True})


async def ready(services: Services, _: Request) -> Reply:
    """200 when responses can be stored, else 503 naming what is missing."""
    found = await services.readiness.problems(services)
    return json_reply(503 if found else 200, {"ready": not found, "problems": found})


async def metrics(services: Services, _: Request) -> Reply:
    """All numbers of the endpoint, whichever worker answers."""
    return Reply(200, services.metrics.exposition(), [EXPOSITION])


async def list_problems(_: Services, __: Request) -> Reply:
    """Every code this interface answers with."""
    return json_reply(200, {"problems": [_problem(code, kind) for code, kind in PROBLEMS.items()]})


async def show_problem(_: Services, request: Request) -> Reply:
    """What the `type` of a problem points to."""
    kind = PROBLEMS.get(request.parameters["code"])
    if kind is None:
        raise Problem("unknown-path")
    return json_reply(200, _problem(request.parameters["code"], kind))


def _problem(code: str, kind: ProblemKind) -> dict[str, object]:
    return {"code": code, "status": kind.status, "title": kind.title, "next_step": kind.next_step, "retryable": kind.retryable}
