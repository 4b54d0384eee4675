"""The ASGI application: one request in, one reply out, whatever happens between."""

import asyncio
import time

import orjson

from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.errors import CollectError
from collect_pipelines.ingest.authentication import Authenticator
from collect_pipelines.ingest.body import BATCH_BODY_BYTES
from collect_pipelines.ingest.forms import FormBook
from collect_pipelines.ingest.health import Readiness
from collect_pipelines.ingest.problems import Problem, from_error
from collect_pipelines.ingest.request import PROBLEM_TYPE, Header, Receive, Reply, Request, Scope, Send
from collect_pipelines.ingest.routes import Route, find_route
from collect_pipelines.ingest.services import ResponseWriter, Services
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.settings import Settings
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["IngestApp", "make_services"]

MAX_IN_FLIGHT = 2_000  # requests of one process between their first and last byte; more would only wait in memory
MAX_BYTES_IN_FLIGHT = 128 * 1024 * 1024  # of bodies in one process; parsed, a body takes about ten times its size
LINGER_SECONDS = 1.0  # how long a refused body is still read, so that the sender sees the reply instead of a reset
LINGER_BYTES = 16 * 1024 * 1024

log = get_logger(__name__)


def make_services(
    database_url: str, writer: ResponseWriter, metrics: IngestMetrics | None = None, settings: Settings | None = None
) -> Services:
    """What an app needs, on one database."""
    threads = StoreThreads(database_url)
    settings = settings or Settings()
    metrics = metrics or IngestMetrics()
    processes = CheckProcesses(
        settings.check_processes, settings.check_memory_mb * 1024 * 1024, settings.check_pause_seconds, watcher=metrics
    )
    forms = FormBook(threads, processes, settings.trusted_plugins)
    return Services(threads, Authenticator(threads), forms, writer, metrics, Readiness(), settings=settings)


class IngestApp:
    """A raw ASGI 3 application: no framework between a request and its handler, because this is the hot path."""

    def __init__(self, services: Services, max_in_flight: int = MAX_IN_FLIGHT, max_bytes: int = MAX_BYTES_IN_FLIGHT) -> None:
        self.services = services
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._in_flight = 0
        self._bytes = 0
        self._log = log.bind()  # bound once: a line per request should not make a logger per request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers an HTTP request or the server's start and stop."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.services.writer.start()
        self.services.housekeeping.start()
        self.services.forms.start()
        self.services.check_watch.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.services.writer.stop()
        await self.services.attempts.stop()
        await self.services.housekeeping.stop()
        await self.services.fingerprints.close()
        await self.services.check_watch.stop()
        await self.services.forms.close()
        self.services.google.close()
        self.services.threads.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        weight = request.body_weight(BATCH_BODY_BYTES)
        self._in_flight += 1
        self._bytes += weight
        route: Route | None = None
        problem: Problem | None = None
        try:
            request.bound_headers()
            route, request.parameters = find_route(request.method, request.path)
            request.route = route.template
            if (self._in_flight > self._max_in_flight or self._bytes > self._max_bytes) and route.counted != "no":
                raise Problem("overloaded", "Too many requests at once. Nothing was stored.")
            reply = await route.handler(self.services, request)
        except Exception as error:  # noqa: BLE001 - whatever fails, the client gets a problem document and the log gets the place
            problem = _problem(request, error)
            reply = _refusal(request, problem)
        finally:
            self._in_flight -= 1
            self._bytes -= weight
        if route is None or route.counted != "no":
            self._record(request, reply, route)
        await self._send(request, reply, send)

    def _record(self, request: Request, reply: Reply, route: Route | None) -> None:
        seconds = time.perf_counter() - request.started
        metrics = self.services.metrics
        metrics.request(request.form, request.source, reply.outcome, seconds)
        if route is not None and route.counted == "response" and request.form is not None:
            metrics.responses(request.form, request.source or "", reply.outcome)
        self._log.info(
            "request",
            request_id=request.request_id,
            method=request.method,
            route=request.route,
            status=reply.status,
            outcome=reply.outcome,
            code=reply.code,
            form=request.form,
            response_id=reply.response_id,
            position=reply.position,
            items=reply.items,
            key_id=request.key_id,
            duration_ms=round(seconds * 1000, 2),
        )

    async def _send(self, request: Request, reply: Reply, send: Send) -> None:
        headers: list[Header] = [
            *reply.headers,
            (b"content-length", b"%d" % len(reply.body)),
            (b"x-request-id", request.request_id.encode()),
        ]
        unread = not request.body_read and request.has_body()
        if (unread or self.services.stopping) and (b"connection", b"close") not in headers:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if unread:
            await send({"type": "http.response.body", "body": reply.body, "more_body": True})
            await _linger(request)
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": reply.body})


def _problem(request: Request, error: Exception) -> Problem:
    if not isinstance(error, CollectError):
        log.error("internal_error", request_id=request.request_id, route=request.route, form=request.form, exc_info=error)
        return Problem("internal")
    problem = from_error(error)
    if problem.kind.status == 500:
        log.error("internal_error", request_id=request.request_id, route=request.route, form=request.form, exc_info=error)
    return problem


def _refusal(request: Request, problem: Problem) -> Reply:
    body = orjson.dumps(problem.as_json(request.request_id))
    outcome = "error" if problem.kind.status >= 500 else "rejected"
    return Reply(problem.kind.status, body, [PROBLEM_TYPE, *problem.all_headers()], outcome=outcome, code=problem.code)


async def _linger(request: Request) -> None:
    """
    Reads and drops what the client still sends, for a moment.

    Closing a socket with unread bytes resets it, and the client would see the reset instead of the reply that explains it.
    """
    dropped = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while dropped < LINGER_BYTES:
                message = await request.receive()
                dropped += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
