"""Dagster's own processes, as `collect up` starts them: one code server and the daemon, on the test's Postgres."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from collect_pipelines.local.application import child_environment, find_application
from collect_pipelines.local.children import Child, StopStep
from collect_pipelines.local.dagster_storage import create_dagster_schema
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.probes import listens
from collect_pipelines.settings import Settings

POLL_SECONDS = 0.05
HOST = "127.0.0.1"


def eventually(is_so: Callable[[], Any], seconds: float, told: Callable[[], str] = str) -> float:
    """Waits until it is so and returns how long that took; fails with what `told` says after so many seconds."""
    began = time.monotonic()
    while not is_so():
        waited = time.monotonic() - began
        assert waited < seconds, f"not within {seconds} s\n{told()}"
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began


@dataclass
class DagsterStack:
    """The processes, and what a test wants to know of them."""

    settings: Settings
    database_url: str
    folder: Path
    code_server: Child

    def log(self) -> str:
        """The end of what the processes said."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in sorted(self.folder.glob("*.log")))

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement on the stack's database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()  # type: ignore[call-overload]

    def run_pids(self) -> dict[str, int]:
        """Process id of each lane's newest run that is alive, by job."""
        rows = self.query(
            """select distinct on (pipeline_name) pipeline_name, substring(event from 'pid: ([0-9]+)')::int
               from dagster.runs join dagster.event_logs using (run_id)
               where status = 'STARTED' and event like '%%Started process for run (pid: %%' order by pipeline_name, runs.id desc"""
        )
        return {job: pid for job, pid in rows if psutil.pid_exists(pid)}

    def statuses(self, job: str) -> list[str]:
        """The states of the job's runs, oldest first."""
        return [row[0] for row in self.query("select status from dagster.runs where pipeline_name = %s order by id", job)]

    def kill_code_server(self) -> None:
        """As a container's end: the code server and every run it started, at once."""
        guard = psutil.Process(self.code_server.guard_pid)
        for process in guard.children(recursive=True):
            process.send_signal(signal.SIGKILL)


@contextmanager
def dagster_stack(database_url: str, folder: Path, **changes: Any) -> Iterator[DagsterStack]:
    """Starts both processes and waits until the code server answers; stops them afterwards."""
    settings = Settings(data_dir=folder / "data", database_url=database_url, code_server_port=free_port(), **changes)
    application = find_application()
    create_dagster_schema(database_url)
    home = folder / "dagster"
    workspace = application.prepare(home, HOST, settings.code_server_port)
    environment = child_environment(settings, database_url, home)
    port, code = str(settings.code_server_port), str(application.definitions)
    server = ["-m", "dagster", "api", "grpc", "-h", HOST, "-p", port, "--python-file", code, "--location-name", "collect_pipelines"]
    children: list[Child] = []

    def launch(name: str, *arguments: str) -> Child:
        with (folder / f"{name}.log").open("ab") as output:
            stop = (StopStep(signal.SIGTERM, 5.0),)
            children.append(Child([sys.executable, *arguments], output=output, environment=environment, folder=application.root, stop=stop))
        return children[-1]

    try:
        stack = DagsterStack(settings, database_url, folder, launch("code-server", *server))
        eventually(lambda: listens(HOST, settings.code_server_port), 90.0, stack.log)
        launch("daemon", "-m", "dagster._daemon", "run", "-w", str(workspace))
        yield stack
    finally:
        for child in reversed(children):
            child.begin_stop()
        for child in reversed(children):
            child.stop()
