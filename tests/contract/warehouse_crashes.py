"""A program whose children die by SIGKILL in the middle of a load: `python -m tests.contract.warehouse_crashes FOLDER`."""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.job_client_impl import SqlLoadJob

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.destinations.warehouse.database import database
from collect_pipelines.destinations.warehouse.statements import DuckSession
from tests.contract.warehouse_fakes import AGE, NAME, batch, column, entry, warehouse

STREAM_ROWS = 2000
STREAM_KILLS = 8

MOMENTS: dict[str, tuple[Any, str, str]] = {
    "before the first write": (DuckSession, "prepare", "before"),
    "between recording and loading deletions": (DuckSession, "remove", "after"),
    "after extract": (dlt.Pipeline, "extract", "after"),
    "after normalize": (dlt.Pipeline, "normalize", "after"),
    "before the tables change": (DuckDbClient, "update_stored_schema", "before"),
    "after the tables changed": (DuckDbClient, "update_stored_schema", "after"),
    "after staging": (DuckDbCopyJob, "run", "after"),
    "after the merge": (SqlLoadJob, "run", "after"),
    "before dlt records the load": (DuckDbClient, "complete_load", "before"),
    "after dlt recorded the load": (DuckDbClient, "complete_load", "after"),
    "before the proof": (DuckSession, "missing", "before"),
    "while the read copy is written": (shutil, "copyfileobj", "after"),
    "before the core learns of it": (Warehouse, "deliver", "after"),
}


def batches() -> tuple[Batch, Batch, Batch]:
    """Three batches with edits, a deletion and a new question in the second."""
    first = batch(*(entry(f"r{place:03}", place, f"name {place}", place) for place in range(1, 301)))
    columns = [NAME, AGE, column("village")]
    second = batch(
        *(entry(f"r{place:03}", 300 + place, f"edited {place}", -place, "here", revision=2) for place in range(1, 101)),
        *(entry(f"r{place:03}", 300 + place, revision=2, operation="delete") for place in range(101, 151)),
        *(entry(f"r{place:03}", 300 + place, f"name {place}", place, "there") for place in range(301, 501)),
        columns=columns,
        number=2,
    )
    third = batch(
        *(entry(f"r{place:03}", 1000 + place, f"late {place}", place, "there") for place in range(501, 601)), columns=columns, number=3
    )
    return first, second, third


def at_every_moment(folder: Path) -> None:
    """Loads the first batch in a process of its own per moment, then dies at that moment of the second."""
    for name, (owner, attribute, when) in MOMENTS.items():
        child = os.fork()  # before any thread or connection exists here; spares an import of dlt per moment
        if child == 0:
            path = folder / name.replace(" ", "_") / "warehouse.duckdb"
            first, second, _ = batches()
            warehouse(path).deliver(first)
            database(path)._copy_seconds = 0.0
            setattr(owner, attribute, _deadly(getattr(owner, attribute), when))
            warehouse(path).deliver(second)
            os._exit(3)
        assert _killed(child), f"{name}: the moment never came"


def at_any_time(folder: Path) -> None:
    """Runs the loop of the core, batch after batch with a cursor, and kills it again and again wherever it stands."""
    dice = random.Random(20300101)
    folder.mkdir()
    for _ in range(STREAM_KILLS):
        child = os.fork()
        if child == 0:
            while True:
                _step(folder)
        time.sleep(dice.uniform(0.02, 1.0))  # somewhere inside the first load or the next ones
        os.kill(child, signal.SIGKILL)
        assert _killed(child)
    _step(folder)


def _step(folder: Path) -> None:
    # a torn cursor file reads as 0: everything is delivered again, which must be harmless
    number = _cursor(folder)
    warehouse(folder / "warehouse.duckdb").deliver(stream(number))
    (folder / "cursor").write_text(str(number + 1))


def stream(number: int) -> Batch:
    """Batch `number` of a stream: new responses, and a second revision of the batch before."""
    start = number * STREAM_ROWS
    created = [entry(f"r{start + place:06}", 2 * start + place + 1, "new", number) for place in range(STREAM_ROWS)]
    if number == 0:
        return batch(*created)
    edited = [
        entry(f"r{start - STREAM_ROWS + place:06}", 2 * start + STREAM_ROWS + place + 1, "edited", number, revision=2)
        for place in range(STREAM_ROWS)
    ]
    return batch(*created, *edited, number=number + 1)


def _cursor(folder: Path) -> int:
    stored = folder / "cursor"
    return int(stored.read_text() or 0) if stored.exists() else 0


def _killed(child: int) -> bool:
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def _deadly(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        if when == "after":
            function(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    return call


if __name__ == "__main__":
    at_every_moment(Path(sys.argv[1]) / "moments")
    at_any_time(Path(sys.argv[1]) / "stream")
