"""A repair sends again exactly what is missing or stale, removes copies, and touches nothing of others."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.settings import Settings
from collect_pipelines.store.backfill_records import find_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.leases import take_lease
from collect_pipelines.store.reconciliations import reconciliation_by_id
from collect_pipelines.sync.reconcile.borrowing import Patience
from collect_pipelines.sync.reconcile.comparing import Findings
from collect_pipelines.sync.reconcile.repairing import Repair, repair
from tests.integration.reconcile_tools import Board, compared, counted, deliver, rows, scribble, visits
from tests.integration.sync_tools import Scene, one_database, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def shared(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as database:
        yield database


def repaired(it: Scene, findings: Findings, kind: type[Destination] = Board, pause: Any = lambda seconds: None) -> Repair:
    settings = Settings(data_dir=it.path.parent)
    return repair(it.database, settings, findings, finder=lambda name: kind, patience=Patience(60.0, pause=pause))


def edit(it: Scene, response: str, revision: int) -> None:
    it.accept(submission(it.form_id, response, {"name": "x"}, "edit", revision))
    it.validate()


def test_missing_stale_and_copied_rows_are_right_again_and_strange_ones_stay(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b", "c", "d")
    edit(it, "c", 1)
    deliver(it)
    scribble(it, "delete from rows where response = 'a'")
    scribble(it, "insert into rows select * from rows where response = 'b'")
    scribble(it, "update rows set revision = 1 where response = 'c'")
    scribble(it, "insert into rows values ('nobody', 1, 'create', '')")
    findings = compared(it)
    done = repaired(it, findings)
    assert done.backfill_id is not None
    with shared.begin() as connection:
        replay = find_backfill(connection, done.backfill_id)
        stored = reconciliation_by_id(connection, findings.stored.reconciliation_id)
    deliver(it)

    assert (done.removed, done.sent_again, done.trouble) == (1, 2, None)
    assert (replay.purpose, replay.positions, stored.repaired) == ("replay", (1, 5), 3)
    assert rows(it) == [("a", 1, "create"), ("b", 1, "create"), ("c", 2, "edit"), ("d", 1, "create"), ("nobody", 1, "create")]
    assert counted(compared(it)) == {"strange": 1}
    assert it.accounted() == {"delivered": 5}


def test_rows_that_people_deleted_stay_deleted_unless_they_are_to_be_refilled(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b")
    with shared.begin() as connection:
        respect = text('update collect.integration set config = config || \'{"deleted_rows": "respect"}\' where integration_id = :id')
        connection.execute(respect, {"id": it.integration_id})
    scribble(it, "delete from rows where response = 'a'")
    scribble(it, "update rows set revision = 0 where response = 'b'")
    left, refilling = compared(it), compared(it, refill=True)

    assert (left.stored.missing, left.stored.respected, left.stored.unexplained, left.send_again) == (1, 1, 1, (2,))
    assert (refilling.stored.missing, refilling.stored.respected, refilling.send_again) == (1, 0, (1, 2))


def test_a_newer_row_than_the_log_knows_is_listed_and_left(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a")
    scribble(it, "update rows set revision = 7")
    findings = compared(it)

    assert counted(findings) == {"stale": 1}
    assert (findings.send_again, findings.stored.differences[0]["found"]) == ((), "revision 7")


def test_copies_of_revisions_go_and_every_revision_stays(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", mode="append_only")
    edit(it, "a", 1)
    deliver(it)
    scribble(it, "insert into rows select * from rows")
    scribble(it, "delete from rows where revision = 2")
    done = repaired(it, compared(it))
    deliver(it)

    assert (done.removed, done.sent_again) == (1, 1)
    assert rows(it) == [("a", 1, "create"), ("a", 2, "edit")]


def test_a_worker_that_delivers_is_waited_for(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a")
    scribble(it, "insert into rows select * from rows")
    findings = compared(it)
    with shared.begin() as connection:
        assert take_lease(connection, f"integration:{it.integration_id}", "a worker") is not None
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            it.expire_lease()

    done = repaired(it, findings, pause=pause)

    assert (done.removed, len(waits)) == (1, 3)


class Clumsy(Board):
    remove_copies = Destination.remove_copies


def test_a_kind_that_can_not_remove_copies_says_so_and_the_rest_is_repaired(shared: Database, tmp_path: Path) -> None:
    it = visits(shared, tmp_path, "a", "b")
    scribble(it, "delete from rows where response = 'a'")
    scribble(it, "insert into rows select * from rows")
    done = repaired(it, compared(it), Clumsy)

    assert (done.removed, done.sent_again) == (0, 1)
    assert done.trouble is not None and done.trouble.startswith("A destination of the kind board can't remove rows")
