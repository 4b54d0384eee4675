"""What the tests of the delivery loop share: a form, responses in its log, and a destination that lives in a SQLite file."""

import asyncio
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import psycopg
from psycopg import sql
from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Capability, Delivery, Destination, DestinationConfig, Guarantee, ProbeReport
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Accepted, Ledger, Operation, Submission
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import form_by_id, publish_form
from collect_pipelines.store.integrations import Integration, add_integration, integration_by_id
from collect_pipelines.store.leases import release_lease, take_lease
from collect_pipelines.store.ledger import ledger
from collect_pipelines.store.validation import QuarantineEntry, settle_validation
from collect_pipelines.sync.deliver import Courier
from tests.integration.store_tools import writing

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

QUESTIONS = [
    {"key": "name", "type": "text", "label": "Name", "required": True},
    {"key": "age", "type": "integer", "label": "Age", "min": 0, "max": 120},
    {"key": "crop", "type": "select_one", "label": "Crop", "choices": [{"code": "w", "label": {"en": "Wheat", "hi": "गेहूँ"}}]},
]


class ShelfConfig(DestinationConfig):
    path: Path


class Shelf(Destination):
    """Keeps rows in a SQLite file, a whole batch or nothing, and notes every call. `before` and `after` surround the effect."""

    kind: ClassVar[str] = "shelf"
    Config: ClassVar[type[DestinationConfig]] = ShelfConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete"})
    values: ClassVar[Literal["display", "typed"]] = "typed"
    max_rows: ClassVar[int] = 5
    before: ClassVar[Callable[[Batch], Delivery | None] | None] = None
    after: ClassVar[Callable[[Batch], Delivery | None] | None] = None

    def probe(self) -> ProbeReport:
        return ProbeReport("The shelf can be used.", {"path": str(self.config.path)})

    def preview(self, batch: Batch) -> str:
        return batch.frame.write_ndjson()

    def deliver(self, batch: Batch) -> Delivery:
        with closing(open_shelf(self.config.path)) as file:
            with file:
                file.execute("insert into calls values (?, ?, ?)", (batch.batch_no, batch.digest, batch.attempt))
            told = type(self).before(batch) if type(self).before else None
            self.context.guard()
            with file:
                known = file.execute("select digest from batches where number = ?", (batch.batch_no,)).fetchone()
                if known is None:
                    file.execute("insert into batches values (?, ?)", (batch.batch_no, batch.digest))
                    file.executemany("insert into rows values (?, ?, ?, ?)", [_row(row) for row in batch.frame.iter_rows(named=True)])
                else:
                    assert known[0] == batch.digest, "the same batch came with other content"
            told = (type(self).after(batch) if type(self).after else None) or told
        return told or Delivery.complete(batch, api_calls=1)


def shelf(**attributes: Any) -> type[Shelf]:
    """A Shelf of its own, e.g. with `before=` or `max_rows=`."""
    wrapped = {name: staticmethod(value) if name in ("before", "after") else value for name, value in attributes.items()}
    return type("TestShelf", (Shelf,), wrapped)


def open_shelf(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=10, isolation_level="IMMEDIATE")
    with file:
        file.execute("create table if not exists calls (number, digest, attempt)")
        file.execute("create table if not exists batches (number primary key, digest)")
        file.execute("create table if not exists rows (response, revision, operation, content)")
    return file


def on_shelf(path: Path, sql: str = "select response, revision, operation from rows order by rowid") -> list[tuple[Any, ...]]:
    with closing(open_shelf(path)) as file:
        return file.execute(sql).fetchall()


def _row(row: dict[str, Any]) -> tuple[str, int, str, str]:
    content = {name: value for name, value in row.items() if not name.startswith("_")}
    return row["_response_id"], row["_revision"], row["_operation"], json.dumps(content, ensure_ascii=False, default=str)


@dataclass
class Scene:
    """A form with one integration, and the means to fill and look at it."""

    database: Database
    form_id: int
    integration_id: int
    path: Path

    def courier(self, finder: type[Destination] = Shelf, owner: str = "worker", **options: Any) -> Courier:
        return Courier(self.database, Settings(data_dir=self.path.parent), owner, finder=lambda kind: finder, **options)

    def accept(self, *submissions: Submission) -> list[Accepted]:
        return accept(self.database, submissions)

    def create(self, *names: str) -> None:
        """Accepts a response per name and lets all of them pass validation."""
        self.accept(*(submission(self.form_id, name, {"name": name}) for name in names))
        self.validate()

    def validate(self, *held: int) -> None:
        """Lets everything pass without judging it, except these positions."""
        validate(self.database, self.form_id, held)

    @property
    def integration(self) -> Integration:
        with self.database.begin() as connection:
            return integration_by_id(connection, self.integration_id)

    @property
    def ledger(self) -> Ledger:
        name = self.integration.name
        with self.database.begin() as connection:
            return next(line for line in ledger(connection, self.form_id) if line.integration == name)

    def batch(self, column: str, number: int = 1) -> Any:
        """What a column of one of the integration's batches holds."""
        query = text(f"select {column} from collect.batch where integration_id = :integration and batch_no = :number")
        with self.database.begin() as connection:
            return connection.execute(query, {"integration": self.integration_id, "number": number}).scalar_one()

    def tamper(self, column: str, value: Any) -> None:
        """Overwrites a column of the integration's newest batch."""
        statement = text(f"update collect.batch set {column} = :value where integration_id = :integration and landed_at is null")
        with self.database.begin() as connection:
            connection.execute(statement, {"integration": self.integration_id, "value": value})

    def expire_lease(self) -> None:
        """Makes the integration's lease run out now, as if its holder had been frozen."""
        statement = text("update collect.lease set expires_at = clock_timestamp() - interval '1 second' where name = :name")
        with self.database.begin() as connection:
            connection.execute(statement, {"name": f"integration:{self.integration_id}"})

    def accounted(self) -> dict[str, int]:
        """The ledger's numbers that are not zero; proves that they add up (promise 4)."""
        line = self.ledger
        parts = {name: getattr(line, name) for name in ("delivered", "filtered", "quarantined", "dead_lettered", "erased", "pending")}
        assert line.accepted == sum(parts.values())
        return {name: number for name, number in parts.items() if number}


@contextmanager
def one_database(postgres: "EmbeddedPostgres", template: str) -> Iterator[Database]:
    """A migrated database for a whole module: making and dropping one takes longer than most tests."""
    name = f"sync_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
    database = Database(postgres.url(name))
    yield database
    database.dispose()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def scene(
    database: Database,
    folder: Path,
    slug: str | None = None,
    kind: str = "shelf",
    *,
    mapping: dict[str, Any] | None = None,
    questions: list[dict[str, Any]] = QUESTIONS,
    language: str | None = None,
    **config: Any,
) -> Scene:
    """A new form and its integration."""
    slug = slug or f"form-{secrets.token_hex(4)}"
    form = FormDefinition.model_validate({"form": slug, "title": slug.capitalize(), "languages": ["en", "hi"], "questions": questions})
    path = folder / f"{slug}.sqlite"
    with database.begin() as connection:
        form_id = publish_form(connection, "default", form).form_id
        config = config or ({"path": str(path)} if kind.startswith("shelf") else {})
        made = add_integration(connection, form_id, f"{slug}-{kind}", kind, config, mapping=mapping, language=language)
    return Scene(database, form_id, made.integration_id, path)


def submission(
    form_id: int, response_id: str, answers: dict[str, Any], operation: Operation = "create", replaces: int | None = None, version: int = 1
) -> Submission:
    text = json.dumps(answers, ensure_ascii=False)
    return Submission(
        form_id=form_id,
        response_id=response_id,
        operation=operation,
        version=version,
        answers=answers,
        content_hash=hashlib.sha256(f"{operation}|{replaces}|{text}".encode()).digest(),
        answers_json=text,
        replaces=replaces,
    )


def accept(database: Database, submissions: Sequence[Submission]) -> list[Accepted]:
    async def write() -> list[Accepted]:
        async with writing(database.url) as writer:
            return await writer.accept_many(list(submissions))

    return asyncio.run(write())


def validate(database: Database, form_id: int, held: Sequence[int] = ()) -> None:
    with database.begin() as connection:
        form = form_by_id(connection, form_id)
        if form.head == form.validated_through:
            return
        lease = take_lease(connection, f"validation:{form_id}", "test")
        assert lease is not None
        reasons = [{"rule": "test", "question": "name", "message": "Held by the test."}]
        entries = [QuarantineEntry(position, f"held-{position}", 1, reasons) for position in held]
        settle_validation(connection, form_id, form.head, entries, lease)
        release_lease(connection, lease)
