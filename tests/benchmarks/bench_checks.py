"""
What isolating a check costs, and what a check that misbehaves costs everybody. Run: python tests/benchmarks/bench_checks.py

First the checks alone: one that does nothing, in line and in a process of its kind, in the same run, one response at a time and 32
at once. Then a real ingest server over HTTP under steady load, with one hostile check after the other on: latencies in the client,
against the form's deadline. Everything shares one machine.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

DEADLINE_MS = 300
HOSTILE = (
    "no check", "pass", "none", "raise with the answer", "leave", "sleep", "spin", "power", "regex", "exit", "crash", "leak", "swallow",
    "close descriptors", "print very much", "fork", "write rubbish",
)  # fmt: skip
PER_SECOND = 60  # steady, as a person's clicks would not wait for the reply before; two cores run client, server, Postgres and checks


def percentiles(times: list[float]) -> str:
    """p50, p99 and the longest, in milliseconds."""
    times = sorted(times)
    p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
    return f"{1000 * p50:>8.2f} {1000 * p99:>8.2f} {1000 * times[-1]:>8.2f}"


def answers() -> dict[str, Any]:
    """Twenty answers of ordinary length."""
    return {"name": "Asha"} | {f"text_{n}": f"An answer in the words of a person, of ordinary length, number {n}" for n in range(19)}


def questions() -> list[dict[str, Any]]:
    return [{"key": key, "type": "text", "label": key} for key in answers()]


async def alone(count: int) -> None:
    """The checks without a server."""
    from collect_pipelines.checks.interface import Draft
    from collect_pipelines.checks.isolation.processes import CheckProcesses
    from collect_pipelines.checks.runner import CheckRunner
    from collect_pipelines.forms.definition import FormDefinition

    processes = CheckProcesses()

    async def made(checks: dict[str, Any], *trusted: str) -> CheckRunner:
        definition = FormDefinition.model_validate({"form": "f", "title": "F", "checks": checks, "questions": questions()})
        runner = CheckRunner(definition, processes, trusted=trusted)
        await runner.prepare()
        assert await runner.is_ready(30)
        return runner

    runners = {
        "no check": await made({}),
        "in line": await made({"quick": {}}, "strange-checks"),
        "isolated": await made({"quick": {}}),
    }
    print(f"{'':>10} {'at once':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'us each':>8} {'cpu us':>8} {'of it here':>11}", flush=True)
    for at_once in (1, 32):
        for name, runner in runners.items():
            await several(runner, at_once, count // 10, Draft)
            children = [psutil.Process(pid) for pool in processes._kinds.values() for pid in (m.child.pid for m in pool.members) if pid]
            here, there = cpu(), sum(sum(child.cpu_times()[:2]) for child in children)
            started = time.perf_counter()
            times = await several(runner, at_once, count, Draft)
            seconds = time.perf_counter() - started
            here = cpu() - here
            total = here + sum(sum(child.cpu_times()[:2]) for child in children) - there
            each = f"{1e6 * seconds / count:>8.0f} {1e6 * total / count:>8.0f} {1e6 * here / count:>11.0f}"
            print(f"{name:>10} {at_once:>8} {percentiles(times)} {each}", flush=True)
    await processes.close()


async def several(runner: Any, at_once: int, count: int, draft: Any) -> list[float]:
    """Runs the checks so many times; seconds of each."""
    times: list[float] = []
    given = answers()

    async def one() -> None:
        for _ in range(count // at_once):
            started = time.perf_counter()
            outcomes = await runner.run(draft("r", given))
            times.append(time.perf_counter() - started)
            assert {outcome.outcome for outcome in outcomes} == {"passed"}, outcomes

    await asyncio.gather(*(one() for _ in range(at_once)))
    return times


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def over_http(seconds: float) -> None:
    """One hostile check after the other."""
    from collect_pipelines.local.postgres import throwaway_postgres
    from collect_pipelines.store.migrations import upgrade
    from tests.integration.ingest_server import ingest, make_key

    with throwaway_postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        url = postgres.url()
        upgrade(url)
        publish_all(url)
        key = make_key(url, "ingest")
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        print(f"\ndeadline {DEADLINE_MS} ms, {PER_SECOND} responses a second", flush=True)
        print(f"{'check':>22} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}  status, outcome of the check", flush=True)
        with ingest(url, Path(folder), check_pause_seconds=2) as server:
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(base_url=server.base_url, headers=headers, timeout=30) as client:
                await steady(client, "f0", 1.0)
                for number, do in enumerate(HOSTILE):
                    times, statuses, outcomes = await steady(client, f"f{number}", seconds)
                    print(f"{do:>22} {percentiles(times)}  {dict(statuses)} {dict(outcomes)}", flush=True)
            numbers = httpx.get(f"{server.base_url}/metrics").text
            print("\n".join(line for line in numbers.splitlines() if line.startswith("collect_ingest_check_")))
            print(f"memory of ingest: {psutil.Process(server.process.pid).memory_info().rss >> 20} MiB")


def publish_all(url: str) -> None:
    """A form per hostile check."""
    from tests.integration.ingest_server import publish

    for number, do in enumerate(HOSTILE):
        checks = {"stranger": {"timeout_ms": DEADLINE_MS, "config": {"do": do, "megabytes": 100}}} if do != "no check" else {}
        publish(
            url, json.dumps({"form": f"f{number}", "title": do, "deadline_ms": DEADLINE_MS, "checks": checks, "questions": questions()})
        )


async def steady(client: httpx.AsyncClient, form: str, seconds: float) -> tuple[list[float], Counter[int], Counter[str]]:
    """Responses at a steady rate, whatever becomes of those before."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    outcomes: Counter[str] = Counter()

    async def one() -> None:
        started = time.perf_counter()
        reply = await client.post(f"/v1/forms/{form}/responses", json={"id": str(uuid4()), "answers": answers()})
        times.append(time.perf_counter() - started)
        statuses[reply.status_code] += 1
        outcomes.update(check["outcome"] for check in reply.json().get("checks", []) if check["check"] == "stranger")

    async with asyncio.TaskGroup() as group:
        for _ in range(int(seconds * PER_SECOND)):
            group.create_task(one())
            await asyncio.sleep(1 / PER_SECOND)
    return times, statuses, outcomes


def main() -> None:
    """Both parts."""
    from tests.strangers import install

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="responses of each measurement of the first part")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load per hostile check")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, str(install(Path(folder))))
        uvloop.run(alone(chosen.count))
        uvloop.run(over_http(chosen.seconds))


if __name__ == "__main__":
    main()
