"""Promise 5: every response is one row of the sheet, whatever networks, Google and crashes do to the requests."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets.wire import calls
from collect_pipelines.errors import Blocked, LeaseLost, Refused, TryLater
from collect_pipelines.local.sheets.testing import Fault, RunningServer, Switches, running_server
from tests.contract.google_sheets_fakes import Crash, Desk, MemoryContext, again, column, entry, generous, people, settle

NAMES = ("Asha", "Bilal", "Chen", "Dina", "Efe", "Femi")
UPDATE = frozenset({"spreadsheets.batchUpdate"})

FAULTS: dict[str, dict[str, Any]] = {
    "503 before it is applied": {"applied": "no", "status": 503},
    "500 before it is applied": {"applied": "no", "status": 500},
    "HTML 502": {"applied": "no", "shown": "html"},
    "connection cut before it is applied": {"applied": "no", "shown": "cut"},
    "503 after it was applied": {"applied": "yes", "status": 503},
    "connection cut after it was applied": {"applied": "yes", "shown": "cut"},
    "half an answer": {"applied": "yes", "shown": "truncated"},
    "an answer that is not JSON": {"applied": "yes", "shown": "garbled"},
    "cut now, applied later": {"applied": "later", "shown": "cut", "delay": 0.15},
    "503 now, applied later": {"applied": "later", "status": 503, "delay": 0.05},
    "429": {"applied": "no", "status": 429},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    server.faults.clear()
    made.close()


def batches(desk: Desk) -> list[Any]:
    return [desk.batch(*people(*NAMES[start : start + 2], start=start + 1), number=start // 2 + 1) for start in (0, 2, 4)]


def wait_for_late_calls(server: RunningServer, expected: int) -> None:
    """Until so many batchUpdates were carried out or refused, late ones too."""
    until = time.monotonic() + 10
    while server.count("spreadsheets.batchUpdate") < expected:
        assert time.monotonic() < until, "a late call never came"
        time.sleep(0.01)


@pytest.mark.parametrize("name", FAULTS)
def test_each_response_lands_once_when_every_other_write_fails(desk: Desk, name: str) -> None:
    desk.deliver(*people("Zero", start=100), number=100)
    desk.server.service.forget_calls()
    turns = itertools.cycle([True, False])
    fault = desk.server.faults.add(Fault(times=None, operations=UPDATE, chance=lambda: next(turns), **FAULTS[name]))

    for one in batches(desk):
        settle(desk.worker, one)

    if fault.applied == "later":
        wait_for_late_calls(desk.server, 2 * fault.hits)
    assert fault.hits >= 3
    assert desk.column("Name") == ["Zero", *NAMES]


def test_each_response_lands_once_when_the_answer_never_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "READ_TIMEOUT_SECONDS", 0.3)
    desk.deliver(*people("Zero", start=100), number=100)
    desk.server.faults.add(Fault(applied="yes", shown="never", operations=UPDATE))

    with pytest.raises(TryLater) as stopped:
        desk.deliver(*people(*NAMES))
    assert stopped.value.unknown
    desk.deliver(*people(*NAMES), attempt=2)

    assert desk.column("Name") == ["Zero", *NAMES]


def test_the_first_delivery_can_fail_at_any_call(server: RunningServer) -> None:
    for skip in range(4):
        desk = Desk(server, title=f"First {skip}")
        server.faults.add(Fault(applied="yes", shown="cut", operations=None, skip=skip))
        settle(desk.worker, desk.batch(*people(*NAMES)))
        server.faults.clear()

        assert desk.column("Name") == list(NAMES)
        assert [tab.title for tab in desk.people.workbook.ordered() if not tab.properties.get("hidden")] == [desk.title]
        desk.close()


@pytest.mark.parametrize("kind", ["new rows", "new question", "edits"])
def test_a_crash_at_any_step_leaves_one_row_per_response(server: RunningServer, kind: str) -> None:
    steps = 0
    for crash_at in itertools.count(1):
        desk = Desk(server, title=f"{kind} {crash_at}")
        if kind != "new rows":
            desk.deliver(*people("Asha", "Bilal"), number=1)
        more = {"columns": (column("name"), column("age", "integer"), column("village"))} if kind == "new question" else {}
        wanted = list(NAMES[:3])
        rows = people(*wanted)
        if kind == "new question":
            wanted, rows = ["Asha", "Bilal", "Chen"], [entry("r-chen", 3, "Chen", 3, "Hilltop")]
        if kind == "edits":
            wanted = ["Asha 2", "Bilal", "Chen"]
            rows = [entry("r-asha", 3, "Asha 2", 1, revision=2), entry("r-chen", 4, "Chen", 4)]
        one = desk.batch(*rows, number=2, **more)

        context = CrashingContext(desk, crash_at)
        crashed = False
        try:
            desk.worker(context).deliver(one)
        except Crash:
            crashed = True
        worker = desk.worker()
        worker.clock = lambda: time.time() + 60  # type: ignore[method-assign] # a creation that may be under way is waited for
        worker.deliver(again(one))

        assert desk.column("Name") == wanted, f"crash at step {crash_at}: {context.last}"
        assert len(desk.values()[0]) == (6 if kind == "new question" else 5)
        desk.close()
        if not crashed:
            steps = crash_at
            break
    assert steps > 4


class CrashingContext(MemoryContext):
    """Dies at the n-th thing that is asked of it."""

    def __init__(self, desk: Desk, crash_at: int) -> None:
        super().__init__(desk.server, desk.postgres)
        self.left, self.last = crash_at, ""
        self.step = self._count

    def _count(self, name: str) -> None:
        self.left -= 1
        self.last = name
        if self.left == 0:
            raise Crash(name)


def test_a_crash_while_the_spreadsheet_is_created_never_leaves_two(server: RunningServer) -> None:
    before = len(server.library.all())
    desk = Desk(server, title="Created once")
    context = desk.context()
    # the intent was remembered and the file made; then the process died before it could remember the file
    remembered = itertools.count(1)

    def step(name: str) -> None:
        if name.startswith("remember created") and next(remembered) == 2:
            raise Crash(name)

    context.step = step
    with pytest.raises(Crash):
        desk.worker(context).deliver(desk.batch(*people(*NAMES)))
    desk.deliver(*people(*NAMES), attempt=2)

    assert len(server.library.all()) == before + 1
    assert desk.column("Name") == list(NAMES)


def test_a_creation_whose_answer_was_lost_is_found_or_waited_for(server: RunningServer) -> None:
    before = len(server.library.all())
    desk = Desk(server, title="Lost creation")
    server.faults.add(Fault(applied="later", shown="cut", delay=0.2, operations=frozenset({"drive.files.create"})))
    one = desk.batch(*people(*NAMES))
    with pytest.raises(TryLater) as lost:
        desk.worker().deliver(one)
    assert lost.value.unknown
    with pytest.raises(TryLater) as waiting:
        desk.worker().deliver(again(one))
    assert waiting.value.after is not None and 20 < waiting.value.after <= 30
    until = time.monotonic() + 10
    while len(server.library.all()) == before:
        assert time.monotonic() < until
        time.sleep(0.01)
    desk.worker().deliver(again(one, 3))

    assert len(server.library.all()) == before + 1
    desk.close()


def test_two_workers_with_the_same_batch_write_it_once(desk: Desk) -> None:
    desk.deliver(*people("Zero", start=100), number=100)
    one = desk.batch(*people(*NAMES), number=2)
    workers = [desk.worker() for _ in range(4)]
    threads = [threading.Thread(target=worker.deliver, args=(one,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert desk.column("Name") == ["Zero", *NAMES]


def test_a_worker_that_lost_its_lease_writes_nothing(desk: Desk) -> None:
    desk.deliver(*people("Zero", start=100), number=100)
    context = desk.context()
    context.lease_lost = True
    with pytest.raises(LeaseLost):
        desk.worker(context).deliver(desk.batch(*people(*NAMES), number=2))

    assert desk.column("Name") == ["Zero"]


def test_a_marker_with_other_content_is_never_taken_for_success(desk: Desk) -> None:
    """As after a restore of Postgres from a backup: the same number, other rows."""
    desk.deliver(*people("Asha"), number=1)

    with pytest.raises(TryLater, match="does not know"):
        desk.deliver(*people("Bilal"), number=1)
    assert desk.column("Name") == ["Asha"]
    desk.deliver(*people("Bilal"), number=1, attempt=2)
    assert desk.column("Name") == ["Asha", "Bilal"]


def test_the_tab_of_another_installation_is_left_alone(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    other = Desk(desk.server, config={"spreadsheet": desk.spreadsheet})

    with pytest.raises(Blocked, match="another installation"):
        other.deliver(*people("Bilal"))
    assert desk.column("Name") == ["Asha"]
    other.close()


def test_a_server_that_takes_an_id_twice_is_noticed_before_anything_is_delivered(tmp_path: Path) -> None:
    with running_server(tmp_path, limits=generous(), switches=Switches(unique_metadata_ids=False)) as server:
        desk = Desk(server)
        with pytest.raises(Blocked, match="same metadata id twice"):
            desk.deliver(*people("Asha"))
        with pytest.raises(Blocked, match="same metadata id twice"):
            desk.worker().probe()
        assert desk.column("Name") == []
        desk.close()


@pytest.mark.parametrize("missing_is_error", [False, True])
def test_old_markers_are_removed_but_never_the_newest(tmp_path: Path, missing_is_error: bool) -> None:
    with running_server(tmp_path, limits=generous(), switches=Switches(missing_metadata_is_error=missing_is_error)) as server:
        desk = Desk(server)
        now = [1_900_000_000.0]
        for number in range(1, 6):
            worker = desk.worker()
            worker.clock = lambda: now[0]  # type: ignore[method-assign]
            worker.deliver(desk.batch(*people(NAMES[number], start=number), number=number))
            now[0] += 20 * 60
        markers = [one.value for one in desk.people.workbook.metadata.entries.values() if one.key == "fp"]

        # every 20 minutes a batch: those of the last half hour are left
        assert [str(value).split(":")[0] for value in markers] == ["4", "5"]
        desk.people.request({"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataKey": "fp"}}}})
        now[0] += 60 * 60
        desk.worker().deliver(desk.batch(*people("Gita", start=9), number=9))
        assert desk.column("Name") == [*NAMES[1:], "Gita"]
        desk.close()


def test_a_batch_that_is_large_as_cells_goes_in_parts_each_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [entry(f"r-{place}", place, f"{place} " + "x" * 40_000, place) for place in range(1, 121)]
    desk.deliver(*people("Zero", start=900), number=900)
    desk.server.service.forget_calls()
    desk.server.faults.add(Fault(applied="yes", shown="cut", operations=UPDATE, skip=1))

    settle(desk.worker, desk.batch(*long, number=2))

    assert desk.column("_id") == ["r-zero", *(f"r-{place}" for place in range(1, 121))]
    assert desk.server.count("spreadsheets.batchUpdate") == 5  # three parts, of which the first two were sent again


def test_what_is_in_the_sheet_is_delivered_although_another_part_of_its_batch_was_refused(desk: Desk) -> None:
    # Promise 4
    desk.deliver(*people("Asha"))
    rows = [entry(f"r-{number}", number, "x" * 49_000, number) for number in range(2, 62)]
    desk.server.faults.add(Fault(status=400, operations=UPDATE, skip=1))
    delivery = desk.deliver(entry("r-asha", 62, "Asha B", 1, revision=2), *rows, number=2)

    states = {
        response: outcome.state
        for response, outcome in zip(["r-asha", *(row["_response_id"] for row in rows)], delivery.outcomes, strict=True)
    }
    delivered = {response for response, state in states.items() if state == "delivered"}
    assert set(states.values()) == {"delivered", "refused"}
    assert delivered == set(desk.column("_id"))
    assert desk.column("Name")[0] == "Asha B"


def test_a_batch_refused_in_every_part_is_refused_as_a_whole(desk: Desk) -> None:
    desk.deliver(*people("Asha"))
    desk.server.faults.add(Fault(status=400, operations=UPDATE, times=None))
    with pytest.raises(Refused):
        desk.deliver(*(entry(f"r-{number}", number, "x" * 49_000, number) for number in range(2, 62)), number=2)

    assert desk.column("Name") == ["Asha"]
