"""What the README promises about starting and stopping, done as it says."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from tests.acceptance.stack import ROOT, Stack, answers, command_line, eventually


def test_the_demo_shows_its_first_response_in_a_sheet_and_in_duckdb(folder: Path) -> None:
    demo = Stack(folder)
    demo.start("demo", "--once", "--json", wait=False)
    assert demo.process is not None

    assert demo.process.wait(240) == 0, demo.told()

    line = next(line for line in demo.output.read_text().splitlines() if line.startswith("{"))
    seconds = json.loads(line)["first_visible_seconds"]
    assert set(seconds) == {"spreadsheet", "warehouse"}
    print(f"first response visible after {seconds}")


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


def test_a_second_start_in_the_same_folder_is_refused(stack: Stack) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "collect_pipelines.cli", "up"], cwd=ROOT, env=stack.environment, capture_output=True, text=True, timeout=60
    )

    assert stack.process is not None
    assert said.returncode == 3, said.stderr
    assert f"Process {stack.process.pid} already runs" in said.stderr


def test_a_child_that_dies_is_started_again(stack: Stack) -> None:
    ingest = next(child for child in stack.processes() if command_line(child)[-2:] == ["serve", "ingest"])

    ingest.kill()

    eventually(lambda: not alive(ingest), 10)
    eventually(lambda: answers(f"{stack.ingest}/readyz"), 60, stack.told)


def test_whatever_ends_it_no_process_is_left_and_the_next_start_finds_the_data(stack: Stack) -> None:
    # The last test of the file, for it ends what the others use.
    key = stack.collect_json("keys", "create", "app", "--scope", "ingest", "--scope", "read")["key"]
    form = stack.folder / "visit.yaml"
    form.write_text("form: visit\ntitle: Visit\nquestions:\n  - key: name\n    type: text\n    label: Name\n")
    stack.collect("forms", "publish", str(form))
    headers = {"Authorization": f"Bearer {key}"}

    for number, ending in enumerate([signal.SIGTERM, signal.SIGKILL, signal.SIGINT]):
        if number:
            stack.start()
        document = {"id": f"r-{number}", "answers": {"name": f"visitor {number}"}}
        sent = httpx.post(f"{stack.ingest}/v1/forms/visit/responses", json=document, headers=headers)
        assert sent.status_code == 201, sent.text
        for earlier in range(number + 1):
            found = httpx.get(f"{stack.ingest}/v1/responses/r-{earlier}", headers=headers)
            assert found.json()["answers"] == {"name": f"visitor {earlier}"}
        children = stack.processes()

        code = stack.stop(ending)

        assert code == (-signal.SIGKILL if ending is signal.SIGKILL else 0), stack.told()
        if ending is not signal.SIGKILL:  # else the next start waits by itself for what is left
            wait_for_the_end(children)


def wait_for_the_end(processes: list[psutil.Process]) -> None:
    """None of them is left."""
    eventually(lambda: not any(alive(one) for one in processes), 30, lambda: str([one for one in processes if alive(one)]))


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
