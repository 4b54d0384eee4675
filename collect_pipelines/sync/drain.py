"""When a drain is over: what is worth waiting for, and what is left to the resident lane."""

from collect_pipelines.sync.report import Report

__all__ = ["Patience"]

MOST_SECONDS = 60.0  # a postponed batch is waited for so long, e.g. for the next minute of a quota
MOST_TURN_SECONDS = 900.0  # a turn under a quota surely comes: it is waited for longer
MOST_ATTEMPTS = 5  # failed so often in a row, it is left for later


class Patience:
    """Pure bookkeeping of one drain, by item."""

    def __init__(self) -> None:
        self._failures: dict[int, int] = {}
        self._again_at: dict[int, float] = {}
        self._given_up: set[int] = set()

    def note(self, key: int, report: Report, now: float) -> None:
        """What came of a micro-batch that ended now (monotonic seconds)."""
        self._again_at.pop(key, None)
        if report.outcome in ("validated", "delivered", "parked", "split"):
            self._failures.pop(key, None)
            if report.retry_in_seconds is not None and report.retry_in_seconds <= MOST_SECONDS:
                self._again_at[key] = now + report.retry_in_seconds  # what was left of it
            return
        if report.only_waited:
            self._again_at[key] = now + min(report.retry_in_seconds or 0.0, MOST_TURN_SECONDS)
            return
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = report.retry_in_seconds if report.outcome == "postponed" else 0.0
        if report.outcome == "blocked" or self._failures[key] >= MOST_ATTEMPTS or wait is None or wait > MOST_SECONDS:
            self._given_up.add(key)
        else:
            self._again_at[key] = now + wait

    def wants(self, key: int) -> bool:
        """Whether the drain still works on the item."""
        return key not in self._given_up

    def waiting(self, now: float) -> bool:
        """Whether a postponed item comes back soon."""
        # a second more, for Postgres's clock to agree; then it is paused or gone
        return any(now < at + 1.0 for at in self._again_at.values())
