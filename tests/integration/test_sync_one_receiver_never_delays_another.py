"""A receiver that is dead, slow or hangs holds up nobody else, neither of its own kind nor of another one (promise 7)."""

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import TryLater
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.lane import Lane
from tests.integration.sync_counter import counter
from tests.integration.sync_tools import Scene, one_database, scene
from tests.integration.test_sync_lanes import Running, delivered, until

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


class Trouble:
    """What d1 does to whoever calls it, until it is released."""

    def __init__(self, how: str) -> None:
        self.how, self.released, self.met = how, threading.Event(), threading.Event()

    def whole(self, batch: Batch) -> None:
        if not batch.form.startswith("troubled"):
            return
        self.met.set()
        if self.how == "hanging":
            self.released.wait(60)
        elif self.how == "slow":
            self.released.wait(0.3)
        if not self.released.is_set():
            raise TryLater("Nobody listens.", after=0.0, unknown=self.how == "hanging")


@pytest.mark.parametrize(("how", "lanes"), [("dead", 2), ("slow", 1), ("hanging", 1), ("hanging", 2)])
def test_d2_gets_everything_while_d1_is_in_trouble_and_d1_gets_all_of_it_later(
    database: Database, tmp_path: Path, how: str, lanes: int
) -> None:
    kinds = [f"counter-{secrets.token_hex(4)}" for _ in range(lanes)]
    trouble = Trouble(how)
    plug = counter(whole=trouble.whole)
    d1, d2 = (
        scene(database, tmp_path, f"{name}-{secrets.token_hex(4)}", kind, path=str(tmp_path / f"{name}.sqlite"))
        for name, kind in (("troubled", kinds[0]), ("healthy", kinds[-1]))
    )
    find = _finding(plug)
    running = [Running(Lane(database.url, Settings(data_dir=tmp_path), kind, f"lane-{kind}", finder=find)) for kind in kinds]
    for one in running:
        one.__enter__()
    try:
        d1.create("x")
        assert trouble.met.wait(20)
        for number in range(5):
            d2.create(f"r{number}")
            until(delivered(d2))
            assert not trouble.released.is_set() and d1.accounted() == {"pending": 1}, "d1 is in trouble all the while"
        trouble.released.set()
        until(delivered(d1))
    finally:
        trouble.released.set()
        for one in running:
            one.__exit__()

    assert _delivered_rows(d2) == 5


def _finding(plug: type) -> Callable[[str], type]:
    return lambda name: plug


def _delivered_rows(it: Scene) -> int:
    return it.ledger.delivered
