"""`accepted = delivered + filtered + quarantined + dead lettered + erased + pending`, whatever happens in which order (promise 4)."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from collect_pipelines.errors import Conflict, LeaseLost
from collect_pipelines.store.batches import Counts, begin_attempt, open_batch, plan_batch
from collect_pipelines.store.database import Database
from collect_pipelines.store.dead_letters import list_dead_letters
from collect_pipelines.store.integrations import add_integration, due_integrations, integration_by_id, set_integration_state
from collect_pipelines.store.leases import Lease, release_lease, take_lease
from collect_pipelines.store.ledger import batch_totals, ledger
from collect_pipelines.store.letters import Letter, due_letters
from collect_pipelines.store.settlement import Spent, close_batch, postpone_batch, replace_batch
from collect_pipelines.store.traces import batches_of
from collect_pipelines.store.validation import QuarantineEntry, list_quarantined, release, settle_validation
from collect_pipelines.telemetry.pipeline_metrics import BatchTotals
from tests.integration.store_filling import fill
from tests.integration.store_tools import publish, scalar

STEPS = 200


class Crash(Exception):
    """The worker ends in the middle of a transaction."""


class Walk:
    """A form, two integrations, and workers that do what workers do in a random order, dying now and then."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.random = random.Random(seed)
        [self.form_id] = publish(database, "household")
        with database.begin() as connection:
            fill(connection, self.form_id, 5)
            self.integrations = [
                add_integration(connection, self.form_id, "all", "sheets", {}).integration_id,
                add_integration(connection, self.form_id, "new", "sheets", {}, start="now").integration_id,
            ]
        self.leases: dict[int, list[Lease]] = {integration_id: [] for integration_id in self.integrations}
        self.refused = 0

    def step(self) -> None:
        action: Callable[[Any], None] = self.random.choice([self.arrive, self.validate, self.let_go, *[self.deliver] * 6])
        try:
            with self.database.begin() as connection:
                action(connection)
                if self.random.random() < 0.1:
                    raise Crash
        except Crash:
            return
        except LeaseLost:
            self.refused += 1
        self.check()

    def arrive(self, connection: Any) -> None:
        fill(connection, self.form_id, self.random.randint(1, 9))

    def validate(self, connection: Any) -> None:
        lease = take_lease(connection, f"validation:{self.form_id}", "gate")
        assert lease is not None
        done, head = connection.execute(text("select validated_through, head from collect.form")).one()
        if done < head:
            through = self.random.randint(done + 1, head)
            held = [position for position in range(done + 1, through + 1) if self.random.random() < 0.2]
            entries = [QuarantineEntry(position, "r", 1, [{"rule": "x", "message": "wrong"}]) for position in held]
            settle_validation(connection, self.form_id, through, entries, lease)
        release_lease(connection, lease)

    def let_go(self, connection: Any) -> None:
        held = list_quarantined(connection, self.form_id)
        if held:
            connection.execute(
                text(
                    "update collect.quarantine q set response_id = r.response_id, revision = r.revision"
                    " from collect.response r where r.form_id = q.form_id and r.position = q.position"
                )
            )
            release(connection, self.form_id, self.random.choice(held).position, "operator")

    def deliver(self, connection: Any) -> None:
        """One move of one worker, which may have lost its lease without knowing."""
        integration_id = self.random.choice(self.integrations)
        held = self.leases[integration_id]
        if not held or self.random.random() < 0.2:
            connection.execute(text("update collect.lease set expires_at = clock_timestamp() - interval '1 second' where name ~ 'integ'"))
            lease = take_lease(connection, f"integration:{integration_id}", f"worker {len(held)}")
            assert lease is not None
            self.leases[integration_id] = [*held, lease][-3:]
        # Mostly the newest one; sometimes a worker that was stopped for long and wakes up.
        lease = self.leases[integration_id][-1] if self.random.random() < 0.8 else self.random.choice(self.leases[integration_id])
        batch = open_batch(connection, integration_id)
        if batch is None:
            cursor = integration_by_id(connection, integration_id).cursor
            through = scalar_in(connection, "select validated_through from collect.form")
            due = due_letters(connection, integration_id, self.form_id, self.random.randint(1, 3), 1_000_000)
            if due and self.random.random() < 0.4:
                first, last = due[0], due[-1]
                plan_batch(connection, integration_id, first, last, 1, "d", 1, lease, purpose="retry", positions=due)
            elif cursor < through:
                plan_batch(connection, integration_id, cursor + 1, self.random.randint(cursor + 1, through), 1, "d", 1, lease)
        elif batch.state == "planned" or batch.epoch != lease.epoch:
            begin_attempt(connection, batch, lease)
        else:
            self.end(connection, batch, lease)

    def end(self, connection: Any, batch: Any, lease: Lease) -> None:
        how = self.random.choice(["settle", "settle", "settle", "postpone", "park", "replace"])
        # a part of it may stay in the log, or wait on
        through = self.random.randint(batch.from_position, batch.to_position)
        positions = [one for one in batch.positions or range(batch.from_position, batch.to_position + 1) if one <= through]
        states = ["delivered", "filtered", "dead_lettered", "behind", *([] if batch.positions else ["quarantined", "erased"])]
        split = {position: self.random.choice(states) for position in positions}
        letters = [
            Letter(position, "r", 1, "no", waits_seconds=0.0 if kind == "behind" else None)
            for position, kind in split.items()
            if kind in ("dead_lettered", "behind")
        ]
        counts = Counts(**Counter(split.values()))
        dropped = [position for position, kind in split.items() if kind == "filtered"]
        if how == "postpone":
            postpone_batch(connection, batch, lease, 0.0, unknown=self.random.random() < 0.5, error="later")
        elif how == "replace":
            replace_batch(connection, batch, lease, error="in other pieces")
        elif how == "park":
            close_batch(connection, batch, lease, counts, letters, state="parked", error="never", dropped=dropped, through=through)
        else:
            close_batch(connection, batch, lease, counts, letters, Spent(len(split), 1, 9, 0.1), dropped=dropped, through=through)

    def check(self) -> None:
        with self.database.begin() as connection:
            lines = ledger(connection, self.form_id)
            batches = connection.execute(text(BATCH_SUMS)).all()
            through, head = connection.execute(text("select validated_through, head from collect.form")).one()
        assert len(lines) == 2
        for line, (_, _, waiting, behind, _) in zip(lines, batches, strict=True):
            assert waiting == behind
            settled = line.delivered + line.filtered + line.quarantined + line.dead_lettered + line.erased
            assert line.accepted == head == settled + line.pending
            assert line.pending >= 0
            assert (line.oldest_pending_seconds is None) == (line.pending == behind)
            assert line.integration == "new" or settled <= through
        for dead_letters, dead_lettered, _, _, gaps in batches:
            assert dead_letters == dead_lettered
            assert gaps == 0


BATCH_SUMS = """
select (select count(*) from collect.dead_letter d where d.integration_id = i.integration_id and d.state = 'open'), i.dead_lettered,
    (select count(*) from collect.dead_letter d where d.integration_id = i.integration_id and d.state = 'waiting'), i.behind,
    (select count(*) from (
        select from_position - lag(to_position, 1, from_position - 1) over (order by batch_no) as step from collect.batch b
        where b.integration_id = i.integration_id and b.purpose = 'live' and b.state <> 'replaced') s where step <> 1)
from collect.integration i order by i.integration_id
"""


def scalar_in(connection: Any, statement: str) -> Any:
    return connection.execute(text(statement)).scalar_one()


@pytest.mark.parametrize("seed", range(3))
def test_every_entry_is_accounted_for_after_every_step(database: Database, seed: int) -> None:
    walk = Walk(database, seed)
    for _ in range(STEPS):
        walk.step()

    assert walk.refused > 0, "no worker that lost its lease was refused: the walk proves less than it should"
    assert scalar(database, "select count(*) from collect.batch where state = 'landed'") > 5
    assert scalar(database, "select count(*) from collect.batch where state = 'parked'") > 0
    assert scalar(database, "select count(*) from collect.batch where state = 'replaced'") > 0
    assert scalar(database, "select count(*) from collect.batch where purpose = 'retry' and landed_at is not null") > 0


def test_the_database_itself_refuses_a_ledger_that_does_not_add_up(database: Database) -> None:
    [form_id] = publish(database, "household")
    with database.begin() as connection:
        fill(connection, form_id, 5)
        add_integration(connection, form_id, "sheet", "sheets", {})
    for wrong in ("cursor = 1", "delivered = 1", "cursor = 0, delivered = 1, filtered = -1"):
        with pytest.raises(IntegrityError), database.begin() as connection:
            connection.execute(text(f"update collect.integration set {wrong}"))


@pytest.fixture
def sending(database: Database) -> tuple[int, int]:
    """A form with ten validated entries, and an integration."""
    [form_id] = publish(database, "household")
    with database.begin() as connection:
        fill(connection, form_id, 10)
        lease = take_lease(connection, f"validation:{form_id}", "gate")
        assert lease is not None
        settle_validation(connection, form_id, 10, [], lease)
        return form_id, add_integration(connection, form_id, "sheet", "sheets", {}).integration_id


def lease_of(database: Database, integration_id: int, owner: str = "worker") -> Lease:
    with database.begin() as connection:
        connection.execute(text("update collect.lease set expires_at = clock_timestamp() - interval '1 second'"))
        lease = take_lease(connection, f"integration:{integration_id}", owner)
    assert lease is not None
    return lease


def test_counts_that_do_not_cover_the_batch_are_refused_as_a_whole(database: Database, sending: tuple[int, int]) -> None:
    _, integration_id = sending
    lease = lease_of(database, integration_id)
    with database.begin() as connection:
        batch = begin_attempt(connection, plan_batch(connection, integration_id, 1, 10, 1, "d", 10, lease), lease)
    with pytest.raises(IntegrityError), database.begin() as connection:
        close_batch(connection, batch, lease, Counts(delivered=9))

    assert scalar(database, "select cursor from collect.integration") == 0
    assert scalar(database, "select state from collect.batch") == "sending"


def test_a_worker_that_lost_its_lease_can_change_nothing(database: Database, sending: tuple[int, int]) -> None:
    _, integration_id = sending
    zombie = lease_of(database, integration_id, "zombie")
    with database.begin() as connection:
        planned = begin_attempt(connection, plan_batch(connection, integration_id, 1, 10, 1, "d", 10, zombie), zombie)
    lease = lease_of(database, integration_id, "successor")
    for attempt in (
        lambda connection: begin_attempt(connection, planned, zombie),
        lambda connection: postpone_batch(connection, planned, zombie, 5.0, unknown=True, error="later"),
        lambda connection: close_batch(connection, planned, zombie, Counts(delivered=10)),
        lambda connection: close_batch(connection, planned, zombie, Counts(dead_lettered=10), state="parked", error="no"),
        lambda connection: replace_batch(connection, planned, zombie, error="no"),
        lambda connection: plan_batch(connection, integration_id, 1, 5, 1, "d", 5, zombie),
        # A lease of the right epoch does not help with a batch that was begun under another one.
        lambda connection: close_batch(connection, planned, lease, Counts(delivered=10)),
        # Nor does a lease on something else.
        lambda connection: close_batch(connection, planned, Lease("integration:999", "worker", 1), Counts(delivered=10)),
    ):
        with pytest.raises(LeaseLost), database.begin() as connection:
            attempt(connection)
    with database.begin() as connection:
        again = begin_attempt(connection, planned, lease)
        assert again.unknown, "the zombie's attempt may have been applied"
        assert (again.attempts, again.digest, again.to_position) == (2, planned.digest, planned.to_position)
        close_batch(connection, again, lease, Counts(delivered=10))
    with pytest.raises(LeaseLost), database.begin() as connection:
        close_batch(connection, again, lease, Counts(delivered=10))

    assert scalar(database, "select delivered from collect.integration") == 10


def test_a_batch_starts_right_after_the_cursor_and_is_the_only_one(database: Database, sending: tuple[int, int]) -> None:
    _, integration_id = sending
    lease = lease_of(database, integration_id)
    with pytest.raises(Conflict), database.begin() as connection:
        plan_batch(connection, integration_id, 2, 5, 1, "d", 4, lease)
    with database.begin() as connection:
        plan_batch(connection, integration_id, 1, 5, 1, "d", 5, lease)
    with pytest.raises(Conflict), database.begin() as connection:
        plan_batch(connection, integration_id, 1, 5, 1, "d", 5, lease)


def test_a_refusal_that_surely_changed_nothing_leaves_the_batch_planned(database: Database, sending: tuple[int, int]) -> None:
    _, integration_id = sending
    lease = lease_of(database, integration_id)
    states = []
    with database.begin() as connection:
        batch = plan_batch(connection, integration_id, 1, 5, 1, "d", 5, lease)
        for unknown in (False, True, False):
            batch = begin_attempt(connection, batch, lease)
            postpone_batch(connection, batch, lease, 60.0, unknown=unknown, error="429")
            stored = open_batch(connection, integration_id)
            assert stored is not None
            states.append((stored.state, stored.unknown))
        assert due_integrations(connection, "sheets") == []
        set_integration_state(connection, integration_id, "active")
        assert [due.integration_id for due in due_integrations(connection, "sheets")] == [integration_id]

    assert states == [("planned", False), ("sending", True), ("sending", True)]


def test_the_history_tells_where_an_entry_went(database: Database, sending: tuple[int, int]) -> None:
    form_id, integration_id = sending
    lease = lease_of(database, integration_id)
    with database.begin() as connection:
        for first, last in ((1, 4), (5, 8)):
            batch = begin_attempt(connection, plan_batch(connection, integration_id, first, last, 1, "d", 4, lease), lease)
            letters = [Letter(6, "r-6", 1, "too large")] if first == 5 else []
            counts = Counts(delivered=4 - len(letters), dead_lettered=len(letters))
            close_batch(connection, batch, lease, counts, letters, Spent(4, 2, 0, 0.5, 0.25))
        [third], [sixth] = batches_of(connection, form_id, 3), batches_of(connection, form_id, 6)
        nowhere = batches_of(connection, form_id, 9)
        [letter] = list_dead_letters(connection)
        assert list_dead_letters(connection, form_id=form_id, integration_id=integration_id) == [letter]
        assert list_dead_letters(connection, form_id=form_id + 1) == []
        [totals] = [BatchTotals(**row) for row in batch_totals(connection)]

    assert (third.integration, third.batch_no, third.state, third.reason) == ("sheet", 1, "landed", None)
    assert (sixth.batch_no, sixth.reason) == (2, "too large")
    assert (letter.form, letter.integration, letter.position, letter.reason) == ("household", "sheet", 6, "too large")
    assert nowhere == []
    assert totals == BatchTotals("household", "sheet", "sheets", 2, 0, 0, 8, 1.0, 4, 0.5)
