"""The use cases of docs/use-cases, followed word by word by a newcomer: every command is run, every answer is compared."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import ROOT, Stack

PAGES = ROOT / "docs" / "use-cases"
PORTS = {"8080": "COLLECT_INGEST_PORT"}
BLOCK = re.compile(r"^```(sh|json|text|csv)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WILD = "…"
CONNECTED = re.compile(r"^collect integrations add google_sheets --form (\w+)$", re.MULTILINE)


@dataclass
class Step:
    """One command of a page, with what the page says it answers."""

    command: str
    answer: str | None = None
    kind: str | None = None


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    for kind, content in BLOCK.findall(page.read_text("utf-8")):
        if kind == "csv":
            continue
        if kind == "sh":
            found.append(Step(content))
        else:
            assert found and found[-1].answer is None, f"{page.name} shows an answer without its command"
            found[-1].answer, found[-1].kind = content, kind
    return found


class Newcomer:
    """A shell that stays open from the first command of a page to the last."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        path = f"{Path(sys.executable).parent}:{stack.environment['PATH']}"
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=stack.environment | {"PATH": path}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.ports = {f"127.0.0.1:{said}": f"127.0.0.1:{stack.settings[setting]}" for said, setting in PORTS.items()}

    def types(self, command: str) -> str:
        """Runs a command; returns what it printed to standard output."""
        for said, port in self.ports.items():
            command = command.replace(said, port)
        assert self.shell.stdin and self.shell.stdout
        self.shell.stdin.write(f"{command}\nprintf '\\n--- done %s\\n' $?\n")
        self.shell.stdin.flush()
        return "".join(iter(self._line, ""))

    def _line(self) -> str:
        assert self.shell.stdout and self.shell.stderr
        line = self.shell.stdout.readline()
        assert line, f"the shell ended: {self.shell.stderr.read()}"
        if line.startswith("--- done "):
            assert line == "--- done 0\n", line
            return ""
        return line

    def leaves(self) -> None:
        self.shell.communicate(timeout=30)


@pytest.fixture
def newcomer(stack: Stack, tmp_path: Path) -> Iterator[Newcomer]:
    one = Newcomer(stack, tmp_path)
    yield one
    one.leaves()


def holds(shown: Any, actual: Any) -> bool:
    """Whether everything a page shows of a JSON document is there; a page leaves out what does not matter to the reader."""
    if isinstance(shown, dict):
        return isinstance(actual, dict) and all(name in actual and holds(value, actual[name]) for name, value in shown.items())
    if isinstance(shown, list):
        return isinstance(actual, list) and len(shown) == len(actual) and all(map(holds, shown, actual))
    return bool(shown == actual)


def sheet_shown(page: Path) -> list[list[str]]:
    """The rows of the sheet as the page ends with them; the first column, the moment of the response, is left out."""
    (rows,) = [content for kind, content in BLOCK.findall(page.read_text("utf-8")) if kind == "csv"]
    return list(csv.reader(rows.splitlines()))


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_newcomer_who_follows_the_page_sees_what_it_shows(page: Path, newcomer: Newcomer, stack: Stack) -> None:
    for step in steps(page):
        printed = newcomer.types(step.command)
        if step.kind == "json":
            assert step.answer is not None and holds(json.loads(step.answer), json.loads(printed)), f"{step.command}\n{printed}"
        elif step.kind == "text":
            assert step.answer is not None
            for line in step.answer.splitlines():
                assert all(part in printed for part in line.split(WILD)), f"{step.command}\nhas no {line!r}:\n{printed}"

    (form,) = CONNECTED.findall(page.read_text("utf-8"))
    header, *rows = sheet_shown(page)
    entries = sum(int(revision) for *_, revision in rows)
    integration = stack.wait_until_complete(form, entries)["google_sheets"]["integration"]
    assert [row[1:] for row in stack.sheet_rows(integration)] == [header, *rows]
