"""The processes of checks of one ingest process, by kind."""

import asyncio

from collect_pipelines.checks.breaker import PAUSE_SECONDS
from collect_pipelines.checks.isolation.crew import Watcher
from collect_pipelines.checks.isolation.pool import KindProcesses

__all__ = ["CheckProcesses"]

PROCESSES = 2  # per kind: while one is lost and replaced the other one works
PREPARING = 2  # threads that make forms ready: more would take turns with the event loop, and one alone could be held up by a check
MEMORY_BYTES = 512 * 1024 * 1024  # a process that ever used more is replaced; twice as much it can't get


class _Nobody:
    def check_restarted(self, plugin: str, reason: str) -> None: ...

    def check_breaker(self, plugin: str, form: str, opened: bool) -> None: ...


class CheckProcesses:
    """The processes of every kind that is in use by this ingest process; made when the kind is first asked for."""

    def __init__(
        self,
        processes: int = PROCESSES,
        memory_bytes: int = MEMORY_BYTES,
        pause_seconds: float = PAUSE_SECONDS,
        watcher: Watcher | None = None,
    ) -> None:
        """pause_seconds: how long a check that is lost again and again is left alone."""
        self.pause_seconds = pause_seconds
        self.watcher = watcher or _Nobody()
        self.preparing = asyncio.Semaphore(PREPARING)
        """Held by who makes something ready in a thread of this process."""
        self._processes = processes
        self._memory_bytes = memory_bytes
        self._kinds: dict[str, KindProcesses] = {}
        self._keys = 0
        self._closed = False

    def of(self, kind: str) -> KindProcesses:
        """The processes of a kind; started when the first form version is admitted."""
        if kind not in self._kinds:
            self._kinds[kind] = KindProcesses(kind, self._processes, self._memory_bytes, self.watcher)
            if self._closed:  # a response that came late finds no process, and starts none
                self._kinds[kind].close()
        return self._kinds[kind]

    def problem(self, kind: str) -> str | None:
        """Why no process of the kind comes up; None while one does, and when none was started."""
        return self._kinds[kind].problem if kind in self._kinds else None

    def next_key(self) -> int:
        """A number for a tenant."""
        self._keys += 1
        return self._keys

    async def close(self) -> None:
        """Ends every process and waits until they are gone; none is started any more."""
        self._closed = True
        children = [child for kind in self._kinds.values() for child in kind.close()]
        self._kinds.clear()
        await asyncio.gather(*(asyncio.to_thread(child.finished.wait, 5.0) for child in children))
