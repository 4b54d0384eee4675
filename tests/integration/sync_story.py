"""
A story of deliveries, told step by step by hypothesis over a real Postgres: `Story`.

Responses come, change and go, a keyed receiver takes, refuses or stumbles, workers are killed and others go on, a person retries,
discards, backfills and replays. After every step `check` looks at the ledger and at what arrived; `end` at what the receiver holds.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import text

from collect_pipelines.destinations.interface import Batch, Outcome
from collect_pipelines.errors import Blocked, Conflict, NotFound, Refused, TryLater
from collect_pipelines.store.backfill_records import list_backfills, owed
from collect_pipelines.store.backfills import begin_backfill, begin_replay, cancel_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import discard_letters, retry_letters
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.stretches import entries_in
from tests.integration.sync_counter import counter, held, taken
from tests.integration.sync_tools import scene, submission

__all__ = ["STEPS", "Story"]

RESPONSES = [f"r{number}" for number in range(4)]
OUTCOMES: dict[str, Outcome | Exception] = {
    "skipped": Outcome.skipped("Opted out."),
    "refused": Outcome.refused("No."),
    "unknown": Outcome.unknown("Cut."),
    "looked up later": Outcome.unknown("Cut.", after=1.0),
    "later": Outcome.later("Busy."),
    "later, in a second": Outcome.later("Busy.", after=1.0),
    "stumbles": RuntimeError("canary"),
    "cut": TryLater("Cut.", unknown=True),
}
WHOLE: dict[str, Exception] = {
    "refuses": Refused("Not this batch."),
    "busy": TryLater("Busy."),
    "cut": TryLater("Cut.", unknown=True),
    "closed": Blocked("Closed.", fix="Open it."),
    "stumbles": RuntimeError("canary"),
}
SUMS = """
select behind, dead_lettered,
    (select count(*) from collect.dead_letter d where d.integration_id = i.integration_id and state = 'waiting') as waiting,
    (select count(*) from collect.dead_letter d where d.integration_id = i.integration_id and state in ('open', 'discarded')) as letters
from collect.integration i where integration_id = :it
"""
NEWEST = """
with newest as (
    select distinct on (response_id) response_id, revision, operation, position from collect.response r
    where form_id = :form and not exists (select from collect.quarantine q where q.form_id = r.form_id and q.position = r.position)
    order by response_id, revision desc)
select n.*, d.state from newest n left join collect.dead_letter d on d.integration_id = :it and d.position = n.position
"""
MOST_ATTEMPTS = 120  # until all is settled, once everybody is well


class Killed(BaseException):
    """The worker dies here."""


class Story:
    """One form, and one integration that began after its first responses."""

    def __init__(self, database: Database, folder: Path, draw: Callable[[Any], Any]) -> None:
        self._database, self._draw = database, draw
        self._revisions: dict[str, int] = {}
        self._skipped: set[tuple[str, int]] = set()
        self._meets: dict[str, Outcome | Exception] = {}
        self._whole: Exception | None = None
        self._dies_at = 0
        self._it = scene(database, folder, kind="counter", path=str(folder / "nowhere.sqlite"))
        self._path = folder / f"counter-{self._it.integration_id}.sqlite"
        before = draw(st.integers(0, 3))
        for name in RESPONSES[:before]:
            self._send(name)
        self._begin_at(before)
        kind = counter(rule=self._rule, whole=self._opened, max_rows=3)
        self._workers = [self._it.courier(kind, owner=owner, wait_scale=0.0) for owner in ("one", "two")]

    def step(self) -> str:
        """Something happens; its name."""
        name: str = self._draw(st.sampled_from(STEPS))
        getattr(self, name)()
        return name

    def check(self) -> None:
        """The ledger adds up, every pending and dead entry is somewhere, and no response went back to an older revision."""
        self._it.accounted()
        with self._database.begin() as connection:
            row = connection.execute(text(SUMS), {"it": self._it.integration_id}).one()
            unfinished = list_backfills(connection, self._it.integration_id, unfinished=True)
            owing = sum(entries_in(owed(connection, one)) for one in unfinished if one.purpose == "backfill")
        assert row.behind == row.waiting + owing
        assert row.dead_lettered == row.letters
        newest: dict[str, int] = {}
        for name, revision in taken(self._path):
            # Promise 6
            assert revision >= newest.get(name, 0), f"{name}: revision {revision} came after {newest[name]}"
            newest[name] = revision

    def end(self) -> None:
        """Everybody is well again: all goes out, and the receiver holds the newest of what nobody has decided about."""
        self._meets.clear()
        for _ in range(MOST_ATTEMPTS):
            self.resume()
            self._wait()
            if self._workers[0].deliver(self._it.integration_id) is None:
                break
            self.check()
        assert "pending" not in self._it.accounted()
        start, has = self._it.integration.start_position, held(self._path)
        with self._database.begin() as connection:
            newest = connection.execute(text(NEWEST), {"form": self._it.form_id, "it": self._it.integration_id}).all()
        for row in newest:
            elsewhere = row.state in ("open", "discarded") or (row.response_id, row.revision) in self._skipped
            if not elsewhere and row.position > start:
                assert has.get(row.response_id) == (None if row.operation == "delete" else row.revision), row

    def arrive(self) -> None:
        """A few responses or corrections."""
        for name in self._draw(st.lists(st.sampled_from(RESPONSES), min_size=1, max_size=4)):
            self._send(name)

    def be_held(self) -> None:
        """Validation holds one back."""
        self._send(self._draw(st.sampled_from(RESPONSES)), hold=True)

    def remove(self) -> None:
        """A response is deleted."""
        if self._revisions:
            name = self._draw(st.sampled_from(sorted(self._revisions)))
            self._it.accept(submission(self._it.form_id, name, {}, "delete", self._revisions[name]))
            self._revisions[name] += 1
            self._it.validate()

    def deliver(self) -> None:
        """A worker has its turn, the waits being over."""
        self._wait()
        self._turn()

    def deliver_too_early(self) -> None:
        """A worker has its turn, whatever waits."""
        self._turn()

    def deliver_with_some_in_trouble(self) -> None:
        """A few responses come and are sent at once; one or two meet something else than the others."""
        names = self._draw(st.lists(st.sampled_from(RESPONSES), min_size=2, max_size=3, unique=True))
        for name in names:
            self._send(name)
        for name in names[: self._draw(st.integers(1, 2))]:
            self._meets[name] = OUTCOMES[self._draw(st.sampled_from(sorted(OUTCOMES)))]
        self.deliver()
        self._meets.clear()

    def deliver_with_one_in_trouble(self) -> None:
        """Whatever is sent, one response meets something else than the others."""
        self._meets[self._draw(st.sampled_from(RESPONSES))] = OUTCOMES[self._draw(st.sampled_from(sorted(OUTCOMES)))]
        self.deliver()
        self._meets.clear()

    def stumble_over_one(self) -> None:
        """One response can't be taken for as long as it takes to find it."""
        name = self._draw(st.sampled_from(RESPONSES))
        self._meets[name] = RuntimeError("canary")
        for _ in range(self._draw(st.integers(5, 14))):
            self.deliver()
        self._meets.clear()

    def deliver_to_a_receiver_in_trouble(self) -> None:
        """The whole batch meets it."""
        self._whole = WHOLE[self._draw(st.sampled_from(sorted(WHOLE)))]
        self.deliver()
        self._whole = None

    def die(self) -> None:
        """A worker is killed before it has taken this row."""
        self._dies_at = self._draw(st.integers(1, 3))
        self.deliver()
        self._dies_at = 0

    def resume(self) -> None:
        """A person repaired what blocked it."""
        with self._database.begin() as connection:
            set_integration_state(connection, self._it.integration_id, "active")

    def retry(self) -> None:
        """A person lets letters be tried again."""
        with suppress(NotFound, Conflict), self._database.begin() as connection:
            retry_letters(connection, self._it.integration_id, "person")

    def discard(self) -> None:
        """A person gives a letter up."""
        with suppress(NotFound, Conflict), self._database.begin() as connection:
            discard_letters(connection, self._it.integration_id, "person", "why", positions=[self._draw(st.integers(1, 12))])

    def backfill(self) -> None:
        """What was there before is sent, too."""
        with suppress(Conflict), self._database.begin() as connection:
            begin_backfill(connection, self._it.integration_id, self._draw(st.integers(1, 3)))

    def replay(self) -> None:
        """Something is sent once more."""
        first, length = self._draw(st.integers(1, 8)), self._draw(st.integers(0, 6))
        with suppress(Conflict, NotFound), self._database.begin() as connection:
            begin_replay(connection, self._it.integration_id, first, first + length)

    def cancel(self) -> None:
        """Not so, after all."""
        with self._database.begin() as connection:
            for one in list_backfills(connection, self._it.integration_id, unfinished=True)[:1]:
                cancel_backfill(connection, one.backfill_id)

    def _begin_at(self, head: int) -> None:
        """As `start: now` leaves it."""
        statement = text(
            "update collect.integration set config = jsonb_build_object('path', cast(:path as text)), cursor = :head,"
            " start_position = :head, filtered = :head where integration_id = :it"
        )
        with self._database.begin() as connection:
            connection.execute(statement, {"path": str(self._path), "head": head, "it": self._it.integration_id})

    def _send(self, name: str, hold: bool = False) -> None:
        revision = self._revisions.get(name, 0)
        how: Any = ("edit", revision) if revision else ("create", None)
        (accepted,) = self._it.accept(submission(self._it.form_id, name, {"name": f"{name} {revision}"}, *how))
        self._revisions[name] = revision + 1
        self._it.validate(*([accepted.position] if hold and accepted.position else []))

    def _turn(self) -> None:
        with suppress(Killed):
            self._workers[self._draw(st.integers(0, 1))].deliver(self._it.integration_id)

    def _wait(self) -> None:
        """Every wait is over, and every lease of the dead."""
        statements = (
            "update collect.dead_letter set next_attempt_at = clock_timestamp() where integration_id = :it and state = 'waiting'",
            "update collect.integration set next_attempt_at = null where integration_id = :it",
        )
        with self._database.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), {"it": self._it.integration_id})
        self._it.expire_lease()

    def _rule(self, row: dict[str, Any], batch: Batch) -> Outcome | Exception | None:
        if self._dies_at:
            self._dies_at -= 1
            if not self._dies_at:
                raise Killed
        outcome = self._meets.get(row["_response_id"])
        if isinstance(outcome, Outcome) and outcome.state == "skipped":
            self._skipped.add((row["_response_id"], row["_revision"]))
        return outcome

    def _opened(self, batch: Batch) -> None:
        if self._whole is not None:
            raise self._whole


STEPS = [
    *["arrive"] * 4, *["deliver"] * 4, *["deliver_with_some_in_trouble"] * 8, *["deliver_with_one_in_trouble"] * 2, *["die"] * 2,
    *["deliver_to_a_receiver_in_trouble"] * 3, *["resume"] * 2, "deliver_too_early", "stumble_over_one", "be_held", "remove",
    "retry", "discard", "backfill", "replay", "cancel",
]  # fmt: skip
"""What happens how often."""
