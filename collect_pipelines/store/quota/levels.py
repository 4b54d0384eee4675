"""How many tokens a bucket has now, and when it has more. Pure: no clock of its own."""

from dataclasses import dataclass, field
from functools import cached_property

from collect_pipelines.model import QuotaBucket

__all__ = ["LONGEST_PAUSE_SECONDS", "SLOTS", "SLOW_FACTOR", "SLOW_SECONDS", "Level"]

MINUTE_SECONDS = 60
ARRIVAL_SECONDS = 1  # a call may reach the receiver so much later than its token was taken
SLOTS = MINUTE_SECONDS + ARRIVAL_SECONDS + 1
"""Seconds that are counted: one more, because whole seconds begin at other moments than the receiver's minutes."""
SLOW_SECONDS = 300.0  # the receiver said "too many": half the rate for so long
SLOW_FACTOR = 0.5
LONGEST_PAUSE_SECONDS = 900.0  # no receiver's window is longer; what lies further ahead comes from a clock that was set back
LIVE_SHARE = 0.5  # of a burst is kept for new entries while older ones are being sent
LIVE_SHARE_OF_MINUTE = 0.03  # and so much of a minute, so that they need not wait for it to pass


@dataclass
class Level:
    """A bucket as it stands at one moment, in seconds since the epoch. `Level.at` first brings it up to that moment."""

    bucket: QuotaBucket
    now: float
    tokens: float
    refilled_at: float
    """Lies ahead while the bucket is drained."""
    slow_until: float = 0.0
    recent: list[int] = field(default_factory=lambda: [0] * SLOTS)
    """Tokens taken in each of the last seconds."""
    second: int = 0
    """The second that the last number of `recent` is about."""
    served: float = 0.0
    """Virtual time of the queue of those with new entries."""
    served_background: float = 0.0
    taken: int = 0
    """In all."""
    dirty: bool = False

    @classmethod
    def new(cls, bucket: QuotaBucket, now: float) -> "Level":
        """A bucket nobody has used yet."""
        return cls(bucket, now, bucket.burst, now, second=int(now))

    @property
    def slow(self) -> bool:
        """Whether the receiver said "too many" a while ago."""
        # Not for ever when the clock was set back.
        return self.now < self.slow_until <= self.now + SLOW_SECONDS + LONGEST_PAUSE_SECONDS

    @property
    def rate(self) -> float:
        """Tokens a second now."""
        return self.bucket.rate * (SLOW_FACTOR if self.slow else 1.0)

    @property
    def used(self) -> int:
        """Tokens taken within the last minute, as the bucket counts it."""
        return sum(self.recent)

    @property
    def left(self) -> float:
        """Tokens that can be taken at once."""
        return min(self.tokens, self._room) if self.refilled_at <= self.now else 0.0

    def fill(self) -> None:
        """Brings tokens and the last minute up to `now`."""
        self._roll()
        passed = self.now - self.refilled_at
        if passed < -LONGEST_PAUSE_SECONDS:
            self.refilled_at, passed = self.now, 0.0
        # What the minute has no room for is not saved up: it would come out in a burst as soon as the minute is over.
        most = min(self.bucket.burst, max(self._room + 1.0, 0.0))
        self.tokens = min(self.tokens + max(passed, 0.0) * self.rate, most)
        self.refilled_at = max(self.now, self.refilled_at)

    def take(self, count: int) -> None:
        """Counts so many tokens as taken now."""
        # Promise 9: counted in the same transaction that grants them
        self.tokens = max(self.tokens - count, 0.0)
        self._count(count)
        self.taken += count
        self.dirty = True

    def use_late(self, count: int, held_seconds: float) -> None:
        """Tokens that were taken so long ago are used now: the receiver's minute counts them now."""
        self._uncount(count, held_seconds)
        self._count(count)
        self.dirty = True

    def give_back(self, count: int, held_seconds: float) -> None:
        """Tokens that were taken so long ago are not used."""
        self._uncount(count, held_seconds)
        self.tokens = min(self.tokens + count, self.bucket.burst)
        self.taken = max(self.taken - count, 0)
        self.dirty = True

    def drain(self, seconds: float) -> None:
        """Nobody gets a token for so long; then it fills at half its rate for some minutes."""
        seconds = min(seconds, LONGEST_PAUSE_SECONDS)
        self.tokens = 0.0
        self.refilled_at = max(self.refilled_at, self.now + seconds)
        self.slow_until = self.now + seconds + SLOW_SECONDS
        self.dirty = True

    def ready(self, count: int, *, background_cost: int = 0) -> float:
        """
        Seconds from now until so many tokens have come in all, those that are there included.

        background_cost: the last of them so many are for older entries, for which a part of a burst and of the minute is not there.
        """
        tokens, wanted = float(count), count
        if background_cost:
            tokens += max(min(LIVE_SHARE * self.bucket.burst, self.bucket.burst - background_cost), 0.0)
            wanted += max(min(self._kept_of_minute, (self.bucket.per_minute or 0) - background_cost), 0)
        return max(self._by_rate(tokens), self._by_minute(wanted))

    def _by_rate(self, tokens: float) -> float:
        pause = self.refilled_at - self.now
        if pause <= 0 and tokens <= self.tokens:
            return 0.0
        return max(pause, 0.0) + max(tokens - self.tokens, 0.0) / self.rate if self.rate > 0 else SLOW_SECONDS

    def _by_minute(self, count: int) -> float:
        limit = self.bucket.per_minute
        if limit is None or count <= self._room:
            return 0.0
        minutes, count = divmod(count - 1, limit)
        needed = count + 1 - max(int(self._room), 0)
        return minutes * SLOTS + (self._returns[needed - 1] if needed > 0 else 0.0)

    @property
    def _room(self) -> float:
        return float("inf") if self.bucket.per_minute is None else self.bucket.per_minute - self.used

    @property
    def _kept_of_minute(self) -> int:
        return 0 if self.bucket.per_minute is None else max(round(LIVE_SHARE_OF_MINUTE * self.bucket.per_minute), 1)

    @cached_property
    def _returns(self) -> list[float]:
        """When each token of the last minute stops being counted, in seconds from now."""
        first = self.second + 1 - self.now
        return [max(first + place, 0.0) for place, count in enumerate(self.recent) for _ in range(count)]

    def _roll(self) -> None:
        self.__dict__.pop("_returns", None)
        self.recent = [0] * (SLOTS - len(self.recent)) + self.recent
        passed = int(self.now) - self.second
        if passed < -LONGEST_PAUSE_SECONDS:
            # the clock was set back: nobody knows how long ago they were taken, so they count from now
            self.second, passed = int(self.now), 0
        if passed > 0:
            self.recent = (self.recent + [0] * min(passed, SLOTS))[-SLOTS:]
            self.second += passed

    def _count(self, count: int) -> None:
        self.recent[-1] += count
        self.__dict__.pop("_returns", None)

    def _uncount(self, count: int, held_seconds: float) -> None:
        place = SLOTS - 1 - max(self.second - int(self.now - held_seconds), 0)
        if 0 <= place < SLOTS:
            self.recent[place] = max(self.recent[place] - count, 0)
        self.__dict__.pop("_returns", None)
