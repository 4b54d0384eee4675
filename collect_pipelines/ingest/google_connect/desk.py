"""What the pages share in one process: turns at the database and at Google, a pace nobody exceeds, and the browser's cookie."""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.request import Header, Request
from collect_pipelines.ingest.threads import LOOKUP_SECONDS, StoreThreads
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["GoogleDesk", "TooMany", "digest", "fresh", "is_token", "page_proof", "proves_page"]

AT_ONCE = 2  # transactions, and calls to Google; the other threads are for those who send responses
PER_MINUTE = 120  # look-ups in one process: a person takes three; tickets have 256 bits and are not guessed at any pace
EXCHANGE_SECONDS = 15.0  # longer than the call itself may take
COOKIE = "collect_google"
COOKIE_SECONDS = 3600
TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class TooMany(Exception):
    """More look-ups than anybody needs."""


def fresh() -> str:
    """A new ticket, state or cookie: 32 random bytes."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Whether it has the form of `fresh`."""
    return _TOKEN.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """What the database keeps of a token."""
    return hashlib.sha256(text.encode()).digest()


class GoogleDesk:
    """One per process."""

    def __init__(self, threads: StoreThreads, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._threads, self._clock = threads, clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._window, self._count = 0.0, 0
        self._google: ThreadPoolExecutor | None = None

    @property
    def redirect_uri(self) -> str:
        """Where Google sends people back to; registered there, and made of settings only."""
        return f"{self.settings.public_base}/google/callback"

    @property
    def path(self) -> str:
        """The part of the pages' paths that they have in common, as a browser sees it."""
        return urlsplit(self.settings.public_base).path + "/google"

    async def transaction(
        self, function: "Callable[Concatenate[Connection, Arguments], Result]", *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """`function(connection, ...)`, a few at a time: no response waits for these pages. Raises TooMany, and Unavailable."""
        self._count_one()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                await self._turns.acquire()
        except TimeoutError as exc:
            raise TooMany() from exc
        try:
            return await self._threads.transaction(function, *arguments, **named)
        finally:
            self._turns.release()

    async def ask_google(self, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        """A call to Google in a thread of its own: one that hangs holds up no look-up of ingest. Raises Unavailable after a while."""
        self._google = self._google or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="google")
        running = asyncio.get_running_loop().run_in_executor(self._google, lambda: function(*arguments, **named))
        try:
            async with asyncio.timeout(EXCHANGE_SECONDS):
                return await running
        except TimeoutError as exc:
            raise Unavailable("Google did not answer in time.") from exc

    def close(self) -> None:
        """Ends the threads; calls under way are not waited for."""
        if self._google is not None:
            self._google.shutdown(wait=False, cancel_futures=True)

    def browser(self, request: Request) -> str | None:
        """The token that marks the browser; None when it has none yet."""
        for header in request.headers_named(b"cookie"):
            for part in header.decode("latin-1").split(";"):
                name, _, value = part.strip().partition("=")
                if name == COOKIE and is_token(value):
                    return value
        return None

    def mark(self, browser: str) -> Header:
        """The header that keeps the token in the browser: no script reads it, no other site's form sends it along."""
        return self._cookie(browser, COOKIE_SECONDS)

    def unmark(self) -> Header:
        """The header that takes it away."""
        return self._cookie("", 0)

    def _cookie(self, value: str, seconds: int) -> Header:
        secure = "; Secure" if self.settings.public_base.startswith("https:") else ""
        return b"set-cookie", f"{COOKIE}={value}; Path={self.path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}".encode()

    def _count_one(self) -> None:
        minute = self._clock() // 60
        if minute != self._window:
            self._window, self._count = minute, 0
        self._count += 1
        if self._count > PER_MINUTE:
            raise TooMany()


def page_proof(browser: str) -> str:
    """What the form of a page carries, so that it can be told to be from this browser: another site can't know it."""
    return hashlib.sha256(f"page:{browser}".encode()).hexdigest()


def proves_page(proof: str, browser: str) -> bool:
    """Whether a form carries it."""
    return hmac.compare_digest(proof.encode(), page_proof(browser).encode())
