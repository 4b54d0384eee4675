"""
Workers that die by SIGKILL in the middle of what is settled in parts: `python -m tests.integration.sync_part_crashes URL FOLDER IDS...`.

Per entry of DEATHS one child with integrations of its own; each gets as many ids as the scene of the death has integrations.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy  # noqa: F401 - a delivery imports it late: once for all children

from collect_pipelines.destinations.interface import Batch, Outcome
from collect_pipelines.errors import Refused
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.delivery import courier, endings, errand
from collect_pipelines.sync.delivery.courier import Courier
from tests.integration import sync_counter
from tests.integration.sync_counter import Counter, counter

LEASE_SECONDS = 0.6


@dataclass(frozen=True)
class Death:
    """Where the worker dies: before or after the so-manieth call of a function, in a scene."""

    scene: str
    owner: Any
    function: str
    when: str
    call: int = 1

    @property
    def integrations(self) -> int:
        return 2 if self.scene == "together" else 1


def parts(row: dict[str, Any], batch: Batch) -> Outcome | None:
    """One is overtaken, one stays in the log, as long as the batch is the first one."""
    if batch.batch_no == 1 and row["_response_id"].endswith(("-b", "-d")):
        return Outcome.later("Busy.", after=0.0)
    return None


def poisoned(batch: Batch) -> None:
    if any(name.endswith("-c") for name in batch.frame["_response_id"].to_list()):
        raise Refused("Not this one.")


KINDS: dict[str, Callable[[], type[Counter]]] = {
    "parts": lambda: counter(rule=parts),
    "poison": lambda: counter(whole=poisoned),
    "together": counter,
}

DEATHS: dict[str, Death] = {
    "a part was taken and nobody was told": Death("parts", sync_counter, "take", "after", 2),
    "a part is about to be settled": Death("parts", endings, "close_batch", "before"),
    "a part was settled and not committed": Death("parts", endings, "close_batch", "after"),
    "a part was committed and not reported": Death("parts", errand, "replace", "delivered"),
    "the halves are about to be made": Death("poison", endings, "replace_batch", "before"),
    "the halves were made and not committed": Death("poison", endings, "set_batch_rows", "after"),
    "the halves were committed and not reported": Death("poison", errand, "replace", "split"),
    "the culprit was found and not noted": Death("poison", endings, "close_batch", "before", 2),
    "several were begun and not sent": Death("together", courier, "_together", "before"),
    "one of several was taken": Death("together", Counter, "deliver", "after"),
    "all were taken and none was settled": Death("together", endings, "close_batch", "before"),
    "one of several was settled": Death("together", endings, "close_batch", "before", 2),
}


def die_everywhere(url: str, folder: Path, integrations: list[int]) -> None:
    for name, death in DEATHS.items():
        own, integrations = integrations[: death.integrations], integrations[death.integrations :]
        child = os.fork()
        if child == 0:
            _arm(death)
            kind = KINDS[death.scene]()
            working = Courier(Database(url), Settings(data_dir=folder), "killed", finder=_always(kind), lease_seconds=LEASE_SECONDS)
            for _ in range(20):
                working.deliver_together(own)
            os._exit(3)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"{name}: the moment never came"


def _always(kind: type[Counter]) -> Callable[[str], type[Counter]]:
    return lambda name: kind


def _arm(death: Death) -> None:
    real = getattr(death.owner, death.function)
    calls = [0]

    def deadly(*args: Any, **options: Any) -> Any:
        wanted = options.get("outcome") == death.when if death.when in ("delivered", "split") else True
        calls[0] += wanted
        if not wanted or calls[0] < death.call:
            return real(*args, **options)
        if death.when == "after":
            real(*args, **options)
        return _die()

    setattr(death.owner, death.function, deadly)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_everywhere(sys.argv[1], Path(sys.argv[2]), [int(text) for text in sys.argv[3:]])
