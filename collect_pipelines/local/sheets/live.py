"""News for open pages: server-sent events that say a spreadsheet has a new version."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from collect_pipelines.local.sheets.library import Library

__all__ = ["EVERYTHING", "Live"]

EVERYTHING = ""
"""Watches all spreadsheets: the list page."""
SHORTEST_PAUSE_SECONDS = 0.2  # changes in between are told together
HEARTBEAT_SECONDS = 15.0  # a comment, so that a page behind a proxy notices a dead connection

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Live:
    """Who watches what; lives on the server's event loop, told by the library from any thread."""

    def __init__(self, library: Library) -> None:
        """Listens to the library."""
        self._library = library
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bells: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._stopped = asyncio.Event()
        library.listeners.append(self._changed)

    def stop(self) -> None:
        """Ends every stream and every wait."""
        self._stopped.set()

    async def until_gone(self, receive: Receive) -> None:
        """Returns when the client has hung up or the server stops."""
        await self._first(asyncio.ensure_future(_disconnected(receive)))

    async def stream(self, file_id: str, receive: Receive, send: Send) -> None:
        """Tells versions of one spreadsheet, or that anything changed, until the client hangs up."""
        self._loop = asyncio.get_running_loop()
        bell = asyncio.Event()
        self._bells[file_id].add(bell)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._tell(file_id, bell, gone, send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._bells[file_id].discard(bell)
            gone.cancel()

    async def _tell(self, file_id: str, bell: asyncio.Event, gone: "asyncio.Future[None]", send: Send) -> None:
        told = None
        while not gone.done() and not self._stopped.is_set():
            bell.clear()
            version = self._version(file_id)
            text = ": still here\n\n" if version == told else f"data: {version}\n\n"
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            told = version
            ringing = asyncio.ensure_future(bell.wait())
            await self._first(gone, ringing, seconds=HEARTBEAT_SECONDS)
            ringing.cancel()
            if bell.is_set():
                await self._first(gone, seconds=SHORTEST_PAUSE_SECONDS)

    async def _first(self, *waits: "asyncio.Future[Any]", seconds: float | None = None) -> None:
        """Waits for the first of these, the stop, or the time."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            await asyncio.wait([*waits, stopped], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()

    def _version(self, file_id: str) -> int:
        if file_id == EVERYTHING:
            return sum(shelf.header.version for shelf in self._library.all())
        shelf = self._library.find(file_id)
        return shelf.header.version if shelf is not None else 0

    def _changed(self, file_id: str) -> None:
        if self._loop is not None:
            # The loop may be closing while a last change lands: then nobody watches any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ring, file_id)

    def _ring(self, file_id: str) -> None:
        for bell in (*self._bells[file_id], *self._bells[EVERYTHING]):
            bell.set()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
