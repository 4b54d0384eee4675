"""Google's quotas as buckets all processes share: per account and per project, reads and writes apart."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Literal

from collect_pipelines.destinations.interface import Context
from collect_pipelines.errors import TryLater
from collect_pipelines.model import QuotaBucket

__all__ = ["Tokens", "bucket"]

Kind = Literal["read", "write"]

BURST_SHARE = 0.1  # of a minute's quota may be used at once; the rest trickles in over the minute
WINDOW_SECONDS = 60.0  # Google counts in fixed minutes
JITTER_SECONDS = 3.0  # so that not everybody comes back at the same moment
KEPT_SECONDS = 30.0  # tokens taken but not used count for the minute they were taken in


def bucket(key: str, per_minute: int) -> QuotaBucket:
    """
    A bucket that never lets more than `per_minute` calls through in any minute.

    Google counts fixed minutes, so `burst + 60 x rate` is the most that can fall into one of them.
    """
    # Promise 9: quotas are respected across processes
    return QuotaBucket(key, burst=max(1.0, BURST_SHARE * per_minute), rate=(1 - BURST_SHARE) * per_minute / WINDOW_SECONDS)


class Tokens:
    """Takes tokens before calls; several at once for a sequence of calls, so that it is not begun to be given up half-way."""

    def __init__(
        self, context: Context, project: str, account: str, *, per_account: int, per_project: int, clock: Callable[[], float]
    ) -> None:
        """Google grants reads and writes alike, so the two limits hold for both kinds."""
        self._context = context
        self._clock = clock
        self._held: Counter[Kind] = Counter()
        self._held_since = 0.0
        self._buckets: dict[Kind, tuple[QuotaBucket, QuotaBucket]] = {
            kind: (
                bucket(f"sheets:{kind}:account:{project}:{account}", per_account),
                bucket(f"sheets:{kind}:project:{project}", per_project),
            )
            for kind in ("read", "write")
        }

    def reserve(self, *, reads: int = 0, writes: int = 0) -> None:
        """
        Holds so many tokens for the calls to come, before the first of them.

        Raises TryLater (a wait for quota, no attempt) when there are not enough, keeping what it got.
        """
        self._hold(reads, writes, begun=False)

    def _hold(self, reads: int, writes: int, *, begun: bool) -> None:
        now = self._clock()
        if now - self._held_since > KEPT_SECONDS:
            self._held.clear()
        self._held_since = now
        wanted: Counter[Kind] = Counter({"read": reads, "write": writes})
        while missing := [kind for kind in wanted if wanted[kind] > self._held[kind]]:
            buckets = [one for kind in missing for one in self._buckets[kind]]
            wait = self._context.take_quota(sorted(buckets, key=lambda one: one.key))
            if wait > 0:
                more = max(wanted[kind] - self._held[kind] for kind in missing) - 1
                after = wait + more / min(one.rate for one in buckets)
                raise TryLater("Waiting for Google's quota.", after=after, quota_wait=not begun)
            self._held.update(missing)

    def take(self, kind: Kind) -> None:
        """Takes the token of one call; raises TryLater when there is none."""
        if not self._held[kind]:
            held = dict(self._held)
            self._hold(held.get("read", 0) + (kind == "read"), held.get("write", 0) + (kind == "write"), begun=True)
        self._held[kind] -= 1

    def refused(self, kind: Kind) -> float:
        """Google said 429: empties the buckets until its next minute begins; returns the seconds until then."""
        seconds = WINDOW_SECONDS - self._clock() % WINDOW_SECONDS + random.uniform(0, JITTER_SECONDS)  # noqa: S311 - spreads load
        self._held.clear()
        self._context.drain_quota(self._buckets[kind], seconds)
        return seconds
