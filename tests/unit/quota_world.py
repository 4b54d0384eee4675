"""Quotas without Postgres and without waiting: buckets and tickets in memory, and integrations that come back when they are told to."""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from collect_pipelines.model import QuotaBucket
from collect_pipelines.store.quota.levels import Level
from collect_pipelines.store.quota.queue import Claim, Costs, Decision, Ticket, decide

START = 1_800_000_000.0  # any moment
MINUTE = 60.0


def bucket(key: str, per_minute: int) -> QuotaBucket:
    """As the Google Sheets destination makes them."""
    from collect_pipelines.destinations.google_sheets.wire.quota import bucket as made

    return made(key, per_minute)


@dataclass
class World:
    """What Postgres keeps."""

    buckets: dict[str, QuotaBucket]
    levels: dict[str, Level] = field(default_factory=dict)
    tickets: dict[tuple[int, bool], Ticket] = field(default_factory=dict)

    def at(self, key: str, now: float) -> Level:
        """The bucket, filled up to now."""
        known = self.levels.get(key) or Level.new(self.buckets[key], now)
        level = replace(known, now=now, recent=list(known.recent), dirty=False)
        level.fill()
        return level

    def ask(self, choices: Sequence[Costs], claim: Claim | None, now: float) -> Decision:
        """One request, written down."""
        levels = {key: self.at(key, now) for costs in choices for key in costs}
        decision = decide(levels, list(self.tickets.values()), choices, claim, now)
        self.levels |= {key: level for key, level in levels.items() if level.dirty}
        for ticket in (decision.ticket, decision.overtaken):
            if ticket is not None:
                self.tickets[ticket.integration_id, ticket.background] = ticket
        return decision


@dataclass
class Flow:
    """An integration that asks again and again."""

    claim: Claim
    choices: Sequence[Costs]
    arrivals: Iterable[float] | None = None
    """When it has something to send; None: always."""
    until: float = float("inf")
    """Then its worker is killed."""
    busy_seconds: float = 0.0
    """A request of its takes so long."""


@dataclass
class Grant:
    """Tokens that were taken."""

    at: float
    integration: int
    choice: int
    waited: float
    cost: int


def run(
    world: World, flows: Sequence[Flow], seconds: float, late: Callable[[], float] = lambda: 0.02, *, start: float = START
) -> list[Grant]:
    """What was granted. `late`: so much later than told somebody comes back."""
    granted: list[Grant] = []
    events: list[tuple[float, int, float]] = []
    queues = [deque(flow.arrivals) if flow.arrivals is not None else None for flow in flows]
    for place, queue in enumerate(queues):
        if queue is None or queue:
            at = start + (queue.popleft() if queue else 0.0)
            heapq.heappush(events, (at, place, at))
    while events and events[0][0] < start + seconds:
        now, place, since = heapq.heappop(events)
        flow, queue = flows[place], queues[place]
        if now >= start + flow.until:
            continue
        decision = world.ask(flow.choices, flow.claim, now)
        if decision.wait:
            heapq.heappush(events, (now + decision.wait + late(), place, since))
            continue
        cost = max(flow.choices[decision.choice].values())
        granted.append(Grant(now, flow.claim.integration_id, decision.choice, now - since, cost))
        following = now + flow.busy_seconds
        if queue is not None:
            if not queue:
                continue
            since = start + queue.popleft()
            following = max(following, since)
        else:
            since = following
        heapq.heappush(events, (following, place, since))
    return granted


def busiest_minute(times: Iterable[float]) -> int:
    """The most of these moments that any sixty seconds hold."""
    window: deque[float] = deque()
    most = 0
    for time in sorted(times):
        window.append(time)
        while window[0] <= time - MINUTE:
            window.popleft()
        most = max(most, len(window))
    return most


def shares(granted: Iterable[Grant]) -> Counter[int]:
    """Tokens by integration."""
    counted: Counter[int] = Counter()
    for grant in granted:
        counted[grant.integration] += grant.cost
    return counted
