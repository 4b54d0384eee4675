"""The DuckDB file: one writer at a time, and a copy that people can read at any time."""

import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb

from collect_pipelines.destinations.warehouse.files import PASS_THROUGH, private_files
from collect_pipelines.destinations.warehouse.problems import busy, explained, unreadable
from collect_pipelines.errors import NotFound

__all__ = ["Database", "Writer", "database", "open_readonly", "read_copy_path"]

CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "enable_external_access": "false"}
COPY_SHARE = 20  # the read copy may take a twentieth of the time, however large the file grows
MAGIC, MAGIC_OFFSET = b"DUCK", 8  # every DuckDB file, whatever its version: an 8-byte checksum, then this
COPY_CHUNK_BYTES = 8 * 1024 * 1024  # large enough that the copy runs at the speed of the disk


def read_copy_path(path: Path) -> Path:
    """Where the copy for readers lies: `warehouse.duckdb` -> `warehouse.read.duckdb`."""
    return path.with_name(f"{path.stem}.read{path.suffix}")


def open_readonly(path: Path) -> duckdb.DuckDBPyConnection:
    """
    A read-only connection to the copy of the warehouse at `path`; it never delays a load.

    It shows the rows of the moment it was opened: open it again to see newer ones. It reads no other file and fetches no
    extension. Raises NotFound before the first load.
    """
    copy = read_copy_path(path)
    if not copy.exists():
        raise NotFound(f"There is no read copy {copy}.", fix="Wait for the first delivery, or set `read_copy: true` for the integration.")
    return duckdb.connect(str(copy), read_only=True, config=dict(CLOSED))


@cache
def database(path: Path) -> "Database":
    """The one Database object of this process for the (absolute) path."""
    return Database(path)


@dataclass
class Database:
    """One DuckDB file as this process sees it. Made by `database`."""

    path: Path
    clock: Callable[[], float] = time.monotonic
    copy_is_old: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _copied_at: float = float("-inf")
    _copy_seconds: float = 0.0

    @contextmanager
    def writing(self) -> Iterator["Writer"]:
        """
        Makes this thread the only writer of the file, in this process and among all of ours; raises TryLater when another is.

        The connection stays open for the whole block: no other program gets in between two steps, and dlt, which opens the
        same path in the same process, shares it instead of paying for opening and closing the file.
        """
        with explained(self.path), self._turn:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=PASS_THROUGH)
            with private_files(), _only_process(self.path), ExitStack() as after_connection:
                _refuse_strangers(self.path)
                connection = duckdb.connect(str(self.path))
                try:
                    connection.execute("SET GLOBAL autoinstall_known_extensions = false")  # a load fetches nothing from the network
                    yield Writer(self, connection, after_connection)
                finally:
                    connection.close()

    def publish(self) -> None:
        """Renews the read copy if loads happened since."""
        if self.copy_is_old:
            with self.writing() as writer:
                writer.publish()

    def copy_is_due(self) -> bool:
        """False while copying again would take more than its share of the time."""
        return self.clock() - self._copied_at >= COPY_SHARE * self._copy_seconds

    def copied(self, seconds: float) -> None:
        """Notes that the copy is fresh and what it cost."""
        self.copy_is_old, self._copied_at, self._copy_seconds = False, self.clock(), seconds


@dataclass
class Writer:
    """What the only writer may do; valid inside `Database.writing`."""

    database: Database
    connection: duckdb.DuckDBPyConnection
    _after_connection: ExitStack

    def publish(self) -> None:
        """Replaces the read copy by the present state, atomically: readers see the old file or the new one."""
        started = self.database.clock()
        path, copy = self.database.path, read_copy_path(self.database.path)
        fresh = copy.with_name(f".{copy.name}.new")
        self.connection.execute("CHECKPOINT")
        # POSIX drops DuckDB's lock when any descriptor of the file closes in this process: ours closes after the connection
        source = self._after_connection.enter_context(path.open("rb"))
        try:
            with fresh.open("wb") as target:
                shutil.copyfileobj(source, target, COPY_CHUNK_BYTES)
        except OSError:
            fresh.unlink(missing_ok=True)  # a full disk should not be fuller for it
            raise
        # left by someone who opened the copy for writing; it belongs to the old copy and would spoil the new one
        copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)
        fresh.replace(copy)
        self.database.copied(self.database.clock() - started)


def _refuse_strangers(path: Path) -> None:
    # given a SQLite file, DuckDB would try to download an extension for it
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(MAGIC_OFFSET + len(MAGIC))[MAGIC_OFFSET:] != MAGIC:
                raise unreadable(path)


@contextmanager
def _only_process(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # freed by the kernel when the process dies
        except BlockingIOError as exc:
            raise busy(path) from exc
        yield
