"""A few threads that share the items of a lane: one thread per item at most, and slow items never take all of them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from collect_pipelines.errors import CollectError, Unavailable
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.stacks import where_from
from collect_pipelines.sync.work import Item, Work
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Crew", "Done"]

log = get_logger(__name__)

SLOW_SECONDS = 1.0  # a micro-batch usually takes less


class Done:
    """An item that was worked on, and a report per member; without those for which there was nothing to do for this worker."""

    def __init__(self, item: Item, reports: dict[int, Report]) -> None:
        self.item, self.reports = item, reports


class Crew:
    """Works on items in the background. For one owner thread; `wake` is set whenever an item is finished."""

    def __init__(self, work: Work, wake: threading.Event) -> None:
        self._work, self._wake = work, wake
        self._pool = ThreadPoolExecutor(work.threads + work.slow_threads, thread_name_prefix=f"lane-{work.kind}")
        self._busy: dict[int, tuple[Item, float, Future[dict[int, Report]]]] = {}
        self._slow: set[int] = set()

    def start(self, item: Item) -> bool:
        """Begins with the item; False when it is being worked on, or no thread may take it now."""
        if item.key in self._busy:
            return False
        # Promise 7: what is slow waits for threads of its own, so the others always find one
        slow = min(self._slow_ones(), self._work.slow_threads)
        if item.key in self._slow and self._work.slow_threads:
            free = slow < self._work.slow_threads
        else:
            free = len(self._busy) - slow < self._work.threads
        if free:
            future = self._pool.submit(self._do, item)
            self._busy[item.key] = (item, time.monotonic(), future)
            future.add_done_callback(lambda _: self._wake.set())
        return free

    def finished(self) -> Iterator[Done]:
        """The items finished since the last call."""
        for key, (item, started, future) in list(self._busy.items()):
            if future.done():
                del self._busy[key]
                reports = future.result()
                self._judge(key, reports, time.monotonic() - started)
                yield Done(item, reports)

    @property
    def idle(self) -> bool:
        """Nothing is being worked on."""
        return not self._busy

    def close(self) -> None:
        """Waits for what is being worked on."""
        self._pool.shutdown(wait=True)

    def _do(self, item: Item) -> dict[int, Report]:
        try:
            return self._work.do(item)
        except Unavailable as exc:
            return self._failed(item, exc.message)
        except Exception as exc:  # noqa: BLE001 - one item must not stop the lane (promise 7)
            # Promise 10: messages of strangers may hold answers
            message = exc.message if isinstance(exc, CollectError) else type(exc).__name__
            told = {"error.type": type(exc).__name__, "error.stack": where_from(exc)}
            log.error("item_failed", lane=self._work.kind, form=item.form, integration=item.name, **told)
            return self._failed(item, message)

    def _failed(self, item: Item, message: str) -> dict[int, Report]:
        report = Report(lane=self._work.kind, form=item.form, integration=item.name, outcome="failed", message=message)
        return {item.members[0]: report}

    def _judge(self, key: int, reports: dict[int, Report], seconds: float) -> None:
        if seconds > SLOW_SECONDS:
            self._slow.add(key)
        elif any(report.outcome in ("validated", "delivered") for report in reports.values()):
            self._slow.discard(key)

    def _slow_ones(self) -> int:
        now = time.monotonic()
        return sum(key in self._slow or now - started > SLOW_SECONDS for key, (_, started, _) in self._busy.items())
