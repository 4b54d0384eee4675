"""What the README promises about starting and stopping, done as it says."""

import json
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.stack import Stack, answers, eventually


def test_the_demo_shows_its_first_response_in_a_sheet_and_in_duckdb(folder: Path) -> None:
    demo = Stack(folder)
    demo.start("demo", "--once", "--json", wait=False)
    assert demo.process is not None

    assert demo.process.wait(240) == 0, demo.told()

    line = next(line for line in demo.output.read_text().splitlines() if line.startswith("{"))
    seconds = json.loads(line)["first_visible_seconds"]
    assert set(seconds) == {"spreadsheet", "warehouse"}
    print(f"first response visible after {seconds}")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_it_no_process_is_left_and_the_next_start_finds_the_data(folder: Path, ending: signal.Signals) -> None:
    product = Stack(folder)
    product.start()
    assert product.process is not None
    children = psutil.Process(product.process.pid).children(recursive=True)
    key = product.collect_json("keys", "create", "app", "--scope", "ingest", "--scope", "read")["key"]
    form = product.folder / "visit.yaml"
    form.write_text("form: visit\ntitle: Visit\nquestions:\n  - key: name\n    type: text\n    label: Name\n")
    product.collect("forms", "publish", str(form))
    headers = {"Authorization": f"Bearer {key}"}
    sent = httpx.post(f"{product.ingest}/v1/forms/visit/responses", json={"id": "r-1", "answers": {"name": "Asha"}}, headers=headers)
    assert sent.status_code == 201, sent.text

    code = product.stop(ending)

    assert code == (-signal.SIGKILL if ending is signal.SIGKILL else 0), product.told()
    eventually(lambda: not any(alive(child) for child in children), 30, lambda: str([child for child in children if alive(child)]))

    product.start()
    found = httpx.get(f"{product.ingest}/v1/responses/r-1", headers=headers)
    assert found.json()["answers"] == {"name": "Asha"}
    product.stop()


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def test_a_taken_port_is_named_with_the_setting_that_moves_it(folder: Path) -> None:
    product = Stack(folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(product.settings["COLLECT_INGEST_PORT"])))
        taken.listen()
        product.start(wait=False)
        assert product.process is not None

        assert product.process.wait(60) == 7, product.told()

    told = product.output.read_text()
    assert product.settings["COLLECT_INGEST_PORT"] in told
    assert "COLLECT_INGEST_PORT" in told
    assert "Traceback" not in told


def test_every_child_that_dies_is_started_again(folder: Path) -> None:
    product = Stack(folder)
    product.start()
    assert product.process is not None
    deadline = time.monotonic() + 60
    ingest = next(child for child in psutil.Process(product.process.pid).children(recursive=True) if "ingest" in child.cmdline()[-3:])

    ingest.kill()

    eventually(lambda: not alive(ingest), 10)
    eventually(lambda: answers(f"{product.ingest}/readyz"), deadline - time.monotonic(), product.told)
    product.stop()
