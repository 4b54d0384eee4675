"""One process of a kind with the work it has been given: answered in order, each request within its time or the process is lost."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from collect_pipelines.checks.isolation.child import Child, Message
from collect_pipelines.checks.isolation.wire import reason_of

__all__ = ["Facts", "Loss", "Member", "Task"]

START_SECONDS = 30.0  # for Python and the imports of the plug-in; longer is not waited for
SECOND_LOOK_SECONDS = 0.01  # the event loop may be late itself: what has arrived meanwhile is read before a process is given up

Loss = Literal["overrun", "crash", "memory", "start"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a process tells of its plug-in when it is up."""

    references: tuple[str, ...]
    fingerprints: bool


class Task(Protocol):
    """Something a process was asked."""

    @property
    def limit_seconds(self) -> float:
        """How long it may work on it."""

    def meant(self, message: Message) -> bool:
        """Whether the message answers this."""

    def answered(self, message: Message, seconds: float) -> None:
        """It answered, so many seconds after it could begin."""


class Owner(Protocol):
    """The pool a process belongs to."""

    def up(self, member: "Member") -> None:
        """It has imported the plug-in and can be asked."""

    def free(self, member: "Member") -> None:
        """It has answered something."""

    def lost(self, member: "Member", loss: Loss, reason: str) -> None:
        """It is gone; `work` holds what it did not answer, what it was at first."""


@dataclass(slots=True)
class _Clock:
    handle: asyncio.TimerHandle | None = None
    due: float = 0.0
    looked_at: Any = None
    began: float = 0.0


class Member:
    """A process and its work in order; the first piece is what it is at."""

    def __init__(self, kind: str, memory_bytes: int, owner: Owner, start: Callable[..., Child] = Child) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._clock = _Clock(began=self._loop.time())
        self.facts: Facts | None = None
        self.work: deque[Task] = deque()
        self.prepared: dict[int, int] = {}
        """Generation of each form version's check that it has made ready, by key."""
        self.retiring = False
        self._lost = False
        self.child = start(kind, memory_bytes, self._heard, lambda reason: self.lose("start" if self.facts is None else "crash", reason))
        self._watch()

    @property
    def usable(self) -> bool:
        """Whether it takes new work."""
        return self.facts is not None and not self.retiring and not self._lost

    def ask(self, task: Task, request: bytes) -> None:
        """Gives it one more piece of work."""
        self.work.append(task)
        if len(self.work) == 1:
            self._clock.began = self._loop.time()
            self._watch()
        self.child.send(request)

    def lose(self, loss: Loss, reason: str) -> None:
        """Ends the process; the owner decides about its work."""
        if self._lost:
            return
        self._lost = True
        if self._clock.handle is not None:
            self._clock.handle.cancel()
        self.child.kill()
        self._owner.lost(self, loss, reason)

    def end(self) -> None:
        """Ends the process; nobody is told."""
        self._lost = True
        if self._clock.handle is not None:
            self._clock.handle.cancel()
        self.child.kill()

    def _heard(self, message: Message) -> None:
        if self.facts is None:
            self._introduced(message)
        elif not self.work or not self.work[0].meant(message):
            self.lose("crash", "said something it was not asked")
        else:
            now = self._loop.time()
            seconds = now - self._clock.began
            task = self.work.popleft()
            self._clock.began = now
            if self.work:
                self._watch()
            if self.retiring:
                message.pop("spent", None)  # one process is lost once, however much it still answers
            elif message.get("spent") is True:
                self.retiring = True
            task.answered(message, seconds)
            self._owner.free(self)

    def _introduced(self, message: Message) -> None:
        told = message.get("ready")
        if not isinstance(told, dict):
            self.lose("start", reason_of(message.get("failed")))
            return
        names = told.get("references")
        references = tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
        self.facts = Facts(references, told.get("fingerprints") is True)
        self._owner.up(self)

    def _watch(self) -> None:
        """Sees to it that the time of what it is at is looked at when it is over."""
        due = self._clock.began + (self.work[0].limit_seconds if self.work else START_SECONDS)
        if self._clock.handle is not None:
            if self._clock.due <= due:
                return  # looks too early, and then again
            self._clock.handle.cancel()
        self._clock.due = due
        self._clock.handle = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._clock.handle = None
        current: Any = self.work[0] if self.work else self
        if current is self and self.facts is not None:
            return
        limit = START_SECONDS if current is self else current.limit_seconds
        if self._loop.time() < self._clock.began + limit:
            self._watch()
        elif self._clock.looked_at is not current:
            self._clock.looked_at = current
            self._clock.due = 0.0
            self._clock.handle = self._loop.call_later(SECOND_LOOK_SECONDS, self._look)
        elif current is self:
            self.lose("start", f"takes longer than {START_SECONDS:.0f} s to be imported")
        else:
            self.lose("overrun", "took too long")
