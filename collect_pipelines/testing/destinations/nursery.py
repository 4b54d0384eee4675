"""
Deliveries in processes that can be killed: each is forked from one that imported everything and did nothing else.

Not from the test's own process: libraries that keep threads (polars, DuckDB) hang in the child of a process that used them.
"""

import importlib
import importlib.util
import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.testing.destinations.context import Core
from collect_pipelines.testing.destinations.steps import Action

__all__ = ["Ended", "Job", "KindReference", "Nursery", "reference_to"]

End = Literal["killed", "stopped", "ended"]


@dataclass(frozen=True, slots=True)
class KindReference:
    """Where the class of a destination is found by another process."""

    module: str
    file: str | None
    name: str

    def load(self) -> Any:
        """The class."""
        found: Any = self._module()
        for part in self.name.split("."):
            found = getattr(found, part)
        return found

    def _module(self) -> Any:
        if self.module in sys.modules:
            return sys.modules[self.module]
        try:
            return importlib.import_module(self.module)
        except ModuleNotFoundError:
            if self.file is None:
                raise
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[self.module] = module
        spec.loader.exec_module(module)
        return module


def reference_to(kind: type[Destination]) -> KindReference:
    """Raises AssertionError for a class that only this process can find."""
    assert "<locals>" not in kind.__qualname__, f"{kind.__qualname__} is made inside a function; define it in a module, to be killed there"
    file = inspect.getsourcefile(kind)
    return KindReference(kind.__module__, str(Path(file).resolve()) if file else None, kind.__qualname__)


@dataclass(frozen=True, slots=True)
class Job:
    """What a child does: delivers a batch, perhaps interrupted."""

    kind: KindReference
    config: bytes
    """Pickled, like the batch: only the child may bring them to life."""
    batch: bytes
    core: Core
    folder: str
    """Where it works; its result is written beside it."""
    result: str
    at: int | None = None
    """The moment to interrupt it, from 1."""
    action: Action = "kill"


@dataclass(frozen=True, slots=True)
class Ended:
    """How the delivery of a child went, as far as it could tell."""

    end: End
    steps: Sequence[str] = ()
    states: Sequence[str] | None = None
    error: str | None = None
    modules: Sequence[str] = ()
    pid: int = 0


class Nursery:
    """The process that children are forked from. One child at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        command = [sys.executable, "-c", "from collect_pipelines.testing.destinations.child import main; main()"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603 - our own module
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._modules: set[str] = set()

    def run(self, job: Job, started: "Future[int] | None" = None) -> Ended:
        """
        Runs the job to its end, or until it stops itself; `started` gets the child's process id before it does anything.

        Raises AssertionError when it takes too long, or can't begin.
        """
        Path(job.result).unlink(missing_ok=True)
        self._say(job)
        pid = self._hear()
        if started is not None:
            started.set_result(pid)
        return self._ended(job, pid)

    def resume(self, job: Job, pid: int) -> Ended:
        """Wakes a child that stopped, and waits for its end."""
        os.kill(pid, signal.SIGCONT)
        return self._ended(job, pid)

    def preload(self, modules: Sequence[str]) -> None:
        """What children import by themselves is imported once and for all."""
        new = [name for name in modules if name not in self._modules]
        self._modules.update(new)
        if new:
            self._say(new)
            self._hear()

    def close(self) -> None:
        """Ends it and its children."""
        with suppress(OSError):
            self._to.close()
        try:
            self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()

    def _ended(self, job: Job, pid: int) -> Ended:
        end = self._wait(pid)
        if end != "ended":
            return Ended(end, pid=pid)
        told = pickle.loads(Path(job.result).read_bytes()) if Path(job.result).exists() else {}  # noqa: S301 - written by our child
        assert told, "the delivery ended the process it was in; raise an error instead, the core decides what to do next"
        assert told["setup"] is None, f"it could not be made in a process of its own: {told['setup']}"
        return Ended(end, told["steps"], told["states"], told["error"], told["modules"], pid)

    def _wait(self, pid: int) -> End:
        overdue = threading.Timer(self._seconds, _kill, (pid,))
        overdue.start()
        try:
            end = self._hear()
        finally:
            late = not overdue.is_alive()
            overdue.cancel()
            overdue.join()
        assert not late, f"a delivery in a child process had not ended after {self._seconds:.0f} s"
        return end  # type: ignore[no-any-return]

    def _say(self, message: Any) -> None:
        pickle.dump(message, self._to)
        self._to.flush()

    def _hear(self) -> Any:
        try:
            return pickle.load(self._from)  # noqa: S301 - our own process
        except EOFError as exc:
            raise AssertionError("the process that deliveries are forked from has ended; does importing the destination end it?") from exc


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
