"""When something is sent again. Pure arithmetic: no clock, no sleep, no randomness of its own."""

from collections.abc import Callable

from collect_pipelines.errors import TryLater
from collect_pipelines.store.settlement import LONGEST_WAIT_SECONDS

__all__ = ["ATTEMPTS", "CAP_SECONDS", "next_wait", "wait_of_its_own"]

NOT_APPLIED_BASE_SECONDS = 0.5  # the receiver surely did nothing: soon again
UNKNOWN_BASE_SECONDS = 2.0  # it may still be working on the last attempt: give it time to show
CAP_SECONDS = 300.0  # a receiver that came back is noticed within five minutes, unless its kind says otherwise
FLOOR_SHARE = 0.1  # of the drawn range: full jitter alone may be no wait at all
SPREAD_SHARE = 0.1  # added to a wait the receiver asked for, so that not everybody returns at once
SPREAD_SECONDS = 5.0
LARGEST_EXPONENT = 16  # beyond it every wait is the cap

HOUR = 3600.0
SCHEDULE_SECONDS = (5.0, 300.0, 0.5 * HOUR, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Waits of a response that was set aside: soon for a stumble, over three days for a receiver somebody must repair."""
ATTEMPTS = len(SCHEDULE_SECONDS) + 1  # the first one was with others


def next_wait(failures: int, error: TryLater, random: Callable[[], float], longest_seconds: float = CAP_SECONDS) -> float:
    """
    Seconds until the next attempt, when attempt number `failures` (from 1) in a row without progress ended with this error.

    `random` gives numbers in [0, 1). A wait the receiver asked for is kept and only ever lengthened, up to an hour; the wait for a
    turn under a quota is kept exactly. Otherwise exponential with full jitter up to `longest_seconds`, slower when the outcome is unknown.

    >>> next_wait(1, TryLater(after=30.0), lambda: 0.0)
    30.0
    >>> [next_wait(failures, TryLater(), lambda: 1.0) for failures in (1, 2, 3, 12)]
    [0.5, 1.0, 2.0, 300.0]
    >>> next_wait(1, TryLater(unknown=True), lambda: 1.0)
    2.0
    >>> next_wait(20, TryLater(), lambda: 1.0, longest_seconds=1800.0)
    1800.0
    """
    if error.after is not None:
        # a turn under a quota is nobody else's: who came later would waste what is kept for it
        spread = 0.0 if error.quota_wait else random()
        # the comparison is false for what is no number: a plug-in may hand on what a receiver sent
        asked = max(error.after, 0.0) if error.after <= LONGEST_WAIT_SECONDS else LONGEST_WAIT_SECONDS
        return min(asked + spread * min(SPREAD_SECONDS, SPREAD_SHARE * asked), LONGEST_WAIT_SECONDS)
    base = UNKNOWN_BASE_SECONDS if error.unknown else NOT_APPLIED_BASE_SECONDS
    longest: float = min(longest_seconds, LONGEST_WAIT_SECONDS, base * 2 ** min(max(failures, 1) - 1, LARGEST_EXPONENT))
    return longest * max(FLOOR_SHARE, random())


def wait_of_its_own(attempts: int, after: float | None, random: Callable[[], float]) -> float | None:
    """
    Seconds until a response that was set aside is tried again, after so many attempts of its own; None when it is given up.

    after: what the receiver asked for, in the place of the next step.

    >>> [wait_of_its_own(attempts, None, lambda: 0.5) for attempts in (0, 1, 8, 9)]
    [5.0, 300.0, 86400.0, None]
    >>> wait_of_its_own(2, 60.0, lambda: 0.5)
    60.0
    """
    if attempts >= len(SCHEDULE_SECONDS):
        return None
    # a tenth more or less, so that what was set aside together does not come together for ever
    chance = SPREAD_SHARE * (2.0 * random() - 1.0)
    if after is None:
        return SCHEDULE_SECONDS[attempts] * (1.0 + chance)
    return min(after, SCHEDULE_SECONDS[-1]) * (1.0 + max(chance, 0.0))
