"""When the file can't be written now, the warehouse says who holds it or what to repair, and leaves the rows as they were."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from collect_pipelines.errors import Blocked, NotFound, TryLater
from tests.contract.warehouse_fakes import NAME, batch, column, entry, query, warehouse

REPOSITORY = Path(__file__).parents[2]
FIRST = batch(entry("r1", 1, "Asha", 31))
SECOND = batch(entry("r2", 2, "Bela", 20), number=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@contextmanager
def other_process(code: str, *arguments: str) -> Iterator[None]:
    """Runs Python code in another process from the moment it says "ready" to the end of the block."""
    program = [sys.executable, "-c", f"import sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()", *arguments]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.communicate()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_open_in_another_program_is_tried_later_and_the_program_is_named(path: Path, read_only: bool) -> None:
    destination = warehouse(path)
    destination.deliver(FIRST)
    holder = other_process(f"import duckdb\nconnection = duckdb.connect(sys.argv[1], read_only={read_only})", str(path))
    with holder, pytest.raises(TryLater, match=r"open in python\S*, process \d+. Close it there, or query the read copy") as raised:
        destination.deliver(SECOND)
    destination.deliver(SECOND)

    assert raised.value.after and not raised.value.unknown
    assert query(path, "SELECT count(*) FROM forms.household") == [(2,)]


def test_a_file_open_in_this_process_with_other_settings_is_tried_later(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(FIRST)
    with duckdb.connect(str(path), read_only=True), pytest.raises(TryLater, match="in this process"):
        destination.deliver(SECOND)


def test_while_another_process_loads_the_batch_waits(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(FIRST)
    lock = "import fcntl\nlock = open(sys.argv[1] + '.lock', 'a')\nfcntl.flock(lock, fcntl.LOCK_EX)"
    with other_process(lock, str(path)), pytest.raises(TryLater, match="Another process is loading") as raised:
        destination.deliver(SECOND)

    assert raised.value.after == 2.0 and not raised.value.unknown


def test_two_processes_that_take_turns_see_each_others_rows_and_columns(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(FIRST)
    program = (
        "from pathlib import Path\nfrom tests.contract.warehouse_fakes import *\n"
        "later = batch(entry('r2', 2, 'Bela', 20, 1.5), columns=[NAME, AGE, column('height', 'decimal')], number=2)\n"
        "warehouse(Path(sys.argv[1])).deliver(later)"
    )
    with other_process(program, str(path)):
        destination.deliver(batch(entry("r3", 3, "Chen", 5), number=3))
        both = [NAME, column("age", "integer"), column("height", "decimal"), column("weight", "decimal")]
        destination.deliver(batch(entry("r4", 4, "Devi", 6, 1.6, 60.5), columns=both, number=4))

    found = query(path, "SELECT _response_id, q_name, q_age, q_height, q_weight FROM forms.household ORDER BY 1")
    assert found == [
        ("r1", "Asha", 31, None, None),
        ("r2", "Bela", 20, 1.5, None),
        ("r3", "Chen", 5, None, None),
        ("r4", "Devi", 6, 1.6, 60.5),
    ]


def test_threads_of_one_process_take_turns_without_being_sent_away(path: Path) -> None:
    forms = [f"form_{letter}" for letter in "abcd"]
    failures: list[Exception] = []

    def deliver(form: str) -> None:
        try:
            warehouse(path, form).deliver(batch(entry("r1", 1, form, 1), form=form))
        except Exception as exc:  # noqa: BLE001 - shown by the assertion below
            failures.append(exc)

    threads = [threading.Thread(target=deliver, args=(form,)) for form in forms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert [query(path, f"SELECT q_name FROM forms.{form}") for form in forms] == [[(form,)] for form in forms]


def test_a_full_disk_blocks_and_after_making_room_the_batch_lands(path: Path) -> None:
    # a limit on the size of files is the disk-full an ordinary user can make
    program = """
import resource, signal
from pathlib import Path
from collect_pipelines.errors import Blocked
from tests.contract.warehouse_fakes import *
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
warehouse(path).deliver(batch(entry("r1", 1, "Asha", 31)))
big = batch(*(entry(f"r{place}", place, hex(place) * 50, place) for place in range(1, 20001)), number=2)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (path.stat().st_size + 10_000, 200_000, 20_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
    try:
        warehouse(path).deliver(big)
    except Blocked as blocked:
        assert "no room" in blocked.reason and "Free space" in blocked.fix, blocked
    else:
        raise SystemExit("the limit was not felt")
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
warehouse(path).deliver(big)
"""
    with other_process(program, str(path)):
        pass

    assert query(path, "SELECT count(*), count(DISTINCT _response_id), min(_position) FROM forms.household") == [(20_000, 20_000, 1)]


def test_a_place_that_can_not_be_written_blocks_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Blocked, match="can't be written") as raised:
        warehouse(tmp_path / "file" / "warehouse.duckdb").probe()

    assert raised.value.fix is not None and "write access" in raised.value.fix


def test_a_folder_in_place_of_the_file_blocks(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Blocked, match="can't be written"):
        warehouse(path).deliver(FIRST)


@pytest.mark.parametrize("content", [b"id,name\n", b"SQLite format 3\0" * 1000])
def test_a_file_that_is_no_warehouse_blocks_and_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(Blocked, match="not a DuckDB file") as raised:
        warehouse(path).deliver(FIRST)

    assert raised.value.fix is not None and "filled from Postgres anew" in raised.value.fix
    assert path.read_bytes() == content


def test_a_question_of_another_type_than_its_column_blocks_instead_of_being_truncated(path: Path) -> None:
    destination = warehouse(path)
    destination.deliver(FIRST)
    with pytest.raises(Blocked, match=r"Column q_age of forms.household holds BIGINT, the form needs DOUBLE"):
        destination.deliver(batch(entry("r2", 2, "Bela", 2.5), columns=[NAME, column("age", "decimal")], number=2))

    assert query(path, "SELECT _response_id, q_age FROM forms.household") == [("r1", 31)]


def test_a_dataset_named_like_the_file_blocks_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Blocked, match="share a name"):
        warehouse(tmp_path / "forms.duckdb").deliver(FIRST)

    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_failure_inside_dlt_quotes_no_answer_and_is_unknown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob

    def fail(job: DuckDbCopyJob) -> None:
        raise duckdb.ConversionException("Could not convert string 'secret answer' to INT64")

    destination = warehouse(path)
    destination.deliver(FIRST)
    with monkeypatch.context() as patch:
        patch.setattr(DuckDbCopyJob, "run", fail)
        with pytest.raises(TryLater) as raised:
            destination.deliver(SECOND)
    destination.deliver(SECOND)

    assert raised.value.unknown
    assert "secret" not in str(raised.value)
    assert query(path, "SELECT count(*) FROM forms.household") == [(2,)]


def test_without_a_read_copy_the_reader_is_told(path: Path) -> None:
    from collect_pipelines.destinations.warehouse.database import open_readonly

    warehouse(path, read_copy=False).deliver(FIRST)

    with pytest.raises(NotFound, match="no read copy"):
        open_readonly(path)


def test_a_load_speaks_to_nobody_on_the_network(path: Path) -> None:
    program = """
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect"):
        print("NETWORK", arguments, flush=True)
sys.addaudithook(hook)
from pathlib import Path
from tests.contract.warehouse_fakes import *
for destination in (warehouse(Path(sys.argv[1])), warehouse(Path(sys.argv[1]), to="filesystem")):
    destination.deliver(batch(entry("r1", 1, "Asha", 31)))
    destination.close()
from dlt.common.runtime import telemetry, anon_tracker
assert telemetry.is_telemetry_started() and anon_tracker._ANON_TRACKER_ENDPOINT is None
"""
    with other_process(program, str(path)):
        assert query(path, "SELECT count(*) FROM forms.household") == [(1,)]
