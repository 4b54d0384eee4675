"""An event loop with processes of checks in it, and forms that use the strange checks."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from collect_pipelines.checks.interface import Draft, References
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.runner import CheckOutcome, CheckRunner
from collect_pipelines.checks.said import LookUp, nobody_earlier
from collect_pipelines.forms.definition import FormDefinition
from tests.strangers import DISTRIBUTION, install

__all__ = ["Noted", "World", "draft", "form", "world_in"]

Result = TypeVar("Result")
READY_SECONDS = 30.0


class Noted:
    """Counts what is told of processes and breakers."""

    def __init__(self) -> None:
        self.restarts: list[tuple[str, str]] = []
        self.breakers: list[tuple[str, str, bool]] = []

    def check_restarted(self, plugin: str, reason: str) -> None:
        self.restarts.append((plugin, reason))

    def check_breaker(self, plugin: str, form: str, opened: bool) -> None:
        self.breakers.append((plugin, form, opened))


class World:
    """Runs what belongs to one event loop."""

    def __init__(self, **settings: Any) -> None:
        self.noted = Noted()
        self.loop = asyncio.Runner(loop_factory=uvloop.new_event_loop)  # as ingest has it
        self.processes = CheckProcesses(watcher=self.noted, **settings)

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run(work)

    def runner(self, definition: FormDefinition, *, trusted: bool = False, lists: References | None = None) -> CheckRunner:
        """A runner whose checks are ready."""

        async def read(names: tuple[str, ...]) -> References:
            return {name: (lists or {}).get(name, ()) for name in names}

        names = ["collect-pipelines", *([DISTRIBUTION] if trusted else [])]
        runner = CheckRunner(definition, self.processes, trusted=names, read_references=read)

        async def prepared() -> None:
            await runner.prepare()
            assert await runner.is_ready(READY_SECONDS)

        self.do(prepared())
        return runner

    def outcomes(self, definition: FormDefinition, response: Draft | None = None, **named: Any) -> list[CheckOutcome]:
        look_up: LookUp = named.pop("look_up", nobody_earlier)
        return self.do(self.runner(definition, **named).run(response or draft(), look_up))

    def outcome(self, definition: FormDefinition, response: Draft | None = None, **named: Any) -> CheckOutcome:
        """Of the last check."""
        outcomes = self.outcomes(definition, response, **named)
        assert [outcome.check for outcome in outcomes] == ["answers", *definition.checks]
        return outcomes[-1]

    def wait_for(self, condition: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Lets the event loop turn until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            self.do(asyncio.sleep(0.005))

    def pids(self, kind: str) -> list[int]:
        """Processes of a kind that are running."""
        return [member.child.pid for member in self.processes.of(kind).members if member.child.pid is not None]

    def close(self) -> None:
        self.do(self.processes.close())
        self.loop.close()


@contextmanager
def world_in(folder: Path, **settings: Any) -> Iterator[World]:
    """A world in which the strange checks are installed."""
    sys.path.insert(0, str(install(folder)))
    world = World(**settings)
    try:
        yield world
    finally:
        world.close()
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.startswith("strange_checks")]:
            del sys.modules[name]


def form(kind: str = "stranger", *, deadline_ms: int = 10_000, name: str = "f", **settings: Any) -> FormDefinition:
    return FormDefinition.model_validate(
        {
            "form": name,
            "title": "F",
            "deadline_ms": deadline_ms,
            "checks": {kind: {"timeout_ms": 10_000, **settings}},
            "questions": [
                {"key": "name", "type": "text", "required": True},
                {"key": "rows", "type": "repeat", "questions": [{"key": "a", "type": "text"}]},
            ],
        }
    )


def draft(name: str = "Asha SECRET-4711") -> Draft:
    return Draft("r1", {"name": name, "rows": [{"a": "x"}]}, language="en")
