"""What a piece of the log becomes for one destination: rows to send, and an account of every entry."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.store.batches import Counts
from collect_pipelines.sync.pieces import Piece

__all__ = ["Account", "Failure", "Membership", "oldest_age_seconds", "storable"]

MAX_REASON_CHARACTERS = 500  # a plug-in's reason is for a table an operator reads
NO_REASON = "The receiver gave no reason."
STATES = ("delivered", "skipped", "refused", "unknown", "later")


@dataclass(frozen=True, slots=True)
class Failure:
    """An entry that was not delivered, or of which that is not known."""

    position: int
    response_id: str
    revision: int
    reason: str
    unknown: bool
    again: bool
    """It is tried again by itself; else a person decides."""
    after: float | None
    """Seconds until then, as the receiver asked; None leaves it to the core's schedule."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the entries of a batch."""

    counts: Counts
    failures: tuple[Failure, ...]
    dropped: frozenset[int]
    """Positions of the entries that are counted as filtered."""
    skipped: int
    """Rows a rule of the destination left out; counted as filtered."""
    through: int
    """The last position that is accounted for; what follows stays in the log."""
    later: Outcome | None
    """What the destination said of that; None when nothing stays in the log."""

    @property
    def nothing(self) -> bool:
        """Whether all of it stays in the log."""
        return self.later is not None and not self.counts.total


@dataclass(frozen=True)
class Membership:
    """The entries of a piece that validation lets through, and what is to be sent of them."""

    piece: Piece
    entries: pl.DataFrame
    """Of `text_frame`, without those in quarantine. One that no row carries counts as filtered."""
    rows: pl.DataFrame
    """Those of `entries` that are sent, in position order: one per response, its last revision, unless `append_only`."""
    append_only: bool = False
    """Every revision is a row of its own."""

    def account(self, outcomes: Sequence[Outcome]) -> Account:
        """
        The ledger of the batch, given one outcome per row.

        Promise 4: every entry counts. An earlier revision in the same batch shares the fate of the one that was sent for it. Rows
        that should come later stay in the log when no other row is behind them; otherwise, or when they ask for it, they are set
        aside. Raises TypeError or ValueError for what is no outcome.
        """
        told = [_checked(outcome) for outcome in outcomes]
        kept = self._kept(told)
        if told and not kept:
            return Account(Counts(), (), frozenset(), 0, self.piece.from_position - 1, _soonest(told))
        tail = told[kept:]
        through = self._positions[kept] - 1 if tail else self.piece.to_position
        return self._account(dict(zip(self._names, told, strict=True)), through, _soonest(tail) if tail else None)

    def _kept(self, outcomes: Sequence[Outcome]) -> int:
        """How many rows are settled: all but the last ones that should come later and are not set aside."""
        if self.piece.purpose == "retry":
            return len(outcomes)  # these are set aside already
        return max((place for place, outcome in enumerate(outcomes, 1) if outcome.state != "later" or outcome.aside), default=0)

    def _account(self, fates: dict[str, Outcome], through: int, later: Outcome | None) -> Account:
        last = dict(zip(self._names, zip(self._positions, self.rows["_revision"].to_list(), strict=True), strict=True))
        delivered, dropped, failures = 0, [], []
        entries = self.entries.filter(pl.col("_position") <= through)
        for position, response, revision in entries.select("_position", "_response_id", "_revision").iter_rows():
            name = self._name(response, position)
            fate = fates.get(name)
            if fate is None or fate.state == "skipped" or last[name][0] > through:
                # no row carries it, or a newer revision does, which comes later
                dropped.append(position)
            elif fate.state == "delivered":
                delivered += 1
            else:
                failures.append(_failure(position, response, revision, fate, last[name][1]))
        again = sum(failure.again for failure in failures)
        counts = Counts(
            delivered=delivered,
            filtered=len(dropped),
            # Promise 3: positions are dense, so what is missing in the range is what was left out
            quarantined=self.piece.entries_through(through) - entries.height,
            dead_lettered=len(failures) - again,
            behind=again,
        )
        skipped = sum(fate.state == "skipped" for fate in fates.values())
        return Account(counts, tuple(failures), frozenset(dropped), skipped, through, later)

    @cached_property
    def _positions(self) -> list[int]:
        return self.rows["_position"].to_list()

    @cached_property
    def _names(self) -> list[str]:
        responses = self.rows["_response_id"].to_list()
        return [self._name(response, position) for response, position in zip(responses, self._positions, strict=True)]

    def _name(self, response: str, position: int) -> str:
        """What an entry and the row that carries it have in common."""
        return f"{position}" if self.append_only else response


def _checked(outcome: Outcome) -> Outcome:
    if outcome.state not in STATES:
        raise ValueError("no state of an outcome")
    # storable fails for what is no text, the comparison for what is no number
    return Outcome(outcome.state, storable(outcome.reason or NO_REASON), _seconds(outcome.after), bool(outcome.aside))


def _seconds(after: float | None) -> float | None:
    # false for what is no number: a plug-in may hand on what a receiver sent
    return None if after is None else max(after, 0.0) if after <= math.inf else 0.0


def _soonest(outcomes: Sequence[Outcome]) -> Outcome:
    """What is said of several rows that should come later: the shortest wait that was asked for."""
    return min(outcomes, key=lambda outcome: math.inf if outcome.after is None else outcome.after)


def _failure(position: int, response: str, revision: int, fate: Outcome, last: int) -> Failure:
    reason = fate.reason or NO_REASON
    again = fate.state == "later" or (fate.state == "unknown" and fate.after is not None)
    if fate.state == "unknown" and not again:
        reason = f"It may have been delivered, which can't be found out: {reason}"
    if revision != last:
        reason = f"Replaced by revision {last}, which was not delivered: {reason}"
    return Failure(position, response, revision, reason, fate.state == "unknown", again, fate.after)


def storable(text: str) -> str:
    """A text of a plug-in as Postgres can keep it, and of a length people read."""
    return text[:MAX_REASON_CHARACTERS].replace("\x00", "").encode("utf-8", "replace").decode()


def oldest_age_seconds(entries: pl.DataFrame) -> float:
    """Age of the oldest of these entries; 0 without one."""
    oldest = entries["_received_at"].min()
    return max((datetime.now(UTC) - oldest).total_seconds(), 0.0) if isinstance(oldest, datetime) else 0.0
