"""`collect plan`, `apply` and `export`: what a file says is made so, all of it or nothing, and once."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, text

from collect_pipelines.cli.root import collect
from collect_pipelines.errors import Conflict, ProjectInvalid
from collect_pipelines.project.applying import apply_plan
from collect_pipelines.project.plan import Plan
from collect_pipelines.project.planning import make_plan
from collect_pipelines.project.reading import ProjectFile, read_project
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, form_versions
from collect_pipelines.store.integrations import find_integration
from collect_pipelines.store.keys import find_key, list_keys, new_key_text
from tests.integration.store_tools import submission
from tests.integration.sync_tools import accept

FORM = """\
form: visit
title: Visit
questions:
  - {key: place, type: text, label: Where}
  - {key: people, type: integer, label: How many}
"""
MORE = FORM + "  - {key: crop, type: text, label: Crop}\n"
PROJECT = """\
forms:
  - visit.yaml
integrations:
  - name: visit-file
    form: visit
    kind: file
    config:
      format: csv
  - name: visit-warehouse
    form: visit
    kind: warehouse
keys:
  - name: app
    scopes: [ingest]
    value: file:keys/app.key
"""
CHANGES = 9


class Installation:
    """The command line on one database and a folder with a project in it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.file = folder, folder / "collect.yaml"
        self.settings = Settings(data_dir=folder / "data")
        self.environment = {"COLLECT_DATA_DIR": str(folder / "data"), "COLLECT_DATABASE_URL": database_url}
        self.write(PROJECT)

    def write(self, project: str, form: str = FORM) -> None:
        self.file.write_text(project, "utf-8")
        (self.folder / "visit.yaml").write_text(form, "utf-8")

    def __call__(self, *words: str, code: int = 0, input: str | None = None) -> str:
        told = CliRunner().invoke(collect, words, env=self.environment, input=input)
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return told.stdout + told.stderr

    def plan(self, *words: str, code: int = CHANGES) -> Any:
        told = CliRunner().invoke(collect, ["plan", str(self.file), "--json", *words], env=self.environment)
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return json.loads(told.stdout)

    def apply(self, *words: str, code: int = 0) -> str:
        return self("apply", str(self.file), "--yes", *words, code=code)


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path, database_url)


def everything(database: Database) -> str:
    """All that a project can change, as text."""
    tables = ("form", "form_version", "integration", "api_key", "secret", "audit")
    with database.begin() as connection:
        return "\n".join(
            str(connection.execute(text(f"select to_jsonb(t)::text from collect.{table} t order by 1")).scalars().all()) for table in tables
        )


def responses(database: Database, count: int) -> None:
    with database.begin() as connection:
        form_id = find_form(connection, "visit").form_id
    accept(database, [submission(form_id, f"r{number}") for number in range(count)])


def test_an_empty_installation_is_made_so_and_then_there_is_nothing_to_change(database: Database, installation: Installation) -> None:
    plan = installation.plan()
    assert [(one["action"], one["part"], one["name"]) for one in plan["changes"]] == [
        ("add", "form", "visit"),
        ("add", "integration", "visit-file"),
        ("add", "integration", "visit-warehouse"),
        ("add", "key", "app"),
    ]
    installation.apply()

    before = everything(database)
    assert installation.plan(code=0)["changes"] == []
    assert "Nothing to change" in installation.apply()
    assert everything(database) == before


def test_planning_changes_nothing(database: Database, installation: Installation) -> None:
    before = everything(database)
    told = installation("plan", str(installation.file), code=CHANGES)

    assert everything(database) == before
    assert "+ form visit: new, 2 questions" in told
    assert "+ key app: ingest; made and kept in file:keys/app.key" in told
    assert not (installation.folder / "keys").exists()


def test_a_key_is_made_once_and_kept_where_only_its_owner_can_read_it(database: Database, installation: Installation) -> None:
    told = installation.apply()
    path = installation.folder / "keys" / "app.key"
    key = path.read_text().strip()

    with database.begin() as connection:
        assert find_key(connection, key).scopes == {"ingest"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key not in told
    assert key not in everything(database)


def test_a_key_is_taken_from_where_the_file_says(database: Database, installation: Installation) -> None:
    key = new_key_text()
    installation.environment["APP_KEY"] = key
    installation.write(PROJECT.replace("file:keys/app.key", "env:APP_KEY"))
    installation.apply()
    with database.begin() as connection:
        assert find_key(connection, key).name == "app"

    del installation.environment["APP_KEY"]  # known by now, whether or not its value is at hand
    assert installation.plan(code=0)["changes"] == []
    installation.environment["APP_KEY"] = new_key_text()
    (change,) = installation.plan()["changes"]
    assert "the earlier one stays until it is revoked" in change["summary"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("env:NOWHERE_TO_BE_FOUND", "the environment variable behind env:NOWHERE_TO_BE_FOUND is not set"),
        ("env:WEAK", "holds no key of this product"),
        ("file:weak.key", "holds no key of this product"),
        (None, "there is no key `app`"),
    ],
)
def test_a_key_that_can_not_be_had_is_told_with_its_line_and_not_shown(installation: Installation, value: str | None, told: str) -> None:
    installation.environment["WEAK"] = "canary"
    (installation.folder / "weak.key").write_text("canary")
    line = "" if value is None else f"    value: {value}\n"
    installation.write(PROJECT.replace("    value: file:keys/app.key\n", line))

    said = installation.apply(code=3)

    assert f"collect.yaml:1{5 if value else 3}" in said
    assert told in said
    assert "canary" not in said


def test_the_key_of_another_name_or_organization_is_not_taken(database: Database, installation: Installation) -> None:
    installation.apply()
    installation.write(PROJECT.replace("- name: app", "- name: other"))

    assert "is known under another name already" in installation.apply(code=3)


def test_one_key_in_two_places_is_told_and_nothing_is_done(database: Database, installation: Installation) -> None:
    key = new_key_text()
    for name in ("one", "two"):
        (installation.folder / f"{name}.key").write_text(key)
    installation.write("keys:\n" + "".join(f"  - {{name: {one}, scopes: [ingest], value: 'file:{one}.key'}}\n" for one in ("one", "two")))
    before = everything(database)

    told = installation.apply(code=3)
    assert "The key given as 'two' is in use under another name" in told
    assert key not in told
    assert everything(database) == before


def test_scopes_change_and_the_key_stays(database: Database, installation: Installation) -> None:
    installation.apply()
    installation.write(PROJECT.replace("[ingest]", "[ingest, read]"))
    (change,) = installation.plan()["changes"]
    assert change["summary"] == "scopes: ingest -> ingest, read"

    installation.apply()

    with database.begin() as connection:
        (key,) = list_keys(connection, "default")
    assert key.scopes == {"ingest", "read"}
    assert installation.plan(code=0)["changes"] == []


def test_a_new_version_tells_questions_columns_and_responses(database: Database, installation: Installation) -> None:
    installation.apply()
    responses(database, 3)
    installation.write(PROJECT, MORE)

    (change,) = installation.plan()["changes"]

    assert (change["part"], change["action"], change["summary"]) == ("form", "change", "version 2")
    assert change["questions_added"] == ["crop"]
    assert change["columns_added"] == {"visit-file": ["Crop"], "visit-warehouse": ["Crop"]}
    assert change["responses"] == 3
    installation.apply()
    with database.begin() as connection:
        assert len(form_versions(connection, find_form(connection, "visit").form_id)) == 2


def test_a_version_that_would_change_the_meaning_of_answers_is_refused(database: Database, installation: Installation) -> None:
    installation.apply()
    installation.write(PROJECT, FORM.replace("type: integer", "type: text"))

    assert "collect.yaml:2: forms[0]: visit:" in installation.apply(code=3)


def test_a_new_integration_tells_how_many_responses_it_sends_behind_new_ones(database: Database, installation: Installation) -> None:
    installation.apply()
    responses(database, 120)
    new = "  - {name: late, form: visit, kind: file, config: {name: late}}\n  - {name: now, form: visit, kind: file, start: now}\n"
    installation.write(PROJECT.replace("keys:", f"{new}keys:"))

    late, now = installation.plan()["changes"]
    assert (late["backfill"], now["backfill"]) == (120, 0)
    assert late["columns"] == ["Where", "How many"]

    installation.apply()
    with database.begin() as connection:
        backfills = connection.execute(text("select to_position from collect.backfill")).scalars().all()
        assert find_integration(connection, "now").cursor == 120
    assert backfills == [120]


def test_a_changed_integration_tells_its_fields_and_columns(database: Database, installation: Installation) -> None:
    installation.apply()
    changed = PROJECT.replace("      format: csv\n", "      format: ndjson\n    mapping: {exclude: [people]}\n    language: hi\n")
    installation.write(changed)

    (change,) = installation.plan()["changes"]
    assert change["fields"] == ["config.format", "mapping.exclude", "language"]
    assert change["columns_gone"] == ["How many"]
    assert "config.format: csv -> ndjson" in change["lines"]

    installation.apply()
    with database.begin() as connection:
        found = find_integration(connection, "visit-file")
    assert (found.config, found.mapping, found.language) == ({"format": "ndjson"}, {"exclude": ["people"]}, "hi")
    assert installation.plan(code=0)["changes"] == []


def test_pausing_and_resuming(database: Database, installation: Installation) -> None:
    installation.apply()
    paused = PROJECT.replace("    kind: warehouse\n", "    kind: warehouse\n    state: paused\n")
    installation.write(paused)
    (change,) = installation.plan()["changes"]
    assert (change["action"], change["summary"]) == ("pause", "paused")
    installation.apply()
    with database.begin() as connection:
        assert find_integration(connection, "visit-warehouse").state == "paused"
    assert installation.plan(code=0)["changes"] == []

    installation.write(PROJECT)
    assert installation.plan()["changes"][0]["summary"] == "delivers again"
    installation.apply()
    with database.begin() as connection:
        assert find_integration(connection, "visit-warehouse").state == "active"


def test_what_is_not_in_the_file_is_left_alone_unless_it_is_pruned(database: Database, installation: Installation) -> None:
    installation.apply()
    installation.write("organization: default\n")

    plan = installation.plan(code=0)
    assert plan["changes"] == []
    assert any("visit-file, visit-warehouse" in notice for notice in plan["notices"])

    assert [one["action"] for one in installation.plan("--prune")["changes"]] == ["pause", "pause"]
    installation.apply("--prune")
    with database.begin() as connection:
        assert {find_integration(connection, name).state for name in ("visit-file", "visit-warehouse")} == {"paused"}
        assert len(list_keys(connection, "default")) == 1
    assert installation.plan("--prune", code=0)["changes"] == []


def test_an_integration_never_becomes_another_kind_or_another_form_s(installation: Installation) -> None:
    installation.apply()
    installation.write(PROJECT.replace("kind: warehouse", "kind: file"))

    assert "collect.yaml:11: integrations[1].kind: `visit-warehouse` has the kind `warehouse`" in installation.apply(code=3)


def test_organizations_do_not_touch_each_other(database: Database, installation: Installation) -> None:
    installation.apply()
    with database.begin() as connection:
        before = find_integration(connection, "visit-file")
    installation.write(f"organization: north\n{PROJECT.replace('format: csv', 'format: ndjson').replace('app.key', 'north.key')}", MORE)
    installation.apply()

    with database.begin() as connection:
        assert find_integration(connection, "visit-file") == before
        assert find_integration(connection, "visit-file", "north").config == {"format": "ndjson"}
        assert find_form(connection, "visit").version == 1
        assert find_form(connection, "north.visit").organization == "north"
    assert "name: visit-file" not in installation("export", "--organization", "south")


def test_without_a_terminal_it_is_not_done_unless_said_so(database: Database, installation: Installation) -> None:
    before = everything(database)

    assert "collect apply --yes" in installation("apply", str(installation.file), code=3)

    assert everything(database) == before


def test_what_was_agreed_to_is_what_is_done(database: Database, installation: Installation) -> None:
    file = read_project(installation.file)
    with database.begin() as connection:
        seen = make_plan(connection, file)
    installation("forms", "publish", str(installation.folder / "visit.yaml"))

    with pytest.raises(Conflict, match="changed since the plan was shown"):
        apply_plan(database, installation.settings, file, agreed=seen)


def test_a_stored_secret_that_is_not_there_is_told_before_something_is_blocked(installation: Installation) -> None:
    config = "{url: 'https://example.org/x', secret: 'stored:hook'}"
    installation.write(PROJECT.replace("keys:", f"  - {{name: hook, form: visit, kind: webhook, config: {config}}}\nkeys:"))
    missing = "hook will be blocked: there is no stored secret hook."

    assert any(missing in notice for notice in installation.plan()["notices"])
    installation("secrets", "set", "hook", input="whsec_x")
    assert not any(missing in notice for notice in installation.plan()["notices"])


def test_a_setting_that_somebody_changed_meanwhile_is_not_set_back_unseen(database: Database, installation: Installation) -> None:
    installation.apply()
    installation.write(PROJECT.replace("format: csv", "format: ndjson"))
    file = read_project(installation.file)
    with database.begin() as connection:
        seen = make_plan(connection, file)
    installation("integrations", "set", "visit-file", "--values", "labels")

    with pytest.raises(Conflict, match="changed since the plan was shown"):
        apply_plan(database, installation.settings, file, agreed=seen)


def test_of_several_at_once_one_does_it_and_the_others_find_it_done(database: Database, installation: Installation) -> None:
    file = read_project(installation.file)
    with ThreadPoolExecutor(3) as workers:
        done = list(workers.map(lambda _: len(apply_plan(database, installation.settings, file).changes), range(3)))

    assert sorted(done) == [0, 0, 4]
    installation.plan(code=0)


def test_who_comes_second_is_told_that_it_is_done(database: Database, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(connection: Connection, file: ProjectFile, *, prune: bool) -> Plan:
        plan = make_plan(connection, file, prune=prune)
        apply_plan(database, installation.settings, file)
        return plan

    monkeypatch.setattr("collect_pipelines.project.planning.make_plan", overtaken)
    assert "Another `collect apply` was quicker" in installation.apply()


def test_a_fault_anywhere_leaves_everything_as_it_was(database: Database, installation: Installation) -> None:
    before = everything(database)
    installation.write(PROJECT.replace("kind: warehouse", "kind: warehouse\n    mapping: {masks: {nothing: hash}}"))

    with pytest.raises(ProjectInvalid):
        apply_plan(database, installation.settings, read_project(installation.file))

    assert everything(database) == before
    assert not (installation.folder / "keys").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from collect_pipelines.project import applying
from collect_pipelines.project.reading import read_project
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database

real = getattr(applying, sys.argv[4])

def dies(*given, **more):
    done = real(*given, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(applying, sys.argv[4], dies)
applying.apply_plan(Database(sys.argv[1]), Settings(data_dir=Path(sys.argv[2])), read_project(Path(sys.argv[3])))
"""


@pytest.mark.parametrize("moment", ["create_integration", "save_new_key", "record_audit"])
def test_killed_at_any_moment_nothing_is_done_and_it_can_be_repeated(
    database: Database, database_url: str, installation: Installation, moment: str
) -> None:
    before = everything(database)
    program = [
        sys.executable,
        "-c",
        textwrap.dedent(KILLED),
        database_url,
        str(installation.settings.data_dir),
        str(installation.file),
        moment,
    ]
    ended = subprocess.run(program, cwd=Path(__file__).resolve().parents[2], env={**os.environ}, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert everything(database) == before

    installation.apply()

    key = (installation.folder / "keys" / "app.key").read_text().strip()
    with database.begin() as connection:
        assert [find_key(connection, key).key_id] == [one.key_id for one in list_keys(connection)]
    assert installation.plan(code=0)["changes"] == []


def test_a_secret_in_a_stored_configuration_is_never_exported_or_shown(database: Database, installation: Installation) -> None:
    installation.apply()
    with database.begin() as connection:
        connection.execute(
            text("update collect.integration set config = :config where name = 'visit-file'"),
            {"config": json.dumps({"format": "csv", "password": "canary"})},
        )

    told = installation("export", code=3)
    assert "config: password looks like a secret" in told
    assert "canary" not in told
    assert "canary" not in json.dumps(installation.plan())


def test_a_template_without_a_language_is_exported_and_read_again(installation: Installation, tmp_path: Path) -> None:
    phone = FORM.rstrip("\n") + "\n  - {key: phone, type: phone, label: Phone, region: IN}\n"
    installation.write(PROJECT, phone)
    installation.apply()
    given = ("--set", "provider=log", "--set", "to=phone", "--set", "template=Thank you: #1\n{place}")
    installation("integrations", "add", "sms", "--form", "visit", *given)
    (tmp_path / "again.yaml").write_text(installation("export"), "utf-8")

    assert "Nothing to change" in installation("plan", str(tmp_path / "again.yaml"))


def test_exported_files_are_a_project_for_another_installation(database: Database, installation: Installation, tmp_path: Path) -> None:
    installation.apply()
    folder = tmp_path / "exported"
    installation("export", "--folder", str(folder))

    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")) == ["collect.yaml", "forms/visit.yaml"]
    installation("plan", str(folder / "collect.yaml"))
    installation("plan", str(folder / "collect.yaml"), "--offline")
    assert "already" in installation("export", "--folder", str(folder), code=3)
    installation("export", "--folder", str(folder), "--force")


def test_standard_output_of_export_is_a_project(installation: Installation, tmp_path: Path) -> None:
    installation.apply()
    told = CliRunner().invoke(collect, ["export"], env=installation.environment)
    (tmp_path / "again.yaml").write_text(told.stdout, "utf-8")

    assert "Nothing to change" in installation("plan", str(tmp_path / "again.yaml"))
