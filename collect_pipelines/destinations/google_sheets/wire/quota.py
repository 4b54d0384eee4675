"""Google's quotas as buckets all processes share: per account and per project, reads and writes apart."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple

from collect_pipelines.destinations.interface import Context
from collect_pipelines.errors import TryLater, Unavailable
from collect_pipelines.model import QuotaBucket

__all__ = ["Payer", "Tokens", "bucket"]

Kind = Literal["read", "write"]

BURST_SHARE = 0.1  # of a minute's quota may be used at once; the rest trickles in over the minute
LEAST_BURST = 6  # calls: what one batch with edits needs at once
COUNTED_SECONDS = 62.0  # a token comes back when Google surely counts another minute; see store/quota/levels.py
WINDOW_SECONDS = 60.0  # Google counts in fixed minutes
JITTER_SECONDS = 3.0  # so that not everybody comes back at the same moment
LATE_SECONDS = 1.0  # what is used later than this after it was taken counts in another minute
KEPT_SECONDS = 30.0  # what is not used by then is given back


class Payer(NamedTuple):
    """An account whose quota pays for calls."""

    project: str
    account: str


def bucket(key: str, per_minute: int) -> QuotaBucket:
    """
    A bucket that never lets more than `per_minute` calls through in any minute.

    Where Google's minutes begin is not documented, so any sixty seconds count. Over a long time it gives 97 % of that.
    """
    # Promise 9: quotas are respected across processes
    burst = min(float(per_minute), max(LEAST_BURST, BURST_SHARE * per_minute))
    return QuotaBucket(key, burst=burst, rate=per_minute / COUNTED_SECONDS, per_minute=per_minute)


class Tokens:
    """
    Takes tokens before calls; several at once for a sequence of calls, so that it is not begun to be given up half-way.

    With several accounts each sequence is paid by the one that can pay first.
    """

    def __init__(
        self, context: Context, payers: Sequence[Payer], *, per_account: int, per_project: int, clock: Callable[[], float]
    ) -> None:
        """Google grants reads and writes alike, so the two limits hold for both kinds."""
        self._context = context
        self._clock = clock
        self._held: Counter[Kind] = Counter()
        self._held_since = 0.0
        self._payer = 0
        self._allowed: tuple[int, ...] = tuple(range(len(payers)))
        self._buckets: list[dict[Kind, tuple[QuotaBucket, QuotaBucket]]] = [
            {
                kind: (
                    bucket(f"sheets:{kind}:account:{payer.project}:{payer.account}", per_account),
                    bucket(f"sheets:{kind}:project:{payer.project}", per_project),
                )
                for kind in ("read", "write")
            }
            for payer in payers
        ]
        self._most = int(min(one.burst for one in self._buckets[0]["write"]))

    def reserve(self, *, reads: int = 0, writes: int = 0) -> None:
        """
        Holds so many tokens for the calls to come, before the first of them; as many of each kind as there ever are at once.

        Raises TryLater (a wait for its turn, no attempt) when there are not enough, holding none.
        """
        self._hold(Counter({"read": min(reads, self._most), "write": min(writes, self._most)}), begun=False)

    def take(self, kind: Kind) -> int:
        """Takes the token of one call and says which account pays for it; raises TryLater when there is none."""
        if not self._held[kind]:
            self._hold(Counter({kind: 1}), begun=True)
        self._held[kind] -= 1
        held_seconds = self._clock() - self._held_since
        if held_seconds > LATE_SECONDS:
            self._context.settle_quota(self._buckets[self._payer][kind], held_seconds, used=True)
        return self._payer

    def release(self) -> None:
        """Gives back what is held: the sequence is over."""
        unused = [one for kind, count in self._held.items() for one in self._buckets[self._payer][kind] * count]
        self._held.clear()
        if unused:
            # while Postgres is away nobody gets any; a minute later they are back by themselves
            with suppress(Unavailable):
                self._context.settle_quota(unused, self._clock() - self._held_since, used=False)

    @contextmanager
    def sequence(self) -> Iterator[None]:
        """At the end of the block what was reserved and not used is given back."""
        try:
            yield
        finally:
            self.release()

    @contextmanager
    def paid_by(self, payer: int) -> Iterator[None]:
        """Within the block this account makes every call."""
        self.release()
        allowed, self._allowed = self._allowed, (payer,)
        try:
            with self.sequence():
                yield
        finally:
            self._allowed = allowed

    def refused(self, kind: Kind, *, whole_project: bool) -> float:
        """Google said 429: empties the buckets until its next minute begins; returns the seconds until then."""
        seconds = WINDOW_SECONDS - self._clock() % WINDOW_SECONDS + random.uniform(0, JITTER_SECONDS)  # noqa: S311 - spreads load
        self.release()
        account, project = self._buckets[self._payer][kind]
        # the others of the project may go on when it was this account's share that is used up
        self._context.drain_quota((account, project) if whole_project else (account,), seconds)
        return seconds

    def _hold(self, wanted: Counter[Kind], *, begun: bool) -> None:
        if self._clock() - self._held_since > KEPT_SECONDS:
            self.release()
        missing = wanted - self._held
        if not missing:
            return
        # a sequence that one account began is paid by it to the end, as long as it holds something
        payers = (self._payer,) if self._held.total() else self._allowed
        choices = [[one for kind, count in missing.items() for one in self._buckets[payer][kind] * count] for payer in payers]
        choice, wait = self._context.choose_quota(choices, begun=begun)
        if wait > 0:
            raise TryLater("Waiting for Google's quota.", after=wait, quota_wait=not begun)
        self._payer = payers[choice]
        self._held_since = self._held_since if self._held.total() else self._clock()
        self._held += missing
