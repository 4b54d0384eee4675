"""The whole product as a user starts it: real processes, real HTTP, asked only through its own commands and pages."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import psutil

from collect_pipelines.local.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT.parent / "shared" / "data"

PORT_SETTINGS = ("INGEST", "POSTGRES", "DAGSTER", "CODE_SERVER", "SHEETS", "METRICS")
START_SECONDS = 120.0  # two busy cores, byte code not compiled yet
CLEAN_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("COLLECT_", "DAGSTER_", "PYTHONDONTWRITE"))}


@dataclass
class Stack:
    """One installation in a folder of its own, on free ports."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        ports = {f"COLLECT_{name}_PORT": str(free_port()) for name in PORT_SETTINGS}
        self.settings = {"COLLECT_DATA_DIR": str(self.folder / "data"), **ports, **self.settings}

    @property
    def environment(self) -> dict[str, str]:
        return CLEAN_ENVIRONMENT | self.settings

    @property
    def output(self) -> Path:
        return self.folder / "output.txt"

    def start(self, *command: str, wait: bool = True) -> None:
        """Starts `collect up` (or another command) and waits until every process of it answers."""
        self.ready_file.unlink(missing_ok=True)
        arguments = command or ("up", "--ready-file", str(self.ready_file))
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "collect_pipelines.cli", *arguments],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        if wait:
            eventually(self.is_ready, START_SECONDS, self.told)

    def is_ready(self) -> bool:
        """True once the command has said so; fails when it ended instead."""
        assert self.process is not None
        assert self.process.poll() is None, self.told()
        return self.ready_file.exists()

    @property
    def ready_file(self) -> Path:
        return self.folder / "ready.json"

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ends it as a person or systemd would; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(60)

    def told(self) -> str:
        """What it printed, and the last words of each log: why a test that waited in vain failed."""
        logs = sorted(self.folder.glob("data/logs/*.log"))
        tails = "".join(f"\n--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)
        return self.output.read_text(errors="replace")[-5000:] + tails

    def collect(self, *arguments: str, expect: int = 0) -> str:
        """Runs a command of the CLI; returns what it printed to standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "collect_pipelines.cli", *arguments],
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"collect {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def collect_json(self, *arguments: str) -> Any:
        return json.loads(self.collect(*arguments, "--json"))

    @property
    def ingest(self) -> str:
        return f"http://127.0.0.1:{self.settings['COLLECT_INGEST_PORT']}"

    @property
    def dagster(self) -> str:
        return f"http://127.0.0.1:{self.settings['COLLECT_DAGSTER_PORT']}"

    @property
    def sheets(self) -> str:
        return f"http://127.0.0.1:{self.settings['COLLECT_SHEETS_PORT']}"

    @property
    def warehouse(self) -> Path:
        return self.folder / "data" / "warehouse.read.duckdb"

    def ledger(self, form: str) -> dict[str, dict[str, Any]]:
        """The ledger rows of a form by kind of destination."""
        return {row["kind"]: row for row in self.collect_json("status", "--form", form)["integrations"]}

    def wait_until_complete(self, form: str, responses: int, seconds: float = 120.0) -> dict[str, dict[str, Any]]:
        """Waits until every integration of the form has delivered so many entries and nothing is pending."""

        def complete() -> bool:
            if not all(accepted == responses == accepted - waiting for accepted, waiting in self.entries(form)):
                return False
            rows = self.ledger(form).values()
            return bool(rows) and all(row["complete"] and row["accepted"] == responses for row in rows)

        eventually(complete, seconds, lambda: json.dumps(self.ledger(form), indent=1) + self.told())
        return self.ledger(form)

    def entries(self, form: str) -> list[tuple[int, int]]:
        """
        Accepted and undelivered entries of the form, per integration, from the page for Prometheus.

        It tells the same as `collect status` for a hundredth of the processor time: the one to look at again and again.
        """
        page = httpx.get(f"http://127.0.0.1:{self.settings['COLLECT_METRICS_PORT']}/metrics", timeout=30).raise_for_status().text
        told = [
            [int(float(value)) for value in re.findall(rf'^collect_{state}_responses{{form="{form}",.*}} (.+)$', page, re.MULTILINE)]
            for state in ("accepted", "undelivered")
        ]
        return list(zip(*told, strict=True))

    def sheet_rows(self, integration: str) -> list[list[str]]:
        """Every row of the integration's tab as text, as a person sees it; the first is the header."""
        facts = self.collect_json("integrations", "test", integration)["report"]["facts"]
        headers = {"Authorization": f"Bearer {self._sheets_token()}"}
        base = f"{self.sheets}/v4/spreadsheets/{facts['spreadsheet']}"
        answer = httpx.get(f"{base}/values/{quote(facts['tab'])}", headers=headers, timeout=60).raise_for_status().json()
        return [[str(cell) for cell in row] for row in answer["values"]]

    def warehouse_rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to the installation, besides the first one."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def drain_runs(self) -> list[psutil.Process]:
        """Processes of Dagster runs: what the code server spawned."""
        servers = [one for one in self.processes() if {"api", "grpc"} <= set(command_line(one)) or "code-server" in command_line(one)]
        return [one for server in servers for one in server.children(recursive=True) if "spawn_main" in " ".join(command_line(one))]

    def _sheets_token(self) -> str:
        person = json.loads((self.folder / "data" / "sheets" / "person.json").read_text())
        grant = {name: person[name] for name in ("client_id", "client_secret", "refresh_token")} | {"grant_type": "refresh_token"}
        return str(httpx.post(f"{self.sheets}/token", data=grant).raise_for_status().json()["access_token"])


def command_line(process: psutil.Process) -> list[str]:
    """The words of its command line; none when it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def answers(url: str) -> bool:
    """True when the server there says yes."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def eventually(condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = str) -> None:
    """Waits for a condition; fails with an explanation when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s\n{explain()}"
        time.sleep(0.2)


def export_rows(name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a real survey export, cells verbatim."""
    with (EXPORTS / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows
