"""
A program whose children die by SIGKILL while they load: `python -m tests.contract.warehouse_crashes TARGET FOLDER URL KILLS`.

With 0 kills it loads one batch in a child per moment of `MOMENTS` and lets it die exactly there.
"""

import gc
import importlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.impl.postgres.postgres import PostgresClient, PostgresCsvCopyJob
from dlt.destinations.job_client_impl import SqlLoadJob

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.warehouse import Warehouse, folder
from collect_pipelines.destinations.warehouse.database import database
from collect_pipelines.destinations.warehouse.parquet import ParquetTable
from collect_pipelines.destinations.warehouse.server_session import ServerSession
from collect_pipelines.destinations.warehouse.statements import DuckSession
from tests.contract.warehouse_fakes import AGE, NAME, batch, column, entry
from tests.contract.warehouse_targets import Place

FORMS = ("household", "clinic", "school")
ROWS = 200  # new responses per batch and form
LONGEST_SECONDS = {"duckdb": 0.7, "postgres": 0.5, "filesystem": 0.12}  # about two loads: kills fall on every step of one

MOMENTS: dict[str, dict[str, tuple[Any, str, str]]] = {
    "duckdb": {
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
    },
    "postgres": {
        "after the deletions": (ServerSession, "remove", "after"),
        "after normalize": (dlt.Pipeline, "normalize", "after"),
        "after the tables changed": (PostgresClient, "update_stored_schema", "after"),
        "after staging": (PostgresCsvCopyJob, "run", "after"),
        "after the merge": (SqlLoadJob, "run", "after"),
        "before the core learns of it": (Warehouse, "deliver", "after"),
    },
    "filesystem": {
        "before the first write": (ParquetTable, "bring_up", "before"),
        "after the deletions": (ParquetTable, "_remember_deletions", "after"),
        "while a file is written": (os, "fsync", "before"),
        "before the file takes its place": (folder, "_appear", "before"),
        "after the file took its place": (folder, "_appear", "after"),
        "before the proof": (ParquetTable, "missing", "before"),
        "before the core learns of it": (Warehouse, "deliver", "after"),
    },
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


def at(place: Place, moment: str) -> Place:
    """A warehouse of its own for each moment: another folder, and in a database another dataset."""
    name = moment.replace(" ", "_")
    return replace(place, folder=place.folder / name, dataset=name[:40] if place.to == "postgres" else place.dataset)


def at_every_moment(place: Place) -> None:
    """Loads the first batch, then dies at the moment of the second, in a child per moment."""
    for moment, (owner, attribute, when) in MOMENTS[place.to].items():
        child = os.fork()
        if child == 0:
            here = at(place, moment)
            first, second, _ = batches()
            here.integration().deliver(first)
            if place.to == "duckdb":
                database(here.folder / "warehouse.duckdb")._copy_seconds = 0.0
            setattr(owner, attribute, _deadly(getattr(owner, attribute), when))
            here.integration().deliver(second)
            os._exit(3)
        assert _killed(child), f"{moment}: the moment never came"


def at_any_time(place: Place, kills: int) -> None:
    """Runs the loop of the core over three forms, batch after batch with a cursor each, and kills it wherever it stands."""
    dice = random.Random(20300101 + kills)
    died = 0
    while died < kills:
        child = os.fork()
        if child == 0:
            while True:
                _step(place)
        time.sleep(dice.uniform(0.01, LONGEST_SECONDS[place.to]))
        os.kill(child, signal.SIGKILL)
        assert _killed(child)
        died += 1
    child = os.fork()
    if child == 0:
        newest = max(cursor(place, form) for form in FORMS)
        while min(cursor(place, form) for form in FORMS) <= newest:
            _step(place)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def stream(form: str, number: int) -> Batch:
    """Batch `number`: new responses, edits of some of the batch before, deletions of others; every fourth brings a question."""
    start, place = number * ROWS, number * ROWS * 2
    extra = [column(f"extra_{one}") for one in range(number // 4)]
    entries = [entry(f"{form}-{start + one:06}", place + one + 1, f"new {number}", one) for one in range(ROWS)]
    for one in range(0, ROWS if number else 0, 2):
        response, position = f"{form}-{start - ROWS + one:06}", place + ROWS + one + 1
        operation = "delete" if one % 10 == 0 else "edit"
        entries.append(entry(response, position, f"edited {number}", one, *["x"] * len(extra), revision=2, operation=operation))
    return batch(*entries, columns=[NAME, AGE, *extra], form=form, number=number + 1)


def expected(form: str, batches_delivered: int) -> dict[str, tuple[int, str]]:
    """Response -> revision and name after so many batches."""
    found: dict[str, tuple[int, str]] = {}
    for number in range(batches_delivered):
        for row in stream(form, number).frame.sort("_position").iter_rows(named=True):
            found[row["_response_id"]] = (row["_revision"], row["q_name"])
            if row["_operation"] == "delete":
                del found[row["_response_id"]]
    return found


def cursor(place: Place, form: str) -> int:
    """How many batches of the form were settled."""
    stored = place.folder / f"{form}.cursor"
    return int(stored.read_text()) if stored.exists() else 0


def _step(place: Place) -> None:
    # a form whose cursor was not moved before the kill comes again with the same batch, others with their next one
    numbers = [cursor(place, form) for form in FORMS]
    parts = [(place.integration(form), stream(form, number)) for form, number in zip(FORMS, numbers, strict=True)]
    results = Warehouse.deliver_together(parts)
    for form, number, result in zip(FORMS, numbers, results, strict=True):
        if not isinstance(result, Exception):
            fresh = place.folder / f"{form}.new"
            fresh.write_text(str(number + 1))
            fresh.replace(place.folder / f"{form}.cursor")


def _import_for_all(place: Place) -> None:
    """
    Imports what a load imports late, half a second of work, once for all children.

    A child tells what that is: a load starts threads, after which this process could not be forked.
    """
    known, told = set(sys.modules), place.folder / "modules"
    child = os.fork()
    if child == 0:
        at(place, "at first").integration().deliver(batches()[0])
        told.write_text("\n".join(set(sys.modules) - known))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for name in sorted(told.read_text().splitlines()):
        with suppress(Exception):  # a part that can't be imported by itself is left to the children
            importlib.import_module(name)


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
    given = Place(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
    _import_for_all(given)
    gc.freeze()  # so that a collection in a child copies less
    if int(sys.argv[4]):
        at_any_time(given, int(sys.argv[4]))
    else:
        at_every_moment(given)
