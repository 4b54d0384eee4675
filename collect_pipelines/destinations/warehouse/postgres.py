"""A schema of a Postgres database as warehouse."""

import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import dlt
import polars as pl
from dlt.common.configuration.specs.exceptions import NativeValueError
from dlt.common.schema import Schema
from dlt.common.typing import TLoaderFileFormat
from dlt.destinations.impl.postgres.configuration import PostgresCredentials

from collect_pipelines.destinations.warehouse.files import private_files
from collect_pipelines.destinations.warehouse.naming import DELETIONS
from collect_pipelines.destinations.warehouse.pipelines import Pipelines, quiet
from collect_pipelines.destinations.warehouse.server_problems import explained
from collect_pipelines.destinations.warehouse.server_session import ServerSession
from collect_pipelines.errors import Blocked, TryLater

__all__ = ["PostgresWarehouse", "postgres_warehouse"]

BUSY_SECONDS = 2.0  # a load of another worker takes about a second
OLDEST = 150_000  # the first Postgres with MERGE
CONNECTION = {
    "application_name": "collect-pipelines",
    "connect_timeout": "10",
    "keepalives_idle": "15", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # ms: a server that vanished is noticed within half a minute, not after hours
}  # fmt: skip
OPTIONS = "-c lock_timeout=30s -c timezone=UTC"  # a table that a person locked delays this load only


@cache
def postgres_warehouse(url: str, dataset: str, folder: Path) -> "PostgresWarehouse":
    """The one object of this process for the dataset behind the URL. Raises Blocked when it is no URL of a Postgres database."""
    return PostgresWarehouse(_credentials(url), dataset, folder)


class PostgresWarehouse:
    """Implements `session.SqlWarehouse`. Made by `postgres_warehouse`."""

    def __init__(self, credentials: PostgresCredentials, dataset: str, folder: Path) -> None:
        self.place, self.dataset = f"{credentials.database} on {credentials.host}:{credentials.port}", dataset
        self._credentials = credentials
        self._turn = threading.Lock()
        self.pipelines = Pipelines(folder / dataset, dataset, self._destination, file_format=_file_format)

    @contextmanager
    def writing(self) -> Iterator["PostgresSession"]:
        """Makes this thread the only one that loads into the dataset, by an advisory lock that ends with the connection."""
        with private_files(), self.explained(), self._turn:
            quiet()
            destination = self._destination()
            client = destination.client(Schema(self.dataset), destination.spec()._bind_dataset_name(self.dataset))
            with client.sql_client as connection:
                _take_lock(connection, self.place, self.dataset)
                yield PostgresSession(client, self.dataset)

    def explained(self) -> AbstractContextManager[None]:
        """Says what went wrong as what to do next."""
        return explained(self.place)

    def _destination(self) -> Any:
        return dlt.destinations.postgres(credentials=self._credentials, create_indexes=False)


class PostgresSession(ServerSession):
    """What only Postgres has: a unique index that holds the promise by itself, and a look at who else uses the schema."""

    def extend(self, table: str, columns: Mapping[str, pl.DataType], *, exists: bool, key: Sequence[str]) -> None:
        """Makes the table with its index, or adds the columns to it."""
        with self._transaction():
            super().extend(table, columns, exists=exists, key=key)
            if not exists and (unique := ["table_name", "_response_id"] if table == DELETIONS else list(key)):
                # Promise 5: one row per key, whatever goes wrong; and a merge finds its rows without reading the table
                listed = ", ".join(map(self._column, unique))
                self._sql.execute_sql(f"CREATE UNIQUE INDEX {self._column(f'{table}_key')} ON {self._at(table)} ({listed})")

    def _strangers(self) -> list[str]:
        query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1 LIMIT 1"
        return [name for (name,) in self._sql.execute_sql(query, self._dataset) or ()]


def _credentials(url: str) -> PostgresCredentials:
    credentials = PostgresCredentials()
    with suppress(NativeValueError, ValueError):
        credentials.parse_native_representation(url)
    # without a password dlt looks for one in its own configuration, and fails
    parts = (credentials.host, credentials.database, credentials.username, credentials.password)
    if not (url.startswith(("postgresql://", "postgres://")) and all(parts)):
        # Promise 10: the text is a secret, so it is not shown
        raise Blocked(
            "The secret behind `credentials` is no Postgres URL with user, password, host and database.",
            fix="Write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
        )
    own = credentials.query or {}
    credentials.query = CONNECTION | own | {"options": f"{OPTIONS} {own.get('options', '')}".strip()}
    credentials.connect_timeout = int(credentials.query["connect_timeout"])
    return credentials


def _take_lock(connection: Any, place: str, dataset: str) -> None:
    [(version,)] = connection.execute_sql("SELECT current_setting('server_version_num')::int")
    if version < OLDEST:
        raise Blocked(f"{place} runs Postgres {version // 10_000}; the warehouse needs 15 or newer.", fix="Use a newer server.")
    keys = [zlib.crc32(text.encode()) - 2**31 for text in ("collect-pipelines warehouse", dataset)]
    [(mine,)] = connection.execute_sql("SELECT pg_try_advisory_lock(%s, %s)", *keys)
    if not mine:
        raise TryLater(f"Another worker is loading into {dataset} of {place} right now.", after=BUSY_SECONDS)


def _file_format(frames: Sequence[pl.DataFrame]) -> TLoaderFileFormat | None:
    """CSV is several times faster, but dlt's takes an empty text for no answer, and Postgres below 18 stops at a line `\\.`."""
    texts = [column for frame in frames for column in frame.iter_columns() if column.dtype == pl.String]
    delicate = any((column == "").any() or column.str.contains("\\.", literal=True).any() for column in texts)
    return "insert_values" if delicate else "csv"
