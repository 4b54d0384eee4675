"""What runs in the process that deliveries are forked from, and in its children."""

import gc
import importlib
import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.testing.destinations.context import FileContext
from collect_pipelines.testing.destinations.nursery import Job
from collect_pipelines.testing.destinations.steps import Steps, unseen

__all__ = ["main"]


def main() -> None:
    """Forks a child per job, one after the other, and tells how each ends. Ends with its standard input."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # whatever a destination prints would be read as an answer of ours
        os.dup2(nowhere, descriptor)
    child = 0
    while True:
        try:
            message = pickle.load(inbox)  # noqa: S301 - from the suite that started us
        except EOFError:
            return
        if isinstance(message, list):
            _import(message)
            _tell(outbox, True)
            continue
        job: Job = message
        job.kind.load()
        gc.freeze()  # so that a collection in the child copies less
        child = os.fork()
        if child == 0:
            os.close(inbox.fileno())
            _work(job)
            os._exit(0)
        _tell(outbox, child)
        while _tell(outbox, _end(child)) == "stopped":
            pass  # the suite wakes or kills it


def _import(modules: list[str]) -> None:
    for name in modules:
        with suppress(Exception):  # a part that can't be imported by itself is imported by the child
            importlib.import_module(name)


def _tell(outbox: Any, message: Any) -> Any:
    pickle.dump(message, outbox)
    outbox.flush()
    return message


def _end(child: int) -> str:
    _, status = os.waitpid(child, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) else "ended"


def _work(job: Job) -> None:
    known = set(sys.modules)
    told: dict[str, Any] = {"setup": None, "steps": [], "states": None, "error": None}
    os.chdir(job.folder)
    try:
        steps = Steps(job.at, job.action)
        context = FileContext(job.core)
        kind = job.kind.load()
        made: Destination = kind(kind.Config.model_validate(pickle.loads(job.config)), context)  # noqa: S301 - from the suite
        if hasattr(made, "clock"):
            made.clock = job.core.now
        batch = pickle.loads(job.batch)  # noqa: S301 - from the suite
    except BaseException as exc:  # noqa: BLE001 - whatever it was, the suite tells
        told["setup"] = _words(exc)
    else:
        context.step = steps
        steps.watch_files()
        try:
            told["states"] = [outcome.state for outcome in made.deliver(batch).outcomes]
        except BaseException as exc:  # noqa: BLE001 - the suite judges
            told["error"] = _words(exc)
        steps("before the core hears of it")
        told["steps"] = list(steps.names)
    told["modules"] = sorted(set(sys.modules) - known)
    with unseen():
        Path(job.result).write_bytes(pickle.dumps(told))


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error!s:.300}"
