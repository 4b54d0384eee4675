"""Dagster's own processes, as `collect up` starts them: one code server and the daemon, on the test's Postgres."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg
import pytest

from collect_pipelines.local.application import child_environment, find_application
from collect_pipelines.local.children import Child, StopStep
from collect_pipelines.local.dagster_storage import DAGSTER_URL_VARIABLE, create_dagster_schema
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
        told = [f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}" for path in sorted(self.folder.glob("*.log"))]
        return "\n".join([*told, *self.failures()])

    def failures(self) -> list[str]:
        """What Dagster recorded of every run and step that failed."""
        failed = "select event from dagster.event_logs where dagster_event_type in ('STEP_FAILURE', 'PIPELINE_FAILURE') order by id"
        return [str(row[0])[:6000] for row in self.query(failed)]

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

    def dagster(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command of Dagster on this installation, from a folder that is not the checkout."""
        environment = child_environment(self.settings, self.database_url, self.folder / "dagster")
        command = [sys.executable, "-m", "dagster", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def request_termination(self, job: str) -> None:
        """Notes that a person wants the job's newest run to end, as the web server does before it signals the process."""
        variables = child_environment(self.settings, self.database_url, self.folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(DAGSTER_URL_VARIABLE, variables[DAGSTER_URL_VARIABLE])
            with dg.DagsterInstance.from_config(str(self.folder / "dagster")) as instance:
                instance.report_run_canceling(next(iter(instance.get_runs(dg.RunsFilter(job_name=job), limit=1))))


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
