"""What the core lends a destination, kept in one file in place of Postgres: it survives whoever uses it being killed."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collect_pipelines.destinations.interface import Note
from collect_pipelines.errors import Blocked, LeaseLost
from collect_pipelines.model import JsonValue, QuotaBucket
from collect_pipelines.testing.destinations.steps import unseen

__all__ = ["Core", "FileContext"]

KEPT = ("key", "state", "reference", "subject", "detail")
WAIT_SECONDS = 20.0  # for another process to finish its write

TABLES = """
create table if not exists kept (space text, name text, value text, primary key (space, name));
create table if not exists number (scope text, name text, value integer, primary key (scope, name));
create table if not exists note (key text primary key, state text, subject text, first real, line text);
"""


@dataclass(frozen=True)
class Core:
    """Where a context finds what it lends; may be handed to another process."""

    file: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    """By reference."""
    settings: Mapping[str, str] = field(default_factory=dict)
    opted_out: frozenset[str] = frozenset()
    integration_id: int = 1
    integration: str = "conformance"
    form: str = "every_type"

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The file, within a transaction that holds off every other one."""
        with unseen():
            connection = sqlite3.connect(self.file, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("pragma synchronous = off")  # processes are killed, the machine is not
                if not _has_tables(connection):
                    connection.executescript(TABLES)
                connection.execute("begin immediate")
                yield connection
                connection.execute("commit")
            finally:
                connection.close()

    def read(self, space: str, name: str) -> JsonValue:
        """A value kept, or None."""
        with self.opened() as connection:
            found = connection.execute("select value from kept where space = ? and name = ?", (space, name)).fetchone()
        value: JsonValue = json.loads(found[0]) if found else None
        return value

    def write(self, space: str, name: str, value: JsonValue) -> None:
        """Keeps a value."""
        with self.opened() as connection:
            connection.execute("replace into kept values (?, ?, ?)", (space, name, json.dumps(value)))

    def now(self) -> float:
        """Seconds since the epoch, with the time that the test let pass."""
        return time.time() + float(self.read("core", "passed") or 0)  # type: ignore[arg-type]

    def let_pass(self, seconds: float) -> None:
        """The clock goes forward."""
        self.write("core", "passed", float(self.read("core", "passed") or 0) + seconds)  # type: ignore[arg-type]

    def epoch(self) -> int:
        """Which worker has the lease."""
        return int(self.read("core", "epoch") or 0)  # type: ignore[arg-type]

    def take_over(self) -> None:
        """Another worker takes the lease: everyone before has lost it."""
        self.write("core", "epoch", self.epoch() + 1)

    def notes(self) -> list[Note]:
        """The whole journal, oldest first."""
        with self.opened() as connection:
            return [_note(row[0], row[1]) for row in connection.execute("select line, first from note order by first, key")]


def _has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("select count(*) from sqlite_master where name = 'note'").fetchone()[0])


class FileContext:
    """Implements `destinations.interface.Context` for one worker. `step` is called around each of its calls."""

    def __init__(self, core: Core, step: Callable[[str], None] | None = None) -> None:
        self.core = core
        self.integration_id, self.integration, self.form = core.integration_id, core.integration, core.form
        self.step = step or (lambda name: None)
        self.waits: list[float] = []
        """What `take_quota` answers next, in place of 0."""
        self.read_only = False
        """True: nothing may be kept, as while something is previewed."""
        self.guards = 0
        self._epoch = core.epoch()

    def recall(self, name: str) -> JsonValue:
        """What was last remembered under this name."""
        with self._moment(f"recall({name!r})"):
            return self.core.read("memory", name)

    def remember(self, name: str, value: JsonValue) -> None:
        """Keeps a value."""
        with self._moment(f"remember({name!r})"):
            self._fence()
            self.core.write("memory", name, value)

    def allocate(self, scope: str, name: str) -> int:
        """A number for (scope, name), the same for ever."""
        with self._moment(f"allocate({name!r})"):
            self._fence()
            with self.core.opened() as connection:
                connection.execute(
                    "insert or ignore into number select ?, ?, coalesce(max(value), 0) + 1 from number where scope = ?",
                    (scope, name, scope),
                )
                found = connection.execute("select value from number where scope = ? and name = ?", (scope, name)).fetchone()
                return int(found[0])

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        """0.0, or what the test says."""
        with self._moment("take_quota()"):
            return self.waits.pop(0) if self.waits else 0.0

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, background: bool = False, begun: bool = False) -> tuple[int, float]:
        """The first choice, and what the test says."""
        return 0, self.take_quota(choices[0], background=background)

    def settle_quota(self, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
        """Nothing: no quota is counted here."""

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        """Nothing: no quota is counted here."""
        with self._moment("drain_quota()"):
            pass

    def notes(self, keys: Sequence[str]) -> dict[str, Note]:
        """Lines of the journal by key."""
        with self._moment("notes()"):
            wanted = set(keys)
            return {note.key: note for note in self.core.notes() if note.key in wanted}

    def note(self, notes: Sequence[Note]) -> None:
        """Writes lines of the journal."""
        with self._moment(f"note({', '.join(sorted({note.state for note in notes}))})"):
            self._fence()
            now = self.core.now()
            with self.core.opened() as connection:
                for note in notes:
                    _write(connection, note, now)

    def noted_since(self, seconds: float, *, states: Sequence[str], subject: str | None = None) -> int:
        """How many lines were first written since."""
        with self._moment("noted_since()"):
            since = self.core.now() - seconds
            with self.core.opened() as connection:
                rows = connection.execute("select state, subject from note where first >= ?", (since,)).fetchall()
            return sum(state in states and (subject is None or subject == whom) for state, whom in rows)

    def opted_out(self, channel: str, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses that nobody may write to."""
        with self._moment("opted_out()"):
            return frozenset(addresses) & self.core.opted_out

    def secret_refused(self, reference: str, reason: str) -> str | None:
        """None: there are no connections here."""
        with self._moment("secret_refused()"):
            return None

    def secret(self, reference: str) -> str:
        """The secret behind a reference that the suite gave out, or in a file."""
        with self._moment("secret()"):
            scheme, _, name = reference.partition(":")
            if reference in self.core.secrets:
                return self.core.secrets[reference]
            if scheme not in ("env", "file", "stored") or not name:
                raise Blocked("A secret of the configuration is no reference.", fix="Write it as env:NAME, file:PATH or stored:NAME.")
            found = _read(name) if scheme == "file" else None
            if found is None:
                raise Blocked(f"The secret {reference} is missing or can't be read.", fix="Set it and resume.")
            return found

    def setting(self, name: str) -> str:
        """A setting as text."""
        return self.core.settings[name]

    def guard(self) -> None:
        """Raises LeaseLost when another worker took over."""
        self.guards += 1
        with self._moment("guard()"):
            self._fence()

    @contextmanager
    def _moment(self, name: str) -> Iterator[None]:
        self.step(f"before {name}")
        yield
        self.step(f"after {name}")

    def _fence(self) -> None:
        if self.read_only:
            raise AssertionError("it wrote to its context, or asked to write, while something was only to be shown")
        if self.core.epoch() != self._epoch:
            raise LeaseLost()


def _write(connection: sqlite3.Connection, note: Note, now: float) -> None:
    """In the place of the line with its key, if the note may stand there."""
    there = connection.execute("select state, first from note where key = ?", (note.key,)).fetchone()
    if there is not None and note.over is not None and there[0] not in note.over:
        return
    first = there[1] if there is not None and not note.anew else now
    line = json.dumps({name: getattr(note, name) for name in KEPT})
    connection.execute("replace into note values (?, ?, ?, ?, ?)", (note.key, note.state, note.subject, first, line))


def _note(line: str, first: float) -> Note:
    values: dict[str, Any] = json.loads(line)
    return Note(**values | {"created_at": datetime.fromtimestamp(first, UTC)})


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None
