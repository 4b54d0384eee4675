"""Ledger = destination, or a list of what is missing, there twice, strange or stale; and nothing is called different that is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.model import QuotaBucket
from collect_pipelines.settings import Settings
from collect_pipelines.store import quota
from collect_pipelines.store.backfills import begin_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import find_integration, integration_by_id
from collect_pipelines.store.reconciliations import KEPT, newest_reconciliations
from collect_pipelines.sync.mapping.model import MappingConfig
from collect_pipelines.sync.mapping.saving import change_integration
from collect_pipelines.sync.reconcile.borrowing import Patience, ReadingContext
from collect_pipelines.sync.reconcile.comparing import can_compare
from tests.integration.reconcile_tools import Board, board, compared, counted, deliver, rows, scribble, visits
from tests.integration.store_filling import fill
from tests.integration.sync_tools import Scene, Shelf, one_database, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def shared(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as database:
        yield database


def change(it: Scene, response: str, revision: int, operation: Any = "edit", **answers: Any) -> None:
    it.accept(submission(it.form_id, response, answers or ({} if operation == "delete" else {"name": "x"}), operation, revision))
    it.validate()


def set_mapping(it: Scene, **mapping: Any) -> None:
    with it.database.begin() as connection:
        found = integration_by_id(connection, it.integration_id)
        chosen = MappingConfig.model_validate(mapping)
        settings = Settings(data_dir=it.path.parent)
        change_integration(connection, settings, found, config=found.config, mapping=chosen, language=None, finder=lambda kind: Board)


def test_what_was_delivered_is_there(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", "c", "d", "e", "f")
    change(it, "b", 1)
    change(it, "c", 1, "delete")
    deliver(it)
    it.create("waits")  # accepted, and not delivered yet
    stored = compared(it).stored

    assert (stored.state, stored.expected, stored.found, stored.through_position, stored.right) == ("equal", 5, 6, 8, 5)
    assert stored.differences == []


def test_every_kind_of_difference_is_counted_and_listed_with_its_place(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", "c", "d")
    change(it, "c", 1)
    deliver(it)
    scribble(it, "delete from rows where response = 'a'")
    scribble(it, "insert into rows select * from rows where response = 'b'")
    scribble(it, "update rows set revision = 1 where response = 'c'")
    scribble(it, "insert into rows values ('nobody', 1, 'create', '')")
    scribble(it, "update rows set revision = 0 where response = 'd'")
    findings = compared(it)
    listed = {(one["kind"], one["response_id"], one["position"], one["expected"], one["found"]) for one in findings.stored.differences}

    assert counted(findings) == {"missing": 1, "duplicated": 1, "strange": 1, "stale": 2}
    assert listed == {
        ("missing", "a", 1, "revision 1", "no row"),
        ("duplicated", "b", 2, "one row", "2 rows"),
        ("stale", "c", 5, "revision 2", "revision 1"),
        ("stale", "d", 4, "revision 1", "no revision"),
        ("strange", "nobody", None, "no row", "revision 1"),
    }
    assert [one["place"].count("row") for one in findings.stored.differences] == [0, 2, 1, 1, 1]
    assert (findings.send_again, findings.copies) == ((1, 4, 5), (("b", None),))


def test_a_deletion_is_right_as_a_tombstone_or_as_no_row_and_wrong_as_a_living_one(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", "c")
    for name in "abc":
        change(it, name, 1, "delete")
    deliver(it)
    scribble(it, "delete from rows where response = 'a'")
    scribble(it, "update rows set revision = 1, operation = 'create' where response = 'c'")
    findings = compared(it)

    assert counted(findings) == {"stale": 1}
    assert findings.stored.differences[0]["expected"] == "deleted"


def test_deletions_that_are_ignored_may_leave_their_row(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", on_delete="ignore")
    change(it, "a", 1, "delete")
    it.create("both")
    change(it, "both", 1, "delete")  # in one batch with its creation: it was never there
    deliver(it)

    assert rows(it) == [("a", 1, "create"), ("b", 1, "create")]
    assert counted(compared(it)) == {}


def test_what_is_held_refused_or_left_out_is_not_expected(shared: Database, tmp_path: Path) -> None:
    picky = board(refuses=frozenset({("refused", 1), ("edited", 2)}))
    it = visits(shared, tmp_path, "edited", filter='name != "y"', kind=picky)
    it.accept(submission(it.form_id, "held", {"name": "h"}), submission(it.form_id, "young", {"name": "y", "age": 3}))
    it.validate(2)
    it.create("refused")
    change(it, "edited", 1)
    deliver(it, picky)
    findings = compared(it, picky)

    assert it.accounted() == {"delivered": 1, "filtered": 1, "quarantined": 1, "dead_lettered": 2}
    assert rows(it) == [("edited", 1, "create")]
    assert (counted(findings), findings.stored.expected) == ({}, 1)


def test_a_response_that_leaves_the_filter_is_not_expected_any_more(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, filter="age > 10")
    it.accept(submission(it.form_id, "a", {"name": "a", "age": 20}), submission(it.form_id, "b", {"name": "b", "age": 20}))
    it.validate()
    deliver(it)
    change(it, "a", 1, age=3)
    deliver(it)
    gone = counted(compared(it))
    scribble(it, "update rows set revision = 1, operation = 'create' where response = 'a'")

    assert gone == {}
    assert counted(compared(it)) == {"stale": 1}


def test_a_filter_that_was_changed_is_judged_from_then_on(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, filter="age > 10")
    it.accept(*(submission(it.form_id, name, {"name": name, "age": age}) for name, age in (("young", 5), ("old", 20))))
    it.validate()
    deliver(it)
    set_mapping(it)  # no filter any more
    it.accept(submission(it.form_id, "later", {"name": "l", "age": 5}))
    it.validate()
    deliver(it)
    equal = compared(it)
    scribble(it, "delete from rows")

    assert rows(it) == []
    assert (counted(equal), equal.stored.expected) == ({}, 2)
    assert counted(compared(it)) == {"missing": 2}


def test_every_revision_has_a_row_where_rows_are_only_appended(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", mode="append_only")
    change(it, "a", 1)
    change(it, "b", 1, "delete")
    deliver(it)
    equal = compared(it)
    scribble(it, "delete from rows where response = 'a' and revision = 1")
    scribble(it, "insert into rows select * from rows where response = 'b' and revision = 2")
    findings = compared(it)

    assert (counted(equal), equal.stored.expected) == ({}, 4)
    assert counted(findings) == {"missing": 1, "duplicated": 1}
    assert (findings.send_again, findings.copies) == ((1,), (("b", 2),))


def test_rows_of_another_mode_before_are_no_copies(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", mode="append_only")
    change(it, "a", 1)
    deliver(it)
    set_mapping(it)
    it.create("b")
    deliver(it)
    upserting = counted(compared(it))
    set_mapping(it, mode="append_only")
    change(it, "b", 1)
    deliver(it)

    assert upserting == counted(compared(it)) == {}


def test_what_start_left_out_is_strange_until_a_backfill_sent_it(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path)
    it.create("a", "b", "c")
    with shared.begin() as connection:
        statement = text("update collect.integration set cursor = 3, start_position = 3, filtered = 3 where integration_id = :id")
        connection.execute(statement, {"id": it.integration_id})
    it.create("d")
    deliver(it)
    scribble(it, "insert into rows values ('a', 1, 'create', '')")
    before = counted(compared(it))
    with shared.begin() as connection:
        begin_backfill(connection, it.integration_id, 1, 2)
    begun = counted(compared(it))  # its batch may be on its way
    deliver(it)

    assert (before, begun) == ({"strange": 1}, {})
    assert (counted(compared(it)), compared(it).stored.expected) == ({}, 3)


def test_responses_that_change_while_it_runs_are_not_called_different(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, *(f"r{number}" for number in range(10)))

    def edit_and_deliver(chunk: int) -> None:
        if chunk == 1 and it.integration.cursor == 10:
            change(it, "r1", 1)
            change(it, "r9", 1)
            it.create("new")
            deliver(it)

    findings = compared(it, board(while_read=edit_and_deliver))

    assert counted(findings) == {}
    assert it.integration.cursor == 13


def test_a_row_that_is_moved_while_it_is_read_is_neither_missing_nor_there_twice(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, *(f"r{number}" for number in range(10)))
    moves = {1: ("r0", 900), 2: ("r9", -1)}

    def move(chunk: int) -> None:
        if chunk in moves:
            scribble(it, "update rows set rowid = ? where response = ?", moves[chunk][1], moves.pop(chunk)[0])

    assert counted(compared(it, board(while_read=move))) == {}
    assert moves == {}


def test_a_reading_that_is_broken_off_is_begun_anew_and_given_up_in_words(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b")
    broken = iter([TryLater("Away.", after=3.0), TryLater("Away.")])

    def fail(chunk: int) -> None:
        if error := next(broken, None):
            raise error

    def always(chunk: int) -> None:
        raise Blocked("Nobody may read.", fix="Share it.")

    def oops(chunk: int) -> None:
        raise ValueError("secret answer")

    again = compared(it, board(while_read=fail))
    blocked, failed = compared(it, board(while_read=always)).stored, compared(it, board(while_read=oops)).stored

    assert counted(again) == {}
    assert (blocked.state, blocked.error) == ("failed", "Nobody may read. Share it.")
    assert (failed.state, failed.error) == ("failed", "The plug-in board failed with ValueError.")
    assert it.integration.state == "active"


def test_settings_that_change_while_it_runs_make_it_void(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a")
    stored = compared(it, board(while_read=lambda chunk: set_mapping(it, filter="age > 3"))).stored

    assert (stored.state, stored.error) == ("failed", f"The settings of {it.integration.name} were changed while it was compared.")


def test_only_the_newest_comparisons_are_kept(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a")
    with shared.begin() as connection:
        numbers = "select :id, 0, 'equal' from generate_series(1, 40)"
        insert = text(f"insert into collect.reconciliation (integration_id, through_position, state) {numbers}")
        connection.execute(insert, {"id": it.integration_id})
    last = compared(it).stored
    with shared.begin() as connection:
        count = text("select count(*) from collect.reconciliation where integration_id = :id")
        kept = connection.execute(count, {"id": it.integration_id}).scalar_one()
        newest = [one for one in newest_reconciliations(connection, "board") if one.integration_id == it.integration_id]

    assert (kept, newest) == (KEPT, [last])


def test_kinds_say_whether_they_can_be_read(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a")
    with shared.begin() as connection:
        found = find_integration(connection, it.integration.name)

    assert can_compare(found, lambda kind: Board)
    assert not can_compare(found, lambda kind: Shelf)
    assert compared(it, Shelf).stored.error.startswith("A destination of the kind shelf can't be read back.")  # type: ignore[union-attr, arg-type]


@pytest.mark.slow  # memory stays flat because Postgres compares: shown with more responses than any other test has
def test_a_hundred_thousand_responses_are_compared_by_postgres(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path)
    with shared.begin() as connection:
        fill(connection, it.form_id, 100_000)
    it.validate()
    with shared.begin() as connection:
        statement = text("update collect.integration set cursor = 100000, delivered = 100000 where integration_id = :id")
        connection.execute(statement, {"id": it.integration_id})
    with_all = [("r-" + str(number), 1) for number in range(1, 100_001)]
    for start in range(0, len(with_all), 500):
        values = ", ".join("(?, ?, 'create', '')" for _ in with_all[start : start + 500])
        scribble(it, f"insert into rows values {values}", *(cell for row in with_all[start : start + 500] for cell in row))
    scribble(it, "delete from rows where response = 'r-77777'")

    assert counted(compared(it)) == {"missing": 1}


def test_a_quota_is_waited_for_behind_everybody_and_not_for_ever(shared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = visits(shared, tmp_path, "a")
    claims: list[tuple[bool, int]] = []
    turns = iter([(0, 30.0), (0, 1.5), (0, 0.0)])

    def turn(connection: object, choices: object, claim: quota.Claim, **more: object) -> tuple[int, float]:
        claims.append((claim.background, claim.integration_id))
        return next(turns, (0, 5.0))

    monkeypatch.setattr(quota, "choose_quota", turn)
    waits: list[float] = []
    context = ReadingContext(shared, Settings(data_dir=tmp_path), it.integration, Patience(60.0, pause=waits.append))
    bucket = QuotaBucket("receiver", 1.0, 1.0)

    assert context.choose_quota([[bucket]], begun=True) == (0, 0.0)
    assert waits == [2.0, 1.5]  # who asks no more for a while loses the place in the queue
    assert claims == [(True, it.integration_id)] * 3
    with pytest.raises(TryLater, match="took too long"):
        context.take_quota([bucket])
    assert sum(waits) <= 60.0
