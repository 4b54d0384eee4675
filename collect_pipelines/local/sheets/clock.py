"""The server's clock: real time, unless a test runs it faster or moves it on."""

import threading
import time
from datetime import UTC, datetime

__all__ = ["Clock"]


class Clock:
    """Seconds since the epoch, `speed` times as fast as real ones; quota minutes, token lives and file times follow it."""

    def __init__(self, speed: float = 1.0) -> None:
        """`speed` 60 makes a quota minute last a second."""
        self._lock = threading.Lock()
        self._speed = speed
        self._from_real = time.time()
        self._from_ours = self._from_real

    def now(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._at(time.time())

    def advance(self, seconds: float) -> None:
        """Moves the clock on."""
        with self._lock:
            self._from_ours += seconds

    def run(self, speed: float) -> None:
        """Changes the speed from now on."""
        with self._lock:
            real = time.time()
            self._from_ours, self._from_real, self._speed = self._at(real), real, speed

    def text(self) -> str:
        """The present as Drive writes it: RFC 3339 in UTC with milliseconds."""
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def _at(self, real: float) -> float:
        return self._from_ours + (real - self._from_real) * self._speed
