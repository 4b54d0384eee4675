"""Entries that were not delivered with their batch: when each is tried again by itself, or that a person decides."""

from collections.abc import Callable, Iterable, Mapping

from collect_pipelines.store.batches import Counts
from collect_pipelines.store.letters import Letter, WaitingLetter
from collect_pipelines.sync.membership import Failure
from collect_pipelines.sync.retry import ATTEMPTS, wait_of_its_own

__all__ = ["letters_of", "with_given_up"]

HOUR_SECONDS = 3600.0
GIVEN_UP = "Given up after {attempts} attempts over {hours:.0f} hours: {reason}"


def letters_of(
    failures: Iterable[Failure], known: Mapping[int, WaitingLetter], dice: Callable[[], float], wait_scale: float = 1.0
) -> list[Letter]:
    """
    The letters of a batch. known: those that waited already, by position.

    `dice` gives numbers in [0, 1); wait_scale stretches or shortens every wait.
    """
    return [_letter(failure, known.get(failure.position), dice, wait_scale) for failure in failures]


def with_given_up(counts: Counts, letters: Iterable[Letter]) -> Counts:
    """The counts, once it is known which entries are given up."""
    waiting = sum(letter.waits_seconds is not None for letter in letters)
    return Counts(
        counts.delivered, counts.filtered, counts.quarantined, counts.dead_lettered + counts.behind - waiting, counts.erased, waiting
    )


def _letter(failure: Failure, known: WaitingLetter | None, dice: Callable[[], float], wait_scale: float) -> Letter:
    attempts = 0 if known is None else known.attempts + 1
    wait = wait_of_its_own(attempts, failure.after, dice) if failure.again else None
    reason = failure.reason
    if failure.again and wait is None:
        hours = 0.0 if known is None else known.age_seconds / HOUR_SECONDS
        reason = GIVEN_UP.format(attempts=ATTEMPTS, hours=hours, reason=reason)
    scaled = None if wait is None else wait * wait_scale
    return Letter(failure.position, failure.response_id, failure.revision, reason, failure.unknown, scaled)
