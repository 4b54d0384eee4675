"""Several worker processes behind one port: started, replaced when they die, stopped together."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from collect_pipelines.telemetry.ingest_metrics import forget_worker
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Workers"]

POLL_SECONDS = 0.2
RESTART_SECONDS = 1.0  # between two starts of a worker that keeps dying
STOP_SECONDS = 15.0  # longer than a worker's own drain and grace

log = get_logger(__name__)
_spawn = multiprocessing.get_context("spawn")  # forking would copy threads' locks


class Workers:
    """Runs `target(*arguments)` in `count` processes until SIGTERM or SIGINT."""

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], count: int) -> None:
        self._target = target
        self._arguments = arguments
        self._count = count
        self._stop = threading.Event()
        # Nothing is ever sent: a worker whose end of this pipe breaks has lost its parent and ends too.
        self._lifeline, self._held = _spawn.Pipe(duplex=False)

    def run(self) -> None:
        """Returns when all workers have ended after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        workers = [self._start() for _ in range(self._count)]
        while not self._stop.wait(POLL_SECONDS):
            for index, worker in enumerate(workers):
                if not worker.is_alive():
                    self._bury(worker)
                    self._stop.wait(RESTART_SECONDS)
                    workers[index] = worker if self._stop.is_set() else self._start()
        self._end(workers)

    def _asked_to_stop(self, _: int, __: FrameType | None) -> None:
        self._stop.set()

    def _start(self) -> SpawnProcess:
        worker = _spawn.Process(target=_live, args=(self._lifeline, self._target, self._arguments), daemon=True)
        worker.start()
        return worker

    def _bury(self, worker: SpawnProcess) -> None:
        log.error("worker_died", msg=f"Exit code {worker.exitcode}; another one is started.", worker=worker.pid)
        if worker.pid is not None:
            forget_worker(worker.pid)

    def _end(self, workers: list[SpawnProcess]) -> None:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join(STOP_SECONDS)
            if worker.is_alive():
                worker.kill()
        self._held.close()


def _live(lifeline: Connection, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole process group; only the parent decides, so that every worker drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    target(*arguments)


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
