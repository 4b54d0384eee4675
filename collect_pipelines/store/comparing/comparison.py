"""
What should be in a destination beside what was found there, compared by Postgres in temporary tables: memory stays flat at any size.

Which entries count, and when a difference is none, is said in docs/reconcile.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg

from collect_pipelines.errors import Unavailable
from collect_pipelines.store.comparing.statements import (
    COMPARE_RESPONSES,
    COMPARE_REVISIONS,
    COPIES,
    ENTRIES,
    EXPECTED_RESPONSES,
    EXPECTED_REVISIONS,
    FORGET_CHANGED,
    KEEP_COMMON,
    SAMPLE,
    SEND_AGAIN,
    TABLES,
)
from collect_pipelines.store.database import plain_url
from collect_pipelines.store.stretches import Stretch

__all__ = ["Comparison", "Difference", "Expected", "Numbers", "Rules", "Verdict"]

STATEMENT_SECONDS = 900  # a million responses take some seconds; a machine that is busy with people takes longer
CONNECT_SECONDS = 10

Verdict = tuple[int, bool, bool]
"""Position of an entry; whether some filter the integration had lets it through; whether every one does."""

Found = tuple[str, int | None, bool, str]
"""Response, revision (None where none is kept), whether it stands there as deleted, and where."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an integration does with entries."""

    form_id: int
    integration_id: int
    through: int
    """Everything up to this position was settled when the comparison began."""
    start: int
    """Entries up to here were left out at first."""
    unsent: Sequence[Stretch]
    """Entries up to `start` that nobody has sent."""
    doubtful: Sequence[Stretch]
    """Those of them that may be on their way."""
    append_only: bool
    takes_back: bool
    deletes_in_rows: bool
    """With `append_only`: a deletion is surely a row of its own."""
    mode_through: int
    """Up to here entries may have been delivered under the other mode, one row per response or per revision."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many rows there are, and how many of them are not as they should be."""

    expected: int
    found: int
    missing: int = 0
    duplicated: int = 0
    strange: int = 0
    stale: int = 0

    @property
    def different(self) -> int:
        """All differences."""
        return self.missing + self.duplicated + self.strange + self.stale


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not as it should be."""

    kind: str
    """`missing`, `duplicated`, `strange` or `stale`."""
    response_id: str
    position: int | None
    """Of the entry that should stand there; None for a row that nothing was sent for."""
    expected: str
    found: str
    place: str


Expected = tuple[str, int | None]
"""A response, and with one row per revision the revision."""


class Comparison:
    """
    One comparison, on a connection of its own, for one thread. Raises Unavailable while Postgres is away.

    `judge`, then `expect`, then `find` and `compare` as often as the destination is read.
    """

    def __init__(self, url: str, rules: Rules) -> None:
        self._url, self._rules = plain_url(url), rules
        self._passes = 0

    def __enter__(self) -> Self:
        options = f"-c statement_timeout={STATEMENT_SECONDS * 1000} -c jit=off -c timezone=UTC"
        try:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options)
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise _away() from exc
        try:
            self._run(TABLES)
            ((self._begun,),) = self._rows("select clock_timestamp()")
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    @property
    def by_revision(self) -> bool:
        """Whether every revision is a row of its own."""
        return self._rules.append_only

    def judge(self, verdicts: Iterable[Verdict]) -> None:
        """Says which entries the filters let through; those that are not named pass all of them."""
        self._copy("copy pg_temp.verdict (position, passes_some, passes_every) from stdin", verdicts)

    def expect(self) -> None:
        """Works out from the log what should be there."""
        rules = self._rules
        stretches = [(*one, False) for one in rules.unsent] + [(*one, True) for one in rules.doubtful]
        self._copy("copy pg_temp.left_out (first, last, doubtful) from stdin", stretches)
        self._run("analyze pg_temp.verdict; analyze pg_temp.left_out")
        values = {
            "form": rules.form_id,
            "integration": rules.integration_id,
            "through": rules.through,
            "start": rules.start,
            "takes_back": rules.takes_back,
            "delete_rows": rules.deletes_in_rows,
            "mode_through": rules.mode_through,
        }
        self._run(ENTRIES, values)
        self._run(EXPECTED_REVISIONS if rules.append_only else EXPECTED_RESPONSES, values)
        self._run("create index on pg_temp.expected (response_id, revision); analyze pg_temp.expected")

    def find(self, chunks: Iterable[Iterable[Found]]) -> None:
        """What was found, in place of what was found before. Between two chunks any time may pass."""
        self._run("truncate pg_temp.found")
        for rows in chunks:
            self._copy("copy pg_temp.found (response_id, revision, deleted, place) from stdin", rows)
        self._run("analyze pg_temp.found")

    def compare(self) -> Numbers:
        """
        What is different. Asked again after `find`, only what is different each time: a row that somebody moved while it was read may be
        seen twice or not at all once, and is in its place the next time.
        """
        rules = self._rules
        self._run("truncate pg_temp.fresh")
        values = {"tolerant": rules.mode_through > 0}
        self._run(COMPARE_REVISIONS if rules.append_only else COMPARE_RESPONSES, values)
        if self._passes:
            self._run(KEEP_COMMON)
        self._run("truncate pg_temp.difference; insert into pg_temp.difference select * from pg_temp.fresh")
        self._passes += 1
        return self._numbers()

    def forget_changed(self, tried_through: int) -> Numbers:
        """
        Takes out what changed while the comparison ran: its response was sent meanwhile, or may have been.

        tried_through: last position that was in an attempt by now.
        """
        rules = self._rules
        values: dict[str, Any] = {
            "form": rules.form_id,
            "integration": rules.integration_id,
            "through": rules.through,
            "tried": tried_through,
        }
        values["begun"] = self._begun
        self._run(FORGET_CHANGED, values)
        return self._numbers()

    def sample(self, most: int) -> list[Difference]:
        """The first differences of each kind, in the order of their positions."""
        return [Difference(*row) for row in self._rows(SAMPLE, {"most": most})]

    def to_send_again(self, *, missing: bool) -> list[int]:
        """Positions of the entries whose rows are older than they should be, with those of missing ones if wanted; in order."""
        return [position for (position,) in self._rows(SEND_AGAIN, {"missing": missing})]

    def copies(self) -> list[Expected]:
        """What stands there more than once; none while rows of another mode may be among them."""
        if self._rules.mode_through and not self._rules.append_only:
            return []
        return [(response, revision) for response, revision in self._rows(COPIES, {"append_only": self._rules.append_only})]

    def _numbers(self) -> Numbers:
        counts = dict(self._rows("select kind, sum(rows)::bigint from pg_temp.difference group by kind"))
        ((expected,),) = self._rows("select count(*) from pg_temp.expected where required")
        ((found,),) = self._rows("select count(*) from pg_temp.found")
        return Numbers(expected, found, **counts)

    def _copy(self, statement: LiteralString, rows: Iterable[Sequence[Any]]) -> None:
        try:
            with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise _away() from exc

    def _run(self, statement: LiteralString, values: dict[str, Any] | None = None) -> None:
        try:
            self._connection.execute(statement, values)
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise _away() from exc

    def _rows(self, statement: LiteralString, values: dict[str, Any] | None = None) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            raise _away() from exc


def _away() -> Unavailable:
    return Unavailable("Postgres broke off the comparison.", fix="Try again; if it stays, look at Postgres's log.")
