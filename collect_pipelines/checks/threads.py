"""Threads for the checks of one kind: bounded, and never waited for at exit, because a plug-in may hang."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from queue import Queue
from typing import Any

__all__ = ["KindThreads", "threads_of"]

MAX_THREADS = 4  # per kind: checks share the interpreter lock, and so many can be lost to a kind that hangs
MAX_WAITING = 1_000  # jobs; beyond this the process is overloaded and waiting would not help

_Job = tuple["Future[Any]", Callable[[], Any]]


class KindThreads:
    """
    Runs the jobs of one kind of check. A kind that hangs loses its own threads and nobody else's.

    The standard library's executor would wait for a hanging thread when the process ends; these are daemons.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._jobs: Queue[_Job] = Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0

    def submit(self, job: Callable[[], Any]) -> "Future[Any]":
        """The job's result to come; the job must not raise. Cancelling it before it began leaves it out. Raises queue.Full."""
        future: Future[Any] = Future()
        with self._lock:
            self._jobs.put_nowait((future, job))
            self._busy += 1
            if self._busy > self._threads and self._threads < MAX_THREADS:
                self._threads += 1
                threading.Thread(target=self._work, name=f"check {self._kind}", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if future.set_running_or_notify_cancel():
                future.set_result(job())
            with self._lock:
                self._busy -= 1


@cache
def threads_of(kind: str) -> KindThreads:
    """The threads of a kind, shared by all forms of this process."""
    return KindThreads(kind)
