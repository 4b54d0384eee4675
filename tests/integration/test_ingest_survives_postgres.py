"""Postgres killed and restarted under load: no acknowledged response is lost, and clients are told the truth meanwhile (promise 1)."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from collect_pipelines.local.ports import free_port
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.migrations import upgrade
from tests.integration.ingest_server import IngestProcess, client_of, ingest, make_key, publish, response, wait_for

PATH = "/v1/forms/household/responses"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server of this file's own, on a fixed port, so that it can die and come back."""
    # Not below pytest's own folder: any other run of pytest closes that to the user the server runs as.
    with tempfile.TemporaryDirectory(prefix="collect-ingest-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres", port=free_port()) as running:
            upgrade(running.url())
            publish(running.url())
            yield running


@pytest.fixture
def own_postgres(server: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server, up again whatever the test before did to it."""
    server.start()
    return server


@dataclass
class Load:
    """Clients that go on sending, and what they were told."""

    running: IngestProcess
    key: str
    acknowledged: set[str] = field(default_factory=set)
    refused: list[tuple[int, str | None]] = field(default_factory=list)
    slowest: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def send(self) -> None:
        """One client, until it is told to stop."""
        with client_of(self.running, self.key) as client:
            while not self.stop.is_set():
                sent = response()
                started = time.monotonic()
                reply = client.post(PATH, json=sent)
                self.slowest = max(self.slowest, time.monotonic() - started)
                if reply.status_code == 201:
                    self.acknowledged.add(sent["id"])
                else:
                    self.refused.append((reply.status_code, reply.headers.get("retry-after")))


def stored_ids(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("select response_id from collect.response")}


def test_nothing_acknowledged_is_lost_when_postgres_is_killed(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    with ingest(url, tmp_path) as running:
        load = Load(running, make_key(url, "ingest"))
        threads = [threading.Thread(target=load.send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            before = len(load.acknowledged)
            wait_for(lambda before=before: len(load.acknowledged) > before + 50, "nothing is accepted")
            assert own_postgres.pid is not None
            os.kill(own_postgres.pid, signal.SIGKILL)
            refused = len(load.refused)
            wait_for(lambda refused=refused: len(load.refused) > refused + 6, "nobody was told that Postgres is away")
            not_ready = httpx.get(f"{running.base_url}/readyz", timeout=5)
            own_postgres.start()
            recovering = time.monotonic()
            recovered = len(load.acknowledged)
            wait_for(lambda recovered=recovered: len(load.acknowledged) > recovered, "it did not recover")

            assert not_ready.status_code == 503
            assert time.monotonic() - recovering < 10
        wait_for(lambda: httpx.get(f"{running.base_url}/readyz", timeout=5).status_code == 200, "it does not say that it is ready")
        load.stop.set()
        for thread in threads:
            thread.join()

    assert load.acknowledged <= stored_ids(url)
    assert {status for status, _ in load.refused} == {503}
    assert all(retry is not None for _, retry in load.refused)
    assert load.slowest < 2.5  # 2 seconds, and half a one for six clients and a server that share this machine


def test_a_postgres_that_hangs_is_told_within_two_seconds(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    with ingest(url, tmp_path) as running, client_of(running, make_key(url, "ingest")) as client:
        assert client.post(PATH, json=response()).status_code == 201
        backends = backend_pids(url)
        for pid in backends:
            os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            cached = client.post(PATH, json=response())
            waited = time.monotonic() - started
        finally:
            for pid in backends:
                os.kill(pid, signal.SIGCONT)
        wait_for(lambda: client.post(PATH, json=response()).status_code == 201, "it did not recover")

    assert (cached.status_code, cached.headers["retry-after"]) == (503, "1")
    assert waited < 2.5


def backend_pids(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select pid from pg_stat_activity where application_name = 'collect-ingest'").fetchall()
    return [row[0] for row in rows]


def test_it_starts_without_postgres_and_begins_when_that_comes(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    key = make_key(url, "ingest")
    own_postgres.stop()

    with ingest(url, tmp_path) as running, client_of(running, key) as client:
        started = time.monotonic()
        away = client.post(PATH, json=response())
        waited = time.monotonic() - started
        ready = client.get("/readyz")
        own_postgres.start()
        wait_for(lambda: client.post(PATH, json=response()).status_code == 201, "it did not begin")

    assert (away.status_code, away.json()["code"], ready.status_code) == (503, "unavailable", 503)
    assert "postgres" in ready.json()["problems"]
    assert waited < 2.0


def test_nothing_is_accepted_while_postgres_may_lose_it(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    with ingest(url, tmp_path) as running, client_of(running, make_key(url, "ingest")) as client:
        set_and_reload(url, "alter system set full_page_writes = off")
        refused = client.post(PATH, json=response())
        ready = client.get("/readyz")
        set_and_reload(url, "alter system reset full_page_writes")
        wait_for(lambda: client.post(PATH, json=response()).status_code == 201, "it did not begin again")

    assert (refused.status_code, refused.json()["code"]) == (503, "durability-off")
    assert (ready.status_code, list(ready.json()["problems"])) == (503, ["durability"])
    assert "full_page_writes" in ready.json()["problems"]["durability"]


def set_and_reload(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        wanted = "off" if statement.endswith("off") else "on"
        connection.execute(statement)
        connection.execute("select pg_reload_conf()")

    def applied() -> bool:
        with psycopg.connect(url) as fresh:
            return fresh.execute("show full_page_writes").fetchone() == (wanted,)

    wait_for(applied, "Postgres did not take the setting")


def test_a_database_that_is_behind_is_named(own_postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    url = own_postgres.url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create database empty")

    with ingest(own_postgres.url("empty"), tmp_path) as running:
        reply = httpx.get(f"{running.base_url}/readyz", timeout=5)
        submitted = httpx.post(
            f"{running.base_url}{PATH}", json=response(), headers={"Authorization": f"Bearer cp_live_{uuid4().hex}"}, timeout=5
        )

    assert (reply.status_code, list(reply.json()["problems"])) == (503, ["migrations"])
    assert submitted.status_code == 503
