"""A receiver on HTTP that applies requests and can be told to fail in every way we know."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from collect_pipelines.testing.destinations.faults import Fault, Line

__all__ = ["THREAD_NAME", "Reply", "Request", "StandIn"]

MOST_BODY_BYTES = 64 * 1024 * 1024
IDLE_SECONDS = 60.0  # a connection nobody uses or closes
THREAD_NAME = "stand-in"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    number: int
    """From 1, in the order in which they came."""
    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, unpacked when it is gzip."""
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.text)

    def lines(self) -> list[Any]:
        """The body read as one JSON document a line."""
        return [json.loads(line) for line in self.text.split("\n") if line.strip()]

    def same_as(self, other: "Request") -> bool:
        """Whether it asks for the same with the same credentials: with fresh ones it is another attempt to be let in."""
        return (self.method, self.path, self.body, self.headers.get("authorization")) == (
            other.method, other.path, other.body, other.headers.get("authorization"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answers."""

    status: int = 200
    body: Any = field(default_factory=dict)
    """Bytes, text, or what becomes JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class StandIn:
    """
    A server in threads of this process.

    `answer` is what the receiver does with a request: it applies it and says what to reply. `applied` holds, in the order in which
    they had their effect, the requests it replied to with a status below 300.
    """

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.seen: list[Request] = []
        self.applied: list[Request] = []
        self.held: list[Request] = []
        """Those that will be applied later."""
        self.refused_texts: list[str] = []
        """Whatever holds one of these is refused with 422."""
        self.closing = threading.Event()
        self.sent_bytes = 0
        """Of endless answers, as far as somebody took them."""
        self._answer = answer
        self._faults: dict[int, Fault] = {}
        self._lock = threading.RLock()
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, name=THREAD_NAME, daemon=True).start()

    def fail(self, number: int, fault: Fault) -> None:
        """The `number`-th request from now (1: the next one) meets the fault; 0: every request from now on."""
        with self._lock:
            self._faults[len(self.seen) + number if number else 0] = fault

    def heal(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()

    def apply(self, request: Request) -> Reply:
        """What the receiver does with the request."""
        with self._lock:
            if any(text in request.text for text in self.refused_texts):
                return Reply(422, "not this one")
            reply = self._answer(request)
            if reply.status < 300:
                self.applied.append(request)
            return reply

    def apply_late(self) -> None:
        """Applies what was held back, as if it had been on its way until now."""
        with self._lock:
            while self.held:
                self.apply(self.held.pop(0))

    def close(self) -> None:
        """Ends the server and every connection."""
        self.closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def fault_of(self, request: Request) -> Fault | None:
        """The fault this request meets."""
        with self._lock:
            return self._faults.pop(request.number, None) or self._faults.get(0)

    def arrived(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Notes a request."""
        with self._lock:
            request = Request(len(self.seen) + 1, method, path, headers, body)
            self.seen.append(request)
            return request

    def _listen(self) -> None:
        while not self.closing.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, address), name=THREAD_NAME, daemon=True).start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        with self._lock:
            self._connections.add(connection)
        connection.settimeout(IDLE_SECONDS)
        with suppress(OSError, ValueError):
            _Handler(connection, address, self)  # type: ignore[arg-type] # it asks its "server" for nothing
        with self._lock:
            self._connections.discard(connection)
        with suppress(OSError):
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn  # type: ignore[assignment]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def _any(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.arrived(self.command, self.path, headers, self._body())
        line = Line(self.server, request, self.connection, self._send)
        fault = self.server.fault_of(request)
        if fault is None:
            line.answer(self.server.apply(request))
        else:
            fault.happen(line)
        self.close_connection = self.close_connection or line.closed

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(iter(self._chunk, b""))
        size = min(int(self.headers.get("Content-Length") or 0), MOST_BODY_BYTES)
        return _whole(self.rfile.read(size), size)

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        chunk = _whole(self.rfile.read(size), size)
        self.rfile.readline()
        return chunk

    def _send(self, reply: Reply) -> None:
        payload = reply.payload()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD" and reply.status not in (204, 304):
            self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the suite says what matters."""


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise ConnectionAbortedError("the sender died in the middle of it: no receiver acts on half a request")
    return data
