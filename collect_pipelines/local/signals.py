"""SIGTERM and Ctrl-C as a state that can be waited for, instead of an exception in the middle of something."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopSignals"]

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """`with StopSignals() as stop: while not stop.wait(0.5): ...`. For the main thread of a program."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._reader = self._writer = -1
        self._wakeup_before = -1

    def __enter__(self) -> Self:
        # A pipe, because Event.set in a handler can deadlock with the wait it interrupts.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # What the caller ignores stays ignored: nohup, and the background jobs of a shell.
        wanted = [number for number in WATCHED if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGTERM]
        self._before = {number: signal.signal(number, self._receive) for number in wanted}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def __bool__(self) -> bool:
        """True once a signal asked to stop."""
        return self.received is not None

    def wait(self, seconds: float) -> bool:
        """True as soon as a signal asks to stop; False after so many seconds."""
        if self.received is None:
            select.select([self._reader], [], [], seconds)
            if self.received is None:
                self._drain()
        return self.received is not None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def _drain(self) -> None:
        # Bytes of signals that are not ours, e.g. SIGCHLD.
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            return
