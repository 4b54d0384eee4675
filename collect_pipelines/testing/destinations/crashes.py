"""Scenarios in which a worker dies, or goes on after another one has taken its place."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import LeaseLost, TryLater
from collect_pipelines.testing.destinations.asking import Asking, during, told
from collect_pipelines.testing.destinations.faults import Held, Killed
from collect_pipelines.testing.destinations.log import again
from collect_pipelines.testing.destinations.nursery import Ended
from collect_pipelines.testing.destinations.world import World

__all__ = ["CrashScenarios", "spread"]

TIMES = 4  # kills at moments that no step marks, e.g. within a call of a library
HELD_SECONDS = 60.0  # for a request to arrive, on a busy machine


def spread(total: int, most: int) -> list[int]:
    """At most so many of 1..total: the first, the last and some between, evenly."""
    if total <= most:
        return list(range(1, total + 1))
    if most < 2:
        return [total][:most]
    return sorted({1 + round(place * (total - 1) / (most - 1)) for place in range(most)})


class CrashScenarios(Asking):
    """Whatever moment a worker dies at, the next one leaves the effect that `guarantee` declares."""

    def test_killed_at_any_moment_of_its_first_batch(self) -> None:
        """SIGKILL around every call of the context and before every touch of a file; then a new worker gets the same batch."""
        self._killed_at_every_moment("first batch")

    def test_killed_at_any_moment_of_a_batch_of_edits_and_new_questions(self) -> None:
        """The same when there is something already, and it is edited and deleted."""
        self._killed_at_every_moment("later batch")

    def test_killed_while_a_request_is_under_way(self) -> None:
        """SIGKILL when the receiver has the request: before it does anything, and after it did it and before it answers."""
        requests = self._trace("first batch")[1]
        if not requests:
            return self.skip("it sends no requests to the stand-in")
        for number in spread(requests, self.most_faults):
            for applied in (False, True):
                with self.world() as world:
                    batch = self._batch(world, "first batch")
                    victim: Future[int] = Future()
                    world.stand_in.fail(number, Killed(applied, victim))
                    self.nursery.run(self.job(world, batch), victim)
                    when = f"killed {'after' if applied else 'before'} the receiver applied request {number}"
                    self._recover(world, batch, number, when)
        return None

    def test_killed_at_any_time(self) -> None:
        """SIGKILL at moments within its own code and its libraries."""
        seconds = self._trace("first batch")[2]
        for number in range(1, TIMES + 1):
            with self.world() as world:
                batch = self._batch(world, "first batch")
                victim: Future[int] = Future()
                killing = threading.Thread(target=_kill_after, args=(victim, seconds * number / (TIMES + 1)))
                killing.start()
                self.nursery.run(self.job(world, batch), victim)
                killing.join()
                self._recover(world, batch, number, f"killed after {seconds * number / (TIMES + 1):.3f} s")

    def test_an_old_worker_that_wakes_up_again_changes_nothing(self) -> None:
        """It stands still at some moment, another one takes over and goes on, it wakes up: as after a long pause of its machine."""
        steps = self._trace("first batch")[0]
        for at in spread(len(steps), max(self.most_interruptions // 2, 2)):
            with self.world() as world:
                batch = self._batch(world, "first batch")
                job = self.job(world, batch, at, "stop")
                stopped = self.nursery.run(job)
                if stopped.end == "stopped":
                    self._taken_over(world, batch, lambda: self.nursery.resume(job, stopped.pid))  # noqa: B023 - called within the turn
                self.judge(world, f"an old worker woke up at the moment {steps[at - 1]!r}")

    def test_a_request_of_an_old_worker_that_is_applied_late_changes_nothing(self) -> None:
        """Its request is under way while another worker takes over and goes on, and is applied after that."""
        requests = self._trace("first batch")[1]
        if not requests:
            return self.skip("it sends no requests to the stand-in")
        for number in spread(requests, self.most_faults):
            with self.world() as world:
                batch, held = self._batch(world, "first batch"), Held()
                world.stand_in.fail(number, held)
                old = threading.Thread(target=self._ignoring_what_becomes_of, args=(world, batch))
                old.start()
                if held.arrived.wait(HELD_SECONDS):
                    self._taken_over(world, batch, held.release.set)
                held.release.set()
                old.join()
                self.judge(world, f"request {number} of an old worker was applied late")
        return None

    def test_without_its_lease_it_writes_nothing(self) -> None:
        """`guard` raises LeaseLost: it stops at once, says so, and nothing has been or will be written."""
        with self.world() as world:
            batch = self._batch(world, "first batch")
            context = world.context()
            world.core().take_over()
            try:
                with self.worker(world, context) as made:
                    made.deliver(batch)
            except LeaseLost:
                pass
            except Exception as exc:
                raise AssertionError(f"guard raised LeaseLost and deliver raised {told(exc)}. Let LeaseLost pass") from exc
            else:
                raise AssertionError(
                    "it delivered although another worker has the lease. Call self.context.guard() right before every write outside, and"
                    " let LeaseLost pass"
                )
            found = list(self.effects(world))
            assert not found, (
                f"it wrote {found[0].content!r:.200} although guard raised LeaseLost. Call guard before the write, not after it"
            )

    def test_when_its_lease_is_lost_on_the_way_it_stops(self) -> None:
        """The lease goes at each of its calls of guard; the new worker finishes, and that is all there is."""
        with self.world() as world:
            context = world.context()
            self.send(world, self._batch(world, "first batch"), context)
            guards = context.guards
        for number in spread(guards, self.most_faults):
            with self.world() as world:
                batch = self._batch(world, "first batch")
                context = world.context(_LosesLease(world, number))
                world.account.sent(self.entries_of(world, batch), batch)
                with suppress(LeaseLost, TryLater), self.worker(world, context) as made:
                    made.deliver(batch)
                    raise AssertionError(f"guard raised LeaseLost at its call {number} and deliver went on. Let LeaseLost pass")
                self.settle(world, batch, 2)
                self.judge(world, f"the lease was lost at call {number} of guard")

    # How it is done.

    def _killed_at_every_moment(self, which: str) -> None:
        steps = self._trace(which)[0]
        for turn, at in enumerate(spread(len(steps), self.most_interruptions)):
            with self.world() as world:
                batch = self._batch(world, which)
                self.nursery.run(self.job(world, batch, at))
                self._recover(world, batch, turn, f"killed at the moment {steps[at - 1]!r}")

    def _trace(self, which: str) -> tuple[Sequence[str], int, float]:
        """The moments, requests and seconds of a delivery without interruption."""
        traces: dict[str, Any] = type(self).__dict__.get("_traces") or {}
        if which not in traces:
            with self.world() as world:
                batch = self._batch(world, which)
                before = len(world.stand_in.seen) if world.has_stand_in else 0
                ended, _ = self._peaceful(world, batch)
                requests = len(world.stand_in.seen) - before if world.has_stand_in else 0
                _, seconds = self._peaceful(world, again(batch, 2))  # the first one imported what it needs
                self._recover(world, batch, 0, "delivered three times without anything going wrong")
            traces[which] = (ended.steps, requests, seconds)
            type(self)._traces = traces  # type: ignore[attr-defined]
        found: tuple[Sequence[str], int, float] = traces[which]
        return found

    def _peaceful(self, world: World, batch: Batch) -> tuple[Ended, float]:
        started = time.perf_counter()
        ended = self.nursery.run(self.job(world, batch))
        seconds = time.perf_counter() - started
        passing = ended.error is None or ended.error.startswith("TryLater")
        assert passing and ended.end == "ended", f"without anything going wrong, deliver {ended.error or 'ended the process'}"
        self.nursery.preload(ended.modules)
        return ended, seconds

    def _batch(self, world: World, which: str) -> Batch:
        log = world.log
        first = [log.create() for _ in range(3)]
        if which == "first batch":
            return log.batch(first)
        self.deliver_all(world, *first)
        log.ask_more()
        entries = [log.edit(first[0], "edited"), log.create("new")]
        if "delete" in self.destination.supports:
            entries.append(log.delete(first[1]))
        return log.batch(entries, on_delete=self.policies[0])

    def _recover(self, world: World, batch: Batch, turn: int, when: str) -> None:
        """A new worker gets the batch again; every other time, if it is keyed, its rows in other pieces."""
        world.core().take_over()
        with during(when):
            if self.destination.keyed and turn % 2:
                for piece in self.pieces(world, batch):
                    self.settle(world, piece)
            else:
                self.settle(world, batch, 2)
        self.judge(world, when)

    def pieces(self, world: World, batch: Batch) -> Iterator[Batch]:
        """The rows of the batch in batches of one row and of all others, as the core singles out a row that fails."""
        entries = self.entries_of(world, batch)
        for some in (entries[:1], entries[1:]):
            yield world.log.batch(some, on_delete=batch.on_delete, append_only=batch.append_only)

    def _taken_over(self, world: World, batch: Batch, wake: Any) -> None:
        """Another worker delivers the batch and an edit; then the old one wakes up. If it holds a lock, it wakes up first."""
        world.core().take_over()
        try:
            self.send(world, again(batch, 2))
        except TryLater:
            wake()
            self.settle(world, batch, 3)
        else:
            self._edited(world)
            wake()
            return
        self._edited(world)

    def _edited(self, world: World) -> None:
        entry = world.log.entries[0]
        self.deliver_all(world, world.log.edit(entry, "after the other one"))

    def _ignoring_what_becomes_of(self, world: World, batch: Batch) -> None:
        with suppress(Exception), self.worker(world) as made:
            made.deliver(batch)


class _LosesLease:
    """A step that gives the lease away at the n-th call of guard."""

    def __init__(self, world: World, number: int) -> None:
        self._world, self._left = world, number

    def __call__(self, name: str) -> None:
        if name == "before guard()":
            self._left -= 1
            if self._left == 0:
                self._world.core().take_over()


def _kill_after(victim: "Future[int]", seconds: float) -> None:
    import os
    import signal

    pid = victim.result()
    time.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
