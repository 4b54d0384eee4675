"""What a bucket will give from now on, and what of it is spoken for. Pure arithmetic."""

from bisect import bisect_right
from math import floor

from collect_pipelines.store.quota.levels import SLOTS, SLOW_SECONDS, Level

__all__ = ["TOLERANCE", "Supply"]

LIVE_SHARE = 0.5  # of a burst is kept for new entries while older ones are being sent
LIVE_SHARE_OF_MINUTE = 0.03  # and so much of a minute, so that they need not wait for it to pass
TOLERANCE = 1e-6  # tokens and seconds, of floating point


class Supply:
    """Tokens of one bucket over the time to come, in seconds from now; those that are promised are kept for their moment."""

    def __init__(self, level: Level) -> None:
        bucket = level.bucket
        self._tokens, self._rate, self._pause, self._burst = level.tokens, level.rate, level.pause_seconds, bucket.burst
        self._limit = bucket.per_minute or 0
        self._room = max(self._limit - level.used, 0)
        self._kept = max(round(LIVE_SHARE_OF_MINUTE * self._limit), 1) if self._limit else 0
        first = level.second + 1 - level.now
        self._returns = [max(first + place, 0.0) for place, count in enumerate(level.recent) for _ in range(count)]
        self._times: list[float] = []
        self._totals: list[int] = []
        self._spare = float("inf")
        """So many more tokens could be taken now without anybody being late; at least."""

    def earliest(self, cost: int, *, kept: bool) -> float:
        """When so many can be had without delaying what is promised. kept: a part of the bucket is kept for new entries."""
        place = len(self._times)
        if cost > self._spare:
            # the last one that would come too late if we went before it: we come after that one
            while place and self._ready(self._totals[place - 1] + cost) <= self._times[place - 1] + TOLERANCE:
                place -= 1
        else:
            place = 0
        after, total = (self._times[place - 1], self._totals[place - 1]) if place else (0.0, 0)
        time = max(after, self._ready(total + cost, cost if kept else 0))
        for later in range(place, len(self._times)):
            if self._times[later] > time:
                break
            time = max(time, self._ready(self._totals[later] + cost, cost if kept else 0))
        return time

    def promise(self, cost: int, at: float) -> None:
        """Keeps so many for then."""
        place = bisect_right(self._times, at)
        total = cost + (self._totals[place - 1] if place else 0)
        if place < len(self._times):
            self._totals[place:] = [one + cost for one in self._totals[place:]]
            self._spare -= cost
        self._times.insert(place, at)
        self._totals.insert(place, total)
        self._spare = min(self._spare, self._given(at) - total)

    def _ready(self, count: int, background_cost: int = 0) -> float:
        """When so many have come in all; of those the last ones for older entries, for which a part is not there."""
        tokens, wanted = float(count), count
        if background_cost:
            tokens += max(min(LIVE_SHARE * self._burst, self._burst - background_cost), 0.0)
            wanted += max(min(self._kept, self._limit - background_cost), 0)
        missing = max(tokens - self._tokens, 0.0)
        if missing and self._rate <= 0:
            return SLOW_SECONDS
        by_rate = self._pause + (missing / self._rate if missing else 0.0)
        if not self._limit or wanted <= self._room:
            return by_rate
        minutes, wanted = divmod(wanted - 1, self._limit)
        needed = wanted + 1 - self._room
        return max(by_rate, minutes * SLOTS + (self._returns[needed - 1] if needed > 0 else 0.0))

    def _given(self, at: float) -> int:
        """So many have come in all by then."""
        by_rate = self._tokens + max(at - self._pause, 0.0) * self._rate if at + TOLERANCE >= self._pause else 0.0
        if not self._limit:
            return floor(by_rate + TOLERANCE)
        minutes, rest = divmod(at + TOLERANCE, SLOTS)
        by_minute = int(minutes) * self._limit + self._room + bisect_right(self._returns, rest)
        return min(floor(by_rate + TOLERANCE), by_minute)
