"""
The kinds that `bench_destinations.py` measures: a function per kind, each against something on this machine.

To add one: write a generator with `@measured("name")` that takes a folder, yields a function from form to destination, and cleans up.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.settings import Settings
from collect_pipelines.testing.destinations.context import Core, FileContext

__all__ = ["KINDS", "Kind", "context", "measured"]

Make = Callable[[str], Destination]
"""From a form's reference to a destination for it."""


@dataclass(frozen=True)
class Kind:
    """One kind, or one way to configure it."""

    name: str
    opened: Callable[[Path], Any]
    """A context manager over a folder: while it lasts, the receiver is there."""
    rows: tuple[int, ...]
    """Sizes of the batches to measure."""


KINDS: dict[str, Kind] = {}


def measured(name: str, rows: tuple[int, ...] = (1, 100, 1000, 10_000)) -> Callable[[Callable[[Path], Iterator[Make]]], Any]:
    """Registers a kind; `rows` are the sizes of its batches, none above the kind's `max_rows`."""

    def register(function: Callable[[Path], Iterator[Make]]) -> Callable[[Path], Iterator[Make]]:
        KINDS[name] = Kind(name, contextmanager(function), rows)
        return function

    return register


def context(folder: Path, form: str, secrets: dict[str, str] | None = None) -> FileContext:
    """What the core lends, kept in a file per form."""
    settings = Settings(data_dir=folder)
    lent = {"data_dir": str(folder), "warehouse_path": str(settings.duckdb_path)}
    number = 1 + sum(map(ord, form))
    return FileContext(Core(folder / f"{form}.sqlite", secrets or {}, lent, integration_id=number, integration=form, form=form))


@measured("warehouse duckdb", rows=(1, 100, 1000, 10_000, 50_000))
def warehouse_duckdb(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig

    yield lambda form: Warehouse(WarehouseConfig(), context(folder, form))


@measured("warehouse postgres", rows=(1, 100, 1000, 10_000, 50_000))
def warehouse_postgres(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig
    from collect_pipelines.local.postgres import throwaway_postgres

    with throwaway_postgres() as server:
        secrets = {"stored:warehouse": server.url("postgres")}
        config = WarehouseConfig(to="postgres", credentials="stored:warehouse")
        yield lambda form: Warehouse(config, context(folder, form, secrets))


@measured("warehouse parquet", rows=(1, 100, 1000, 10_000, 50_000))
def warehouse_parquet(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig

    yield lambda form: Warehouse(WarehouseConfig(to="filesystem"), context(folder, form))


@measured("file parquet")
def file_parquet(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.file import File
    from collect_pipelines.destinations.file.config import FileConfig

    yield lambda form: File(FileConfig(), context(folder, form))


@measured("file csv")
def file_csv(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.file import File
    from collect_pipelines.destinations.file.config import FileConfig

    yield lambda form: File(FileConfig(format="csv"), context(folder, form))


@measured("file parts")
def file_parts(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.file import File
    from collect_pipelines.destinations.file.config import FileConfig

    yield lambda form: File(FileConfig(layout="parts"), context(folder, form))


@measured("sms file", rows=(1, 50))
def sms_file(folder: Path) -> Iterator[Make]:
    from collect_pipelines.destinations.sms import Sms, SmsConfig

    limits = {"cooldown_seconds": 0, "most_per_number": 1_000_000, "most_per_day": 10_000_000}
    config = SmsConfig.model_validate({"provider": "file", "to": "q1", "template": "Thank you {q0}, {q7}. No. {id}", **limits})
    yield lambda form: Sms(config, context(folder, form))


@measured("webhook", rows=(1, 100))
def webhook(folder: Path) -> Iterator[Make]:
    yield from _webhook(folder, batch=False)


@measured("webhook batch", rows=(1, 100))
def webhook_batch(folder: Path) -> Iterator[Make]:
    yield from _webhook(folder, batch=True)


def _webhook(folder: Path, *, batch: bool) -> Iterator[Make]:
    """Signed, over loopback without TLS, to a receiver in a process of its own."""
    from collect_pipelines.destinations.webhook import Webhook, WebhookConfig

    program = [sys.executable, str(Path(__file__).with_name("webhook_receiver.py"))]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout is not None
            url = f"http://127.0.0.1:{receiver.stdout.readline().strip()}/"
            config = WebhookConfig(url=url, secret="stored:signing", batch=batch, allow_private=True)
            yield lambda form: Webhook(config, context(folder, form, {"stored:signing": "whsec_" + "A" * 43 + "="}))
        finally:
            receiver.terminate()


@measured("google_sheets", rows=(1, 100, 1000))
def google_sheets(folder: Path) -> Iterator[Make]:
    """Against the local server, which runs in the same process: its work is part of the figure."""
    from collect_pipelines.destinations.google_sheets import GoogleSheets, GoogleSheetsConfig
    from collect_pipelines.local.sheets.testing import running_server
    from tests.contract.google_sheets_fakes import MemoryContext, Postgres, generous

    numbers: dict[str, int] = {}
    with running_server(folder / "sheets", limits=generous()) as server:
        postgres = Postgres()

        def make(form: str) -> Destination:
            number = numbers.setdefault(form, len(numbers) + 1)
            return GoogleSheets(GoogleSheetsConfig(), MemoryContext(server, postgres, integration_id=number, form=form))

        yield make
