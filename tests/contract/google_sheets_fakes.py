"""A context in memory, a destination at a local Sheets server, and small batches for the tests of the Google Sheets destination."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from collect_pipelines.destinations.google_sheets import GoogleSheets, GoogleSheetsConfig
from collect_pipelines.destinations.interface import Batch, Column, Delivery
from collect_pipelines.errors import Blocked, LeaseLost, TryLater
from collect_pipelines.forms.definition import Question
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.testing import Limits, RunningServer
from collect_pipelines.model import JsonValue, QuotaBucket

STARTED = datetime(2030, 1, 1, tzinfo=UTC)
NUMBERS = {"integer": pl.Int64(), "rating": pl.Int64(), "decimal": pl.Float64()}
META = {
    "_position": pl.Int64(),
    "_response_id": pl.String(),
    "_revision": pl.Int64(),
    "_operation": pl.String(),
    "_version": pl.Int64(),
    "_submitted_at": pl.Datetime("us", "UTC"),
    "_received_at": pl.Datetime("us", "UTC"),
    "_source": pl.String(),
    "_respondent": pl.String(),
}


class Crash(BaseException):
    """Stands for kill -9: nothing of ours catches it."""


@dataclass
class Postgres:
    """What survives a crash: memory, numbers and quota of all integrations."""

    memory: dict[tuple[int, str], JsonValue] = field(default_factory=dict)
    numbers: dict[str, dict[str, int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class MemoryContext:
    """What the core lends, kept in dictionaries. `steps` counts every touch of it: a test can crash at the n-th."""

    def __init__(self, server: RunningServer, postgres: Postgres, *, integration_id: int = 1, form: str = "household") -> None:
        self.integration_id = integration_id
        self.integration = f"sheet-{integration_id}"
        self.form = form
        self.postgres = postgres
        self.settings = {
            "sheets_base_url": server.base_url,
            "drive_base_url": server.base_url,
            "oauth_token_url": server.token_url,
            "local_sheets_credentials": str(server.person_credentials),
            "sheets_writes_per_minute": "6000",
            "sheets_project_writes_per_minute": "6000",
            "sheets_cells_per_spreadsheet": "10000000",
        }
        self.lease_lost = False
        self.guards = 0
        self.waits: list[float] = []
        self.taken: list[str] = []
        self.drained: list[tuple[str, float]] = []
        self.settled: list[tuple[str, bool]] = []
        self.step: Callable[[str], None] = lambda name: None

    def recall(self, name: str) -> JsonValue:
        self.step(f"recall {name}")
        return self.postgres.memory.get((self.integration_id, name))

    def remember(self, name: str, value: JsonValue) -> None:
        self.step(f"remember {name}")
        self.postgres.memory[self.integration_id, name] = value

    def allocate(self, scope: str, name: str) -> int:
        self.step(f"allocate {name}")
        with self.postgres.lock:
            numbers = self.postgres.numbers.setdefault(scope, {})
            return numbers.setdefault(name, len(numbers) + 1)

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        if self.waits:
            return self.waits.pop(0)
        self.taken += [bucket.key for bucket in buckets]
        return 0.0

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, background: bool = False, begun: bool = False) -> tuple[int, float]:
        return 0, self.take_quota(choices[0], background=background)

    def settle_quota(self, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
        self.settled += [(bucket.key, used) for bucket in buckets]

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        self.drained += [(bucket.key, seconds) for bucket in buckets]

    def secret(self, reference: str) -> str:
        path = Path(reference.removeprefix("file:"))
        if not path.exists():
            raise Blocked(f"{reference} does not exist.", fix="Create it.")
        return path.read_text()

    def secret_refused(self, reference: str, reason: str) -> str | None:
        return None

    def setting(self, name: str) -> str:
        return self.settings[name]

    def guard(self) -> None:
        self.guards += 1
        self.step("guard")
        if self.lease_lost:
            raise LeaseLost()


def destination(context: MemoryContext, **config: Any) -> GoogleSheets:
    """A destination as the core would make it."""
    return GoogleSheets(GoogleSheetsConfig(**config), context)


def column(key: str, type_: str = "text", label: str | None = None, **question: Any) -> Column:
    """A column named after its key."""
    shown = label if label is not None else key.capitalize()
    definition = Question.model_validate({"key": key, "type": type_, "label": shown or key, **question})
    return Column(key=key, name=f"q_{key}", type=type_, label=shown, question=definition)


NAME, AGE = column("name"), column("age", "integer")


def entry(response: str, position: int, *answers: Any, revision: int = 1, operation: str | None = None) -> dict[str, Any]:
    """One log entry; `answers` in the order of the batch's columns."""
    return {
        "_position": position,
        "_response_id": response,
        "_revision": revision,
        "_operation": operation or ("create" if revision == 1 else "edit"),
        "_version": 1,
        "_submitted_at": STARTED + timedelta(minutes=position),
        "_received_at": STARTED + timedelta(minutes=position, seconds=1),
        "_source": "api",
        "_respondent": None,
        "answers": answers,
    }


def batch(
    *entries: Mapping[str, Any],
    columns: Sequence[Column] = (NAME, AGE),
    number: int = 1,
    attempt: int = 1,
    title: str = "Household survey",
    integration_id: int = 1,
    **more: Any,
) -> Batch:
    """A batch as the core renders it (`values = "display"`); `more` of its fields, e.g. `append_only`."""
    schema = META | {column.name: NUMBERS.get(column.type, pl.String()) for column in columns}
    rows = [
        {name: row[name] for name in META}
        | {column.name: row["answers"][place] if place < len(row["answers"]) else None for place, column in enumerate(columns)}
        for row in entries
    ]
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return Batch(
        form="household",
        form_title=title,
        integration_id=integration_id,
        batch_no=number,
        from_position=entries[0]["_position"],
        to_position=entries[-1]["_position"],
        digest=sha256(frame.write_csv(include_header=True).encode()).hexdigest(),
        columns=tuple(columns),
        frame=frame,
        attempt=attempt,
        **more,
    )


def again(one: Batch, attempt: int = 2) -> Batch:
    """The same batch as it comes after a failure."""
    return Batch(**{name: getattr(one, name) for name in Batch.__dataclass_fields__} | {"attempt": attempt})


def settle(worker: Callable[[], GoogleSheets], one: Batch, tries: int = 12) -> Delivery:
    """What the core does: sends the batch again until it is delivered, each time as a new worker would."""
    for attempt in range(1, tries + 1):
        try:
            return worker().deliver(again(one, attempt))
        except (TryLater, Crash):
            continue
    raise AssertionError(f"not delivered in {tries} tries")


def generous() -> Limits:
    """Limits without a quota that a test would meet by accident."""
    return Limits(writes_per_user=10**6, reads_per_user=10**6, writes_per_project=10**6, reads_per_project=10**6)


@dataclass
class Desk:
    """One integration at one server, with what survives a crash."""

    server: RunningServer
    postgres: Postgres = field(default_factory=Postgres)
    title: str = "Household survey"
    config: dict[str, Any] = field(default_factory=dict)
    integration_id: int = 1
    opened: list[GoogleSheets] = field(default_factory=list)

    def context(self) -> MemoryContext:
        """The context of a new worker."""
        return MemoryContext(self.server, self.postgres, integration_id=self.integration_id)

    def worker(self, context: MemoryContext | None = None) -> GoogleSheets:
        """A new worker's destination."""
        made = destination(context or self.context(), **self.config)
        self.opened.append(made)
        return made

    def batch(self, *entries: Mapping[str, Any], **more: Any) -> Batch:
        """A batch of this integration."""
        return batch(*entries, **({"title": self.title, "integration_id": self.integration_id} | more))

    def deliver(self, *entries: Mapping[str, Any], **more: Any) -> Delivery:
        """Delivers a batch by a new worker."""
        return self.worker().deliver(self.batch(*entries, **more))

    @property
    def spreadsheet(self) -> str:
        """The spreadsheet written into."""
        if "spreadsheet" in self.config:
            return str(self.config["spreadsheet"])
        known = self.postgres.memory[self.integration_id, "created spreadsheet"]
        assert isinstance(known, dict)
        return str(known["spreadsheet"])

    @property
    def people(self) -> People:
        """The owner, at the spreadsheet."""
        return self.server.people(self.spreadsheet)

    def values(self, tab: str | None = None) -> list[list[Any]]:
        """All cells of the tab."""
        return self.server.values(self.spreadsheet, tab or self.title)

    def records(self, tab: str | None = None) -> list[dict[str, Any]]:
        """The rows below the header, by header; empty cells left out."""
        header, *rows = self.values(tab)
        return [{header[place]: cell for place, cell in enumerate(row) if cell != ""} for row in rows]

    def column(self, header: str, tab: str | None = None) -> list[Any]:
        """One column of the records."""
        return [record.get(header) for record in self.records(tab)]

    def add_column(self) -> None:
        """A person adds an empty column at the right."""
        self.people.request({"appendDimension": {"sheetId": self.people.tab_id(self.title), "dimension": "COLUMNS", "length": 1}})

    def close(self) -> None:
        """Closes every worker's connections."""
        for one in self.opened:
            one.close()


def people(*names: str, start: int = 1) -> list[dict[str, Any]]:
    """One new response per name, `Asha` with id `r-asha`, at positions from `start`."""
    return [entry(f"r-{name.lower()}", place, name, place) for place, name in enumerate(names, start)]
