"""A resident lane in a thread of its own, so that Dagster's event writes and signals never sit in the delivery path."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol, Self

from collect_pipelines.sync.report import Report

__all__ = ["Drain", "Resident"]

FLUSH_SECONDS = 1.0  # how long reports may wait for the main thread while nothing new arrives


class Resident(Protocol):
    """What a drain needs of a lane."""

    def run(self, stop: Callable[[], bool]) -> Iterator[Report | None]:
        """Micro-batches until `stop` or the end of its life; None when there is nothing to do at the moment."""


class Drain:
    """
    `with Drain(lane) as drain: for reports in drain.rounds(): ...`

    Leaving the block ends the lane after the batch in hand. An error of the lane is raised from `rounds`.
    """

    def __init__(self, lane: Resident) -> None:
        self._lane = lane
        self._reports: SimpleQueue[Report | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        # A daemon thread: a second request to terminate must not wait for a receiver that hangs.
        self._thread = threading.Thread(target=self._work, name="lane", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def rounds(self) -> Iterator[list[Report]]:
        """The reports since the last round, at least once a second, possibly none of them; ends when the lane has ended."""
        while self._thread.is_alive() or not self._reports.empty():
            yield self._gather()
        if self._error is not None:
            raise self._error

    def stop(self) -> list[Report]:
        """Lets the lane finish its batch and end; returns the reports not seen yet."""
        self._stopping.set()
        self._thread.join()
        return self._present()

    def _gather(self) -> list[Report]:
        until = time.monotonic() + FLUSH_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                report = self._reports.get(timeout=left)
            except Empty:
                break
            if report is not None:
                return [report, *self._present()]
            if not self._thread.is_alive():
                break
        return []

    def _present(self) -> list[Report]:
        found: list[Report] = []
        while True:
            try:
                report = self._reports.get_nowait()
            except Empty:
                return found
            if report is not None:
                found.append(report)

    def _work(self) -> None:
        try:
            for report in self._lane.run(self._stopping.is_set):
                self._reports.put(report)
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that waits, whatever it is
            self._error = exc
        finally:
            self._reports.put(None)
