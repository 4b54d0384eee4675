"""
How long a response takes from its commit to a cell that a person sees. Run: python tests/benchmarks/bench_latency.py [--hot 40] [--cold 3]

Starts the whole product as `collect up` does (embedded Postgres with fsync, ingest, Dagster, local Sheets server), posts single
responses over HTTP, and asks the page of the spreadsheet, as a browser would, every 20 ms until the cell is there.
Hot: the lanes' runs are alive. Cold: both were ended before, so the sensors must start them. All share one machine.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.acceptance.stack import Stack, eventually  # noqa: E402 - the path comes first

POLL_SECONDS = 0.02
GIVE_UP_SECONDS = 180.0
PAUSE_SECONDS = (1.2, 2.4)  # between hot responses: below the 60 writes that Google grants a minute, at no fixed phase
AIMS = {"hot": 1.5, "cold": 20.0}  # seconds, p50

FORM = """
form: latency
title: Latency
questions:
  - {key: mark, type: text, label: Mark, required: true}
  - {key: people, type: integer, label: People, min: 1, max: 30}
"""


@dataclass
class Page:
    """The spreadsheet's page, without quota or sign-in."""

    client: httpx.Client
    url: str
    rows: int = 1
    """Rows above the next one to come: the header."""

    def wait_for(self, mark: str) -> float:
        """Seconds until the mark stands in the next row."""
        began = time.perf_counter()
        while not self._shows(mark):
            if time.perf_counter() - began > GIVE_UP_SECONDS:
                raise SystemExit(f"{mark} is not in the sheet after {GIVE_UP_SECONDS:.0f} s.")
            time.sleep(POLL_SECONDS)
        self.rows += 1
        return time.perf_counter() - began

    def _shows(self, mark: str) -> bool:
        """In any tab: ours is made with the first response."""
        tabs = self._window()["layout"]["tabs"]
        return any(mark in json.dumps(self._window(gid=tab["id"], row=self.rows, rows=1)["cells"]) for tab in reversed(tabs))

    def _window(self, **query: int) -> dict[str, Any]:
        answer = self.client.get(self.url, params=query)
        if answer.status_code == 404:
            return {"cells": [], "layout": {"tabs": []}}  # the first tab of a new spreadsheet is replaced by ours
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


class Bench:
    """One running installation with one form, delivered to a sheet and to the warehouse."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.client = httpx.Client(timeout=30.0)
        self.count = 0

    def prepare(self) -> Page:
        """Publishes the form and connects both destinations."""
        form = self.stack.folder / "latency.yaml"
        form.write_text(FORM)
        self.stack.collect("forms", "publish", str(form))
        key = self.stack.collect_json("keys", "create", "bench", "--scope", "ingest")["key"]
        self.client.headers["Authorization"] = f"Bearer {key}"
        self.stack.collect("integrations", "add", "warehouse", "--form", "latency")
        self.stack.collect("integrations", "add", "google_sheets", "--form", "latency", "--name", "latency-sheet")
        facts = self.stack.collect_json("integrations", "test", "latency-sheet")["facts"]
        url = f"{self.stack.sheets}/spreadsheets/d/{facts['spreadsheet']}/window"
        return Page(httpx.Client(timeout=5.0), url)

    def one(self, page: Page) -> float:
        """Seconds from the 201 of one response to its cell."""
        self.count += 1
        mark = f"mark-{self.count:06d}"
        body = {"id": mark, "answers": {"mark": mark, "people": 3}}
        answer = self.client.post(f"{self.stack.ingest}/v1/forms/latency/responses", json=body)
        if answer.status_code != 201:
            raise SystemExit(f"Not accepted ({answer.status_code}): {answer.text}")
        return page.wait_for(mark)

    def end_runs(self) -> None:
        """Ends every lane's run cleanly and waits until none is left."""
        for process in self.stack.drain_runs():
            process.send_signal(signal.SIGTERM)
        eventually(lambda: not self.stack.drain_runs(), 60.0, self.stack.told)


def summary(name: str, seconds: list[float]) -> str:
    """One line of the result."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    middle = statistics.median(ordered)
    verdict = "ok" if middle < AIMS[name] else "MISSED"
    figures = f"p50 {middle:7.3f} s   p95 {p95:7.3f} s   max {ordered[-1]:7.3f} s   n {len(ordered):3}"
    return f"{name:5} {figures}   aim p50 < {AIMS[name]} s: {verdict}"


def measure(hot: int, cold: int, folder: Path) -> None:
    """Prints both distributions."""
    stack = Stack(folder)
    began = time.perf_counter()
    stack.start()
    print(f"up after {time.perf_counter() - began:.1f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    try:
        bench = Bench(stack)
        page = bench.prepare()
        cold_seconds = []
        for _ in range(cold):
            bench.end_runs()
            cold_seconds.append(bench.one(page))
            print(f"cold {cold_seconds[-1]:.2f} s, load {os.getloadavg()[0]:.1f}", flush=True)
        hot_seconds = []
        for _ in range(hot):
            time.sleep(random.uniform(*PAUSE_SECONDS))
            hot_seconds.append(bench.one(page))
        print("\ncommit -> cell visible in the sheet")
        print(summary("hot", hot_seconds))
        print(summary("cold", cold_seconds))
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    finally:
        stack.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hot", type=int, default=40, help="responses while the runs are alive")
    parser.add_argument("--cold", type=int, default=3, help="responses that find no run alive")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="collect-bench-"))
    place.chmod(0o711)  # the embedded Postgres passes through it as a user of its own
    try:
        measure(chosen.hot, chosen.cold, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
