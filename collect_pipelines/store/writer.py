"""
The writer of the log: gathers what arrives while the previous commit is in flight and commits it as one group.

There is no artificial wait: a lone submission is committed at once, and under load groups grow by themselves.
"""

import asyncio
import functools
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from collect_pipelines.errors import CollectError, DurabilityOff, OutcomeUnknown, Unavailable
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.store.accepting import Link, open_link
from collect_pipelines.store.groups import store_group

__all__ = ["Writer"]

ANSWER_SECONDS = 1.7  # whatever happens to Postgres, the caller knows within 2 seconds
SWEEP_SECONDS = 0.1
CHECK_SECONDS = 60.0  # promise 1: the settings are read in every group, and so often when none comes
RECHECK_SECONDS = 5.0  # the same while they are wrong
RETRY_SECONDS = (0.05, 1.0)  # first and longest wait between two attempts to connect
BUSY_FORM_SECONDS = 0.1  # a form locked by others is looked at again after so long
STOP_SECONDS = 8.0  # time for what is in flight when the process is asked to end
UNGROUPED_LINKS = 16  # the baseline: a pool as an application would have it
UNGROUPED_ANSWER_SECONDS = 30.0  # it is measured, not served: a queue is its result and no error


@dataclass(slots=True, eq=False)
class _Waiting:
    """What one caller waits for."""

    submissions: Sequence[Submission]
    future: "asyncio.Future[list[Accepted]]"
    deadline: float
    results: list[Accepted | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.results = [None] * len(self.submissions)

    @property
    def open(self) -> list[int]:
        """Indexes of the submissions without a result."""
        return [index for index, result in enumerate(self.results) if result is None]

    def fail(self, error: CollectError) -> None:
        """Answers with a new exception of the same kind; "not stored" becomes "unknown" when a part was stored."""
        if self.future.done():
            return
        partly = any(result is not None for result in self.results)
        kind = OutcomeUnknown if partly and not isinstance(error, OutcomeUnknown) else type(error)
        self.future.set_exception(kind(None if partly else error.message, fix=error.fix))


class Writer:
    """
    Numbers and stores submissions. One per process and event loop; any number of processes may write to one database.

    `accept` returns after the commit and never later than 2 seconds after the call (promise 1).
    """

    def __init__(
        self, url: str, *, group_commit: bool = True, max_group: int = 500, max_waiting: int = 5000, groups_in_flight: int = 2
    ) -> None:
        """
        max_group: submissions in one commit; max_waiting: submissions queued before callers are turned away.
        group_commit: False commits each submission alone over a pool, without notifying: the baseline of the benchmark.
        """
        self._url = url
        self._notify = group_commit
        self._max_group = max_group if group_commit else 1
        self._max_waiting = max_waiting
        self._answer_seconds = ANSWER_SECONDS if group_commit else UNGROUPED_ANSWER_SECONDS
        self._links_wanted = groups_in_flight if group_commit else UNGROUPED_LINKS
        self._queue: deque[_Waiting] = deque()
        self._waiting = 0
        self._put_off: list[_Waiting] = []
        self._in_flight: list[list[_Waiting]] = []
        self._arrived = asyncio.Event()
        self._links: set[Link] = set()
        self._locked_elsewhere: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.durability_problems: tuple[str, ...] = ()
        """Settings of Postgres that would lose what is acknowledged, each with its value; nothing is accepted while there are any."""

    @property
    def ready(self) -> bool:
        """True while a submission would be stored at once."""
        return bool(self._links) and not self.durability_problems and not self._stopping

    async def start(self) -> None:
        """Starts connecting; returns at once, whether Postgres is there or not."""
        self._tasks = [asyncio.create_task(self._sweep()), *(asyncio.create_task(self._serve()) for _ in range(self._links_wanted))]

    async def accept(self, submission: Submission) -> Accepted:
        """
        What became of the submission, once that is committed.

        Raises Unavailable (surely not stored; `overloaded` is True when too many wait), OutcomeUnknown, DurabilityOff.
        """
        return (await self._put((submission,)))[0]

    async def accept_many(self, submissions: Sequence[Submission]) -> list[Accepted]:
        """The same for many at once, in one transaction, one outcome each in order. Raises for all of them together."""
        return await self._put(submissions) if submissions else []

    async def stop(self) -> None:
        """Takes nothing new, finishes what it has taken, and disconnects."""
        self._stopping = True
        self._arrived.set()
        _, late = await asyncio.wait(self._tasks[1:], timeout=STOP_SECONDS) if self._tasks[1:] else ((), ())
        for task in (*self._tasks[:1], *late):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for item in (*self._queue, *self._put_off):
            item.fail(_away())
        self._queue.clear()
        self._put_off.clear()

    async def _put(self, submissions: Sequence[Submission]) -> list[Accepted]:
        if self._stopping or not self._tasks:
            raise Unavailable("This process is about to end. Nothing was stored.", fix="Send it again.")
        if self._waiting and self._waiting + len(submissions) > self._max_waiting:
            error = Unavailable("Too many responses are waiting. Nothing was stored.", fix="Send it again in a moment.")
            error.overloaded = True
            raise error
        loop = asyncio.get_running_loop()
        item = _Waiting(submissions, loop.create_future(), loop.time() + self._answer_seconds)
        self._waiting += len(submissions)
        self._queue.append(item)
        self._arrived.set()
        try:
            return await item.future
        finally:
            self._waiting -= len(submissions)

    async def _serve(self) -> None:
        """Keeps one connection and commits groups over it for as long as the writer runs."""
        wait = RETRY_SECONDS[0]
        while not self._stopping:
            try:
                link = await open_link(self._url, notify=self._notify)
            except Exception:  # noqa: BLE001 - whatever keeps Postgres away: it is tried again, and callers are told
                # Jitter, so that many processes do not all come at the same moment after an outage.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - no secret depends on it
                wait = min(wait * 2, RETRY_SECONDS[1])
                continue
            wait = RETRY_SECONDS[0]
            link.on_close(functools.partial(self._lost, link))
            self._links.add(link)
            self._note_durability(link)
            try:
                await self._pump(link)
            finally:
                self._links.discard(link)
                await link.close()

    def _lost(self, link: Link) -> None:
        self._links.discard(link)
        self._arrived.set()

    async def _pump(self, link: Link) -> None:
        """Returns when the link is gone, or when the writer stops and the queue is empty."""
        while not link.closed:
            group = self._take()
            if group:
                await self._run(link, group)
            elif self._stopping:
                return
            else:
                await self._idle(link)

    async def _idle(self, link: Link) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(RECHECK_SECONDS if self.durability_problems else CHECK_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            try:
                await link.check()
            except Exception:  # noqa: BLE001 - a connection that can't answer this is of no use: a new one is made
                await link.close()
            self._note_durability(link)

    def _take(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._queue:
            item = self._queue[0]
            if size and size + len(item.submissions) > self._max_group:
                break
            self._queue.popleft()
            # A caller that went away before its turn gets nothing stored.
            if not item.future.done():
                group.append(item)
                size += len(item.submissions)
        return group

    async def _run(self, link: Link, group: list[_Waiting]) -> None:
        self._in_flight.append(group)
        places = [(item, index) for item in group for index in item.open]
        try:
            results = await store_group(link, [item.submissions[index] for item, index in places], self._locked_elsewhere)
        finally:
            self._in_flight.remove(group)
        self._note_durability(link)
        failures: dict[_Waiting, CollectError] = {}
        for (item, index), result in zip(places, results, strict=True):
            if isinstance(result, CollectError):
                # The worst is told: what is unknown for one is unknown for the caller.
                failures[item] = result if isinstance(result, OutcomeUnknown) else failures.get(item, result)
            else:
                item.results[index] = result
        again = [item for item in group if not self._answer(item, failures.get(item))]
        if again:
            self._put_off += again
            asyncio.get_running_loop().call_later(BUSY_FORM_SECONDS, self._take_up)

    def _answer(self, item: _Waiting, failure: CollectError | None) -> bool:
        """False when the item has to wait for another group."""
        if isinstance(failure, OutcomeUnknown | DurabilityOff):
            item.fail(failure)
        elif failure is None and not item.open and not item.future.done():
            item.future.set_result([result for result in item.results if result is not None])
        elif item.deadline < asyncio.get_running_loop().time() + BUSY_FORM_SECONDS:
            item.fail(failure or _busy())
        return item.future.done()

    def _take_up(self) -> None:
        """What surely was not stored is tried again, before all that came later, until its time is over."""
        self._queue.extendleft(reversed(self._put_off))
        self._put_off.clear()
        self._arrived.set()

    async def _sweep(self) -> None:
        """Answers whoever has waited long enough."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for item in [item for item in (*self._queue, *self._put_off) if item.deadline < now]:
                item.fail(_away() if not self._links else _busy())
            while self._queue and self._queue[0].future.done():
                self._queue.popleft()
            for item in [item for group in self._in_flight for item in group if item.deadline < now]:
                # Its group may still commit: nobody can say.
                item.fail(OutcomeUnknown("Postgres took too long to answer.", fix="Send it again: it is stored once."))

    def _note_durability(self, link: Link) -> None:
        self.durability_problems = link.durability_problems


def _away() -> Unavailable:
    return Unavailable("Postgres can't be reached. Nothing was stored.", fix="Send it again in a moment.")


def _busy() -> Unavailable:
    return Unavailable("Postgres is busy with other work. Nothing was stored.", fix="Send it again in a moment.")
