"""A Postgres database or a folder that can't be written says who holds it or what to repair, in words and without a secret."""

import fcntl
import socket
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psycopg
import psycopg2
import pytest

from collect_pipelines.destinations.warehouse.buckets import ParquetLoader
from collect_pipelines.destinations.warehouse.folder import Folder
from collect_pipelines.destinations.warehouse.loads import load_of
from collect_pipelines.destinations.warehouse.server_problems import explained
from collect_pipelines.errors import Blocked, CollectError, TryLater
from tests.contract.warehouse_fakes import AGE, NAME, batch, column, entry
from tests.contract.warehouse_targets import Place

FIRST = batch(entry("r1", 1, "Asha", 31))
SECOND = batch(entry("r1", 2, "Asha", 32, revision=2), entry("r2", 3, "Bela", 20), number=2)


def failure(place: Place) -> CollectError:
    with pytest.raises(CollectError) as raised:
        place.integration().deliver(SECOND)
    assert "canary" not in str(raised.value) + str(raised.value.fix)
    return raised.value


def test_a_database_that_does_not_exist_blocks(tmp_path: Path, database_url: str) -> None:
    told = failure(Place("postgres", tmp_path, f"{database_url}_gone"))

    assert isinstance(told, Blocked)
    assert "has no such database" in told.reason and "Create it" in str(told.fix)


def test_a_user_without_rights_blocks_with_the_grant(tmp_path: Path, database_url: str) -> None:
    url = urlsplit(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'canary'")
    host = url.netloc.rpartition("@")[2]
    told = failure(Place("postgres", tmp_path, url._replace(netloc=f"reader:canary@{host}").geturl()))

    assert isinstance(told, Blocked)
    assert "does not let the user do it" in told.reason and "Grant CREATE" in str(told.fix)


def test_a_server_that_is_not_there_is_tried_later(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = failure(Place("postgres", tmp_path, f"postgresql://u:canary@127.0.0.1:{port}/db"))

    assert isinstance(told, TryLater)
    assert f"db on 127.0.0.1:{port} can't be reached" in str(told.message)


def test_a_read_only_server_blocks(tmp_path: Path, database_url: str) -> None:
    told = failure(Place("postgres", tmp_path, f"{database_url}?options=-c%20default_transaction_read_only%3Don"))

    assert isinstance(told, Blocked)
    assert "is read-only" in told.reason


def test_while_another_worker_loads_the_batch_waits(tmp_path: Path, database_url: str) -> None:
    place = Place("postgres", tmp_path, database_url)
    keys = [zlib.crc32(text.encode()) - 2**31 for text in ("collect-pipelines warehouse", "forms")]
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", keys)
        told = failure(place)
    place.integration().deliver(SECOND)

    assert isinstance(told, TryLater) and not told.unknown
    assert len(place.rows("household")) == 2


def test_a_table_that_a_person_locked_delays_the_load_and_nothing_else(tmp_path: Path, database_url: str) -> None:
    place = Place("postgres", tmp_path, f"{database_url}?options=-c%20lock_timeout%3D200ms")
    place.integration().deliver(FIRST)
    with psycopg.connect(database_url) as person:
        person.execute("LOCK TABLE forms.household IN ACCESS EXCLUSIVE MODE")
        told = failure(place)
    place.integration().deliver(SECOND)

    assert isinstance(told, TryLater)
    assert {row["_response_id"]: row["q_age"] for row in place.rows("household")} == {"r1": 32, "r2": 20}


def test_two_rows_of_one_response_are_impossible_in_postgres(tmp_path: Path, database_url: str) -> None:
    place = Place("postgres", tmp_path, database_url)
    place.integration().deliver(FIRST)

    with pytest.raises(psycopg.errors.UniqueViolation):
        place.change("INSERT INTO forms.household SELECT * FROM forms.household")


def test_a_refused_password_blocks() -> None:
    # a server that trusts this machine never says so
    text = 'connection to server at "db.example" (192.0.2.1), port 5432 failed: FATAL:  password authentication failed for user "loader"'
    with pytest.raises(Blocked) as raised, explained("db on db.example:5432"):
        raise psycopg2.OperationalError(text)

    assert raised.value.reason == "db on db.example:5432 refuses the user or the password."


def test_a_failure_nobody_expected_quotes_no_answer_and_is_unknown() -> None:
    with pytest.raises(TryLater) as raised, explained("db on db.example:5432"):
        raise psycopg2.DataError("invalid input: canary")

    assert raised.value.unknown
    assert "canary" not in str(raised.value)


def test_a_folder_that_can_not_be_written_blocks_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = Place("filesystem", tmp_path)
    with pytest.raises(Blocked, match="can't be written") as raised:
        place.integration(folder=str(tmp_path / "file" / "parquet")).probe()

    assert raised.value.fix is not None and "write access" in raised.value.fix


def test_while_another_process_writes_the_files_of_a_form_its_batch_waits(tmp_path: Path) -> None:
    place = Place("filesystem", tmp_path)
    place.integration().deliver(FIRST)
    with (tmp_path / "parquet" / "forms" / "household" / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = failure(place)
        place.integration("clinic").deliver(batch(entry("r1", 1, "Asha", 31), form="clinic"))

    assert isinstance(told, TryLater) and not told.unknown
    assert [row["q_age"] for row in place.rows("household")] == [31]


def test_a_damaged_file_blocks_and_is_left_alone(tmp_path: Path) -> None:
    place = Place("filesystem", tmp_path)
    place.integration().deliver(FIRST)
    [part] = (tmp_path / "parquet" / "forms" / "household").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    damaged = part.read_bytes()
    told = failure(place)

    assert isinstance(told, Blocked)
    assert "no Parquet file" in told.reason
    assert part.read_bytes() == damaged


def test_files_are_as_private_as_their_folder(tmp_path: Path) -> None:
    place = Place("filesystem", tmp_path)
    place.integration().deliver(FIRST)
    table = tmp_path / "parquet" / "forms" / "household"
    made = [oct(path.stat().st_mode & 0o777) for path in (table, *sorted(table.glob("*.parquet")))]
    table.chmod(0o750)
    place.integration().deliver(SECOND)

    assert made == ["0o700", "0o600"]
    assert [oct(path.stat().st_mode & 0o777) for path in table.glob("*.parquet")] == ["0o640"]


def test_files_are_filled_up_and_every_file_gets_a_new_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collect_pipelines.destinations.warehouse.parquet.PART_ROWS", 10)
    place = Place("filesystem", tmp_path)
    it = place.integration()
    it.deliver(batch(*(entry(f"r{number:02}", number + 1, "a", number) for number in range(25))))
    columns = [NAME, AGE, column("village")]
    edits = [entry(f"r{number:02}", 100 + number, "b", number, "v", revision=2) for number in (3, 17)]
    gone = [entry(f"r{number:02}", 100 + number, revision=2, operation="delete") for number in (0, 24)]
    new = [entry(f"s{number:02}", 200 + number, "c", number, "w") for number in range(12)]
    it.deliver(batch(*sorted([*edits, *gone], key=lambda row: int(row["_position"])), *new, columns=columns, number=2))

    files = sorted((tmp_path / "parquet" / "forms" / "household").glob("*.parquet"))
    frames = [pl.read_parquet(path) for path in files]
    assert [path.name for path in files] == [f"part-{number:06}.parquet" for number in (1, 2, 3, 4)]
    assert len({tuple(frame.columns) for frame in frames}) == 1
    assert [frame.height for frame in frames] == [9, 10, 9, 7]
    rows = {row["_response_id"]: (row["q_name"], row["q_village"]) for frame in frames for row in frame.iter_rows(named=True)}
    assert len(rows) == sum(frame.height for frame in frames) == 35
    assert (rows["r03"], rows["r17"], rows["r04"], rows["s11"]) == (("b", "v"), ("b", "v"), ("a", None), ("c", "w"))


def test_objects_in_a_bucket_are_written_the_same_way(tmp_path: Path) -> None:
    import fsspec

    bucket = fsspec.filesystem("memory")
    folder = Folder(bucket, f"/{tmp_path.name}/forms", local=False)
    loader = ParquetLoader(folder, "memory://bucket", "forms")
    for part in (FIRST, SECOND, FIRST):
        assert not isinstance(loader.load([load_of(part, "", lambda: None)], read_copy=False)[0], Exception)

    [name] = folder.names("household")
    with folder.open(name) as file:
        assert sorted(pl.read_parquet(file).select("_response_id", "q_age").rows()) == [("r1", 32), ("r2", 20)]
    assert loader.count("household") == 2
