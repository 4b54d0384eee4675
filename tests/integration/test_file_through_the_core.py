"""From accepted responses to files, through validation, mapping and the lane: edits, deletions, masks and new questions."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from collect_pipelines.cli.root import collect
from collect_pipelines.destinations.file import File
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form
from tests.contract.file_tools import queried
from tests.integration.sync_tools import accept, submission

FORM = """\
form: visit
title: Visit
questions:
  - {key: place, type: text, label: Where}
  - {key: phone, type: text, label: Phone, pii: direct}
  - key: crop
    type: select_one
    label: Crop
    choices: [{code: w, label: Wheat}]
"""


def test_files_follow_what_happens_to_responses(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(File, "min_interval_seconds", 0.0)  # what is shown here has nothing to do with waiting
    environment = {"COLLECT_DATA_DIR": str(tmp_path / "data"), "COLLECT_DATABASE_URL": database.url}

    def run(*words: str) -> str:
        told = CliRunner().invoke(collect, words, env=environment)
        assert told.exit_code == 0, f"{told.stdout}\n{told.stderr}"
        return told.stdout

    (tmp_path / "visit.yaml").write_text(FORM)
    run("forms", "publish", str(tmp_path / "visit.yaml"))
    run("integrations", "add", "file", "--form", "visit", "--set", "format=csv", "--values", "labels", "--mask", "phone=last4")
    run("integrations", "add", "file", "--form", "visit", "--name", "lake", "--set", "layout=parts", "--set", "name=lake")
    with database.begin() as connection:
        form_id = find_form(connection, "visit").form_id
    accept(
        database,
        [
            submission(form_id, "a", {"place": "=1+1", "phone": "+91 98765 43210", "crop": "w"}),
            submission(form_id, "b", {"place": "Bridge", "crop": "w"}),
        ],
    )
    run("sync")
    accept(
        database,
        [
            submission(form_id, "a", {"place": "Market", "phone": "+91 98765 43210"}, "edit", replaces=1),
            submission(form_id, "b", {}, "delete", replaces=1),
        ],
    )
    run("sync")
    (tmp_path / "visit.yaml").write_text(FORM + "  - {key: people, type: integer, label: How many}\n")
    run("forms", "publish", str(tmp_path / "visit.yaml"))
    accept(database, [submission(form_id, "c", {"place": "River", "people": 3}, version=2)])
    run("sync")

    rows = list(csv.DictReader(io.StringIO((tmp_path / "data" / "files" / "visit.csv").read_text("utf-8-sig"), newline="")))
    assert [(row["_response_id"], row["Where"], row["Phone (last 4)"], row["Crop"], row["How many"]) for row in rows] == [
        ("a", "Market", "3210", "", ""),
        ("c", "River", "", "", "3"),
    ]
    parts = {row["_response_id"]: row["_operation"] for row in queried(tmp_path / "data" / "files" / "lake")}
    assert parts == {"a": "edit", "b": "delete", "c": "create"}
    shown = json.loads(run("integrations", "show", "lake", "--json"))["ledger"]
    assert (shown["accepted"], shown["delivered"], shown["pending"]) == (5, 5, 0)
    assert "bytes in 1 file" in run("integrations", "test", "visit-file")
