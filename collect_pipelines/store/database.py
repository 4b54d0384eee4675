"""Connections to Postgres: a small pool for transactions, and a doorbell that rings when responses were committed."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from collect_pipelines.errors import CollectError, ConfigInvalid, Unavailable

__all__ = ["CHANNEL", "Database", "Doorbell", "durability_problems", "plain_url", "problems_of", "ring"]

CHANNEL = "collect"
CONNECT_TIMEOUT_SECONDS = 2  # Postgres being away is told within 2 seconds
POOL_TIMEOUT_SECONDS = 10.0  # all connections busy for so long: say so instead of waiting for ever
# A worker that was stopped in the middle of a transaction must not hold its locks for ever.
IDLE_IN_TRANSACTION_SECONDS = 60
# A dead network is noticed in seconds instead of the kernel's 15 minutes.
CONNECT_OPTIONS: dict[str, Any] = {
    "fallback_application_name": "collect",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

DATA_EXCEPTION = "22"  # class of SQLSTATE whose messages quote the value
# Each of these waits until the commit is on the disk of this server; only `off` does not.
FLUSHING = ("on", "local", "remote_write", "remote_apply")


class Database:
    """A pool of connections. Making it connects to nothing; safe to use from several threads."""

    def __init__(self, url: str, *, pool_size: int = 5, statement_timeout_seconds: float = 30.0) -> None:
        """`url`: postgresql://, postgres:// or postgresql+psycopg://. Raises ConfigInvalid for anything else."""
        self.url = plain_url(url)
        settings = {
            "statement_timeout": f"{int(statement_timeout_seconds * 1000)}",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS * 1000}",
            "timezone": "UTC",
            "jit": "off",  # compiling costs more than any query here saves
        }
        self._engine = create_engine(
            make_url(self.url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
            # Promise 10: parameters hold answers and must not appear in an error's text.
            hide_parameters=True,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, **CONNECT_OPTIONS, "options": _options(self.url, settings)},
        )

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """
        One transaction: committed when the block ends, rolled back when it raises.

        Raises Unavailable when Postgres is away, refuses new connections, gave up waiting for a lock or on a statement, or is not
        migrated; ConfigInvalid when the database user may not do what is needed.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise _unavailable(exc) from exc
        except DBAPIError as exc:
            raise _explained(exc) or _without_values(exc) from None

    def dispose(self) -> None:
        """Closes the pool's connections; the object may be used again."""
        self._engine.dispose()


def durability_problems(connection: Connection) -> list[str]:
    """What keeps this Postgres from keeping every commit; an empty list when promise 1 holds."""
    values = {name: connection.execute(text(f"show {name}")).scalar_one() for name in ("fsync", "synchronous_commit", "full_page_writes")}
    return problems_of(values)


def problems_of(values: dict[str, str]) -> list[str]:
    """The settings among these that make commits unsafe, each with its value."""
    # Promise 1: acknowledged only under settings that survive a power cut.
    return [f"{name} is {value}" for name, value in values.items() if value not in (FLUSHING if name == "synchronous_commit" else ("on",))]


def ring(connection: Connection) -> None:
    """Wakes whoever waits at a doorbell, once this transaction has committed."""
    connection.execute(select(func.pg_notify(CHANNEL, "")))


class Doorbell:
    """
    Rings when responses may have been committed. A hint only: positions and cursors are the truth, so a missed ring costs time alone.

    For one thread.
    """

    def __init__(self, url: str) -> None:
        """Listens from now on when Postgres answers; else from the first `wait` that finds it."""
        self._url = plain_url(url)
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()

    def wait(self, seconds: float) -> bool:
        """True as soon as something was committed since the last call; False after so many seconds, also while Postgres is away."""
        deadline = time.monotonic() + seconds
        if self._connection is None and self._connect():
            return True  # something may have been committed while nobody listened
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                return any(True for _ in self._connection.notifies(timeout=max(deadline - time.monotonic(), 0.0), stop_after=1))
            self.close()
        time.sleep(max(deadline - time.monotonic(), 0.0))
        return False

    def close(self) -> None:
        """Stops listening; a later `wait` listens again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> bool:
        try:
            connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS, **CONNECT_OPTIONS)
            connection.execute(f"listen {CHANNEL}")
        except psycopg.Error:
            return False
        self._connection = connection
        return True


def plain_url(url: str) -> str:
    """The URL as libpq spells it: `postgresql://...`. Raises ConfigInvalid, without showing the URL, when it is none of Postgres."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise ConfigInvalid("The database URL is not one of Postgres.", fix="Set COLLECT_DATABASE_URL to postgresql://user@host/database.")
    return f"postgresql://{rest}"


def _options(url: str, settings: dict[str, str]) -> str:
    own = make_url(url).query.get("options", "")
    given = " ".join(own) if isinstance(own, tuple) else own
    return f"{given} {' '.join(f'-c {name}={value}' for name, value in settings.items())}".strip()


def _explained(exc: DBAPIError) -> CollectError | None:
    """What an operator can do about the error; None when it is a mistake in the program."""
    if exc.connection_invalidated:
        return _unavailable(exc)
    if isinstance(exc.orig, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn | psycopg.errors.InvalidSchemaName):
        return Unavailable("The database is not up to date with this version.", fix="Run `collect db upgrade`.")
    if isinstance(exc.orig, psycopg.errors.InsufficientPrivilege):
        return ConfigInvalid(
            "The user of COLLECT_DATABASE_URL may not do what is needed in the database.",
            fix="As its owner: GRANT CREATE ON DATABASE name TO user; the user must also own the schema collect and what is in it.",
        )
    return None


def _without_values(exc: DBAPIError) -> DBAPIError:
    """The same error, with what Postgres says about it in general and not about the row."""
    # Promise 10: the detail of a violated constraint and the text of a failed cast show what was to be stored.
    if not isinstance(exc.orig, psycopg.Error):
        return exc
    state = exc.orig.sqlstate or ""
    said = exc.orig.diag.message_primary if not state.startswith(DATA_EXCEPTION) else None
    return type(exc)(exc.statement, None, type(exc.orig)(f"{said or 'a value is refused'} (SQLSTATE {state})"), hide_parameters=True)


def _unavailable(exc: Exception) -> Unavailable:
    cause = getattr(exc, "orig", exc)
    if isinstance(cause, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure):
        return Unavailable("Postgres is busy: another transaction holds what this one needs.", fix="Try again.")
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return Unavailable(
            "Postgres took too long over a statement, which was given up.", fix="Try again; if it stays, look at pg_stat_activity."
        )
    if isinstance(exc, PoolTimeout):
        return Unavailable("Every connection of this process to Postgres is in use.", fix="Try again.")
    return Unavailable("Postgres can't be reached.", fix="Check that Postgres runs and that COLLECT_DATABASE_URL is right.")
