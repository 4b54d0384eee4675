"""The destination driven by the real delivery loop on a real Postgres: cursor, ledger, memory, numbers and quota."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.local.sheets.testing import Fault, RunningServer, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from tests.contract.google_sheets_fakes import generous
from tests.integration.sync_tools import Scene, scene, submission


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    # where `collect up` keeps it, so that the default credentials are found
    with running_server(tmp_path / "sheets", limits=generous()) as running:
        yield running


def courier(it: Scene, server: RunningServer, folder: Path, writes: int = 100_000) -> Courier:
    addresses = {"sheets_base_url": server.base_url, "drive_base_url": server.base_url, "oauth_token_url": server.token_url}
    settings = Settings(data_dir=folder, sheets_writes_per_minute=writes, sheets_project_writes_per_minute=writes, **addresses)
    return Courier(it.database, settings, "worker", finder=lambda kind: GoogleSheets)


def test_responses_edits_and_deletions_reach_the_sheet_once_and_the_ledger_adds_up(
    database: Database, server: RunningServer, tmp_path: Path
) -> None:
    it = scene(database, tmp_path, slug="household", kind="google_sheets")
    it.accept(*(submission(it.form_id, f"r{place}", {"name": f"n{place}", "age": place, "crop": "w"}) for place in range(1, 31)))
    it.validate()
    worker = courier(it, server, tmp_path)
    server.faults.add(Fault(applied="yes", shown="cut", skip=2))
    outcomes = [_deliver(it, worker)]
    it.accept(submission(it.form_id, "r3", {"name": "changed", "age": 3}, "edit", 1), submission(it.form_id, "r4", {}, "delete", 1))
    it.validate()
    outcomes.append(_deliver(it, worker))
    worker.close()
    (file,) = [shelf.header.file.file_id for shelf in server.library.all()]
    header, *rows = server.values(file, "Household")

    assert outcomes == ["delivered", "delivered"]
    assert header == ["Submitted (UTC)", "Name", "Age", "Crop", "_id", "_revision"]
    assert [row[1:] for row in rows[:4]] == [
        ["n1", 1, "Wheat", "r1", 1],
        ["n2", 2, "Wheat", "r2", 1],
        ["changed", 3, "", "r3", 2],
        ["", "", "", "r4", "2 (deleted)"],
    ]
    assert [row[4] for row in rows] == [f"r{place}" for place in range(1, 31)]
    assert it.accounted() == {"delivered": 32}


def test_a_small_quota_makes_the_backlog_wait_and_nothing_is_refused(database: Database, server: RunningServer, tmp_path: Path) -> None:
    it = scene(database, tmp_path, slug="clinic", kind="google_sheets", mapping={"on_delete": "clear"})
    it.create("a", "b")
    worker = courier(it, server, tmp_path, writes=2)
    report = worker.deliver(it.integration_id)
    assert report is not None
    worker.close()

    assert report.outcome == "postponed"
    assert report.quota_wait_seconds > 0
    assert [call.status for call in server.calls if call.status == 429] == []
    assert it.accounted() == {"pending": 2}


def _deliver(it: Scene, worker: Courier) -> str:
    """One batch to its end: the waits between attempts are skipped."""
    for _ in range(5):
        report = worker.deliver(it.integration_id)
        assert report is not None, it.integration
        if report.outcome != "postponed":
            return report.outcome
    raise AssertionError(report)
