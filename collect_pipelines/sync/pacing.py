"""How long an item of a lane rests after a micro-batch. Pure: no clock of its own."""

from collect_pipelines.sync.report import Report

__all__ = ["Pacing"]

ELSEWHERE_SECONDS = 0.5  # another worker has it: look again soon, it may have been killed
FAILED_SECONDS = 1.0  # Postgres was away, or the lease was lost
BLOCKED_SECONDS = 30.0  # the gate can't judge this form; a new version or release may repair it


class Pacing:
    """Keeps the least interval between micro-batches of one item, and keeps a lane from asking in circles."""

    def __init__(self, min_interval_seconds: float = 0.0) -> None:
        self._interval = min_interval_seconds
        self._until: dict[int, float] = {}

    def may(self, key: int, now: float) -> bool:
        """Whether the item may be worked on; `now` in monotonic seconds."""
        return self._until.get(key, now) <= now

    def done(self, key: int, report: Report | None, now: float) -> None:
        """Notes what came of a micro-batch that ended now."""
        rest = self._rest(report)
        if rest > 0:
            self._until[key] = now + rest
        else:
            self._until.pop(key, None)

    def wait(self, now: float, most: float) -> float:
        """Seconds until the next item has rested, at most `most`."""
        ends = [until - now for until in self._until.values() if until > now]
        return min([most, *ends])

    def _rest(self, report: Report | None) -> float:
        if report is None:
            return ELSEWHERE_SECONDS
        if report.outcome == "failed":
            return FAILED_SECONDS
        if report.outcome == "blocked":
            return BLOCKED_SECONDS
        # with a backlog the batches are full anyway: waiting would gather nothing
        return 0.0 if report.full else self._interval - report.seconds
