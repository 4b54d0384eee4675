"""What is sent again to a destination that takes each response exactly once changes nothing there (promise 5)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.file.destination import File
from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.warehouse.destination import Warehouse
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.backfill_records import Backfill, find_backfill
from collect_pipelines.store.backfills import begin_replay
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.report import Report
from tests.contract.google_sheets_fakes import Desk, generous, people
from tests.contract.warehouse_fakes import query
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
    path = folder / "warehouse.duckdb"
    found = query(path, "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'forms' AND table_name = 'household'")
    kept = ", ".join(f'"{name}"' for (name,) in found if not name.startswith("_dlt"))
    return query(path, f"SELECT {kept} FROM forms.household ORDER BY _response_id")


def file(folder: Path) -> Any:
    # its own notes beside the file are hidden
    return {path.name: path.read_bytes() for path in (folder / "files").rglob("*") if path.is_file() and not path.name.startswith(".")}


class Place:
    """One kind of destination, driven by the real delivery loop."""

    def __init__(self, database: Database, server: RunningServer, folder: Path, kind: str) -> None:
        self.it = scene(database, folder, slug="household", kind=kind)
        addresses = {"sheets_base_url": server.base_url, "drive_base_url": server.base_url, "oauth_token_url": server.token_url}
        limits = {"sheets_writes_per_minute": 100_000, "sheets_project_writes_per_minute": 100_000}
        settings = Settings(data_dir=folder, **addresses, **limits)  # type: ignore[arg-type]
        self._kind = {"google_sheets": GoogleSheets, "warehouse": Warehouse, "file": File}[kind]
        self.courier = Courier(database, settings, "worker", finder=lambda name: self._kind, wait_scale=0.0)
        shown = {"google_sheets": lambda: sheet(self.it, server), "warehouse": lambda: table(folder), "file": lambda: file(folder)}
        self.shown: Shown = shown[kind]
        self.other_values = "codes" if self._kind.values == "display" else "labels"

    def fill(self) -> None:
        """Thirty responses, then a correction and a deletion."""
        it = self.it
        it.accept(*(submission(it.form_id, f"r{place}", {"name": f"n{place}", "age": place, "crop": "w"}) for place in range(1, 31)))
        self.drain()
        it.accept(submission(it.form_id, "r3", {"name": "changed", "age": 3}, "edit", 1), submission(it.form_id, "r4", {}, "delete", 1))
        self.drain()

    def drain(self) -> list[Report]:
        self.it.validate()
        return drain(self.courier, self.it)

    def replay(self) -> Backfill:
        with self.it.database.begin() as connection:
            begun = begin_replay(connection, self.it.integration_id, 1)
        assert [report.outcome for report in self.drain()] == ["delivered"]
        with self.it.database.begin() as connection:
            return find_backfill(connection, begun.backfill_id)


@pytest.fixture(params=["google_sheets", "warehouse", "file"])
def place(request: pytest.FixtureRequest, database: Database, server: RunningServer, tmp_path: Path) -> Iterator[Place]:
    made = Place(database, server, tmp_path, request.param)
    yield made
    made.courier.close()


def test_a_replay_of_everything_leaves_every_cell_as_it_is(place: Place) -> None:
    place.fill()
    before, ledger = place.shown(), place.it.accounted()
    done = place.replay()

    assert before
    assert (done.state, done.delivered, done.filtered) == ("done", 30, 2)
    assert place.shown() == before
    assert place.it.accounted() == ledger == {"delivered": 32}


def test_a_replay_brings_what_was_sent_to_a_mapping_that_was_changed_since(place: Place) -> None:
    place.fill()
    before = place.shown()
    _change_mapping(place.it, {"values": place.other_values})
    place.replay()
    changed = place.shown()
    _change_mapping(place.it, {})
    place.replay()

    assert changed != before
    assert place.shown() == before


def _change_mapping(it: Scene, mapping: dict[str, Any]) -> None:
    with it.database.begin() as connection:
        values = {"mapping": json.dumps(mapping), "it": it.integration_id}
        connection.execute(text("update collect.integration set mapping = cast(:mapping as jsonb) where integration_id = :it"), values)


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
