"""What is sent again to a destination that takes each response exactly once changes nothing there (promise 5)."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collect_pipelines.destinations.file.destination import File
from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.interface import Destination
from collect_pipelines.destinations.warehouse.destination import Warehouse
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.backfill_records import find_backfill
from collect_pipelines.store.backfills import begin_replay
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from tests.contract.google_sheets_fakes import Desk, generous, people
from tests.integration.backlog_tools import drain
from tests.integration.sync_tools import Scene, scene, submission

Shown = Callable[[], Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "sheets", limits=generous()) as running:
        yield running


def sheet(it: Scene, server: RunningServer) -> Any:
    (file,) = [shelf.header.file.file_id for shelf in server.library.all()]
    return server.values(file, "Household")


def table(folder: Path) -> Any:
    with closing(duckdb.connect(str(folder / "warehouse.read.duckdb"), read_only=True)) as connection:
        columns = [
            name for (name,) in connection.execute("select column_name from duckdb_columns() where table_name = 'household'").fetchall()
        ]
        kept = ", ".join(f'"{name}"' for name in columns if not name.startswith("_dlt"))
        return connection.execute(f"select {kept} from forms.household order by _response_id").fetchall()


def file(folder: Path) -> Any:
    # its own notes beside the file are hidden
    return {path.name: path.read_bytes() for path in (folder / "files").rglob("*") if path.is_file() and not path.name.startswith(".")}


@pytest.mark.parametrize("kind", ["google_sheets", "warehouse", "file"])
def test_a_replay_of_everything_leaves_every_cell_as_it_is(database: Database, server: RunningServer, tmp_path: Path, kind: str) -> None:
    it = scene(database, tmp_path, slug="household", kind=kind)
    found: dict[str, type[Destination]] = {"google_sheets": GoogleSheets, "warehouse": Warehouse, "file": File}
    addresses = {"sheets_base_url": server.base_url, "drive_base_url": server.base_url, "oauth_token_url": server.token_url}
    limits = {"sheets_writes_per_minute": 100_000, "sheets_project_writes_per_minute": 100_000}
    settings = Settings(data_dir=tmp_path, **addresses, **limits)  # type: ignore[arg-type]
    courier = Courier(database, settings, "worker", finder=lambda name: found[name], wait_scale=0.0)
    shown: dict[str, Shown] = {
        "google_sheets": lambda: sheet(it, server), "warehouse": lambda: table(tmp_path), "file": lambda: file(tmp_path),
    }  # fmt: skip
    it.accept(*(submission(it.form_id, f"r{place}", {"name": f"n{place}", "age": place, "crop": "w"}) for place in range(1, 31)))
    it.validate()
    drain(courier, it)
    it.accept(submission(it.form_id, "r3", {"name": "changed", "age": 3}, "edit", 1), submission(it.form_id, "r4", {}, "delete", 1))
    it.validate()
    drain(courier, it)
    before, ledger = shown[kind](), it.accounted()
    with database.begin() as connection:
        replay = begin_replay(connection, it.integration_id, 1)
    reports = drain(courier, it)
    courier.close()
    with database.begin() as connection:
        done = find_backfill(connection, replay.backfill_id)

    assert before
    assert [report.outcome for report in reports] == ["delivered"]
    assert (done.state, done.delivered, done.filtered) == ("done", 30, 2)
    assert shown[kind]() == before
    assert it.accounted() == ledger == {"delivered": 32}


def test_a_replay_puts_back_cells_and_rows_that_somebody_changed_in_a_sheet(server: RunningServer) -> None:
    desk = Desk(server)
    desk.deliver(*people("Asha", "Bilal", "Chen"))
    person = desk.people
    person.type_in(f"'{desk.title}'!B2", [["by mistake"]])
    person.delete_rows(desk.title, 2, 3)  # Bilal's
    desk.deliver(*people("Asha", "Bilal", "Chen"), number=2, purpose="replay")
    rows = {row["_id"]: row["Name"] for row in desk.records()}
    desk.close()

    assert rows == {"r-asha": "Asha", "r-bilal": "Bilal", "r-chen": "Chen"}
    assert len(desk.values()) == 4


def test_what_is_tried_again_by_itself_is_looked_for_in_the_sheet_first(server: RunningServer) -> None:
    desk = Desk(server)
    desk.deliver(*people("Asha"))
    desk.deliver(*people("Asha", "Bilal"), number=2, purpose="retry")
    names = desk.column("Name")
    desk.close()

    assert names == ["Asha", "Bilal"]
