"""The embedded Postgres: a real server on this machine that lives exactly as long as the process that started it."""

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from collect_pipelines.errors import Unavailable
from collect_pipelines.local.account import SYSTEM_HOME
from collect_pipelines.local.children import Child, StopStep
from collect_pipelines.local.cluster import SUPERUSER, Cluster, open_cluster
from collect_pipelines.local.logs import open_private
from collect_pipelines.local.ports import free_port, require_free
from collect_pipelines.settings import setting_name

__all__ = ["EmbeddedPostgres", "create_database", "throwaway_postgres"]

POLL_SECONDS = 0.03
MAX_POLL_SECONDS = 0.5
CONNECT_SECONDS = 5
PROGRESS_SECONDS = 5.0
# Fast shutdown, then immediate (the next start replays the log): both keep every commit.
STOP = (StopStep(signal.SIGINT, 10.0), StopStep(signal.SIGQUIT, 3.0))
PORT_ATTEMPTS = 5  # a port chosen as free can be taken before Postgres binds it


class EmbeddedPostgres:
    """
    Postgres with its data in one folder of ours; `with EmbeddedPostgres(folder) as server: server.url()`.

    Whoever starts it first owns it: when that process stops it, or dies in any way, the server ends. A second process that
    starts the same folder attaches: it gets the same URL, and its `stop` leaves the server alone.
    Started by root, the server runs as an unprivileged user.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 5544,
        *,
        progress: Callable[[str], None] = lambda message: None,
        home: Path = SYSTEM_HOME,
    ) -> None:
        """
        folder: ours alone, made when missing; holds `data`, `password` (mode 0600) and `postgres.log`.
        port: on 127.0.0.1; 0 takes any free one. An attached server keeps the port it has.
        progress: called with a sentence every few seconds while a start takes long, e.g. during recovery.
        home: where root keeps what the server's user could not reach inside the folder.
        """
        self._folder = folder.resolve()
        self._wanted_port = port
        self._progress = progress
        self._home = home
        self._lock: int | None = None
        self._child: Child | None = None
        self._port: int | None = None
        self._password: str | None = None

    def start(self) -> str:
        """
        Starts the server or attaches to the one running, and returns its URL once it answers; recovery may take any time.

        Raises PortTaken, ConfigInvalid (data of another major version), Unavailable (it ended at once; the reason is given).
        """
        if self._port is not None and not self._still_answers():
            self.stop()
        if self._port is None:
            self._open()
        return self.url()

    def _open(self) -> None:
        waiting = _Patience(self._progress)
        try:
            while self._port is None:
                if self._take_lock():
                    self._port = self._running_port() or self._launch(waiting)
                else:
                    self._port = self._running_port()
                if self._port is None:
                    waiting.pause("Waiting for the Postgres that another process is starting or stopping.")
            create_database(self.url("postgres"), SUPERUSER)
        except BaseException:
            self.stop()
            raise

    def _still_answers(self) -> bool:
        if self._port is None or (self._child and self._child.exit_code() is not None):
            return False
        return self._answers(self._port)

    def stop(self) -> None:
        """Ends the server when this process owns it, keeping every commit; else only forgets it."""
        if self._child:
            self._child.stop()
        self._child = None
        self._port = None
        self._release_lock()

    def url(self, database: str = SUPERUSER) -> str:
        """`postgresql://collect:...@127.0.0.1:port/database`. It holds the password: never log it."""
        if self._port is None or self._password is None:
            raise Unavailable("The embedded Postgres is not started.", fix="Call start() first.")
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self._port}/{quote(database, safe='')}"

    @property
    def owned(self) -> bool:
        """True when this process started the server and so ends it."""
        return self._child is not None

    @property
    def port(self) -> int | None:
        """TCP port on 127.0.0.1; None before the start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster; None when there is none."""
        state = self._state()
        return state[0] if state else None

    def exit_code(self) -> int | None:
        """None while the owned server runs (or none was started); else how it ended. Call `start` again to recover."""
        return self._child.exit_code() if self._child else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _take_lock(self) -> bool:
        """True when this process holds the folder; False while another one does."""
        if self._lock is not None:
            return True
        descriptor = self._open_lock()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def _open_lock(self) -> int:
        try:
            if not self._folder.exists():
                self._folder.mkdir(parents=True)
                # Passing through is all the server's user may do; neither more nor, by the umask, less.
                self._folder.chmod(0o711)
            return os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise Unavailable(
                f"{self._folder} can't be used for the embedded Postgres: {exc.strerror}.",
                fix="Run as the user it belongs to, or set COLLECT_DATA_DIR to another folder.",
            ) from exc

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _launch(self, waiting: "_Patience") -> int | None:
        cluster = open_cluster(self._folder, self._home)
        self._password = cluster.password
        if (pid := self.pid) is not None and _serves(pid, cluster.data):
            waiting.pause(f"Waiting for an earlier Postgres (pid {pid}) to end.")
            return None
        for attempt in range(PORT_ATTEMPTS):
            port = self._wanted_port or free_port()
            if self._wanted_port:
                require_free(port, setting_name("postgres_port"))
            if self._serve(cluster, port, waiting, last=bool(self._wanted_port) or attempt == PORT_ATTEMPTS - 1):
                return port
        return None

    def _serve(self, cluster: Cluster, port: int, waiting: "_Patience", last: bool) -> bool:
        """True once the server answers; False when it lost its port and another may be tried. Raises Unavailable else."""
        assert self._lock is not None
        cluster.configure(port)
        cluster.rotate_log()
        with open_private(cluster.log) as log:
            start = log.tell()
            self._child = Child(
                [cluster.binaries.program("postgres"), "-D", str(cluster.data)],
                output=log,
                folder=Path("/"),
                stop=STOP,
                everyone=False,
                account=cluster.account,
                # The guard holds the lock too: it is free only when the server has ended, even if we are killed.
                pass_fds=[self._lock],
            )
        while self._child.exit_code() is None:
            if self._answers(port):
                return True
            waiting.pause(f"Postgres is starting: {_last_line(cluster.log, start)}")
        code, said = self._child.exit_code(), _said(cluster.log, start)
        self._child = None
        if not last and "could not bind" in said:
            return False
        self._release_lock()
        raise Unavailable(f"The embedded Postgres ended at once (exit code {code}): {_reason(said)}", fix=f"Read {cluster.log}.")

    def _running_port(self) -> int | None:
        """Port of a server that answers from our data directory, started by whomever."""
        state = self._state()
        with contextlib.suppress(FileNotFoundError):
            self._password = (self._folder / "password").read_text("ascii").strip()
        return state[1] if state and self._password and self._answers(state[1]) else None

    def _answers(self, port: int) -> bool:
        """True when a connection can be made and the server at its other end serves our data directory."""
        address = f"host=127.0.0.1 port={port} dbname=postgres user={SUPERUSER} connect_timeout={CONNECT_SECONDS}"
        try:
            with psycopg.connect(address, password=self._password, autocommit=True) as connection:
                row = connection.execute("show data_directory").fetchone()
        except psycopg.Error:
            return False
        return row is not None and Path(row[0]) == (self._folder / "data").resolve()

    def _state(self) -> tuple[int, int] | None:
        """Pid and port in postmaster.pid; a file left by a killed server looks the same."""
        try:
            lines = (self._folder / "data" / "postmaster.pid").read_text("utf-8").splitlines()
            return int(lines[0]), int(lines[3])
        except (OSError, IndexError, ValueError):
            return None


class _Patience:
    """Waits in short steps and reports every few seconds."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._step = POLL_SECONDS
        self._next = time.monotonic() + PROGRESS_SECONDS

    def pause(self, message: str) -> None:
        # Each failed try leaves a line in the log: a long recovery should not fill it.
        time.sleep(self._step)
        self._step = min(self._step * 1.1, MAX_POLL_SECONDS)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            self._progress(message)


def create_database(url: str, name: str) -> None:
    """
    Makes the database when it is missing; `url` leads to any other database of the server.

    Raises Unavailable when the server is away or the user of the URL may not create databases.
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                return
            # Two processes may start at once: the second finds it made.
            with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege as exc:
        raise Unavailable(
            f"The database {name} is missing and the database user may not create it.", fix=f"As an administrator: CREATE DATABASE {name}"
        ) from exc
    except psycopg.Error as exc:
        raise Unavailable(
            f"The database {name} can't be reached: {exc}", fix="Check that Postgres runs and that COLLECT_DATABASE_URL is right."
        ) from exc


@contextlib.contextmanager
def throwaway_postgres() -> Iterator[EmbeddedPostgres]:
    """A running server in a temporary folder, on a free port; both are gone afterwards. For tests."""
    place = Path(tempfile.mkdtemp(prefix="collect-postgres-"))
    try:
        # The folder is ours and new; the server's user must pass through it when we are root.
        place.chmod(0o711)
        with EmbeddedPostgres(place / "postgres", port=0) as server:
            yield server
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _serves(pid: int, data: Path) -> bool:
    # After a crash the pid in the file may belong to any other process by now.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").readlink() == data
    return False


def _said(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", errors="replace").strip()


def _last_line(log: Path, start: int) -> str:
    return (_said(log, start).splitlines() or ["no message yet"])[-1]


def _reason(said: str) -> str:
    lines = said.splitlines()
    return " / ".join([line for line in lines if "FATAL" in line or "PANIC" in line or "HINT" in line] or lines[-3:]) or "no message"
