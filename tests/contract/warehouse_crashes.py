"""A program whose children die by SIGKILL in the middle of a load: `python -m tests.contract.warehouse_crashes FOLDER`."""

import os
import shutil
import signal
import sys
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
