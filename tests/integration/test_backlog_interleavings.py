"""Whatever happens in whatever order, the ledger says exactly what is still to be sent and by whom (promises 4 and 6)."""

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    Outcome,
    ProbeReport,
)
from collect_pipelines.errors import Conflict, NotFound, TryLater
from collect_pipelines.store.backfill_records import list_backfills, owed
from collect_pipelines.store.backfills import begin_backfill, begin_replay, cancel_backfill, pause_backfill, resume_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import discard_letters, list_dead_letters, retry_letters
from collect_pipelines.store.stretches import entries_in
from tests.integration.backlog_tools import append, drain, late
from tests.integration.sync_tools import ShelfConfig, one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

OLD = ("a", "b", "c", "d", "e", "f", "g")


class Drawer(Destination):
    """Keeps the newest revision per response in memory, each batch once, and does not take an older one after a newer one."""

    kind: ClassVar[str] = "drawer"
    Config: ClassVar[type[DestinationConfig]] = ShelfConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete"})
    deletes = ("tombstone",)
    max_rows: ClassVar[int] = 3
    mood: ClassVar[str] = "well"
    batches: ClassVar[dict[int, str]]
    rows: ClassVar[dict[str, int]]

    def probe(self) -> ProbeReport:
        return ProbeReport("The drawer opens.")

    def preview(self, batch: Batch) -> str:
        return ""

    def deliver(self, batch: Batch) -> Delivery:
        cls = type(self)
        if cls.mood == "away":
            raise TryLater("Nobody opened.")
        outcomes = _outcomes(cls.mood, batch.frame.height)
        known = cls.batches.setdefault(batch.batch_no, batch.digest)
        assert known == batch.digest, "the same batch came with other content"
        for row, outcome in zip(batch.frame.iter_rows(named=True), outcomes, strict=True):
            if outcome.state == "delivered":
                response, revision = row["_response_id"], row["_revision"]
                assert revision >= cls.rows.get(response, 0), f"revision {revision} of {response} came after {cls.rows[response]}"
                cls.rows[response] = revision
        if cls.mood == "cut":
            raise TryLater("No answer.", unknown=True)
        return Delivery(tuple(outcomes))


def _outcomes(mood: str, rows: int) -> list[Outcome]:
    outcomes = [Outcome.delivered()] * rows
    if mood in ("refuses", "puts off", "skips"):
        told = {"refuses": Outcome.refused("No."), "puts off": Outcome.later("Wait."), "skips": Outcome.skipped("Not this one.")}
        outcomes[0] = told[mood]
    elif mood == "stops":
        outcomes[-1] = Outcome.later("Wait.")
    return outcomes


class Backlog(RuleBasedStateMachine):
    """One integration that began late, and everything that can happen to it."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.it = late(self.database, Path(self.folder.name), *OLD)
        self.kind = type("OneDrawer", (Drawer,), {"batches": {}, "rows": {}})
        self.courier = self.it.courier(self.kind, wait_scale=0.0)
        self.start = len(OLD)
        self.log: list[tuple[str, int, str]] = [(name, 1, "create") for name in OLD]
        self.held: set[int] = set()
        self.validated = len(OLD)
        self.skipped = False

    @rule(name=st.sampled_from("hijklmnop"))
    def somebody_answers_corrects_or_deletes(self, name: str) -> None:
        self._append(name)

    @rule(name=st.sampled_from(OLD), delete=st.booleans())
    def an_old_response_changes(self, name: str, delete: bool) -> None:
        self._append(name, "delete" if delete else "edit")

    @rule(held=st.booleans())
    def validation_catches_up(self, held: bool) -> None:
        if self.validated < len(self.log):
            held_ones = [len(self.log)] if held else []
            self.it.validate(*held_ones)
            self.held |= set(held_ones)
            self.validated = len(self.log)

    @rule(mood=st.sampled_from(["well", "well", "away", "cut", "refuses", "puts off", "stops", "skips"]))
    def a_batch_is_sent(self, mood: str) -> None:
        self.kind.mood = mood
        self.skipped = self.skipped or mood == "skips"
        report = self.courier.deliver(self.it.integration_id)
        assert report is None or report.outcome in ("delivered", "postponed", "split", "parked"), report

    @rule(first=st.integers(1, 7), length=st.integers(0, 6))
    def a_backfill_begins(self, first: int, length: int) -> None:
        self._do(lambda connection: begin_backfill(connection, self.it.integration_id, first, first + length))

    @rule(first=st.integers(1, 12), length=st.integers(0, 6))
    def a_replay_begins(self, first: int, length: int) -> None:
        self._do(lambda connection: begin_replay(connection, self.it.integration_id, first, first + length))

    @rule(change=st.sampled_from([pause_backfill, resume_backfill, cancel_backfill]))
    def a_person_turns_it(self, change: Callable[..., Any]) -> None:
        self._do(lambda connection: [change(connection, one.backfill_id) for one in self._unfinished(connection)[:1]])

    @precondition(lambda self: bool(self.kind.batches))
    @rule(discard=st.booleans())
    def a_person_decides_about_letters(self, discard: bool) -> None:
        number = self.it.integration_id
        decide: Callable[..., Any] = (
            (lambda connection: discard_letters(connection, number, "test", "why")) if discard
            else (lambda connection: retry_letters(connection, number, "test"))
        )  # fmt: skip
        self._do(decide)

    @invariant()
    def the_ledger_is_exact(self) -> None:
        self.it.accounted()
        integration = self.it.integration
        with self.database.begin() as connection:
            owing = sum(entries_in(owed(connection, one)) for one in self._unfinished(connection) if one.purpose == "backfill")
            letters = Counter(one.state for one in list_dead_letters(connection, self.it.form_id, states=("waiting", "open", "discarded")))
            query = text("select dead_lettered from collect.integration where integration_id = :it")
            dead_lettered = connection.execute(query, {"it": integration.integration_id}).scalar_one()

        assert integration.behind == owing + letters["waiting"]
        assert dead_lettered == letters["open"] + letters["discarded"]

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            self.courier.close()
            self.folder.cleanup()

    def _end(self) -> None:
        self.validation_catches_up(False)
        with self.database.begin() as connection:
            for one in self._unfinished(connection):
                if one.state == "paused":
                    resume_backfill(connection, one.backfill_id)
        self.kind.mood = "well"
        drain(self.courier, self.it)
        self.the_ledger_is_exact()

        assert "pending" not in self.it.accounted()
        with self.database.begin() as connection:
            number = self.it.integration_id
            lettered = {one.position for one in list_dead_letters(connection, integration_id=number, states=("open", "discarded"))}
        for response, position, revision in self._newest():
            if position > self.start and position not in lettered and not self.skipped:
                assert self.kind.rows.get(response) == revision

    def _newest(self) -> list[tuple[str, int, int]]:
        newest = {}
        for position, (response, revision, _) in enumerate(self.log, 1):
            if position not in self.held:
                newest[response] = (position, revision)
        return [(response, position, revision) for response, (position, revision) in newest.items()]

    def _append(self, name: str, operation: str = "edit") -> None:
        revisions = [revision for response, revision, _ in self.log if response == name]
        entry = (name, len(revisions) + 1, operation if revisions else "create")
        append(self.database, self.it.form_id, *entry)
        self.log.append(entry)

    def _unfinished(self, connection: Any) -> Any:
        return list_backfills(connection, self.it.integration_id, unfinished=True)

    def _do(self, change: Callable[..., Any]) -> None:
        with suppress(Conflict, NotFound), self.database.begin() as connection:
            change(connection)


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Any:
    with one_database(postgres, template_database) as opened:
        yield opened


def test_every_interleaving_leaves_an_exact_ledger_and_the_newest_revisions(database: Database) -> None:
    machine = type("BacklogHere", (Backlog,), {"database": database})
    bounds = settings(max_examples=8, stateful_step_count=30, suppress_health_check=list(HealthCheck), database=None)
    run_state_machine_as_test(machine, settings=bounds)
