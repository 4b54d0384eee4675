"""The commands people use, as they use them: real processes, a real Postgres, real HTTP."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from collect_pipelines.cli.root import collect
from collect_pipelines.local.children import Child
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.probes import answers
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form
from tests.integration.store_filling import fill

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0

FORM = """\
form: visit
title: Visit
questions:
  - {key: place, type: text, label: "Where?", required: true}
  - {key: people, type: integer, label: "How many?", min: 1, max: 500}
"""
ROWS = "Where?,How many?\nMarket,3\nBridge,1\nMarket,3\n"


class Collect:
    """The command line of one installation."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.environment = {
            "COLLECT_DATA_DIR": str(folder / "data"),
            "COLLECT_DATABASE_URL": database_url,
            "COLLECT_INGEST_PORT": str(self.port),
        }

    def __call__(self, *words: str, input: str | None = None, code: int = 0) -> Any:
        told = CliRunner().invoke(collect, words, input=input, env=self.environment)
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return told

    def json(self, *words: str, input: str | None = None, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", input=input, code=code).stdout)

    def process(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return self._python("-m", "collect_pipelines.cli", *words)

    def loaded_by(self, *words: str) -> set[str]:
        """Top-level modules in the process after the command ran."""
        program = (
            "import sys\nfrom collect_pipelines.cli import collect\ntry:\n    collect.main(sys.argv[1:])\nfinally:\n"
            "    print('loaded', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
        )
        told = self._python("-c", program, *words)
        (line,) = (line for line in told.stderr.splitlines() if line.startswith("loaded "))
        return set(line.split())

    def _python(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | self.environment
        return subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Collect:
    run = Collect(tmp_path, database_url)
    (tmp_path / "visit.yaml").write_text(FORM)
    (tmp_path / "rows.csv").write_text(ROWS)
    run("forms", "publish", str(tmp_path / "visit.yaml"))
    return run


@pytest.fixture
def served(installation: Collect) -> Iterator[Collect]:
    """The installation with its ingest endpoint running, and a key kept for it."""
    installation("keys", "create", "test", "--save")
    log = installation.folder / "ingest.log"
    with log.open("ab") as output:
        child = Child(
            [sys.executable, "-m", "collect_pipelines.cli", "serve", "ingest"],
            output=output,
            environment=os.environ | installation.environment,
            folder=ROOT,
        )
    pause = threading.Event()
    try:
        waited = 0.0
        while not answers(f"http://127.0.0.1:{installation.port}/readyz"):
            assert child.exit_code() is None and waited < START_SECONDS, log.read_text()
            pause.wait(0.1)
            waited += 0.1
        yield installation
    finally:
        child.stop()


def test_a_form_is_published_once_per_change(installation: Collect) -> None:
    file = installation.folder / "visit.yaml"
    again = installation.json("forms", "publish", str(file))
    file.write_text(FORM + "  - {key: rain, type: boolean, label: Rain?}\n")
    changed = installation.json("forms", "publish", str(file))

    assert again == {"forms": [{"form": "visit", "version": 1, "created": False, "unusable_checks": []}]}
    assert changed == {"forms": [{"form": "visit", "version": 2, "created": True, "unusable_checks": []}]}
    assert "rain" not in installation("forms", "show", "visit", "--version", "1").stdout
    assert "rain" in installation("forms", "show", "visit").stdout
    assert installation.json("forms", "show", "visit", "--schema")["properties"]["rain"]


def test_an_incompatible_change_is_refused_with_what_to_do(installation: Collect) -> None:
    file = installation.folder / "visit.yaml"
    file.write_text(FORM.replace("integer", "text").replace(", min: 1, max: 500", ""))
    told = installation("forms", "publish", str(file), code=3)

    assert told.stderr.count("was integer and is now text") == 1
    assert "Next:" in told.stderr


def test_a_published_form_is_written_back_as_it_was(installation: Collect) -> None:
    file = installation.folder / "again.yaml"
    file.write_text(installation("forms", "show", "visit").stdout)

    assert installation.json("forms", "publish", str(file))["forms"][0]["created"] is False


def test_an_export_becomes_a_form_that_can_be_published(installation: Collect) -> None:
    target = installation.folder / "inferred.yaml"
    told = installation("forms", "infer", str(installation.folder / "rows.csv"), "--form", "guessed", "-o", str(target))

    assert "Next: collect forms publish" in told.stderr
    published = installation.json("forms", "publish", str(target))["forms"][0]
    assert (published["form"], published["version"], published["created"]) == ("guessed", 1, True)


def test_a_key_is_shown_once_and_can_be_revoked(installation: Collect) -> None:
    created = installation.json("keys", "create", "phones", "--scope", "ingest", "--expires-days", "30")
    listed = installation("keys", "list").stdout
    installation("keys", "revoke", str(created["key_id"]))

    assert created["key"].startswith("cp_live_") and created["scopes"] == ["ingest"]
    assert created["key"] not in listed and "phones" in listed
    assert "revoked" in installation("keys", "list").stdout
    assert "hash" not in installation("keys", "list", "--json").stdout


def test_a_saved_key_is_readable_by_its_owner_only(installation: Collect) -> None:
    created = installation.json("keys", "create", "mine", "--save")
    file = installation.folder / "data" / "api-key"

    assert file.read_text().strip() == created["key"]
    # as root Postgres' own user passes through; nobody else lists what is in there
    assert file.parent.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    assert file.stat().st_mode & 0o777 == 0o600


def test_integrations_are_added_paused_and_resumed(installation: Collect) -> None:
    added = installation.json("integrations", "add", "warehouse", "--form", "visit", "--set", "dataset=surveys")
    assert installation.json("integrations", "pause", "visit-warehouse")["state"] == "paused"
    paused = installation.json("integrations", "show", "visit-warehouse")
    installation("integrations", "resume", "visit-warehouse")

    assert (added["name"], added["config"]) == ("visit-warehouse", {"dataset": "surveys"})
    assert paused["integration"]["state"] == "paused" and paused["ledger"]["accepted"] == 0
    assert installation.json("integrations", "list")["integrations"][0]["state"] == "active"
    installation("integrations", "add", "warehouse", "--form", "visit", code=3)
    installation("integrations", "show", "none", code=4)


def test_a_file_sent_twice_is_stored_once_and_delivered_once(served: Collect) -> None:
    served("integrations", "add", "warehouse", "--form", "visit")
    rows = str(served.folder / "rows.csv")
    first, again = served.json("send", rows, "--form", "visit"), served.json("send", rows, "--form", "visit")
    before = served.json("status")
    synced = served.json("sync")
    after = served.json("status")["integrations"][0]

    assert (first["accepted"], first["replayed"], first["rejected"]) == (3, 0, 0)
    assert (again["accepted"], again["replayed"], again["rejected"]) == (0, 3, 0)
    assert before["forms"][0]["accepted"] == before["integrations"][0]["pending"] == 3
    assert synced["pending"] == 0
    assert (after["delivered"], after["pending"], after["complete"]) == (3, 0, True)


def test_a_response_is_submitted_and_its_story_told(served: Collect) -> None:
    served("integrations", "add", "warehouse", "--form", "visit")
    receipt = served.json("responses", "submit", "visit", "--id", "visit-1", input='{"place": "Market", "people": 3}')
    waiting = served.json("trace", "visit-1")["entries"]
    served("sync")
    (told,) = served.json("trace", "visit-1")["entries"]

    assert (receipt["id"], receipt["position"]) == ("visit-1", 1)
    assert waiting[0]["validation"] == "waiting" and waiting[0]["deliveries"][0]["outcome"] == "waiting"
    assert told["validation"] == "passed"
    assert [(one["integration"], one["outcome"]) for one in told["deliveries"]] == [("visit-warehouse", "delivered")]
    assert "delivered" in served("trace", "visit-1").stdout
    assert served.json("responses", "show", "visit-1")["responses"][0]["answers"] == {"place": "Market", "people": 3}
    assert served.json("responses", "list", "visit")["responses"][0]["position"] == 1
    served("trace", "visit-2", code=4)


def test_a_held_response_is_nowhere_told_as_delivered(installation: Collect, database_url: str) -> None:
    installation("integrations", "add", "warehouse", "--form", "visit")
    database = Database(database_url)
    with database.begin() as connection:
        form_id = find_form(connection, "visit").form_id
        # What ingest would refuse: only a release, or a fault of ours, brings such an entry into the log.
        fill(connection, form_id, 1)
    database.dispose()
    installation("sync", code=5)
    (told,) = installation.json("trace", "r-1")["entries"]
    (held,) = installation.json("failures", "list", "--form", "visit")["quarantined"]

    assert (told["validation"], told["deliveries"][0]["outcome"]) == ("quarantined", "quarantined")
    assert "delivered" not in installation("trace", "r-1").stdout
    assert (held["response_id"], held["reasons"][0]["rule"]) == ("r-1", "place.required")
    assert "place.required" in installation("failures", "list").stdout
    assert "collect failures list" in installation("status").stderr
    installation("sync")


def test_a_person_decides_about_held_responses_and_what_is_released_is_delivered(installation: Collect, database_url: str) -> None:
    installation("integrations", "add", "warehouse", "--form", "visit")
    database = Database(database_url)
    with database.begin() as connection:
        fill(connection, find_form(connection, "visit").form_id, 2)
    installation("sync", code=5)
    released = installation.json("failures", "release", "visit", "1")
    discarded = installation.json("failures", "discard", "visit", "2", "--reason", "sent by a test phone")
    again = installation("failures", "release", "visit", "1", code=3)
    installation("failures", "release", "visit", "9", code=4)
    installation("failures", "discard", "visit", "1", code=2)
    installation("sync")
    with database.begin() as connection:
        trail = connection.execute(
            text("select actor, action, detail from collect.audit where action like 'quarantine.%' order by 1, 2")
        ).all()
    database.dispose()
    delivered = [(one["position"], one["deliveries"][0]["outcome"]) for one in installation.json("trace", "r-1")["entries"]]

    assert released == {"form": "visit", "position": 1, "state": "released", "released_position": 3}
    assert discarded == {"form": "visit", "position": 2, "state": "discarded", "reason": "sent by a test phone"}
    assert "released already" in again.stderr and "Next:  " in again.stderr
    assert delivered == [(1, "quarantined"), (3, "delivered")]
    assert installation.json("failures", "list")["quarantined"] == []
    assert [tuple(line) for line in trail] == [
        ("cli", "quarantine.discarded", {"reason": "sent by a test phone"}),
        ("cli", "quarantine.released", {}),
    ]


def test_what_waits_for_a_person_or_a_resume_is_told_as_such(served: Collect) -> None:
    served("integrations", "add", "google_sheets", "--form", "visit", "--set", "credentials=file:/nowhere.json")
    served("integrations", "add", "warehouse", "--form", "visit")
    served("integrations", "pause", "visit-warehouse")
    served("responses", "submit", "visit", "--id", "visit-1", input='{"place": "Market"}')
    served("sync", code=7)
    again = served.json("sync", code=7)

    assert (again["pending"], again["blocked"], again["reports"]) == (1, ["visit-google-sheets"], [])
    assert "the integration is paused" in served("trace", "visit-1").stdout
    (told,) = [one for one in served.json("doctor", code=7)["checks"] if one["state"] == "broken"]
    assert told["check"] == "integration visit-google-sheets" and "/nowhere.json" in told["detail"]
    assert told["fix"].endswith("Then: collect integrations resume visit-google-sheets")


def test_a_refused_answer_names_the_question(served: Collect) -> None:
    told = served("responses", "submit", "visit", input='{"place": "Market", "people": 501}', code=3)
    dry = served("responses", "submit", "visit", "--dry-run", input='{"place": "Market", "people": 3}')

    assert "people (How many?): " in told.stderr and "`errors`" not in told.stderr
    assert dry.exit_code == 0
    assert served.json("status")["forms"][0]["accepted"] == 0


def test_what_a_batch_would_become_is_shown_before_it_is_sent(served: Collect) -> None:
    served("integrations", "add", "warehouse", "--form", "visit")
    served("responses", "submit", "visit", "--id", "visit-1", input='{"place": "Market"}')

    assert "Market" in served("integrations", "preview", "visit-warehouse").stdout
    assert "can be written" in served("integrations", "test", "visit-warehouse").stdout


def test_the_doctor_finds_nothing_broken(served: Collect) -> None:
    told = served.json("doctor")
    states = {one["check"]: one["state"] for one in told["checks"]}

    assert told["healthy"] is True
    assert {"postgres", "durability", "schema", "clock", "disk"} <= {name for name, state in states.items() if state == "ok"}
    assert states["ingest"] == "ok"


def test_status_and_trace_load_the_store_and_nothing_heavier(installation: Collect) -> None:
    heavy = {"polars", "pandas", "dagster", "great_expectations", "dlt", "gspread", "duckdb", "pyarrow", "rich", "uvicorn", "alembic"}

    assert installation.loaded_by("status") & heavy == set()
    assert installation.loaded_by("status", "--json") & heavy == set()


def test_the_program_behaves_as_a_process(installation: Collect) -> None:
    good, missing = installation.process("status", "--json"), installation.process("trace", "none")
    wrong = installation.process("forms", "show")

    assert (good.returncode, json.loads(good.stdout)["forms"][0]["form"], good.stderr) == (0, "visit", "")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert missing.stderr.startswith("Error: ") and "Next:  " in missing.stderr
    assert wrong.returncode == 2


def test_a_database_without_tables_is_told_as_such(installation: Collect, postgres: Any) -> None:
    from collect_pipelines.local.postgres import create_database

    create_database(postgres.url("postgres"), "empty_for_cli")
    installation.environment["COLLECT_DATABASE_URL"] = postgres.url("empty_for_cli")
    told = installation("status", code=7)
    pending = installation.json("db", "status")["pending"]
    installation("db", "upgrade")

    assert "collect db upgrade" in told.stderr
    assert installation("db", "url", "--dagster").stdout.startswith("postgresql+psycopg2://")
    assert pending and installation.json("db", "status")["pending"] == []
    status = installation.json("status")
    assert (status["forms"], status["integrations"], status["backfills"], status["undecided"]) == ([], [], [], 0)


def test_the_embedded_database_is_started_for_one_command_and_shared_with_a_running_one(tmp_path: Path) -> None:
    run = Collect(tmp_path, "")
    run.environment["COLLECT_POSTGRES_PORT"] = str(free_port())
    (tmp_path / "visit.yaml").write_text(FORM)
    run("db", "upgrade")
    assert run.json("forms", "publish", str(tmp_path / "visit.yaml"))["forms"][0]["created"] is True
    url = run("db", "url").stdout.strip()

    assert url.startswith("postgresql://collect:")
    assert not (tmp_path / "data" / "postgres" / "data" / "postmaster.pid").exists()
