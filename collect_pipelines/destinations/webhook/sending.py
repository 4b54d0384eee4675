"""Sending the events of a batch: a few at once, in order per response, and not on and on into a receiver that is down."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from collect_pipelines.destinations.interface import Delivery, Outcome
from collect_pipelines.destinations.webhook.envelope import Envelope
from collect_pipelines.destinations.webhook.events import Event
from collect_pipelines.destinations.webhook.verdicts import Verdict
from collect_pipelines.errors import Blocked, DeliveryError, Refused, TryLater

__all__ = ["Wave", "deliver_waves", "in_batches", "one_by_one"]

FAILURES_IN_A_ROW = 3  # one failure may be a response's own, three are the receiver's
BUDGET_SECONDS = 60.0  # then the rest waits for its turn: other integrations of the lane come in between
MOST_BODY_BYTES = 1_000_000  # of a batch; a single event may be larger
OUT_OF_TIME = "The receiver is slow: the rest is sent in the next batch."
EARLIER_FIRST = "An earlier revision of this response is to be sent first."

Wave = Sequence[Sequence[int]]
"""Requests that are sent at once, each as the places of its events."""


def one_by_one(events: Sequence[Event], parallel: int) -> Iterator[Wave]:
    """A request per event, in order, at most so many at once and never two of one response."""
    wave: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        if len(wave) == parallel or event.subject in wave:
            yield list(wave.values())
            wave = {}
        wave[event.subject] = [place]
    if wave:
        yield list(wave.values())


def in_batches(events: Sequence[Event], envelope: Envelope) -> Iterator[Wave]:
    """One request at a time with as many events as its body holds."""
    places: list[int] = []
    size = 0
    for place, event in enumerate(events):
        more = len(envelope.bytes_of(event))
        if places and size + more > MOST_BODY_BYTES:
            yield [places]
            places, size = [], 0
        places.append(place)
        size += more
    if places:
        yield [places]


@dataclass
class _Progress:
    """What is known of the events so far."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """Responses of which something is to be sent later: nothing newer of them may overtake it."""
    in_a_row: int = 0
    failed: Verdict | None = None
    """The first request that brought nothing."""
    stop: Verdict | None = None
    """Why the rest is not tried."""

    @property
    def settled(self) -> bool:
        return any(outcome.state != "later" for outcome in self.outcomes.values())

    def take(self, places: Sequence[int], verdict: Verdict, events: Sequence[Event]) -> None:
        together = verdict.state == "refused" and len(places) > 1  # which of them the receiver means can't be told
        if not together:
            self.outcomes |= dict.fromkeys(places, _outcome(verdict))
        if verdict.state == "delivered" or (verdict.state == "refused" and not together):
            self.in_a_row = 0
            return
        self.held |= {events[place].subject for place in places}
        self.failed = self.failed or verdict
        self.in_a_row += 1
        if self.stop is None and (verdict.whole or together or self.in_a_row == FAILURES_IN_A_ROW):
            self.stop = verdict


def deliver_waves(
    events: Sequence[Event],
    waves: Iterator[Wave],
    send: Callable[[Sequence[int]], Verdict],
    guard: Callable[[], None],
    *,
    set_aside: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Delivery:
    """
    One outcome per event. When nothing was settled it raises how it ended: TryLater, Blocked or Refused.

    send: sends the events at these places in one request; called from several threads. guard: called before every wave.
    set_aside: these failed before, while others passed: if they fail again, that counts for each of them, unless it surely is the
    receiver's.
    """
    progress, started, calls = _Progress(), clock(), 0
    for wave in waves:
        if progress.stop is not None:
            break
        if progress.settled and clock() - started > BUDGET_SECONDS:
            progress.stop = Verdict("later", OUT_OF_TIME, after=0.0)
            break
        sent = [places for places in wave if progress.held.isdisjoint(events[place].subject for place in places)]
        guard()
        for places, verdict in zip(sent, _all(send, sent), strict=True):
            progress.take(places, verdict, events)
        calls += len(sent)
    ended = progress.stop or progress.failed
    if not progress.settled and not (set_aside and ended is not None and ended.may_be_its_own):
        raise _failure(ended)
    rest = Outcome.later(EARLIER_FIRST) if progress.stop is None else _later(progress.stop)
    return Delivery(tuple(progress.outcomes.get(place, rest) for place in range(len(events))), api_calls=calls)


def _all(send: Callable[[Sequence[int]], Verdict], wave: Wave) -> list[Verdict]:
    if len(wave) < 2:
        return [send(places) for places in wave]
    with ThreadPoolExecutor(len(wave), thread_name_prefix="webhook") as threads:
        return list(threads.map(send, wave))


def _failure(verdict: Verdict | None) -> DeliveryError:
    if verdict is None:
        return TryLater("Nothing of the batch was sent.")
    if verdict.state == "blocked":
        return Blocked(verdict.reason, fix=verdict.fix)
    if verdict.state == "refused":
        return Refused(verdict.reason)
    return TryLater(verdict.reason, after=verdict.after, unknown=verdict.unknown)


def _outcome(verdict: Verdict) -> Outcome:
    if verdict.state == "delivered":
        return Outcome.delivered()
    return Outcome.refused(verdict.reason) if verdict.state == "refused" else _later(verdict)


def _later(verdict: Verdict) -> Outcome:
    # blocked, or refused together with others: the next batch begins with it, and then says so
    return Outcome.later(verdict.reason, after=verdict.after if verdict.state == "later" else 0.0)
