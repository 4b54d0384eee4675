"""
Whose turn it is when several want tokens of the same buckets. Pure: no clock of its own.

Start-time fair queueing: who can't be served leaves a ticket and is told when its turn comes. Everybody's requests advance by their
cost divided by their weight, and the smallest virtual finish goes first; new entries before older ones, but not for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from collect_pipelines.store.quota.levels import LONGEST_PAUSE_SECONDS, Level
from collect_pipelines.store.quota.supply import TOLERANCE, Supply

__all__ = ["Claim", "Decision", "Ticket", "decide"]

GRACE_SECONDS = 5.0  # a ticket is void when its owner is so late: it was killed, paused, or has nothing to send any more
PATIENCE_SECONDS = 0.05  # least wait told to a caller, so that it does not spin
LIVE_IN_A_ROW = 9  # requests for new entries that may go before one for older ones: one in ten is never starved

Costs = Mapping[str, int]
"""Tokens by key of the bucket."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who asks for tokens."""

    integration_id: int
    weight: float = 1.0
    """One with twice the weight gets twice the tokens while both wait."""
    background: bool = False
    """For older entries: after everybody's new ones."""
    begun: bool = False
    """In the middle of a sequence of calls, which would be for nothing if it ended here: before everybody."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue; one that was served remembers how far its owner has come."""

    integration_id: int
    background: bool
    costs: Costs
    """Empty once it was served."""
    start: float
    finish: float
    asked_at: float
    due_at: float
    """When it was told to come back."""
    overtaken: int = 0
    begun: bool = False

    def waits(self, now: float) -> bool:
        """Whether its turn is to be kept."""
        return bool(self.costs) and -LONGEST_PAUSE_SECONDS <= now - self.due_at <= GRACE_SECONDS

    @property
    def first(self) -> bool:
        """What is begun, and older entries that were overtaken often enough: nobody goes before them."""
        return self.begun or (self.background and self.overtaken >= LIVE_IN_A_ROW)

    @property
    def rank(self) -> tuple[bool, bool, float, float, int]:
        """The smaller goes first."""
        return (not self.first, self.background, self.finish, self.asked_at, self.integration_id)


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a request."""

    choice: int
    """Which of the choices was taken, or is waited for."""
    wait: float
    """0.0 when the tokens were taken."""
    ticket: Ticket | None = None
    """The asker's, as it stands now."""
    overtaken: Ticket | None = None
    """The one for older entries that has to wait longer for it."""


class Schedule:
    """When each request of the queue can be served, the first ones first, nobody being held up by one that comes later."""

    def __init__(self, levels: Mapping[str, Level]) -> None:
        self.levels = levels
        self._supplies = {key: Supply(level) for key, level in levels.items()}

    def earliest(self, costs: Costs, *, kept: bool) -> float:
        """Seconds until it can be served. kept: a part of each bucket is kept for others."""
        supplies = self._supplies
        return max((supplies[key].earliest(cost, kept=kept) for key, cost in costs.items() if key in supplies), default=0.0)

    def promise(self, costs: Costs, at: float) -> None:
        """Keeps tokens for then."""
        for key, cost in costs.items():
            if key in self._supplies:
                self._supplies[key].promise(cost, at)


def decide(levels: Mapping[str, Level], tickets: Iterable[Ticket], choices: Sequence[Costs], claim: Claim | None, now: float) -> Decision:
    """
    Takes the tokens of one of the choices from the levels, or says how long to wait for which.

    levels: all buckets of the choices, filled up to now. tickets: those of anybody for these buckets, and the asker's own.
    claim: None asks outside the queue: after nobody, before nobody.
    """
    schedule = Schedule(levels)
    if claim is None:
        return _chosen(schedule, choices, kept=False)[0]
    mine, others = _sorted_out(tickets, claim, now)
    ticket = _ticket(mine, levels.values(), choices, claim, now)
    for other in sorted((one for one in others if one.rank < ticket.rank), key=lambda one: one.rank):
        # nobody waits for one that was told to come later, as long as its tokens are there when it comes
        kept = other.background and not other.first
        schedule.promise(other.costs, max(schedule.earliest(other.costs, kept=kept), other.due_at - now, 0.0))
    found, costs = _chosen(schedule, choices, kept=claim.background and not ticket.first)
    if found.wait > 0:
        _advance(levels.values(), claim, 0.0)
        return replace(found, ticket=replace(ticket, costs=costs, due_at=now + found.wait))
    # not past those that wait: who came a moment after tokens were left over for others is still the next one
    queue = (one.start for one in others if one.background == claim.background)
    _advance(levels.values(), claim, min([ticket.start, *queue]))
    return replace(found, ticket=replace(ticket, overtaken=0), overtaken=_overtaken(others, costs, claim))


def _chosen(schedule: Schedule, choices: Sequence[Costs], *, kept: bool) -> tuple[Decision, Costs]:
    times = [schedule.earliest(costs, kept=kept) for costs in choices]
    least = min(times)
    # of those that are as soon, the one with most left
    place = max((place for place, time in enumerate(times) if time <= least), key=lambda place: _left(schedule.levels, choices[place]))
    if least > TOLERANCE:
        return Decision(place, max(least, PATIENCE_SECONDS)), choices[place]
    for key, cost in choices[place].items():
        schedule.levels[key].take(cost)
    return Decision(place, 0.0), choices[place]


def _left(levels: Mapping[str, Level], costs: Costs) -> float:
    return min((levels[key].left - cost for key, cost in costs.items()), default=0.0)


def _sorted_out(tickets: Iterable[Ticket], claim: Claim, now: float) -> tuple[Ticket | None, list[Ticket]]:
    mine, others = None, []
    for one in tickets:
        if (one.integration_id, one.background) == (claim.integration_id, claim.background):
            mine = one
        elif one.waits(now):
            others.append(one)
    return mine, others


def _ticket(mine: Ticket | None, levels: Iterable[Level], choices: Sequence[Costs], claim: Claim, now: float) -> Ticket:
    """The asker's: the one it holds, or one at the end of the queue."""
    virtual = max((level.served_background if claim.background else level.served for level in levels), default=0.0)
    waited = mine is not None and bool(mine.costs)
    start = virtual if mine is None else mine.start if waited else max(virtual, mine.finish)
    cost = max((cost for costs in choices for cost in costs.values()), default=1)
    return Ticket(
        claim.integration_id,
        claim.background,
        {},
        start,
        start + cost / claim.weight,
        mine.asked_at if mine is not None and waited else now,
        now,
        mine.overtaken if mine is not None and waited else 0,
        claim.begun,
    )


def _advance(levels: Iterable[Level], claim: Claim, start: float) -> None:
    """Brings all buckets of a request to one virtual time, so that one order holds for all of them."""
    name = "served_background" if claim.background else "served"
    levels = list(levels)
    virtual = max([start, *(getattr(level, name) for level in levels)])
    for level in levels:
        if getattr(level, name) != virtual:
            setattr(level, name, virtual)
            level.dirty = True


def _overtaken(others: Iterable[Ticket], costs: Costs, claim: Claim) -> Ticket | None:
    """The first one for older entries that waits for the same, when one for new entries went before it."""
    waiting = [one for one in others if one.background and not claim.background and set(one.costs) & set(costs)]
    first = min(waiting, key=lambda one: one.rank, default=None)
    return None if first is None else replace(first, overtaken=first.overtaken + 1)
