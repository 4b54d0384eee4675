"""How many tokens a bucket has now. Pure: no clock of its own."""

from dataclasses import dataclass, field

from collect_pipelines.model import QuotaBucket

__all__ = ["LONGEST_PAUSE_SECONDS", "SLOTS", "SLOW_SECONDS", "Level"]

MINUTE_SECONDS = 60
ARRIVAL_SECONDS = 1  # a call may reach the receiver so much later than its token was taken
SLOTS = MINUTE_SECONDS + ARRIVAL_SECONDS + 1
"""Seconds that are counted: one more, because whole seconds begin at other moments than the receiver's minutes."""
SLOW_SECONDS = 300.0  # the receiver said "too many": half the rate for so long
SLOW_FACTOR = 0.5
CLOCK_STEP_SECONDS = 2.0  # by so little clocks are corrected every day
LONGEST_PAUSE_SECONDS = 900.0  # no receiver's window is longer; what lies further ahead comes from a clock that was set back


@dataclass
class Level:
    """A bucket as it stands at one moment, in seconds since the epoch. `Level.at` first brings it up to that moment."""

    bucket: QuotaBucket
    now: float
    tokens: float
    refilled_at: float
    paused_until: float = 0.0
    """The receiver said "too many": nobody gets a token before."""
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
        return 0.0 if self.pause_seconds else max(min(self.tokens, self._room), 0.0)

    @property
    def pause_seconds(self) -> float:
        """Until somebody may get a token again, after the receiver said "too many"."""
        pause = self.paused_until - self.now
        return pause if 0 < pause <= LONGEST_PAUSE_SECONDS else 0.0

    def fill(self) -> None:
        """Brings tokens and the last minute up to `now`."""
        if self.second > self.now + CLOCK_STEP_SECONDS:
            # the clock was set back: nobody knows how long ago they were taken, so they count from now
            self.second, self.dirty = int(self.now), True
        self.refilled_at = min(self.refilled_at, self.now)
        if self.bucket.per_minute is None:
            self._fill_to(self.now)
            return
        if self.now - self.refilled_at > SLOTS:
            self._fill_to(self.now - SLOTS)
        while self.refilled_at < self.now:
            self._fill_to(min(float(int(self.refilled_at) + 1), self.now))

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
        self.paused_until = self.now + max(seconds, self.pause_seconds)
        self.slow_until = self.now + seconds + SLOW_SECONDS
        self.dirty = True

    @property
    def _room(self) -> float:
        return float("inf") if self.bucket.per_minute is None else self.bucket.per_minute - self.used

    def _fill_to(self, moment: float) -> None:
        self._roll_to(moment)
        # What the minute has no room for is not saved up: it would come out in a burst as soon as the minute is over.
        most = min(self.bucket.burst, max(self._room + 1.0, 0.0))
        paused = self.paused_until if self.paused_until <= self.now + LONGEST_PAUSE_SECONDS else 0.0
        begun = max(self.refilled_at, min(paused, moment))
        self.tokens = min(self.tokens + (moment - begun) * self.rate, most)
        self.refilled_at = moment

    def _roll_to(self, moment: float) -> None:
        passed = int(moment) - self.second
        if passed > 0 or len(self.recent) < SLOTS:
            self.recent = ([0] * SLOTS + self.recent + [0] * min(max(passed, 0), SLOTS))[-SLOTS:]
            self.second += max(passed, 0)

    def _count(self, count: int) -> None:
        self.recent[-1] += count

    def _uncount(self, count: int, held_seconds: float) -> None:
        place = SLOTS - 1 - max(self.second - int(self.now - held_seconds), 0)
        if 0 <= place < SLOTS:
            self.recent[place] = max(self.recent[place] - count, 0)
