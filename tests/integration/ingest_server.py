"""A real ingest process on a free port, and what its tests send it. `python -m tests.integration.ingest_server` is the process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg import sql

from collect_pipelines.forms.reading import read_form
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.keys import Scope, create_key

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0

HOUSEHOLD = """
form: household
title: {en: Household, hi: परिवार}
languages: [en, hi]
checks:
  phone: {}
questions:
  - {key: head, type: text, label: {en: Head of the household, hi: मुखिया}, required: true, max_length: 100}
  - {key: members, type: integer, label: Members, min: 1, max: 40}
  - {key: income, type: decimal, label: Income}
  - key: water
    type: select_one
    label: Source of water
    choices:
      - {code: well, label: Well}
      - {code: tap, label: Tap}
  - {key: phone, type: phone, label: Phone, region: IN, on_violation: flag}
  - {key: note, type: text, label: Remarks}
"""


@dataclass
class IngestProcess:
    """A running ingest server."""

    process: subprocess.Popen[bytes]
    base_url: str
    log_path: Path

    def log_lines(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        return [json.loads(line) for line in self.log_path.read_bytes().splitlines()]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def ingest(database_url: str, folder: Path, **settings: object) -> Iterator[IngestProcess]:
    """The real server process; ended afterwards. Fields of Settings by name."""
    port = free_port()
    settings = {"ingest_port": port, "data_dir": folder, "ingest_drain_seconds": 0.1, **settings}
    variables = {f"COLLECT_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, **variables, "COLLECT_DATABASE_URL": database_url}
    log_path = folder / f"ingest-{port}.log"
    with log_path.open("wb") as log, (folder / "ingest-errors.log").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.ingest_server"], cwd=ROOT, env=environment, stdout=log, stderr=errors
        )
    running = IngestProcess(process, f"http://127.0.0.1:{port}", log_path)
    try:
        wait_for(lambda: answers(running), f"the ingest process did not start: {(folder / 'ingest-errors.log').read_text()}")
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(running: IngestProcess) -> bool:
    """Whether it accepts connections and turns; raises when it has ended."""
    assert running.process.poll() is None, "the ingest process ended"
    try:
        return httpx.get(f"{running.base_url}/livez", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def wait_for(condition: Any, message: str, seconds: float = START_SECONDS) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def client_of(running: IngestProcess, key: str | None) -> httpx.Client:
    """A client with the key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(base_url=running.base_url, headers=headers, timeout=15)


@contextmanager
def cloned(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """URL of a database cloned from the template: for tests of one file that share a server."""
    name = f"ingest_{uuid4().hex[:12]}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def publish(database_url: str, text: str = HOUSEHOLD, organization: str = "default") -> int:
    """Publishes the form; its number."""
    database = Database(database_url)
    with database.begin() as connection:
        published = publish_form(connection, organization, read_form(text))
    database.dispose()
    return published.form_id


def make_key(database_url: str, *scopes: Scope, organization: str = "default", **named: Any) -> str:
    """Text of a new key."""
    database = Database(database_url)
    with database.begin() as connection:
        created = create_key(connection, organization, "test", frozenset(scopes), **named)
    database.dispose()
    return created.text


def response(answers: Mapping[str, Any] | None = None, **named: Any) -> dict[str, Any]:
    """A valid response with a fresh id."""
    return {"id": str(uuid4()), "answers": {"head": "Asha", "members": 4, **(answers or {})}, **named}


def exchange(running: IngestProcess, request: bytes, seconds: float = 15.0) -> bytes:
    """Sends bytes as they are and returns all that comes back until the server closes."""
    host, port = running.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(request)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


if __name__ == "__main__":
    from collect_pipelines.ingest.server import serve
    from collect_pipelines.settings import Settings

    configured = Settings.from_environment()
    assert configured.database_url is not None
    serve(configured, configured.database_url)
