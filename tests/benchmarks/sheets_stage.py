"""The processes bench_sheets.py sets up: a Sheets server that notes every call, delivery lanes, and a naive writer."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from collect_pipelines.destinations.google_sheets import GoogleSheets  # noqa: E402 - the path comes first

GENEROUS = 10**6  # while sheets are being made, which is not what is measured
GOOGLE = (60, 300)  # per account and per project
LONGEST_BACKOFF_SECONDS = 64.0  # as Google advises
HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")


@dataclass(frozen=True)
class Call:
    """One call as the server counted it."""

    at: float
    kind: str
    account: str
    refused: bool


def cpu_seconds(process: "subprocess.Popen[Any]") -> float:
    """Processor time of a process of ours so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """The server process."""

    base_url: str
    folder: Path
    process: "subprocess.Popen[str]"

    def grant(self, per_account: int, per_project: int) -> None:
        """Grants so many calls a minute from now on, reads and writes alike."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{per_account} {per_project}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def credentials(self, person: str) -> Path:
        """Credentials file of a person."""
        return self.folder / f"{person}.json"

    def calls(self, person: str, since: float = 0.0, until: float = float("inf")) -> list[Call]:
        """The person's reads and writes, oldest first."""
        lines = (line.split() for line in (self.folder / "calls.log").read_text().splitlines())
        found = [Call(float(at), kind, account, refused == "1") for at, kind, account, refused in lines]
        return [one for one in found if one.account == f"{person}@sheets.local" and since <= one.at < until and one.kind != "drive"]


@contextmanager
def server(folder: Path, people: list[str], latency: float) -> Iterator[Server]:
    """The local Sheets server in a process of its own; every call takes so long more. Each person has a project of its own."""
    folder.mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.sheets_stage", "server", str(folder), str(latency), *people],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Server(process.stdout.readline().strip(), folder, process)
    finally:
        process.kill()
        process.wait()


def serve(folder: Path, latency: float, people: list[str]) -> None:
    """The server process: limits come on standard input, counted calls go to `calls.log`."""
    from collect_pipelines.local.sheets.testing import Limits, running_server

    limits = Limits()
    with running_server(folder, limits=limits) as running, (folder / "calls.log").open("a", buffering=1) as log:
        for person in people:
            running.identity.add_person(person, project=person)
        _note(running.service, log, latency)
        print(running.base_url, flush=True)
        for line in sys.stdin:
            per_account, per_project = map(int, line.split())
            limits.writes_per_user = limits.reads_per_user = per_account
            limits.writes_per_project = limits.reads_per_project = per_project
            # a new minute: what sheets were made with is not counted
            running.service.quotas._used.clear()
            print("done", flush=True)


def _note(service: Any, log: TextIO, latency: float) -> None:
    take, perform = service.quotas.take, service.perform

    def noted(kind: str, project: str, project_number: str, user: str) -> None:
        at, refused = service.clock.now(), 1
        try:
            take(kind, project, project_number, user)
            refused = 0
        finally:
            log.write(f"{at} {kind} {user} {refused}\n")

    def slow(*arguments: Any) -> Any:
        # on the way there, so that a call is counted when it arrives
        time.sleep(latency)
        return perform(*arguments)

    service.quotas.take, service.perform = noted, slow


class Small(GoogleSheets):
    """Batches of few rows, so that the quota and nothing else is the limit."""

    max_rows = 20


@contextmanager
def lane(url: str, settings: dict[str, Any], *, small: bool = False) -> Iterator["subprocess.Popen[bytes]"]:
    """A resident lane, as a worker runs it, in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.sheets_stage", "lane", url, json.dumps(settings), str(int(small))]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def settings_for(server: Server, folder: Path, limits: tuple[int, int] = GOOGLE) -> dict[str, Any]:
    """Settings of a worker."""
    return {
        "data_dir": str(folder), "sheets_base_url": server.base_url, "drive_base_url": server.base_url,
        "oauth_token_url": f"{server.base_url}/token", "sheets_writes_per_minute": limits[0],
        "sheets_project_writes_per_minute": limits[1], "lane_linger_seconds": 3600.0, "lane_lifetime_seconds": 7200.0,
    }  # fmt: skip


def work(url: str, settings: dict[str, Any], small: bool, *, drain: bool = False) -> None:
    """The lane process; drain: until nothing is pending."""
    from collect_pipelines.settings import Settings
    from collect_pipelines.sync.lane import Lane

    kind = Small if small else GoogleSheets
    made = Settings(**settings | {"data_dir": Path(settings["data_dir"])})
    worker = Lane(url, made, "google_sheets", "bench", finder=lambda name: kind)
    for _ in worker.drain() if drain else worker.run(lambda: False):
        pass


@contextmanager
def naive(server: Server, person: str, columns: int, cell: str) -> Iterator[Path]:
    """One `append` per response, with the waits after refusals that Google advises, in a process of its own; notes every row."""
    rows = server.folder / f"{person}.rows"
    command = [sys.executable, "-m", "tests.benchmarks.sheets_stage", "naive", server.base_url, str(server.credentials(person)), str(rows)]
    process = subprocess.Popen([*command, str(columns), cell], cwd=ROOT)
    try:
        yield rows
    finally:
        process.kill()
        process.wait()


def append_one_by_one(base_url: str, credentials: Path, rows: Path, columns: int, cell: str) -> None:
    """The naive writer's process."""
    from gspread.exceptions import APIError

    from collect_pipelines.local.sheets.testing import gspread_client

    sheet = gspread_client(base_url, credentials).create("Naive").sheet1
    failures = 0
    with rows.open("a", buffering=1) as log:
        while True:
            try:
                sheet.append_row([cell] * columns)
            except APIError:
                failures += 1
                time.sleep(min(2 ** (failures - 1) + random.random(), LONGEST_BACKOFF_SECONDS))
                continue
            failures = 0
            log.write(f"{time.time()}\n")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    if what == "server":
        serve(Path(rest[0]), float(rest[1]), rest[2:])
    elif what == "lane":
        work(rest[0], json.loads(rest[1]), rest[2] == "1")
    else:
        append_one_by_one(rest[0], Path(rest[1]), Path(rest[2]), int(rest[3]), rest[4])
