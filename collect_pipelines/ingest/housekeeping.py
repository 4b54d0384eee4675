"""The background work of an ingest process that no request waits for: forgetting what is kept only for a time."""

import asyncio
import random

from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.forgetting import SLICE, forget_expired
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Housekeeping"]

PERIOD_SECONDS = 600.0  # windows are hours and days; this bounds how much more than its window a look-up reads
STOP_SECONDS = 2.0  # a slice takes some 50 ms

log = get_logger(__name__)


class Housekeeping:
    """Forgets expired fingerprints and attempts every ten minutes. For one event loop; errors wait for the next time."""

    def __init__(self, threads: StoreThreads, period_seconds: float = PERIOD_SECONDS) -> None:
        self._threads = threads
        self._period = period_seconds
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """The first time is within one period, so that many workers don't all come at once."""
        self._task = asyncio.get_running_loop().create_task(self._keep_house())

    async def stop(self) -> None:
        """Ends it after the transaction under way; one that hangs is not waited for."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=STOP_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_house(self) -> None:
        while not await self._told_to_stop(self._period * random.uniform(0.5, 1.0)):  # noqa: S311 - spread, not secrecy
            try:
                # A few may expire every second; they are left until a slice of them is worth a transaction.
                while not self._stopping.is_set() and await self._threads.read(forget_expired) >= SLICE:
                    await asyncio.sleep(0)
            except Exception as exc:
                log.info("housekeeping_put_off", exc_info=exc)

    async def _told_to_stop(self, seconds: float) -> bool:
        """Waits so long for a stop."""
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False
