"""
Workers to be killed: `python -m tests.integration.sync_crashes moments URL FOLDER INTEGRATION...` and `... work URL FOLDER OWNER`.

The first dies by SIGKILL once per moment, with one integration each; the second delivers for everything that is due until it is killed.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - a delivery imports it late: once for all children

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.delivery import attempt, endings, errand
from tests.integration.sync_tools import Shelf, shelf

LEASE_SECONDS = 0.6  # what a killed worker held is free so soon

MOMENTS: dict[str, tuple[Any, str, str] | str] = {
    "when the lease was taken": (errand, "Desk", "before"),
    "when the batch was planned and not committed": (attempt, "begin_attempt", "after"),
    "when the batch was committed and not sent": (Shelf, "deliver", "before"),
    "on the way to the receiver": "before",
    "when the receiver had it and nobody was told": "after",
    "when the outcome was known and not settled": (endings, "close_batch", "before"),
    "when it was settled and not committed": (endings, "close_batch", "after"),
    "when it was committed and not reported": (errand, "replace", "landed"),
}


def at_every_moment(url: str, folder: Path, integrations: list[int]) -> None:
    """One child per moment: forked before any thread or connection exists here."""
    for (name, moment), integration in zip(MOMENTS.items(), integrations, strict=True):
        child = os.fork()
        if child == 0:
            kind: type[Shelf] = shelf(**{moment: _die}) if isinstance(moment, str) else Shelf
            if not isinstance(moment, str):
                owner, attribute, when = moment
                setattr(owner, attribute, _deadly(getattr(owner, attribute), when))
            _courier(Database(url), folder, "killed", kind).deliver(integration)
            os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"{name}: the moment never came"


def work(url: str, folder: Path, owner: str) -> None:
    """Delivers for ever."""
    database = Database(url)
    courier = _courier(database, folder, owner, Shelf)
    while True:
        with database.begin() as connection:
            due = due_integrations(connection, "shelf")
        for one in due:
            courier.deliver(one.integration_id)


def _courier(database: Database, folder: Path, owner: str, kind: type[Shelf]) -> Courier:
    return Courier(database, Settings(data_dir=folder), owner, finder=lambda name: kind, lease_seconds=LEASE_SECONDS)


def _die(batch: Batch | None = None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _deadly(function: Callable[..., Any], when: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        if when == "after":
            function(*args, **options)
        if when == "landed" and options.get("outcome") != "delivered":
            return function(*args, **options)
        return _die()

    return call


if __name__ == "__main__":
    if sys.argv[1] == "moments":
        at_every_moment(sys.argv[2], Path(sys.argv[3]), [int(text) for text in sys.argv[4:]])
    else:
        work(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
