"""A sheet is read back by its marks, in chunks, wherever people moved what; copies go, and the newest row stays."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets import reading
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.google_sheets_fakes import Desk, MemoryContext, entry, generous, people

NAMES = ("Asha", "Bela", "Chitra", "Divya", "Esha", "Farida", "Gita")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    opened = Desk(server)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK_ROWS", 3)


def held(desk: Desk, context: MemoryContext | None = None) -> list[tuple[str, int | None, bool, str]]:
    chunks = desk.worker(context).read_back()
    return [(one.response_id, one.revision, one.deleted, one.place) for chunk in chunks for one in chunk]


def copy_row(desk: Desk, row: int, **changed: Any) -> None:
    """A person copies a row (from 0) to the end; `changed` cells by header."""
    header, *_ = values = desk.values()
    cells = [changed.get(name, cell) for name, cell in zip(header, values[row], strict=True)]
    data = [{"userEnteredValue": {"numberValue" if isinstance(cell, int | float) else "stringValue": cell}} for cell in cells]
    tab = desk.people.tab_id(desk.title)
    desk.people.request({"appendCells": {"sheetId": tab, "rows": [{"values": data}], "fields": "userEnteredValue"}})


def test_every_row_with_an_id_is_told_with_revision_and_place(desk: Desk) -> None:
    desk.deliver(*people(*NAMES))
    desk.deliver(entry("r-bela", 8, "Bela", 9, revision=2), entry("r-gita", 9, operation="delete", revision=2), number=2)
    found = held(desk)

    assert [(name, revision, deleted) for name, revision, deleted, _ in found] == [
        (f"r-{name.lower()}", 2 if name in ("Bela", "Gita") else 1, name == "Gita") for name in NAMES
    ]
    assert [place for *_, place in found] == [f"Household survey!D{row}" for row in range(2, 9)]


def test_people_may_move_rename_and_insert_before(desk: Desk) -> None:
    desk.deliver(*people(*NAMES))
    desk.people.move_columns(desk.title, 3, 4, 0)
    desk.people.rename_tab(desk.title, "Ours")
    desk.people.sort("Ours", 1, descending=True)
    desk.people.insert_rows("Ours", 2)
    found = held(desk)

    assert sorted(name for name, *_ in found) == sorted(f"r-{name.lower()}" for name in NAMES)
    assert {place.partition("!")[0] for *_, place in found} == {"Ours"}
    assert {place[5] for *_, place in found} == {"A"}


@pytest.mark.parametrize("when", [1, 3], ids=["between two chunks", "before the last look"])
def test_a_column_that_is_moved_meanwhile_breaks_the_reading_off(desk: Desk, when: int) -> None:
    desk.deliver(*people(*NAMES))
    chunks = desk.worker().read_back()
    for _ in range(when):
        next(chunks)
    desk.people.move_columns(desk.title, 0, 1, 4)

    with pytest.raises(TryLater, match="Columns were moved"):
        list(chunks)


def test_without_the_column_of_revisions_only_ids_are_told(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bela"))
    desk.people.delete_columns(desk.title, 4, 5)

    assert [(name, revision) for name, revision, *_ in held(desk)] == [("r-asha", None), ("r-bela", None)]


def test_nothing_is_created_and_nothing_written(desk: Desk) -> None:
    before = len(desk.server.library.all())
    nothing = held(desk)
    desk.deliver(*people("Asha"))
    start, memory = len(desk.server.calls), dict(desk.postgres.memory)
    held(desk)
    calls = [call.operation for call in list(desk.server.calls)[start:]]

    assert nothing == [] and len(desk.server.library.all()) == before + 1
    assert desk.postgres.memory == memory
    assert calls == [
        "spreadsheets.developerMetadata.search",
        "spreadsheets.get",
        "spreadsheets.values.batchGetByDataFilter",
        "spreadsheets.developerMetadata.search",
    ]


def test_a_deleted_tab_is_told_in_words(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.people.add_tab("Other")
    desk.people.delete_tab(desk.title)

    with pytest.raises(Blocked, match="was deleted") as told:
        held(desk)
    assert told.value.problem == "google_sheets.tab_deleted"


def test_copies_go_and_the_newest_revision_stays_where_it_is(desk: Desk) -> None:
    desk.deliver(*people("Asha", "Bela", "Chitra"))
    copy_row(desk, 1, _revision=3, Name="newer")
    copy_row(desk, 2)
    copy_row(desk, 2)
    removed = desk.worker().remove_copies([("r-asha", None), ("r-bela", None), ("r-nobody", None)])
    again = desk.worker().remove_copies([("r-asha", None), ("r-bela", None)])

    assert (removed, again) == (3, 0)
    assert [(one["Name"], one["_id"], one["_revision"]) for one in desk.records()] == [
        ("Bela", "r-bela", 1),
        ("Chitra", "r-chitra", 1),
        ("newer", "r-asha", 3),
    ]


def test_of_several_revisions_only_rows_of_the_same_one_are_copies(desk: Desk) -> None:
    desk.deliver(entry("r-asha", 1, "Asha", 1), entry("r-asha", 2, "Asha", 2, revision=2), append_only=True)
    copy_row(desk, 1)
    removed = desk.worker().remove_copies([("r-asha", 1)])

    assert removed == 1
    assert [one["_revision"] for one in desk.records()] == [1, 2]


def turning(desk: Desk) -> Callable[[str], None]:
    """Somebody turns the sheet round right before each of the first writes."""
    turns = [False, True]

    def turn(step: str) -> None:
        if step == "guard" and turns:
            desk.people.sort(desk.title, 3, descending=turns.pop())

    return turn


def test_a_sort_in_the_middle_never_takes_the_last_row_of_a_response(desk: Desk) -> None:
    desk.deliver(*people(*NAMES))
    for row in (1, 3, 5):
        copy_row(desk, row)
    context = desk.context()
    context.step = turning(desk)
    worker = desk.worker(context)
    copies = [(f"r-{name.lower()}", None) for name in NAMES]
    for _ in range(6):
        with suppress(TryLater):
            worker.remove_copies(copies)
            break

    assert sorted(desk.column("_id")) == sorted(f"r-{name.lower()}" for name in NAMES)
