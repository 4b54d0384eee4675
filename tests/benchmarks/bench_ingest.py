"""
How fast responses are taken, and what group commit is worth. Run: python tests/benchmarks/bench_ingest.py [--seconds 5]

Starts a throwaway Postgres (fsync on) and the real server process, sends responses of about 1.5 KB with 20 answers over
keep-alive connections from a process of its own, and does the same with one commit per request. All share one machine.

Then the cost of checks: the same responses to forms without any, and to forms with five rules, phone and slang (10,000 terms) on,
taken in turn; `--checks-only` measures nothing else.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import psutil
import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

CLIENTS = (1, 16, 64, 256)
VARIANTS = ("grouped", "single")
LANGUAGES = ["hi", "mr", "en-IN"]
TERMS = 10_000
FORMS = 8  # with one form alone its row lock would make the single commits even slower
WARM_SECONDS = 1.0


@dataclass(frozen=True)
class Measured:
    """One cell of the table."""

    variant: str
    clients: int
    rate: float
    p50_ms: float
    p99_ms: float
    failed: int
    server_us: float
    postgres_us: float


def definition_of(form: str) -> dict[str, Any]:
    """Twenty questions of the usual types."""
    questions: list[dict[str, Any]] = [{"key": f"text_{n}", "type": "text", "label": f"Text {n}", "max_length": 500} for n in range(9)]
    questions += [{"key": f"count_{n}", "type": "integer", "label": f"Count {n}", "min": 0, "max": 1000} for n in range(4)]
    questions += [{"key": f"amount_{n}", "type": "decimal", "label": f"Amount {n}"} for n in range(2)]
    choices = [{"code": f"choice_{n}", "label": f"Choice {n}"} for n in range(6)]
    questions += [{"key": f"one_{n}", "type": "select_one", "label": f"One {n}", "choices": choices} for n in range(2)]
    questions.append({"key": "many", "type": "select_multiple", "label": "Many", "choices": choices})
    questions.append({"key": "day", "type": "date", "label": "Day"})
    questions.append({"key": "agreed", "type": "boolean", "label": "Agreed", "required": True})
    return {"form": form, "title": form, "questions": questions}


CHECKED_ANSWERS = {"phone": "+919845012345", "city": "pune"}
RULES = (
    "count_0 <= count_3", "amount_0 + amount_1 > 0.0", 'one_0 != one_1 || size(many) > 0', "size(text_0) < 500 && size(text_1) < 500",
    'day >= date("2020-01-31")',
)  # fmt: skip


def checked_definition(form: str, on: bool) -> dict[str, Any]:
    """The same questions, a phone and a city besides; with or without checks."""
    made = definition_of(form)
    city = {
        "key": "city",
        "type": "select_one",
        "label": "City",
        "choices": [{"code": "pune", "label": "Pune", "attributes": {"language": LANGUAGES}}],
    }
    made["questions"] += [{"key": "phone", "type": "phone", "label": "Phone", "region": "IN"}, city]
    if on:
        made["rules"] = [{"name": f"rule_{number}", "expression": rule} for number, rule in enumerate(RULES)]
        made["checks"] = {"phone": {}, "slang": {"config": {"city": "city"}}}
    return made


def answers() -> dict[str, Any]:
    """Twenty answers, about 1.5 KB as JSON with the envelope."""
    texts = {
        f"text_{n}": f"An answer in the words of a person, of ordinary length, to question number {n}, and a bit more " for n in range(9)
    }
    numbers = {f"count_{n}": 7 * n for n in range(4)} | {f"amount_{n}": 12.5 + n for n in range(2)}
    chosen = {"one_0": "choice_1", "one_1": "choice_5", "many": ["choice_0", "choice_2", "choice_3"]}
    return texts | numbers | chosen | {"day": "2026-01-31", "agreed": True}


class Client(asyncio.Protocol):
    """One keep-alive connection: sends the next response when the last one was answered."""

    def __init__(self, requests: "Requests", times: list[float], stop_at: float) -> None:
        self._requests, self._times, self._stop_at = requests, times, stop_at
        self._received = b""
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self._times.append(now - self._sent)
        self.failed += not head.startswith(b"HTTP/1.1 201")
        self._received = b""
        if now < self._stop_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._requests.next())


class Requests:
    """Ready bytes with a fresh id in each, for the forms of one set in turn."""

    def __init__(self, key: str, forms: str = "bench") -> None:
        self._count = 0
        self._forms = []
        given = answers() if forms == "bench" else answers() | CHECKED_ANSWERS
        tail = orjson.dumps({"answers": given, "version": 1, "submitted_at": "2026-01-31T09:30:00Z", "source": "bench"})[1:]
        for number in range(FORMS):
            length = len(b'{"id":"",') + 36 + len(tail)
            head = (
                f"POST /v1/forms/{forms}{number}/responses HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n" + '{"id":"'
            )
            self._forms.append((head.encode(), b'",' + tail))

    def next(self) -> bytes:
        self._count += 1
        head, tail = self._forms[self._count % FORMS]
        return head + str(uuid4()).encode() + tail


async def load(port: int, key: str, clients: int, seconds: float, forms: str) -> dict[str, Any]:
    """Runs so many clients for so long; raw times and failures."""
    loop = asyncio.get_running_loop()
    requests = Requests(key, forms)
    times: list[float] = []
    started = time.perf_counter()
    made = []
    for _ in range(clients):
        _, client = await loop.create_connection(lambda: Client(requests, times, started + seconds), "127.0.0.1", port)
        made.append(client)
    await asyncio.gather(*(client.done for client in made))
    return {"seconds": time.perf_counter() - started, "times": times, "failed": sum(client.failed for client in made)}


def run_load(port: int, key: str, clients: int, seconds: float, forms: str) -> dict[str, Any]:
    """The load from a process of its own."""
    command = [sys.executable, __file__, "--load", f"{port},{key},{clients},{seconds},{forms}"]
    made: dict[str, Any] = orjson.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return made


def serve(variant: str, url: str, port: int) -> None:
    """The real server; the baseline differs in the writer alone."""
    from collect_pipelines.ingest.server import bind, run_worker
    from collect_pipelines.settings import Settings

    settings = Settings(ingest_port=port, data_dir=Path(tempfile.gettempdir()), ingest_drain_seconds=0.0)
    run_worker(settings, url, bind(settings), group_commit=variant == "grouped")


@contextmanager
def server(variant: str, url: str, port: int) -> Iterator[int]:
    """Its process id, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", f"{variant},{port}"], stdout=subprocess.DEVNULL, env={**os.environ, "BENCH_URL": url}
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None and time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def cpu_of(pid: int, children: bool = False) -> float:
    """CPU seconds used so far."""
    process = psutil.Process(pid)
    total = 0.0
    for each in [process, *(process.children(recursive=True) if children else [])]:
        try:
            used = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system
    return total


def measure(variant: str, pid: int, postgres_pid: int, port: int, key: str, clients: int, seconds: float, forms: str = "bench") -> Measured:
    """One run after a short warm-up."""
    run_load(port, key, clients, WARM_SECONDS, forms)
    server_before, postgres_before = cpu_of(pid), cpu_of(postgres_pid, children=True)
    made = run_load(port, key, clients, seconds, forms)
    server_used, postgres_used = cpu_of(pid) - server_before, cpu_of(postgres_pid, children=True) - postgres_before
    times = sorted(made["times"])
    count = len(times)
    return Measured(
        variant,
        clients,
        count / made["seconds"],
        1000 * times[count // 2],
        1000 * times[min(count - 1, int(count * 0.99))],
        made["failed"],
        1e6 * server_used / count,
        1e6 * postgres_used / count,
    )


def main() -> None:
    """Everything, as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--checks-only", action="store_true", help="measure only what checks cost")
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.load:
        port, key, clients, seconds, forms = chosen.load.split(",")
        sys.stdout.buffer.write(orjson.dumps(uvloop.run(load(int(port), key, int(clients), float(seconds), forms))))
    elif chosen.serve:
        variant, port = chosen.serve.split(",")
        serve(variant, os.environ["BENCH_URL"], int(port))
    else:
        compare(chosen.clients, chosen.seconds, checks_only=chosen.checks_only)


def compare(clients: list[int], seconds: float, *, checks_only: bool) -> None:
    """Both variants, then what checks cost, in one run on one Postgres."""
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.local.postgres import throwaway_postgres
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.forms import publish_form
    from collect_pipelines.store.keys import create_key
    from collect_pipelines.store.migrations import upgrade

    with throwaway_postgres() as postgres:
        url = postgres.url()
        upgrade(url)
        database = Database(url)
        with database.begin() as connection:
            for number in range(FORMS):
                publish_form(connection, "default", FormDefinition.model_validate(definition_of(f"bench{number}")))
            key = create_key(connection, "default", "bench", frozenset({"ingest"})).text
        database.dispose()
        print(f"{FORMS} forms, 20 answers, {len(Requests(key).next())} bytes per request with headers, {seconds:g} s each", flush=True)
        rows = {} if checks_only else worth_of_grouping(postgres, url, key, clients, seconds)
        cost_of_checks(postgres, url, key, clients, seconds)
    for count in [] if checks_only else clients:
        grouped, single = rows["grouped", count], rows["single", count]
        cpu = (single.server_us + single.postgres_us) / (grouped.server_us + grouped.postgres_us)
        print(f"grouped against single at {count} clients: {grouped.rate / single.rate:.1f} x the rate, 1/{cpu:.1f} of the CPU per request")


def worth_of_grouping(postgres: Any, url: str, key: str, clients: list[int], seconds: float) -> dict[tuple[str, int], Measured]:
    """Grouped commits and one commit per request, each on a server of its own."""
    from collect_pipelines.local.ports import free_port

    print(
        f"{'writer':>8} {'clients':>8} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7} {'server us':>10} {'postgres us':>12}",
        flush=True,
    )
    rows: dict[tuple[str, int], Measured] = {}
    for count in clients:
        for variant in VARIANTS:
            port = free_port()
            with server(variant, url, port) as pid:
                row = measure(variant, pid, postgres.pid, port, key, count, seconds)
            rows[variant, count] = row
            print(
                f"{variant:>8} {count:>8} {row.rate:>8.0f} {row.p50_ms:>8.1f} {row.p99_ms:>8.1f} {row.failed:>7} "
                f"{row.server_us:>10.0f} {row.postgres_us:>12.0f}",
                flush=True,
            )
    return rows


def cost_of_checks(postgres: Any, url: str, key: str, clients: list[int], seconds: float) -> None:
    """Forms without checks and with them, in turn on one server."""
    from collect_pipelines.local.ports import free_port

    publish_checked(url)
    print(f"\nfive rules, phone and slang ({TERMS} terms) against no checks; answers besides: {', '.join(CHECKED_ANSWERS)}", flush=True)
    print(
        f"{'checks':>8} {'clients':>8} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7} {'server us':>10} {'more us':>8}", flush=True
    )
    port = free_port()
    with server("grouped", url, port) as pid:
        for count in clients:
            before = 0.0
            for forms in ("plain", "checked"):
                row = measure("grouped", pid, postgres.pid, port, key, count, seconds, forms)
                more = f"{row.server_us - before:>8.0f}" if before else ""
                before = row.server_us
                print(
                    f"{'on' if forms == 'checked' else 'none':>8} {count:>8} {row.rate:>8.0f} {row.p50_ms:>8.1f} {row.p99_ms:>8.1f} "
                    f"{row.failed:>7} {row.server_us:>10.0f} {more}",
                    flush=True,
                )


def publish_checked(url: str) -> None:
    """Both sets of forms, and a lexicon."""
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.forms import publish_form
    from collect_pipelines.store.references import replace_rows

    pick = random.Random(11)
    letters = "abcdefghijklmnoprstuvy"
    words = {"".join(pick.choices(letters, k=pick.randint(5, 9))) for _ in range(2 * TERMS)}
    terms = [{"term": word, "language": LANGUAGES[number % 3], "severity": "note"} for number, word in enumerate(sorted(words)[:TERMS])]
    database = Database(url)
    with database.begin() as connection:
        replace_rows(connection, "default", "slang", "bench", "CC0-1.0", terms)
        for number in range(FORMS):
            for forms in ("plain", "checked"):
                publish_form(
                    connection, "default", FormDefinition.model_validate(checked_definition(f"{forms}{number}", forms == "checked"))
                )
    database.dispose()


if __name__ == "__main__":
    main()
