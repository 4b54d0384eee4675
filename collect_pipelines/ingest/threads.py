"""Calling the store, which is synchronous, from the event loop: a few threads, each call one transaction and bounded in time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from psycopg.errors import InvalidSchemaName, UndefinedColumn, UndefinedTable
from sqlalchemy.exc import ProgrammingError

from collect_pipelines.errors import Unavailable
from collect_pipelines.store.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["LOOKUP_SECONDS", "READ_SECONDS", "StoreThreads"]

THREADS = 4  # look-ups are cached and reads are rare; more would only queue inside Postgres
LOOKUP_SECONDS = 1.5  # a client hears 503 within 2 s while Postgres is away or hangs
READ_SECONDS = 10.0

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class StoreThreads:
    """The store's functions as awaitables."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, pool_size=THREADS, statement_timeout_seconds=READ_SECONDS)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="store")

    @property
    def url(self) -> str:
        """The database's URL; it holds a password and is never logged."""
        return self._database.url

    async def transaction(
        self,
        function: "Callable[Concatenate[Connection, Arguments], Result]",
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """`function(connection, ...)` in a transaction of its own. Raises Unavailable while Postgres is away, or after LOOKUP_SECONDS."""
        return await self.call(LOOKUP_SECONDS, lambda: self._in_transaction(function, *arguments, **named))

    async def read(
        self,
        function: "Callable[Concatenate[Connection, Arguments], Result]",
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """The same with READ_SECONDS: for pages of responses and for publishing."""
        return await self.call(READ_SECONDS, lambda: self._in_transaction(function, *arguments, **named))

    async def call(
        self, seconds: float, function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        """Any blocking function in one of the threads. A call that overruns is left to end by itself; its result is lost."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*arguments, **named))
        try:
            async with asyncio.timeout(seconds):
                return await running
        except TimeoutError as exc:
            raise Unavailable("Postgres did not answer in time.", fix="See /readyz of the ingest endpoint.") from exc

    def close(self) -> None:
        """Ends the threads; calls under way are not waited for, so that a Postgres that hangs can't hold up the exit."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._database.dispose()

    def _in_transaction(
        self,
        function: "Callable[Concatenate[Connection, Arguments], Result]",
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        try:
            with self._database.begin() as connection:
                return function(connection, *arguments, **named)
        except ProgrammingError as exc:
            # A table or column that is missing means: the database is not migrated (yet). Anything else is a fault of ours.
            if isinstance(exc.orig, UndefinedTable | UndefinedColumn | InvalidSchemaName):
                raise Unavailable("The database's schema is behind.", fix="Run `collect db upgrade`.") from exc
            raise
