"""What can go wrong on the way to a receiver and back."""

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collect_pipelines.testing.destinations.stand_in import Reply, Request, StandIn

__all__ = ["Answered", "Cut", "Endless", "Fault", "Garbage", "Hang", "Held", "Killed", "Late", "Line", "Partly"]

PIECE = b"a" * 65_536
ENDLESS_BYTES = 64 * 1024 * 1024  # whoever read so much would have read on; the machine of the test has an end
LOOK_SECONDS = 0.05  # between two looks whether the test is over
MOST_HELD_SECONDS = 120.0  # whoever is waited for longer than this has died
KILLED_SECONDS = 10.0  # for the process to be named that is to be killed


@dataclass
class Line:
    """One request on its way, and the connection it came on."""

    server: "StandIn"
    request: "Request"
    connection: socket.socket
    send: "Callable[[Reply], None]"
    closed: bool = False

    def answer(self, reply: "Reply") -> None:
        """Answers, if anybody is still there."""
        try:
            self.send(reply)
        except OSError:
            self.closed = True

    def cut(self) -> None:
        """Cuts the connection so that the other side notices at once."""
        self.closed = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)

    def wait(self) -> None:
        """Until the other side gives up or the test is over."""
        self.closed = True
        self.connection.settimeout(LOOK_SECONDS)
        while not self.server.closing.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


class Fault(Protocol):
    """One way to fail."""

    def happen(self, line: Line) -> None:
        """Does it to this request."""


@dataclass(frozen=True)
class Answered:
    """A status the receiver would not give by itself. `applied`: it did what it was asked to all the same."""

    status: int
    applied: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = "not now"
    echo: bool = False
    """The body repeats what was sent, headers included, as some receivers do."""

    def happen(self, line: Line) -> None:
        """Answers with it."""
        from collect_pipelines.testing.destinations.stand_in import Reply

        if self.applied:
            line.server.apply(line.request)
        body = {"error": "no", "headers": dict(line.request.headers), "body": line.request.text} if self.echo else self.body
        line.answer(Reply(self.status, body, self.headers))


@dataclass(frozen=True)
class Cut:
    """The connection breaks. `applied`: after the receiver did what it was asked to."""

    applied: bool

    def happen(self, line: Line) -> None:
        """Cuts it."""
        if self.applied:
            line.server.apply(line.request)
        line.cut()


@dataclass(frozen=True)
class Late:
    """The connection breaks, and the receiver applies the request much later: when `apply_late` is called."""

    def happen(self, line: Line) -> None:
        """Cuts it, and keeps the request."""
        line.server.held.append(line.request)
        line.cut()


@dataclass(frozen=True)
class Hang:
    """No answer ever comes."""

    applied: bool = False

    def happen(self, line: Line) -> None:
        """Says nothing."""
        if self.applied:
            line.server.apply(line.request)
        line.wait()


@dataclass(frozen=True)
class Garbage:
    """Bytes in place of an answer; the request was applied."""

    raw: bytes

    def happen(self, line: Line) -> None:
        """Sends them and closes."""
        line.server.apply(line.request)
        with suppress(OSError):
            line.connection.sendall(self.raw)
        line.closed = True


@dataclass(frozen=True)
class Endless:
    """An answer of which no end is in sight; the request was applied."""

    status: int = 200

    def happen(self, line: Line) -> None:
        """Sends until the other side has enough."""
        line.server.apply(line.request)
        line.closed = True
        with suppress(OSError):
            line.connection.sendall(f"HTTP/1.1 {self.status} OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n".encode())
            while not line.server.closing.is_set() and line.server.sent_bytes < ENDLESS_BYTES:
                line.connection.sendall(PIECE)
                line.server.sent_bytes += len(PIECE)


@dataclass
class Partly:
    """The receiver takes a part of the request, in its own way; where it knows none, nothing goes wrong."""

    answer: "Callable[[Request], Reply | None]"
    happened: bool = False

    def happen(self, line: Line) -> None:
        """Lets it answer."""
        reply = self.answer(line.request)
        self.happened = reply is not None
        line.answer(reply or line.server.apply(line.request))


@dataclass
class Held:
    """The request stands still until `release`, then it is applied and answered."""

    arrived: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def happen(self, line: Line) -> None:
        """Waits and goes on."""
        self.arrived.set()
        self.release.wait(MOST_HELD_SECONDS)
        line.answer(line.server.apply(line.request))
        self.done.set()


@dataclass
class Killed:
    """The sender is killed at this moment. `applied`: after the receiver did what it was asked to."""

    applied: bool
    victim: "Future[int]" = field(default_factory=Future)
    """Its process id, as soon as it is known."""

    def happen(self, line: Line) -> None:
        """Kills it."""
        if self.applied:
            line.server.apply(line.request)
        os.kill(self.victim.result(KILLED_SECONDS), signal.SIGKILL)
        line.cut()
