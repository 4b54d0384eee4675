"""Spares responses the wait for a check that overruns or crashes again and again."""

from collections import deque
from collections.abc import Callable
from typing import Literal

__all__ = ["PAUSE_SECONDS", "TRIP_AFTER", "WINDOW", "Breaker", "BreakerState"]

TRIP_AFTER = 3  # failures among the last `WINDOW`; one may be bad luck
WINDOW = 10  # attempts; failures in a row would not do: a check that leaks passes now and then, and most responses wait in vain
PAUSE_SECONDS = 30.0  # then one response tries it again; each time in vain the pause doubles
LONGEST_PAUSES = 8  # up to so many times the first one: each trial costs a process
TRIAL_SECONDS = 12.0  # longer than the longest time-out of a check; a trial nobody hears of again is followed by the next one

BreakerState = Literal["closed", "open", "half-open"]


class Breaker:
    """
    Closed: every response may try the check. Open: none, for a pause. Half-open: one at a time tries; its luck decides.

    A failure is an overrun, or whatever else costs a process. A check that raises or returns nonsense has answered: that costs
    nobody any time.
    """

    def __init__(self, pause_seconds: float = PAUSE_SECONDS, told: Callable[[bool], None] | None = None) -> None:
        """told: called with True when it opens, with False when it closes again."""
        self._first_pause = pause_seconds
        self.pause_seconds = pause_seconds
        """How long it is left alone when it opens."""
        self._told = told or (lambda _: None)
        self._failures: deque[bool] = deque(maxlen=WINDOW)
        self._shut_until = 0.0
        self.state: BreakerState = "closed"

    def allows(self, now: float) -> bool:
        """Whether this response may try the check; in a half-open state the caller is then the one who tries."""
        if self.state == "closed":
            return True
        if now < self._shut_until:
            return False
        self.state = "half-open"
        self._shut_until = now + TRIAL_SECONDS
        return True

    def failed(self, now: float) -> bool:
        """Counts an attempt that cost a process; True when nobody may try it now."""
        self._failures.append(True)
        if self.state == "half-open" or (self.state == "closed" and sum(self._failures) >= TRIP_AFTER):
            opened = self.state == "closed"
            if not opened:
                self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSES * self._first_pause)
            self.state = "open"
            self._shut_until = now + self.pause_seconds
            if opened:
                self._told(True)
        return self.state == "open"

    def undecided(self) -> None:
        """Whoever tried it never got to it: the next one may try."""
        if self.state == "half-open":
            self._shut_until = 0.0

    def answered(self) -> None:
        """The check answered in time, whatever it said."""
        self._failures.append(False)
        # An answer to a question asked before it opened is no trial: others were lost since.
        if self.state == "half-open":
            self._failures.clear()
            self.state = "closed"
            self.pause_seconds = self._first_pause
            self._told(False)
