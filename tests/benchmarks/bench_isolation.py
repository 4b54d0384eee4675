"""
Whether one receiver's trouble delays another. Run: python tests/benchmarks/bench_isolation.py [--seconds 2] [--rounds 15]

Starts a throwaway Postgres and resident lanes in processes of their own. Every response goes to two integrations, d1 and d2. d1 is
well, refuses connections (dead), takes a second for each batch (slow), or does not answer at all (hanging), by turns in the same run;
what is measured is d2: the time from a response's commit until d2 has it. Once d1 and d2 are of two kinds, each with its lane, as two
destinations are; once they are of one kind and share the lane's process and threads. The log is validated beforehand.
"""

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from collect_pipelines.destinations.interface import Batch, Delivery, Destination, DestinationConfig, Guarantee, ProbeReport  # noqa: E402
from collect_pipelines.errors import TryLater  # noqa: E402
from collect_pipelines.forms.definition import FormDefinition  # noqa: E402
from collect_pipelines.local.postgres import create_database, throwaway_postgres  # noqa: E402
from collect_pipelines.settings import Settings  # noqa: E402
from collect_pipelines.store.database import Database, ring  # noqa: E402
from collect_pipelines.store.forms import publish_form  # noqa: E402
from collect_pipelines.store.integrations import add_integration  # noqa: E402
from collect_pipelines.store.migrations import upgrade  # noqa: E402
from collect_pipelines.sync.lane import Lane  # noqa: E402
from tests.integration.store_filling import fill  # noqa: E402

MODES = ("well", "dead", "slow", "hanging")
RATE = 25.0  # responses a second: a busy form, far from what the machine can do
SLOW_SECONDS = 1.0
HANGING_SECONDS = 60.0
WORK_SECONDS = 0.002  # of a receiver that is well
WARM_SECONDS = 0.5  # for d1's new mode to be met
TARGET = 1.2


class ReceiverConfig(DestinationConfig):
    folder: Path
    troubled: bool = False


class Receiver(Destination):
    """Notes when it had which response, or does what the file `mode` says."""

    kind: ClassVar[str] = "receiver"
    Config: ClassVar[type[DestinationConfig]] = ReceiverConfig
    guarantee: ClassVar[Guarantee] = "at_least_once"
    keyed: ClassVar[bool] = True

    def probe(self) -> ProbeReport:
        return ProbeReport("It is there.")

    def preview(self, batch: Batch) -> str:
        return ""

    def deliver(self, batch: Batch) -> Delivery:
        if self.config.troubled:
            self._trouble()
        time.sleep(WORK_SECONDS)
        if not self.config.troubled:
            now = time.time()
            with (self.config.folder / "arrivals").open("a") as file:
                file.writelines(f"{position} {now}\n" for position in batch.frame["_position"].to_list())
        return Delivery.complete(batch, api_calls=1)

    def _trouble(self) -> None:
        mode = (self.config.folder / "mode").read_text()
        if mode == "dead":
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))
                port = nobody.getsockname()[1]
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError as exc:
                raise TryLater("Nobody listens.") from exc
        ends = time.monotonic() + {"slow": SLOW_SECONDS, "hanging": HANGING_SECONDS}.get(mode, 0.0)
        while time.monotonic() < ends and (self.config.folder / "mode").read_text() == mode:
            time.sleep(0.01)
        if mode == "hanging":
            raise TryLater("No answer.", unknown=True, after=0.1)


@dataclass(frozen=True)
class Measured:
    """Milliseconds from commit to d2."""

    p50: float
    p99: float
    count: int


def lane(url: str, folder: str, kind: str) -> None:
    """One resident lane, until SIGTERM."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    for _ in Lane(url, Settings(data_dir=Path(folder)), kind, f"bench-{os.getpid()}", finder=lambda name: Receiver).run(
        lambda: bool(stopped)
    ):
        pass


def form_with(database: Database, folder: Path, kinds: tuple[str, str]) -> int:
    """A form with d1, which may be in trouble, and d2."""
    definition = {"form": f"form-{'-'.join(kinds)}", "title": "Form", "questions": [{"key": "name", "type": "text", "label": "Name"}]}
    with database.begin() as connection:
        form = publish_form(connection, "default", FormDefinition.model_validate(definition)).form_id
        add_integration(connection, form, f"d1-{form}", kinds[0], {"folder": str(folder), "troubled": True})
        add_integration(connection, form, f"d2-{form}", kinds[1], {"folder": str(folder)})
    return form


@contextmanager
def lanes(url: str, folder: Path, kinds: set[str]) -> Iterator[None]:
    """A process per kind."""
    program = [sys.executable, __file__, "--lane"]
    processes = [subprocess.Popen([*program, url, str(folder), kind]) for kind in sorted(kinds)]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def send(database: Database, form: int, seconds: float) -> dict[int, float]:
    """Responses at a steady rate; position -> when its commit was acknowledged."""
    from sqlalchemy import text

    sent: dict[int, float] = {}
    began = time.monotonic()
    for number in range(int(seconds * RATE)):
        time.sleep(max(began + number / RATE - time.monotonic(), 0.0))
        with database.begin() as connection:
            fill(connection, form, 1)
            validated = text("update collect.form set validated_through = head where form_id = :form returning head")
            position = connection.execute(validated, {"form": form}).scalar_one()
            ring(connection)
        sent[position] = time.time()
    return sent


def arrived(folder: Path, positions: set[int], seconds: float = 30.0) -> dict[int, float]:
    """When d2 had them; waits until it has all."""
    until = time.monotonic() + seconds
    while True:
        lines = [line.split() for line in (folder / "arrivals").read_text().splitlines()]
        found = {int(position): float(moment) for position, moment in lines}
        if positions <= found.keys() or time.monotonic() > until:
            return found
        time.sleep(0.05)


def phase(database: Database, form: int, folder: Path, mode: str, seconds: float) -> list[float]:
    """Milliseconds of each response while d1 is in this mode; infinite for one that d2 never got."""
    (folder / "mode").write_text(mode)
    send(database, form, WARM_SECONDS)
    sent = send(database, form, seconds)
    found = arrived(folder, set(sent))
    return [max((found.get(position, float("inf")) - at) * 1000, 0.0) for position, at in sent.items()]


def measured(milliseconds: list[float]) -> Measured:
    ordered = sorted(milliseconds)
    return Measured(statistics.median(ordered), ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)], len(ordered))


def measure(url: str, kinds: tuple[str, str], seconds: float, rounds: int) -> dict[str, Measured]:
    """Each mode in each round, next to one another, so that what else the machine does meets all of them."""
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    with tempfile.TemporaryDirectory() as name:
        folder, database = Path(name), Database(url)
        (folder / "mode").write_text("well")
        (folder / "arrivals").touch()
        form = form_with(database, folder, kinds)
        with lanes(url, folder, set(kinds)):
            phase(database, form, folder, "well", 4 * WARM_SECONDS)
            for _ in range(rounds):
                for mode in MODES:
                    found[mode] += phase(database, form, folder, mode, seconds)
            (folder / "mode").write_text("well")
        database.dispose()
    return {mode: measured(values) for mode, values in found.items()}


def show(title: str, table: dict[str, Measured]) -> bool:
    """Prints the table; True when no mode passes the target."""
    well, kept = table["well"], True
    print(f"\n{title}\n  d1       responses   p50 ms   p99 ms   p50 ratio   p99 ratio")
    for mode, one in table.items():
        ratios = one.p50 / well.p50, one.p99 / well.p99
        kept = kept and ratios[1] <= TARGET
        print(f"  {mode:8} {one.count:9}  {one.p50:7.1f}  {one.p99:7.1f}   {ratios[0]:9.2f}   {ratios[1]:9.2f}")
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each mode in each round: short, so that what else the machine does meets all modes"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lane", nargs=3, metavar=("URL", "FOLDER", "KIND"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.lane:
        lane(*arguments.lane)
        return
    with throwaway_postgres() as server:
        create_database(server.url("postgres"), "isolation")
        url = server.url("isolation")
        upgrade(url)
        kept = show(
            "two kinds, a lane each: d2's time from commit to delivered",
            measure(url, ("first", "second"), arguments.seconds, arguments.rounds),
        )
        kept &= show("one kind, one lane for both", measure(url, ("shared", "shared"), arguments.seconds, arguments.rounds))
    print(f"\np99 of d2 with d1 in trouble is {'within' if kept else 'BEYOND'} {TARGET} x of its p99 with d1 well.")


if __name__ == "__main__":
    main()
