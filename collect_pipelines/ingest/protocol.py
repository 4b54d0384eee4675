"""The HTTP/1.1 protocol of the server, bounded: time to the end of the headers, and their size."""

import asyncio
from typing import Any
from uuid import uuid4

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import MAX_HEADER_BYTES, MAX_HEADERS, PROBLEM_TYPE

__all__ = ["MAX_CONNECTIONS", "BoundedProtocol"]

MAX_CONNECTIONS = 10_000  # per process; a connection costs a file descriptor and about 10 KB
HEADER_SECONDS = 5.0  # from the first byte of a request to the end of its headers; a slow loris does not get more
IDLE_SECONDS = 10.0  # a new connection that says nothing
CONTINUE = b"HTTP/1.1 100 "
LINGER_SECONDS = 1.0  # how long a refused client may go on sending
SLACK_BYTES = 4 * 1024  # beyond MAX_HEADER_BYTES the application answers; this bound is for what never ends


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which bounds only the idle time between two requests."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timer: asyncio.TimerHandle | None = None
        self._silent = True
        self._header_bytes = 0
        self._in_headers = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(Problem("overloaded", "Too many connections at once. Nothing was stored."))
        else:
            self._timer = self.loop.call_later(IDLE_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._silent:
            self._silent = False
            self._stop_timer()
        began_before = self._in_headers
        super().data_received(data)
        if self._in_headers and not self._refused:
            self._bound_headers(len(data) if began_before else 0)

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > 2 * MAX_HEADERS:
            self._refuse(Problem("headers-too-large"))

    def on_headers_complete(self) -> None:
        self._in_headers = False
        if not self._refused:
            self._stop_timer()
            super().on_headers_complete()
            if self.scope["method"] != "HEAD":
                self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._refused:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the words of the interface; also what a request with two lengths, or a length and chunks, is answered with."""
        if self.cycle is not None and not self.cycle.response_complete:
            # A broken chunk in a body that a handler is reading: it sees the connection end and stores nothing.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._refuse(Problem("http-syntax"))

    def _bound_headers(self, arrived: int) -> None:
        """The headers did not end in this packet: their time runs from here, and what they take is counted."""
        self._header_bytes += arrived
        if self._header_bytes > MAX_HEADER_BYTES + SLACK_BYTES:
            self._refuse(Problem("headers-too-large"))
        elif self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        if self._in_headers:
            self._refuse(Problem("body-timeout", f"The headers did not arrive within {HEADER_SECONDS:.0f} s."))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._stop_timer()
        request_id = uuid4().hex
        body = orjson.dumps(problem.as_json(request_id))
        headers = [
            PROBLEM_TYPE,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
            *problem.all_headers(),
        ]
        head = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[problem.kind.status] + head + b"\r\n" + body)
        # Closing with unread bytes would reset the connection, and the client would not see why: what it still sends is dropped.
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _OneWrite:
    """
    What a reply is written to: head and body leave together.

    uvicorn writes them one after the other, and each write is a system call, a packet and a wake-up of the client.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Holds the head back until the next write; a "100 Continue" is no head."""
        if self._head is None or data.startswith(CONTINUE):
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = None

    def close(self) -> None:
        """What is held back leaves first."""
        if self._head:
            self._transport.write(self._head)
            self._head = None
        self._transport.close()

    def is_closing(self) -> bool:
        """As the transport says."""
        return self._transport.is_closing()
