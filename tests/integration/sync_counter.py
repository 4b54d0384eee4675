"""
A receiver for tests that takes responses one by one, under their own key, and does what a script says: `Counter`.

What it holds lives in a SQLite file, so that it survives killed workers. `kind` and `keyed` can be chosen; what a response meets
when it comes is decided by `rule`, from the row and the attempt of its batch.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    OnDelete,
    Outcome,
    ProbeReport,
)

__all__ = ["Counter", "CounterConfig", "counter", "held", "taken"]

Rule = Callable[[dict[str, Any], Batch], Outcome | Exception | None]


class CounterConfig(DestinationConfig):
    path: Path
    share: str | None = None


class Counter(Destination):
    """Keeps the newest revision per response, and notes every arrival in order."""

    kind: ClassVar[str] = "counter"
    Config: ClassVar[type[DestinationConfig]] = CounterConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete",)
    keyed: ClassVar[bool] = True
    max_rows: ClassVar[int] = 1000
    rule: ClassVar[Rule | None] = None
    """What a row meets; None and no outcome: it is taken. An exception ends the call at once, rows before it were taken."""
    whole: ClassVar[Callable[[Batch], None] | None] = None
    """Called before anything is taken; may raise."""

    def probe(self) -> ProbeReport:
        return ProbeReport("The counter is open.")

    def preview(self, batch: Batch) -> str:
        return batch.frame.write_ndjson()

    def shares(self) -> str | None:
        return str(self.config.share) if self.config.share else None

    def deliver(self, batch: Batch) -> Delivery:
        kind = type(self)
        if kind.whole:
            kind.whole(batch)
        with closing(open_counter(self.config.path)) as file:
            _note(file, batch)
            outcomes = []
            for row in batch.frame.iter_rows(named=True):
                met = kind.rule(row, batch) if kind.rule else None
                if isinstance(met, Exception):
                    raise met
                met = met or Outcome.delivered()
                if met.state == "delivered":
                    self.context.guard()
                    take(file, row)
                outcomes.append(met)
        return Delivery(tuple(outcomes), api_calls=1)

    @classmethod
    def deliver_together(cls, batches: "Sequence[tuple[Destination, Batch]]") -> Any:
        for destination, batch in batches:
            with closing(open_counter(destination.config.path)) as file, file:
                file.execute("insert into calls values (?)", (len(batches),))
            if cls.whole:
                cls.whole(batch)
        return super().deliver_together(batches)


def counter(**attributes: Any) -> type[Counter]:
    """A Counter of its own, e.g. with `rule=` or `max_rows=`."""
    wrapped = {name: staticmethod(value) if name in ("rule", "whole") else value for name, value in attributes.items()}
    return type("TestCounter", (Counter,), wrapped)


def open_counter(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=10, isolation_level="IMMEDIATE")
    file.execute("pragma synchronous = off")  # a killed process loses nothing; only a power cut would
    with file:
        file.execute("create table if not exists held (response primary key, revision, operation)")
        file.execute("create table if not exists arrivals (response, revision)")
        file.execute("create table if not exists batches (number, attempt, rows, purpose)")
        file.execute("create table if not exists calls (size)")
    return file


def take(file: sqlite3.Connection, row: dict[str, Any]) -> None:
    with file:
        file.execute("insert into arrivals values (?, ?)", (row["_response_id"], row["_revision"]))
        file.execute("insert or replace into held values (?, ?, ?)", (row["_response_id"], row["_revision"], row["_operation"]))


def held(path: Path) -> dict[str, int]:
    """Response -> revision, without what was deleted."""
    with closing(open_counter(path)) as file:
        return dict(file.execute("select response, revision from held where operation <> 'delete'").fetchall())


def taken(path: Path, sql: str = "select response, revision from arrivals order by rowid") -> list[tuple[Any, ...]]:
    with closing(open_counter(path)) as file:
        return file.execute(sql).fetchall()


def _note(file: sqlite3.Connection, batch: Batch) -> None:
    with file:
        file.execute("insert into batches values (?, ?, ?, ?)", (batch.batch_no, batch.attempt, batch.frame.height, batch.purpose))
