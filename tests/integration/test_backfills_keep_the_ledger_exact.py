"""Backfills and replays in the store: what they move in the ledger, and that it adds up whatever happens meanwhile (promise 4)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.store.backfill_records import current_backfill, find_backfill, list_backfills, owed, unsent
from collect_pipelines.store.backfills import (
    LIVE_FIRST_ENTRIES,
    begin_backfill,
    begin_replay,
    cancel_backfill,
    live_first,
    pause_backfill,
    resume_backfill,
)
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import integration_by_id
from tests.integration.backlog_tools import Old
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def test_a_backfill_makes_what_start_left_out_pending_and_settles_it_piece_by_piece(database: Database) -> None:
    it = Old(database, 10)
    before = it.counted()
    number = it.begin()
    begun = it.counted()
    it.settle(number, 4, delivered=2, quarantined=1)
    after_a_piece = it.counted()
    it.settle(number, 9, delivered=3, dead_lettered=1, behind=1)
    it.settle(number, 10, delivered=1)
    with database.begin() as connection:
        done = find_backfill(connection, number)

    assert (before, begun) == ({"filtered": 10}, {"pending": 10})
    assert after_a_piece == {"delivered": 2, "filtered": 1, "quarantined": 1, "pending": 6}
    assert it.counted() == {"delivered": 6, "filtered": 1, "quarantined": 1, "dead_lettered": 1, "pending": 1}
    assert (done.state, done.settled, done.next_position, done.seconds) == ("done", 10, 11, 1.5)
    assert done.finished_at is not None


def test_what_was_cancelled_counts_as_filtered_again_and_a_later_backfill_sends_only_the_rest(database: Database) -> None:
    it = Old(database, 10)
    number = it.begin(3, 8)
    it.settle(number, 5, delivered=3)
    with database.begin() as connection:
        cancel_backfill(connection, number)
        left = unsent(connection, it.id)
    cancelled = it.counted()
    rest = it.begin()
    with database.begin() as connection:
        stretches = owed(connection, find_backfill(connection, rest))
    begun = it.counted()
    it.settle(rest, 7, delivered=4)
    it.settle(rest, 10, delivered=3)

    assert left == stretches == [(1, 2), (6, 10)]
    assert (cancelled, begun) == ({"delivered": 3, "filtered": 7}, {"delivered": 3, "pending": 7})
    assert it.counted() == {"delivered": 10}
    with database.begin() as connection:
        assert begin_backfill(connection, it.id) is None


def test_a_batch_that_lands_after_the_cancellation_is_counted_as_delivered(database: Database) -> None:
    it = Old(database, 10)
    number = it.begin()
    with database.begin() as connection:
        cancel_backfill(connection, number)
    it.settle(number, 4, delivered=2, behind=1)
    with database.begin() as connection:
        cancelled = find_backfill(connection, number)

    assert it.counted() == {"delivered": 2, "filtered": 7, "pending": 1}
    assert (cancelled.state, cancelled.next_position) == ("cancelled", 5)
    assert it.begin() > number
    assert it.counted() == {"delivered": 2, "filtered": 1, "pending": 7}


def test_a_paused_backfill_is_pending_and_has_no_turn(database: Database) -> None:
    it = Old(database, 10)
    number = it.begin()
    with database.begin() as connection:
        pause_backfill(connection, number)
        nobody = current_backfill(connection, it.id)
    paused = it.counted()
    with database.begin() as connection:
        resumed = resume_backfill(connection, number)
        found = current_backfill(connection, it.id)

    assert (nobody, paused) == (None, {"pending": 10})
    assert found == resumed


def test_one_backfill_at_a_time_and_none_twice(database: Database) -> None:
    it = Old(database, 10)
    number = it.begin(1, 5)
    for again in (lambda connection: begin_backfill(connection, it.id, 6), lambda connection: resume_backfill(connection, number)):
        with pytest.raises(Conflict), database.begin() as connection:
            again(connection)
    with pytest.raises(Conflict, match="does not owe"):
        it.settle(number, 3, delivered=4)
    it.settle(number, 5, delivered=5)
    with pytest.raises(Conflict, match="is done"), database.begin() as connection:
        cancel_backfill(connection, number)

    assert it.counted() == {"delivered": 5, "filtered": 5}


def test_a_replay_leaves_the_ledger_as_it_is(database: Database) -> None:
    it = Old(database, 10)
    it.settle(it.begin(), 10, delivered=10)
    with database.begin() as connection:
        whole = begin_replay(connection, it.id, 1)
        some = begin_replay(connection, it.id, 1, positions=[7, 3, 99])
    it.settle(whole.backfill_id, 10, delivered=9, dead_lettered=1)
    it.settle(some.backfill_id, 6, delivered=1)
    with database.begin() as connection:
        left = owed(connection, find_backfill(connection, some.backfill_id))
        cancel_backfill(connection, some.backfill_id)
        states = [(one.purpose, one.state, one.settled) for one in list_backfills(connection, it.id)]

    assert (some.positions, left) == ((3, 7), [(7, 7)])
    assert states == [("replay", "cancelled", 1), ("replay", "done", 10), ("backfill", "done", 10)]
    assert it.counted() == {"delivered": 10}


def test_what_was_never_sent_can_not_be_sent_again(database: Database) -> None:
    it = Old(database, 10)
    it.settle(it.begin(4, 6), 6, delivered=3)
    with database.begin() as connection:
        begin_replay(connection, it.id, 4, 6)
    for first, positions in ((1, None), (5, None), (1, [2, 5])):
        with pytest.raises(Conflict, match="never been sent") as refused, database.begin() as connection:
            begin_replay(connection, it.id, first, positions=positions)
        assert refused.value.fix is not None and "collect backfill start" in refused.value.fix
    with pytest.raises(NotFound), database.begin() as connection:
        begin_replay(connection, it.id, 11)


def test_a_new_integration_over_a_long_log_begins_with_what_comes_in_now(database: Database) -> None:
    short, long = Old(database, LIVE_FIRST_ENTRIES, "all"), Old(database, LIVE_FIRST_ENTRIES + 1, "all")
    with database.begin() as connection:
        nothing, begun = live_first(connection, short.id), live_first(connection, long.id)
        cursors = [integration_by_id(connection, one.id).cursor for one in (short, long)]
        again = live_first(connection, long.id)

    assert (nothing, again) == (None, None)
    assert begun is not None and (begun.from_position, begun.to_position) == (1, LIVE_FIRST_ENTRIES + 1)
    assert cursors == [0, LIVE_FIRST_ENTRIES + 1]
    assert long.counted() == {"pending": LIVE_FIRST_ENTRIES + 1}


def test_every_decision_is_in_the_audit_trail(database: Database) -> None:
    it = Old(database, 10)
    with database.begin() as connection:
        made = begin_backfill(connection, it.id, actor="asha")
        assert made is not None
        pause_backfill(connection, made.backfill_id, actor="ben")
        resume_backfill(connection, made.backfill_id, actor="asha")
        cancel_backfill(connection, made.backfill_id, actor="ben")
        lines = connection.execute(
            text("select actor, action from collect.audit where subject = :subject order by 1, 2"),
            {"subject": f"{it.id}:{made.backfill_id}"},
        ).all()

    assert [tuple(line) for line in lines] == [
        ("asha", "backfill.active"), ("asha", "backfill.start"), ("ben", "backfill.cancelled"), ("ben", "backfill.paused"),
    ]  # fmt: skip
