"""When the same batch is sent again. Pure arithmetic: no clock, no sleep, no randomness of its own."""

from collections.abc import Callable

from collect_pipelines.errors import TryLater
from collect_pipelines.store.batches import LONGEST_WAIT_SECONDS

__all__ = ["next_wait"]

NOT_APPLIED_BASE_SECONDS = 0.5  # the receiver surely did nothing: soon again
UNKNOWN_BASE_SECONDS = 2.0  # it may still be working on the last attempt: give it time to show
CAP_SECONDS = 300.0  # a receiver that came back is noticed within five minutes
FLOOR_SHARE = 0.1  # of the drawn range: full jitter alone may be no wait at all
SPREAD_SHARE = 0.1  # added to a wait the receiver asked for, so that not everybody returns at once
SPREAD_SECONDS = 5.0
LARGEST_EXPONENT = 16  # beyond it every wait is the cap


def next_wait(attempt: int, error: TryLater, random: Callable[[], float]) -> float:
    """
    Seconds until attempt number `attempt` + 1, when attempt number `attempt` (from 1) ended with this error.

    `random` gives numbers in [0, 1). A wait the receiver asked for is kept and only ever lengthened, up to an hour. Otherwise
    exponential with full jitter up to five minutes, slower when the outcome is unknown.

    >>> next_wait(1, TryLater(after=30.0), lambda: 0.0)
    30.0
    >>> [next_wait(attempt, TryLater(), lambda: 1.0) for attempt in (1, 2, 3, 12)]
    [0.5, 1.0, 2.0, 300.0]
    >>> next_wait(1, TryLater(unknown=True), lambda: 1.0)
    2.0
    """
    if error.after is not None:
        # the comparison is false for what is no number: a plug-in may hand on what a receiver sent
        asked = max(error.after, 0.0) if error.after <= LONGEST_WAIT_SECONDS else LONGEST_WAIT_SECONDS
        return min(asked + random() * min(SPREAD_SECONDS, SPREAD_SHARE * asked), LONGEST_WAIT_SECONDS)
    base = UNKNOWN_BASE_SECONDS if error.unknown else NOT_APPLIED_BASE_SECONDS
    longest: float = min(CAP_SECONDS, base * 2 ** min(attempt - 1, LARGEST_EXPONENT))
    return longest * max(FLOOR_SHARE, random())
