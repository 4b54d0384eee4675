"""A lane: the micro-batches of all forms for validation, or for one kind of destination."""

import threading
import time
from collections.abc import Callable, Generator, Iterator

from collect_pipelines.errors import Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.bell import Bell
from collect_pipelines.sync.crew import Crew, Done
from collect_pipelines.sync.drain import Patience
from collect_pipelines.sync.pacing import Pacing, Turns
from collect_pipelines.sync.plugs import Finder, installed_destination
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.succession import Succession
from collect_pipelines.sync.work import DELIVERY_THREADS, Item, work_of

__all__ = ["Lane"]

POOL_SIZE = DELIVERY_THREADS + 2  # a connection per thread, one for looking around, one for renewing
POLL_SECONDS = 1.0  # the doorbell is a hint: what it misses is found by then
LEAST_PAUSE_SECONDS = 0.02  # between two looks around: under load the bell rings hundreds of times a second
DRAIN_POLL_SECONDS = 0.2


class Lane:
    """
    For kind `validation` or the kind of a destination. `owner` names the worker; no two may share it.

    Several lanes of one kind, in one or many processes, never do harm: a lease per form or integration decides who may work.
    """

    def __init__(self, database_url: str, settings: Settings, kind: str, owner: str, *, finder: Finder = installed_destination) -> None:
        self.kind = kind
        self._url, self._settings, self._owner, self._finder = database_url, settings, owner, finder

    def round(self, forms: frozenset[str] | None = None) -> Iterator[Report]:
        """
        One micro-batch for each pending form or integration, the one that waits longest first.

        forms: only these references. Raises Unavailable when Postgres is away.
        """
        with _Shift(self._url, self._settings, self.kind, self._owner, self._finder) as shift:
            for done in shift.round(shift.pending(forms)):
                yield from done.reports.values()

    def drain(self, forms: frozenset[str] | None = None) -> Iterator[Report]:
        """
        Rounds until nothing is pending, also not with another worker. What fails again and again is left for later.

        Raises Unavailable when Postgres is away.
        """
        patience = Patience()
        with _Shift(self._url, self._settings, self.kind, self._owner, self._finder) as shift:
            while True:
                items = shift.pending(forms, patience.wants)
                if not items and not patience.waiting(time.monotonic()):
                    return
                progress = False
                for done in shift.round(items):
                    for number, report in done.reports.items():
                        progress = progress or report.outcome != "failed"
                        patience.note(number, report, time.monotonic())
                        yield report
                if not progress:
                    time.sleep(DRAIN_POLL_SECONDS)  # another worker has it, or a wait is not over

    def run(self, stop: Callable[[], bool]) -> Iterator[Report | None]:
        """
        The resident lane: works as soon as something is committed, until `stop`, the end of its life, or nothing came for long.

        Yields None at least once a second when there is nothing to tell. While another lane of the kind is resident this one waits,
        and takes over the moment that one ends. Goes on by itself after Postgres was away.
        """
        with _Shift(self._url, self._settings, self.kind, self._owner, self._finder) as shift:
            shift.work.warm_up()
            place = Succession(shift.database, f"lane:{self.kind}", self._owner)
            began = time.monotonic()
            try:
                over = False
                while not over:
                    while not place.take():
                        yield None
                        if stop():
                            return
                    with Bell(self._url, shift.wake):
                        over = yield from shift.reside(stop, place, self._settings, began)
                    place.end()
            finally:
                place.end()
            # the successor works already, while what is in hand is finished here
            yield from shift.finish()


class _Shift:
    """The threads, connections and bookkeeping of one call of a lane."""

    def __init__(self, url: str, settings: Settings, kind: str, owner: str, finder: Finder) -> None:
        self.wake = threading.Event()
        self.database = Database(url, pool_size=POOL_SIZE)
        self.work = work_of(self.database, settings, kind, owner, finder)
        self._crew = Crew(self.work, self.wake)

    def __enter__(self) -> "_Shift":
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()
        self.work.close()
        self.database.dispose()

    def pending(self, forms: frozenset[str] | None = None, wants: Callable[[int], bool] = lambda number: True) -> list[Item]:
        """What has something to do now, of these forms; without those that are not wanted."""
        return self.work.pending(lambda number, form: (forms is None or form in forms) and wants(number))

    def round(self, items: list[Item]) -> Iterator[Done]:
        """Each item once."""
        while items or not self._crew.idle:
            items = [item for item in items if not self._crew.start(item)]
            self.wake.wait()
            self.wake.clear()
            yield from self._crew.finished()

    def reside(self, stop: Callable[[], bool], place: Succession, settings: Settings, began: float) -> Generator[Report | None, None, bool]:
        """Works until `stop`, the end of the lane's life or too long without work (True), or until the place is lost (False)."""
        pacing, turns = Pacing(self.work.min_interval_seconds), Turns()
        active = time.monotonic()
        while True:
            for done in self._crew.finished():
                pacing.done(done.item.key, done.reports.values(), time.monotonic())
                if done.reports:
                    active = time.monotonic()
                    yield from done.reports.values()
            now = time.monotonic()
            if stop() or now - began >= settings.lane_lifetime_seconds or now - active >= settings.lane_linger_seconds:
                return True
            if place.lost:
                return False  # Postgres was away for long, or this process was frozen: to the end of the queue
            for item in turns.order(self._look()):
                if pacing.may(item.key, now) and self._crew.start(item):
                    turns.begun(item.key)
            if not self.wake.wait(pacing.wait(now, POLL_SECONDS)):
                yield None
            self.wake.clear()
            time.sleep(max(LEAST_PAUSE_SECONDS - (time.monotonic() - now), 0.0))

    def finish(self) -> Iterator[Report | None]:
        """What is in hand, to its end."""
        while not self._crew.idle:
            self.wake.wait(POLL_SECONDS)
            self.wake.clear()
            for done in self._crew.finished():
                yield from done.reports.values()

    def _look(self) -> list[Item]:
        try:
            return self.work.pending()
        except Unavailable:
            return []  # Postgres is away; the next look is within a second
