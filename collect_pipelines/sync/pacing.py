"""Which item of a lane comes next, and how long one rests after a micro-batch. Pure: no clock of its own."""

from collections.abc import Collection, Iterable

from collect_pipelines.sync.report import Report
from collect_pipelines.sync.work import Item

__all__ = ["Pacing", "Turns"]

ELSEWHERE_SECONDS = 0.5  # another worker has it: look again soon, it may have been killed
FAILED_SECONDS = 1.0  # Postgres was away, or the lease was lost
POSTGRES_SECONDS = 0.02  # a wait ends by Postgres's clock, which began it while the report was on its way
BLOCKED_SECONDS = 30.0  # the gate can't judge this form; a new version or release may repair it


class Pacing:
    """Keeps the least interval between micro-batches of one item, and keeps a lane from asking in circles."""

    def __init__(self, min_interval_seconds: float = 0.0) -> None:
        self._interval = min_interval_seconds
        self._until: dict[int, float] = {}
        self._alarms: list[float] = []

    def may(self, key: int, now: float) -> bool:
        """Whether the item may be worked on; `now` in monotonic seconds."""
        return self._until.get(key, now) <= now

    def done(self, key: int, reports: Collection[Report], now: float) -> None:
        """Notes what came of a micro-batch, or of several in one call, that ended now; no report: there was nothing to do here."""
        # what is over between two looks would be found a look later, and the token that is there by then would be wasted
        self._alarms += [now + report.retry_in_seconds + POSTGRES_SECONDS for report in reports if report.retry_in_seconds is not None]
        rest = min(map(self._rest, reports), default=ELSEWHERE_SECONDS)
        if rest > 0:
            self._until[key] = now + rest
        else:
            self._until.pop(key, None)

    def wait(self, now: float, most: float) -> float:
        """Seconds until the next item has rested, or its wait is over, at most `most`."""
        self._alarms = [at for at in self._alarms if at > now]
        ends = [at - now for at in (*self._until.values(), *self._alarms) if at > now]
        return min([most, *ends])

    def _rest(self, report: Report) -> float:
        if report.outcome == "failed":
            return FAILED_SECONDS
        if report.outcome == "blocked":
            return BLOCKED_SECONDS
        # with a backlog the batches are full anyway: waiting would gather nothing
        return 0.0 if report.full else self._interval - report.seconds


class Turns:
    """Whose micro-batch comes next: everybody's once, before anybody's second one."""

    def __init__(self) -> None:
        self._begun = 0
        self._last: dict[int, int] = {}

    def order(self, items: Iterable[Item]) -> list[Item]:
        """The one that was begun longest ago first; those never begun before all, as they come."""
        # Promise 9: the entries of a backlog are the oldest of all, so by age alone nobody else would come before its end
        return sorted(items, key=lambda item: self._last.get(item.key, 0))

    def begun(self, key: int) -> None:
        """Notes that the item is being worked on."""
        self._begun += 1
        self._last[key] = self._begun
