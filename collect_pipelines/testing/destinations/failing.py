"""How a failure is met: told at once, without waiting, and made good by the next delivery."""

import time
from collections.abc import Iterator

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import Blocked, DeliveryError, Refused, TryLater
from collect_pipelines.testing.destinations.asking import Asking, told
from collect_pipelines.testing.destinations.context import FileContext
from collect_pipelines.testing.destinations.crashes import spread
from collect_pipelines.testing.destinations.log import Entry
from collect_pipelines.testing.destinations.world import World
from collect_pipelines.testing.watching import sleeping

__all__ = ["NO_REQUESTS", "RETRY_AFTER_SECONDS", "Failing"]

RETRY_AFTER_SECONDS = 7
NO_REQUESTS = "it sends no requests to the stand-in"
PATIENT_SECONDS = 5.0  # a delivery that fails at once has ended by then, on a busy machine


class Failing(Asking):
    """What the scenarios of failure have in common."""

    def single_out(self, world: World, batch: Batch, first: int = 1) -> None:
        """The core's part when a receiver refuses: halves of the batch, down to one row, which is set aside."""
        try:
            self.settle(world, batch, first)
        except AssertionError as exc:
            if not isinstance(exc.__cause__, Refused | Blocked):
                raise
            if isinstance(exc.__cause__, Blocked):
                return  # a person decides; nothing is lost
            entries = self.entries_of(world, batch)
            if len(entries) == 1:
                world.account.states[entries[0].number, entries[0].revision] = "refused"
                return
            half = len(entries) // 2
            for some in (entries[:half], entries[half:]):
                self.single_out(world, world.log.batch(some))

    def _requests(self) -> int:
        """How many requests a delivery of three rows makes."""
        known: int | None = type(self).__dict__.get("_requests_made")
        if known is None:
            with self.world() as world:
                self.settle(world, self._some(world))
                known = len(world.stand_in.seen) if world.has_stand_in else 0
            type(self)._requests_made = known  # type: ignore[attr-defined]
        return known

    def _some(self, world: World) -> Batch:
        return world.log.batch([world.log.create() for _ in range(3)])

    def _each_request(self, most: int | None = None) -> Iterator[tuple[World, Batch, int]]:
        """A new world, a batch not delivered yet, and the number of a request of its delivery."""
        total = self._requests()
        if not total:
            self.skip(NO_REQUESTS)
        for number in spread(total, most or self.most_faults):
            with self.world() as world:
                yield world, self._some(world), number

    def _fails_quickly(self, world: World, batch: Batch, when: str, context: FileContext | None = None) -> DeliveryError | None:
        """The error of a delivery that meets a failure: raised at once, without sleeping or trying again by itself."""
        seen = len(world.stand_in.seen) if world.has_stand_in else 0
        started = time.perf_counter()
        with sleeping() as slept:
            error = self.failure_of(world, lambda: self.send(world, batch, context), when)
        seconds = time.perf_counter() - started
        assert not slept, f"{when}: it slept for {slept[0]:.1f} s. Raise TryLater(after=...): the core waits, and does other work meanwhile"
        assert seconds < PATIENT_SECONDS + self.gives_up_seconds, f"{when}: deliver took {seconds:.1f} s. Raise TryLater instead of waiting"
        made = world.stand_in.seen[seen:] if world.has_stand_in else []
        for place, request in enumerate(made):
            again = [other for other in made[place + 1 :] if request.same_as(other)]
            assert not (again and self.writes(request) and when != "out of quota"), (
                f"{when}: it sent the same request again by itself. Raise TryLater; the core tries again when it is time"
            )
        return error

    def _passes(self, world: World, batch: Batch, error: DeliveryError | None, when: str) -> None:
        """A failure that passes is not taken for a final one."""
        assert error is None or isinstance(error, TryLater), f"{when}: it raised {told(error)}. That passes: raise TryLater"
        final = [state for state in self._states(world, batch) if state == "refused"]
        assert not final, f"{when}: rows are said to be refused. That passes: raise TryLater, or say Outcome.later or unknown"

    def _passes_or_blocks(self, error: DeliveryError | None, when: str) -> None:
        assert not isinstance(error, Refused), f"{when}: it raised Refused, and another address would take it. Raise Blocked with a fix"

    def _says_unknown(self, world: World, number: int, error: DeliveryError | None, when: str) -> None:
        if isinstance(error, TryLater) and self.writes(world.stand_in.seen[number - 1]):
            assert error.unknown, f"{when}: it raised TryLater without unknown=True. The receiver may have acted: say so"

    def _waits_as_told(self, world: World, batch: Batch, error: DeliveryError | None, number: int) -> None:
        when = f"429 for request {number}"
        if isinstance(error, TryLater):
            assert (error.after or 0) >= RETRY_AFTER_SECONDS, (
                f"{when} with Retry-After: {RETRY_AFTER_SECONDS}: TryLater(after={error.after}). Hand on what the receiver asks for"
            )
            assert not error.unknown or number > 1, f"{when}: unknown=True, and the receiver surely did nothing. Leave it out"

    def _heal(self, world: World, batch: Batch, error: DeliveryError | None, when: str) -> None:
        self._passes(world, batch, error, when)
        world.stand_in.heal()
        self.settle_rest(world, batch, error)
        self.judge(world, when)

    def _states(self, world: World, batch: Batch) -> list[str]:
        return [self._state(world, entry) for entry in self.entries_of(world, batch)]

    def _state(self, world: World, entry: Entry) -> str:
        return world.account.states.get((entry.number, entry.revision), "pending")

    def _notes_are_discreet(self, world: World) -> None:
        for note in world.core().notes():
            self.judge_words(world, "a note of the journal", f"{note.key} {note.state} {note.reference} {note.subject} {note.detail}")
