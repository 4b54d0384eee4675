"""One deadline over everything a request does: a receiver that sends a byte now and then can't stretch it."""

import io
import socket
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Deadline", "TimedSocket"]

SEND_BYTES = 65_536  # between two looks at the clock


class Deadline:
    """Counts from `start` on; the same object serves one connection after request and request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._end = clock, 0.0

    def start(self, seconds: float) -> None:
        """From now on so many seconds are left."""
        self._end = self._clock() + seconds

    def left(self) -> float:
        """Seconds left, more than 0. Raises TimeoutError when none are."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class TimedSocket:
    """A socket, plain or TLS, whose every call ends with the deadline."""

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: Any) -> None:
        """Sends all of it or raises."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SEND_BYTES):
            self._sock.settimeout(self._deadline.left())
            self._sock.sendall(view[start : start + SEND_BYTES])

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client reads an answer from."""
        return io.BufferedReader(_TimedFile(self._sock.makefile(mode, buffering=0), self._sock, self._deadline))

    def settimeout(self, seconds: float | None) -> None:
        """Ignored: the deadline decides."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _TimedFile(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, sock: Any, deadline: Deadline) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
