"""`collect reconcile` over a sheet that people worked in: what is wrong is listed in words, repaired, and right afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from collect_pipelines.cli.root import collect
from collect_pipelines.destinations.google_sheets import reading
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from tests.contract.google_sheets_fakes import generous
from tests.integration.sync_tools import Scene, scene, submission

NAMES = [f"r{number}" for number in range(1, 13)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "sheets", limits=generous()) as running:
        yield running


@pytest.fixture
def it(database: Database, server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Twelve responses in a sheet of an installation that the commands find by their environment."""
    monkeypatch.setattr(reading, "CHUNK_ROWS", 5)
    names = {"SHEETS_BASE_URL": server.base_url, "DRIVE_BASE_URL": server.base_url, "OAUTH_TOKEN_URL": server.token_url}
    for name, value in {**names, "DATABASE_URL": database.url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"COLLECT_{name}", value)
    monkeypatch.setenv("COLLECT_SHEETS_WRITES_PER_MINUTE", "10000")
    monkeypatch.setenv("COLLECT_SHEETS_PROJECT_WRITES_PER_MINUTE", "10000")
    made = scene(database, tmp_path, slug="household", kind="google_sheets")
    made.create(*NAMES)
    deliver(made)
    return made


def deliver(it: Scene) -> None:
    worker = Courier(it.database, Settings.from_environment(), "worker", wait_scale=0.0)
    while worker.deliver(it.integration_id) is not None:
        continue
    worker.close()


def people(server: RunningServer) -> People:
    (file,) = [shelf.header.file.file_id for shelf in server.library.all()]
    return server.people(file)


def reconcile(*options: str) -> Result:
    return CliRunner().invoke(collect, ["reconcile", "household-google_sheets", *options])


def copy_row(owner: People, row: int, **changed: str) -> None:
    cells = [changed.get(str(cell), cell) for cell in owner.values("Household")[row]]
    data = [{"userEnteredValue": {"numberValue" if isinstance(cell, int | float) else "stringValue": cell}} for cell in cells]
    tab = owner.tab_id("Household")
    owner.request({"appendCells": {"sheetId": tab, "rows": [{"values": data}], "fields": "userEnteredValue"}})


def column(owner: People, place: int) -> list[Any]:
    return [row[place] if place < len(row) else "" for row in owner.values("Household")[1:]]


def test_a_sheet_that_is_right_is_proven_whatever_people_did_around_it(it: Scene, server: RunningServer) -> None:
    owner = people(server)
    owner.sort("Household", 1, descending=True)
    owner.move_columns("Household", 4, 5, 0)
    owner.insert_rows("Household", 3, 2)
    owner.insert_columns("Household", 2)
    result = reconcile()

    assert result.exit_code == 0, result.output
    assert "household-google_sheets: 12 of 12 rows are there as they should be, up to position 12." in result.output


def test_what_people_changed_is_listed_and_repaired(it: Scene, server: RunningServer) -> None:
    it.accept(submission(it.form_id, "r5", {"name": "five"}, "edit", 1))
    it.validate()
    deliver(it)
    owner = people(server)
    copy_row(owner, 2)
    owner.type_in("Household!F6", [[1]])
    owner.delete_rows("Household", 8, 9)
    copy_row(owner, 2, r2="somebody-else")
    before = reconcile()
    document = json.loads(reconcile("--json").stdout)["reconciliations"][0]
    kept = reconcile("--repair", "--yes")
    deliver(it)
    refilled = reconcile("--repair", "--refill", "--yes")
    deliver(it)
    after = reconcile()
    lines = [line.split("\t") for line in before.stdout.splitlines() if "\t" in line]

    assert (before.exit_code, kept.exit_code, refilled.exit_code) == (10, 10, 10), before.output
    assert "10 of 12 rows are there as they should be" in before.output
    assert "1 missing, 1 there twice, 1 strange, 1 stale. The missing one is left to people: `deleted_rows`." in before.output
    assert [(line[1], line[2], line[4], line[5]) for line in lines[1:]] == [
        ("missing", "r8", "revision 1", "no row"),
        ("there twice", "r2", "one row", "2 rows"),
        ("strange", "somebody-else", "no row", "revision 1"),
        ("stale", "r5", "revision 2", "revision 1"),
    ]
    assert [line[6] for line in lines[1:]] == ["", "Household!E3, Household!E13", "Household!E14", "Household!E6"]
    assert (document["state"], document["missing"], document["respected"], document["right"]) == ("different", 1, 1, 10)
    assert "1 rows that were there twice are removed." in kept.output
    assert after.exit_code == 10 and "12 of 12 rows are there as they should be, up to position 13; 1 strange." in after.output
    assert sorted(column(owner, 4)) == sorted([*NAMES, "somebody-else"])
    assert sorted(value for value in column(owner, 5) if value != 1) == [2]


def test_a_sheet_that_nobody_may_read_is_told_and_stops_nothing(it: Scene, server: RunningServer) -> None:
    people(server).delete_file()
    result = reconcile()
    with it.database.begin() as connection:
        stored = connection.execute(text("select state, error from collect.reconciliation")).one()

    assert result.exit_code == 7
    assert "household-google_sheets could not be compared: Google knows no spreadsheet with this id" in result.output
    assert (stored.state, it.integration.state) == ("failed", "active")


def test_what_can_not_be_meant_is_said(it: Scene) -> None:
    scene(it.database, it.path.parent, slug="visit", kind="webhook", url="https://example.org/")
    run = CliRunner().invoke
    nothing, both = run(collect, ["reconcile"]), run(collect, ["reconcile", "x", "--all"])
    alone, hook = run(collect, ["reconcile", "--all", "--refill"]), run(collect, ["reconcile", "visit-webhook"])
    every, of_form = run(collect, ["reconcile", "--all"]), run(collect, ["reconcile", "--form", "visit"])

    assert [one.exit_code for one in (nothing, both, alone, hook, every, of_form)] == [2, 2, 2, 3, 0, 0]
    assert "a webhook can't say what it holds" in hook.output
    assert "Not compared, because their kind can't be read back: visit-webhook" in every.output
    assert "There is no integration whose kind can be read back." in of_form.output
