"""Everything `collect up` runs, kept running: started in order, restarted when it dies, stopped together."""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from collect_pipelines.errors import CollectError, Unavailable
from collect_pipelines.local.application import Application, child_environment
from collect_pipelines.local.children import Child, StopStep
from collect_pipelines.local.folders import make_data_folder
from collect_pipelines.local.logs import LogFile
from collect_pipelines.local.occupancy import Occupancy
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.local.services import Service, require_ports, services
from collect_pipelines.local.signals import StopSignals
from collect_pipelines.settings import Settings

__all__ = ["Supervisor"]

START_SECONDS = 180.0  # a cold start of all processes on a small machine that also does other work
POLL_SECONDS = 0.2  # how soon a readiness or a death is noticed
LOOK_AFTER_SECONDS = 5.0  # between two looks at log sizes and at a Postgres that another process owns
FIRST_RESTART_SECONDS = 0.5
MAX_RESTART_SECONDS = 30.0  # a process that keeps dying must not keep the machine busy
SETTLED_SECONDS = 60.0  # alive for so long, a process begins again with the shortest pause
CHILD_STOP = (StopStep(signal.SIGTERM, 10.0),)
STOP_SECONDS = 13.0  # for all of them together, before they are killed

Wanted = Callable[[Settings, Application, Path], tuple[Service, ...]]


@dataclass
class _Kept:
    """One service and its process."""

    service: Service
    log: LogFile
    child: Child | None = None
    ready: bool = False
    started_at: float = 0.0
    restart_at: float = 0.0
    pause: float = FIRST_RESTART_SECONDS


class Supervisor:
    """
    `with Supervisor(...) as supervisor:` Postgres runs and has its schema, nothing else does yet.

    `start` then brings up every service and tells each one that is ready; `keep` restarts what dies until a signal asks to
    stop. Leaving the block stops everything, Postgres last. If this process is killed, all of it ends too.
    """

    def __init__(self, settings: Settings, application: Application, *, say: Callable[[str], None], wanted: Wanted = services) -> None:
        """
        say: gets a sentence for people whenever something happens.
        wanted: which services to run, from settings, application and workspace file.
        """
        self.settings = replace(settings, data_dir=settings.data_dir.absolute())
        self._application = application
        self._wanted = wanted
        self._say = say
        self._postgres: EmbeddedPostgres | None = None
        self._environment: dict[str, str] = {}
        self._kept: list[_Kept] = []
        self._looked_at = 0.0
        self._occupancy = Occupancy(self.settings.data_dir, say=say)
        self.database_url = ""

    @property
    def logs(self) -> Path:
        """Folder of the processes' log files."""
        return self.settings.data_dir / "logs"

    def __enter__(self) -> Self:
        make_data_folder(self.settings.data_dir)
        self._occupancy.take()
        try:
            # Nothing is started on a machine where it could not all run.
            require_ports(self.settings)
            self.database_url = self.settings.database_url or self._start_postgres()
            self._prepare()
        except BaseException:
            self._stop_postgres()
            self._occupancy.release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self, stop: StopSignals) -> Iterator[str | None]:
        """
        Starts every service as soon as what it needs is ready, and yields each name when it is; None while it waits, so that
        the caller can do something meanwhile. Ends early on a signal.

        Raises Unavailable when a service ends instead, or is not ready in time.
        """
        deadline = time.monotonic() + START_SECONDS
        while waiting := [kept for kept in self._kept if not kept.ready]:
            ready = {kept.service.name for kept in self._kept if kept.ready}
            for kept in waiting:
                if kept.child is None and ready.issuperset(kept.service.after):
                    self._launch(kept)
                elif kept.child is not None and kept.child.exit_code() is not None:
                    raise self._failed(kept, f"ended with exit code {kept.child.exit_code()}")
                elif kept.child is not None and kept.service.ready():
                    kept.ready = True
                    yield kept.service.name
            if stop.wait(POLL_SECONDS):
                return
            yield None
            if time.monotonic() > deadline:
                raise self._failed(waiting[0], f"was not ready within {START_SECONDS:.0f} s")

    def keep(self, stop: StopSignals) -> None:
        """Restarts what dies, with growing pauses, until a signal asks to stop."""
        while not stop.wait(POLL_SECONDS):
            self.look_after()

    def look_after(self) -> None:
        """One look at every process: restarts the dead whose pause is over, bounds the logs."""
        now = time.monotonic()
        self._keep_postgres(now)
        for kept in self._kept:
            if kept.child is not None and (code := kept.child.exit_code()) is not None:
                self._bury(kept, code, now)
            if kept.child is None and now >= kept.restart_at:
                self._launch(kept)
        if now - self._looked_at >= LOOK_AFTER_SECONDS:
            self._looked_at = now
            for kept in self._kept:
                kept.log.bound()

    def stop(self) -> None:
        """Ends every process, all at the same time, then Postgres."""
        children = [kept.child for kept in self._kept if kept.child is not None]
        for child in children:
            child.begin_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            if child.wait(max(deadline - time.monotonic(), 0.0)) is None:
                child.stop()
        for kept in self._kept:
            kept.child = None
        self._stop_postgres()
        self._occupancy.release()

    def pids(self) -> dict[str, int]:
        """Process id of every service's guard, by name."""
        return {kept.service.name: kept.child.guard_pid for kept in self._kept if kept.child is not None}

    def _start_postgres(self) -> str:
        self._postgres = EmbeddedPostgres(self.settings.data_dir / "postgres", self.settings.postgres_port, progress=self._say)
        return self._postgres.start()

    def _stop_postgres(self) -> None:
        if self._postgres is not None:
            self._postgres.stop()

    def _prepare(self) -> None:
        from collect_pipelines.local.dagster_storage import create_dagster_schema
        from collect_pipelines.store import migrations

        if applied := migrations.upgrade(self.database_url):
            self._say(f"Database schema: applied {', '.join(applied)}.")
        create_dagster_schema(self.database_url)
        home = self.settings.data_dir / "dagster"
        workspace = self._application.prepare(home, "127.0.0.1", self.settings.code_server_port)
        self._environment = child_environment(self.settings, self.database_url, home)
        wanted = self._wanted(self.settings, self._application, workspace)
        self._kept = [_Kept(service, LogFile(self.logs / f"{service.name}.log")) for service in wanted]

    def _launch(self, kept: _Kept) -> None:
        with kept.log.open() as output:
            kept.child = Child(
                [sys.executable, *kept.service.arguments],
                output=output,
                environment=self._environment,
                stop=CHILD_STOP,
                # A guard that outlives us keeps the folder taken until its process has ended.
                pass_fds=[self._occupancy.descriptor],
            )
        kept.started_at = time.monotonic()

    def _bury(self, kept: _Kept, code: int, now: float) -> None:
        kept.child = None
        kept.pause = FIRST_RESTART_SECONDS if now - kept.started_at > SETTLED_SECONDS else min(kept.pause * 2, MAX_RESTART_SECONDS)
        kept.restart_at = now + kept.pause
        self._say(f"{kept.service.name} ended with exit code {code}; it is started again in {kept.pause:.0f} s. Log: {kept.log.path}")

    def _keep_postgres(self, now: float) -> None:
        if self._postgres is None:
            return
        foreign = not self._postgres.owned and now - self._looked_at >= LOOK_AFTER_SECONDS
        if self._postgres.exit_code() is None and not foreign:
            return
        if self._postgres.owned:
            self._say("Postgres ended; it is started again.")
        # It recovers what it had committed. A failure to start is told and tried again at the next look.
        with contextlib.suppress(Unavailable):
            self._postgres.start()

    def _failed(self, kept: _Kept, what: str) -> CollectError:
        said = kept.log.tail()
        return Unavailable(f"{kept.service.name} {what}. It said last:\n{said}", fix=f"Read {kept.log.path}; then start again.")
