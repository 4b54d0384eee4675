"""So many processes of one kind of check: started, replaced when they are lost, tried again later when none comes up."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from collect_pipelines.checks.isolation.child import Child
from collect_pipelines.checks.isolation.member import Loss, Member
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["RETRY_SECONDS", "Crew", "Watcher"]

RETRY_SECONDS = (1.0, 60.0)  # shortest and longest pause before a process that does not come up is tried again
DOOMED_AFTER = 3  # failures to come up, in a row, of a plug-in that came up before; one that never did is believed at once

log = get_logger(__name__)


class Watcher(Protocol):
    """Who wants to know; see telemetry.ingest_metrics."""

    def check_restarted(self, plugin: str, reason: str) -> None:
        """A process was lost and is replaced; reason: overrun, crash, memory, start."""

    def check_breaker(self, plugin: str, form: str, opened: bool) -> None:
        """A breaker opened or closed."""


class Crew:
    """The processes of one kind. For one event loop."""

    def __init__(self, kind: str, count: int, watcher: Watcher, make: Callable[[], Member]) -> None:
        """make: starts one more."""
        self.members: list[Member] = []
        self.problem: str | None = None
        """Why no process comes up."""
        self._kind = kind
        self._count = count
        self._watcher = watcher
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def is_up(self) -> bool:
        """Whether some process has come up."""
        return any(member.facts is not None for member in self.members)

    def fill(self) -> None:
        """Starts those that are missing, unless there is a pause."""
        while not self._closed and self._retry is None and sum(not member.retiring for member in self.members) < self._count:
            self.members.append(self._make())

    def came_up(self) -> None:
        """A process has come up: all is well with the plug-in."""
        self.problem, self._failures = None, 0

    def remove(self, member: Member, loss: Loss, reason: str) -> None:
        """A process is no more."""
        self.members.remove(member)
        self._watcher.check_restarted(self._kind, loss)
        log.warning("check_process_lost", msg=f"{reason}; another one is started.", kind=self._kind, outcome=loss)

    def replace(self, loss: Loss, reason: str, *, ever_up: bool) -> bool:
        """Starts another one for one that was lost, or after a pause when that is in vain; False when there is none meanwhile."""
        if loss == "start":
            self._failures += 1
        if loss != "start" or (ever_up and self._failures < DOOMED_AFTER):
            self.fill()
            return True
        least, most = RETRY_SECONDS
        if self._retry is None and not self._closed:
            self._retry = self._loop.call_later(min(most, least * 2 ** min(self._failures, 10)), self._try_again)
        if self.is_up:
            return True
        self.problem = reason
        return False

    def retire(self, member: Member) -> None:
        """A process that used too much memory ends what it has, and no more."""
        self.fill()
        if not member.work and member in self.members:
            self.remove(member, "memory", "Used too much memory")
            member.end()

    def close(self) -> list[Child]:
        """Ends every process; returns them, to wait for their end."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        children = [member.child for member in self.members]
        for member in self.members:
            member.end()
        self.members.clear()
        return children

    def _try_again(self) -> None:
        self._retry = None
        self.fill()
