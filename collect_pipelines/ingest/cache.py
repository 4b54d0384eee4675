"""A small cache with a life span: one load per key however many requests wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Cache"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Values by key, each loaded again once it is older than `seconds`. For one event loop; a failed load is not kept."""

    def __init__(self, seconds: float, most: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        """`most`: entries kept; beyond it the oldest loaded go first, so that made-up keys can't fill the memory."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._values: dict[Key, tuple[float, Value]] = {}
        self._loading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, load: Callable[[], Awaitable[Value]]) -> Value:
        """The value, at most `seconds` old. Raises what `load` raises."""
        kept = self._values.get(key)
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        task = self._loading.get(key)
        if task is None:
            task = asyncio.ensure_future(self._load(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def forget(self, key: Key) -> None:
        """Loads the value anew at the next `get`."""
        self._values.pop(key, None)

    async def _load(self, key: Key, load: Callable[[], Awaitable[Value]]) -> Value:
        value = await load()
        self._values.pop(key, None)
        while len(self._values) >= self._most:
            self._values.pop(next(iter(self._values)))
        self._values[key] = (self._clock() + self._seconds, value)
        return value

    def _loaded(self, key: Key, task: "asyncio.Task[Value]") -> None:
        self._loading.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen here, so that a load nobody waits for any more is not reported as lost
