"""`collect up` starts services in order, starts them again when they die, and leaves nothing behind."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collect_pipelines.errors import PortTaken, Unavailable
from collect_pipelines.local import supervisor as supervising
from collect_pipelines.local.application import Application, child_environment, find_application
from collect_pipelines.local.logs import LogFile
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.services import Service
from collect_pipelines.local.signals import StopSignals
from collect_pipelines.local.supervisor import Supervisor
from collect_pipelines.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 20.0

# A service that notes when it starts, starts a child of its own, and is ready when its file exists.
PROGRAM = """
import os, subprocess, sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[2])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with (folder / "started").open("a") as file:
    file.write(f"{name} {os.getpid()} {child.pid}\\n")
(folder / f"{name}.ready").touch()
print(f"{name} says hello", flush=True)
time.sleep(600)
"""


def settings(tmp_path: Path, database_url: str) -> Settings:
    ports = {f"{name}_port": free_port() for name in ("ingest", "metrics", "sheets", "dagster", "code_server")}
    return Settings(data_dir=tmp_path / "data", database_url=database_url, **ports)  # type: ignore[arg-type]


def service(name: str, folder: Path, after: tuple[str, ...] = (), program: str = PROGRAM) -> Service:
    return Service(name, ("-c", program, name, str(folder)), (folder / f"{name}.ready").exists, after)


def starts(folder: Path) -> list[tuple[str, int, int]]:
    """Name, process and grandchild of every start so far."""
    file = folder / "started"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(name, int(pid), int(child)) for name, pid, child in (line.split() for line in lines if line.count(" ") == 2)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], turn: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        turn()
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def supervisor(tmp_path: Path, database_url: str, *wanted: Service, say: Callable[[str], None] = lambda text: None) -> Supervisor:
    return Supervisor(settings(tmp_path, database_url), find_application(), say=say, wanted=lambda *_: wanted)


def test_a_service_starts_after_what_it_needs_and_everything_ends_together(tmp_path: Path, folder: Path, database_url: str) -> None:
    wanted = (service("last", folder, after=("first",)), service("first", folder))
    with StopSignals() as stop, supervisor(tmp_path, database_url, *wanted) as running:
        ready = [name for name in running.start(stop) if name]
        names = [name for name, *_ in starts(folder)]

    assert ready == names == ["first", "last"]
    assert [pid for _, *pids in starts(folder) for pid in pids if alive(pid)] == []
    assert (tmp_path / "data" / "logs" / "first.log").read_text() == "first says hello\n"


def test_a_dead_service_is_started_again_after_a_growing_pause(tmp_path: Path, folder: Path, database_url: str) -> None:
    said: list[str] = []
    with StopSignals() as stop, supervisor(tmp_path, database_url, service("one", folder), say=said.append) as running:
        list(running.start(stop))
        for number in (1, 2):
            os.kill(starts(folder)[-1][1], signal.SIGKILL)
            until(lambda number=number: len(starts(folder)) == number + 1, running.look_after)  # type: ignore[misc]

    deaths = [text for text in said if text.startswith("one ended with exit code 137")]
    assert [text.partition("again in ")[2].split()[0] for text in deaths] == ["1", "2"]
    assert [pid for _, *pids in starts(folder) for pid in pids if alive(pid)] == []


def test_a_service_that_can_not_start_ends_the_start_with_its_last_words(tmp_path: Path, folder: Path, database_url: str) -> None:
    broken = service("broken", folder, program="import sys; sys.exit('the reason is this')")
    fine = service("fine", folder)

    with (
        pytest.raises(Unavailable, match=r"broken ended with exit code 1.*\n?the reason is this") as caught,
        StopSignals() as stop,
        supervisor(tmp_path, database_url, fine, broken) as running,
    ):
        list(running.start(stop))

    assert "broken.log" in str(caught.value.fix)
    assert [pid for _, *pids in starts(folder) for pid in pids if alive(pid)] == []


def test_a_service_that_never_gets_ready_is_named(tmp_path: Path, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "START_SECONDS", 0.5)
    silent = service("silent", folder, program="import time; time.sleep(600)")

    with (
        pytest.raises(Unavailable, match="silent was not ready"),
        StopSignals() as stop,
        supervisor(tmp_path, database_url, silent) as running,
    ):
        list(running.start(stop))


def test_a_signal_during_the_start_ends_it(tmp_path: Path, folder: Path, database_url: str) -> None:
    silent = Service("silent", ("-c", PROGRAM, "silent", str(folder)), lambda: False)
    with StopSignals() as stop, supervisor(tmp_path, database_url, silent) as running:
        for name in running.start(stop):
            assert name is None
            if starts(folder) and not stop:
                os.kill(os.getpid(), signal.SIGTERM)

        assert stop.received == signal.SIGTERM
    assert [pid for _, *pids in starts(folder) for pid in pids if alive(pid)] == []


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path, folder: Path, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chosen = Settings(data_dir=tmp_path / "data", database_url=database_url, ingest_port=port)
        with (
            pytest.raises(PortTaken, match=rf"Port {port} .*\(pid {os.getpid()}\)") as caught,
            Supervisor(chosen, find_application(), say=lambda text: None, wanted=lambda *_: (service("one", folder),)),
        ):
            pass

    assert "COLLECT_INGEST_PORT" in str(caught.value.fix)
    assert starts(folder) == []
    assert not (tmp_path / "data" / "logs").exists()


def test_dagster_gets_its_home_its_schema_and_no_telemetry(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    home = tmp_path / "home"
    workspace = find_application().prepare(home, "127.0.0.1", 4999)
    environment = child_environment(Settings(data_dir=tmp_path), database_url, home)

    assert (home / "dagster.yaml").read_text() == (ROOT / "dagster.yaml").read_text()
    assert "port: 4999" in workspace.read_text()
    assert environment["DAGSTER_HOME"] == str(home)
    assert environment["COLLECT_DATABASE_URL"] == database_url
    assert environment["COLLECT_DAGSTER_URL"].startswith("postgresql+psycopg2://")
    telemetry = ("DAGSTER_DISABLE_TELEMETRY", "RUNTIME__DLTHUB_TELEMETRY", "GX_ANALYTICS_ENABLED")
    assert [environment[name] for name in telemetry] == ["1", "false", "false"]
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_settings_survive_the_way_to_a_child(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path, ingest_port=8181, lane_linger_seconds=2.5, warehouse_path=tmp_path / "w.duckdb", api_key="key")

    assert Settings.from_environment(chosen.as_environment()) == chosen


def test_a_log_is_bounded_while_the_child_writes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "one.log", most=100)
    with log.open() as child:
        child.write(b"x" * 150 + b"\n")
        child.flush()
        log.bound()
        child.write(b"after\n")
        child.flush()

    assert log.path.read_text() == "after\n"
    assert len((tmp_path / "logs" / "one.log.1").read_text()) == 151
    assert log.tail() == "after"
    assert {file.stat().st_mode & 0o777 for file in log.path.parent.iterdir()} == {0o600}


def test_the_library_alone_says_that_the_application_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collect_pipelines.errors import ConfigInvalid

    monkeypatch.setattr("collect_pipelines.__file__", str(tmp_path / "site-packages" / "collect_pipelines" / "__init__.py"))
    with pytest.raises(ConfigInvalid, match="installed package is the library only"):
        find_application(tmp_path)

    assert find_application(ROOT / "docs") == Application(ROOT)
