"""A destination that can be read back: a board of rows in SQLite that a test may scribble on."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Capability, Delivery, DestinationConfig, Held, OnDelete, Outcome
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.reconcile.borrowing import Patience
from collect_pipelines.sync.reconcile.comparing import Findings, compare
from tests.integration.sync_tools import Scene, Shelf, on_shelf, open_shelf, scene

CHUNK = 4


class BoardConfig(DestinationConfig):
    path: Path
    deleted_rows: str = "refill"


class Board(Shelf):
    """One row per response, or per revision when rows are only appended. `while_read` is called between two chunks."""

    kind: ClassVar[str] = "board"
    Config: ClassVar[type[DestinationConfig]] = BoardConfig
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append", "read_back"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("tombstone", "delete")
    max_rows: ClassVar[int] = 50
    while_read: ClassVar[Callable[[int], None]] = staticmethod(lambda chunk: None)
    refuses: ClassVar[frozenset[tuple[str, int]]] = frozenset()
    """Responses and revisions it never takes."""

    def deliver(self, batch: Batch) -> Delivery:
        outcomes = []
        with closing(open_shelf(self.config.path)) as file, file:
            for row in batch.frame.iter_rows(named=True):
                response, revision, operation = row["_response_id"], row["_revision"], row["_operation"]
                if (response, revision) in self.refuses:
                    outcomes.append(Outcome.refused("Not this one."))
                    continue
                outcomes.append(Outcome.delivered())
                known = file.execute("select 1 from rows where response = ?", (response,)).fetchone()
                if not batch.append_only:
                    file.execute("delete from rows where response = ?", (response,))
                gone = operation == "delete" and not batch.append_only
                if not gone or (batch.on_delete == "tombstone" and known):
                    file.execute("insert into rows values (?, ?, ?, '')", (response, revision, operation))
        return Delivery(tuple(outcomes))

    def read_back(self) -> Iterator[Sequence[Held]]:
        query = "select rowid, response, revision, operation = 'delete' from rows where rowid > ? order by rowid limit ?"
        last, number = -1000, 0
        with closing(open_shelf(self.config.path)) as file:
            while rows := file.execute(query, (last, CHUNK)).fetchall():
                yield [Held(response, revision, bool(deleted), f"row {rowid}") for rowid, response, revision, deleted in rows]
                last, number = rows[-1][0], number + 1
                type(self).while_read(number)

    def remove_copies(self, copies: Sequence[tuple[str, int | None]]) -> int:
        removed = 0
        self.context.guard()
        with closing(open_shelf(self.config.path)) as file, file:
            for response, revision in copies:
                same = "response = ?1 and (?2 is null or revision = ?2)"
                best = f"select rowid from rows where {same} order by revision desc, rowid limit 1"
                removed += file.execute(f"delete from rows where {same} and rowid <> ({best})", (response, revision)).rowcount
        return removed


def board(**attributes: Any) -> type[Board]:
    """A Board of its own."""
    wrapped = {name: staticmethod(value) if callable(value) else value for name, value in attributes.items()}
    return type("TestBoard", (Board,), wrapped)


def visits(database: Database, folder: Path, *names: str, kind: type[Board] = Board, **mapping: Any) -> Scene:
    """A form whose integration is a board, with these responses delivered to it."""
    it = scene(database, folder, kind="board", mapping=mapping, path="")
    with database.begin() as connection:
        statement = text(
            "update collect.integration set config = jsonb_build_object('path', cast(:path as text)) where integration_id = :id"
        )
        connection.execute(statement, {"path": str(it.path), "id": it.integration_id})
    if names:
        it.create(*names)
        deliver(it, kind)
    return it


def deliver(it: Scene, kind: type[Board] = Board, *, until: int = 10) -> None:
    """Everything that is due."""
    courier: Courier = it.courier(kind, wait_scale=0.0)
    for _ in range(until):
        if courier.deliver(it.integration_id) is None:
            break
    courier.close()


def scribble(it: Scene, statement: str, *values: Any) -> None:
    """Somebody changes the board."""
    with closing(open_shelf(it.path)) as file, file:
        file.execute(statement, values)


def rows(it: Scene) -> list[tuple[Any, ...]]:
    """What stands on the board."""
    return on_shelf(it.path, "select response, revision, operation from rows order by response, revision")


def compared(it: Scene, kind: type[Board] = Board, **options: Any) -> Findings:
    """One comparison, with waits that take no time."""
    patience = Patience(60.0, pause=lambda seconds: None)
    settings = Settings(data_dir=it.path.parent)
    return compare(it.database, settings, it.integration_id, finder=lambda name: kind, patience=patience, **options)


def counted(findings: Findings) -> dict[str, int]:
    """The numbers that are not zero, and whether it failed."""
    assert findings.stored.state in ("equal", "different"), findings.stored.error
    names = ("missing", "duplicated", "strange", "stale")
    return {name: getattr(findings.stored, name) for name in names if getattr(findings.stored, name)}
