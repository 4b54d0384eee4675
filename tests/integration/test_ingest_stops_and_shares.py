"""A stopping process loses no request, several workers share one port and one set of numbers, and clients that leave cost nothing."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.ingest_server import ROOT, client_of, ingest, make_key, publish, response, wait_for

PATH = "/v1/forms/household/responses"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_graceful_stop_fails_no_request(database_url: str, tmp_path: Path, workers: int) -> None:
    publish(database_url)
    key = make_key(database_url, "ingest", "read")
    statuses: list[int] = []
    ready_during_stop: list[int] = []

    with ingest(database_url, tmp_path, ingest_workers=workers, ingest_drain_seconds=1.0) as running:

        def send() -> None:
            with client_of(running, key) as client:
                while True:
                    reply = client.post(PATH, json=response())
                    statuses.append(reply.status_code)
                    if reply.headers.get("connection") == "close":
                        return

        def watch() -> None:
            while not ready_during_stop:
                try:
                    reply = httpx.get(f"{running.base_url}/readyz", timeout=5)
                except httpx.TransportError:
                    return
                if reply.status_code == 503 and "stopping" in reply.json()["problems"]:
                    ready_during_stop.append(503)

        threads = [threading.Thread(target=target) for target in (*[send] * 4, watch)]
        for thread in threads:
            thread.start()
        wait_for(lambda: len(statuses) > 40, "nothing is accepted")
        started = time.monotonic()
        exit_code = running.terminate()
        took = time.monotonic() - started
        for thread in threads:
            thread.join()

    assert exit_code == 0
    assert set(statuses) == {201}
    assert ready_during_stop == [503]
    assert took < 10


def test_workers_share_the_port_and_their_numbers_and_are_replaced(database_url: str, tmp_path: Path) -> None:
    publish(database_url)
    key = make_key(database_url, "ingest")

    with ingest(database_url, tmp_path, ingest_workers=2) as running:
        parent = psutil.Process(running.process.pid)
        wait_for(lambda: len(started_workers(running.log_path)) == 2, "two workers did not start")
        for _ in range(40):
            with client_of(running, key) as client:
                assert client.post(PATH, json=response()).status_code == 201
        told = {accepted(running.base_url) for _ in range(20)}
        victim = started_workers(running.log_path)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(started_workers(running.log_path)) == 3, "the worker was not replaced")
        with client_of(running, key) as client:
            again = client.post(PATH, json=response())
        after = accepted(running.base_url)
        children = [child.pid for child in parent.children()]
        parent.kill()
        wait_for(
            lambda: not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in children),
            "workers outlive their parent",
        )

    assert told == {40.0}
    assert (again.status_code, after) == (201, 41.0)


def started_workers(log: Path) -> list[int]:
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [line["worker"] for line in lines if line["event"] == "ingest_started"]


def accepted(base_url: str) -> float:
    text = httpx.get(f"{base_url}/metrics").text
    return sum(float(value) for value in re.findall(r'^collect_ingest_responses_total\{.*outcome="accepted".*\} (.+)$', text, re.MULTILINE))


def test_half_a_body_and_a_client_that_leaves_store_nothing(database_url: str, tmp_path: Path) -> None:
    publish(database_url)
    key = make_key(database_url, "ingest", "read")
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    )

    with ingest(database_url, tmp_path) as running:
        host, port = running.base_url.removeprefix("http://").split(":")
        for _ in range(30):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + b'{"id": "half", "answers"')
        descriptors = psutil.Process(running.process.pid).num_fds
        with client_of(running, key) as client:
            page = client.get(PATH).json()
            usual = descriptors()
        wait_for(lambda: descriptors() <= usual, "descriptors leak", seconds=5)

    assert page["responses"] == []


def test_a_taken_port_is_said_in_words(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {**os.environ, "COLLECT_INGEST_PORT": port, "COLLECT_DATABASE_URL": database_url, "COLLECT_DATA_DIR": str(tmp_path)}
        ended = subprocess.run(
            [sys.executable, "-m", "tests.integration.ingest_server"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
        )

    assert ended.returncode != 0
    assert f"can't bind port {port} on 127.0.0.1" in ended.stderr
