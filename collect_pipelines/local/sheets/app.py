"""The ASGI application: reads a request, lets faults have their way, and answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

from collect_pipelines.local.sheets.call import Answer, Operation, Request, error_answer, json_answer
from collect_pipelines.local.sheets.errors import ApiError, SheetsError
from collect_pipelines.local.sheets.faults import Fault, failed_answer
from collect_pipelines.local.sheets.live import Live
from collect_pipelines.local.sheets.pages import Pages
from collect_pipelines.local.sheets.service import Service

__all__ = ["TRANSPORT", "App"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 64 * 1024 * 1024  # bytes; Google took 9 MB live and documents no hard limit
THREADS = 8  # handlers mostly wait for the disk; more would only share the same interpreter lock
API_PATHS = ("/v4/", "/drive/v3/", "/token")
TRANSPORT = "collect.transport"  # key of the connection in the scope, put there by the server's protocol class
TOKEN = Operation("token", "POST", re.compile("/token"), "read", frozenset(), lambda call: None)
"""The OAuth token endpoint, so that faults can name it; it has no quota and no caller."""


class App:
    """One server's HTTP side."""

    def __init__(self, service: Service) -> None:
        """Handlers run in threads, so that a slow batch delays nobody's read."""
        self.service = service
        self.live = Live(service.library)
        self._pages = Pages(service)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sheets")
        self._late: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if body is None:
            await _send(send, error_answer(SheetsError(413, "Request payload size exceeds the limit.")))
            return
        request = Request(scope["method"], scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"), headers, body)
        if request.path.startswith(API_PATHS):
            await self._api(request, scope, receive, send)
        elif (watched := self._pages.watched(request)) is not None:
            await self.live.stream(watched, receive, send)
        else:
            await _send(send, await self._in_thread(self._pages.answer, request))

    def stop(self) -> None:
        """Ends the live streams and unanswered calls; called when the server begins to stop."""
        self.live.stop()

    def close(self) -> None:
        """Frees the threads and the files; calls that were to be applied later never will be."""
        for task in self._late:
            task.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.service.close()

    async def _api(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        found = (TOKEN, {}) if request.path == "/token" and request.method == "POST" else self.service.operation_of(request)
        if found is None:
            await _send(send, json_answer(404, SheetsError(404, "Method not found.").body()))
            return
        operation, arguments = found
        fault = self.service.faults.take(operation, len(request.body))
        if fault is None:
            await _send(send, await self._perform(operation, arguments, request))
        else:
            await self._failing(fault, operation, arguments, request, scope, receive, send)

    async def _failing(
        self, fault: Fault, operation: Operation, arguments: dict[str, str], request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        answer = None
        if fault.applied == "yes" or fault.shown == "truncated":
            answer = await self._perform(operation, arguments, request)
        if fault.applied == "later":
            self._apply_later(fault.delay, operation, arguments, request)
        if fault.applied == "held":
            self.service.hold(operation, arguments, request)
        if fault.shown == "cut":
            await _hang_up(scope, receive, reset=True)
        elif fault.shown == "never":
            await self.live.until_gone(receive)
            await _hang_up(scope, receive, reset=True)
        elif fault.shown == "truncated":
            assert answer is not None
            await _send_half(send, answer)
            await _hang_up(scope, receive, reset=False)
        else:
            project_number = self.service.identity.accounts["person"].project_number
            await _send(send, failed_answer(fault, operation.drive, self.service.quotas.refusal(operation.kind, project_number)))

    async def _perform(self, operation: Operation, arguments: dict[str, str], request: Request) -> Answer:
        if operation is TOKEN:
            return await self._in_thread(self._token, request)
        return await self._in_thread(self.service.perform, operation, arguments, request)

    def _token(self, request: Request) -> Answer:
        try:
            return json_answer(200, self.service.tokens.grant(dict(parse_qsl(request.body.decode("utf-8", "replace")))))
        except ApiError as exc:
            return error_answer(exc)

    def _apply_later(self, seconds: float, operation: Operation, arguments: dict[str, str], request: Request) -> None:
        async def apply() -> None:
            await asyncio.sleep(seconds)
            await self._perform(operation, arguments, request)

        task = asyncio.get_running_loop().create_task(apply())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _in_thread(self, work: Callable[..., Answer], *arguments: Any) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    await _send_head(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def _send_head(send: Send, answer: Answer) -> None:
    head = [("content-type", answer.content_type), ("content-length", str(len(answer.body))), ("x-content-type-options", "nosniff")]
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*head, *answer.headers)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def _send_half(send: Send, answer: Answer) -> None:
    await _send_head(send, answer)
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Ends the connection; a reset throws away what was not sent yet."""
    transport = scope[TRANSPORT]
    if reset:
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
