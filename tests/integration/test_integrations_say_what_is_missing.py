"""`collect integrations`: what is missing is said in plain words with what to do, and nothing is lost by pausing, changing or removing."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from sqlalchemy import text

from collect_pipelines.destinations.interface import DestinationConfig, ProbeReport
from collect_pipelines.errors import Blocked, Conflict, PluginError, TryLater
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, publish_form
from collect_pipelines.store.integration_changes import OWNED, remove_integration
from collect_pipelines.store.integrations import find_integration
from collect_pipelines.store.leases import release_lease, take_lease
from collect_pipelines.sync.mapping.reading import read_mapping
from collect_pipelines.sync.mapping.saving import create_integration
from collect_pipelines.sync.trial import Trial, try_out
from tests.integration.sync_tools import Scene, Shelf, accept, one_database, scene, submission
from tests.integration.test_cli_main_paths import Collect

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

FORM = """\
form: visit
title: Visit
questions:
  - {key: place, type: text, label: Place}
  - {key: phone, type: phone, label: Phone, pii: direct}
"""


class KeyedConfig(DestinationConfig):
    path: Path
    token: str = "env:NO_SUCH_TOKEN"
    address: str = "file:///somewhere"


class Guarded(Shelf):
    """Needs a secret."""

    Config: ClassVar[type[DestinationConfig]] = KeyedConfig


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Collect:
    run = Collect(tmp_path, database_url)
    (tmp_path / "visit.yaml").write_text(FORM)
    run("forms", "publish", str(tmp_path / "visit.yaml"))
    return run


def tried(it: Scene, kind: type[Shelf] = Shelf) -> Trial:
    return try_out(it.database, Settings(data_dir=it.path.parent), it.integration_id, finder=lambda _: kind)


def missing(trial: Trial) -> dict[str, tuple[str, str]]:
    return {step.name: (step.said, step.fix or "") for step in trial.faults}


def test_an_integration_that_lacks_nothing_says_so_line_by_line(database: Database, tmp_path: Path) -> None:
    trial = tried(scene(database, tmp_path))

    assert [(step.name, step.ok) for step in trial.steps] == [(name, True) for name in ("plug-in", "configuration", "mapping", "access")]
    assert trial.report is not None


def test_a_plug_in_that_is_not_installed_is_named(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)

    def gone(kind: str) -> Any:
        raise PluginError(f"There is no destination {kind!r}.", fix="pip install it")

    trial = try_out(database, Settings(data_dir=tmp_path), it.integration_id, finder=gone)
    assert missing(trial) == {"plug-in": ("There is no destination 'shelf'.", "pip install it")}


def test_all_that_is_missing_is_told_at_once_and_no_value_is_shown(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, mapping={"filter": "agee > 18"}, path=str(tmp_path / "x"), token="env:NO_SUCH_TOKEN", wrong="canary")
    told = missing(tried(it, Guarded))

    assert list(told) == ["configuration", "secret", "mapping"]
    assert "wrong" in told["configuration"][0] and "--set" in told["configuration"][1]
    assert "env:NO_SUCH_TOKEN" in told["secret"][0] and "NO_SUCH_TOKEN" in told["secret"][1]
    assert "did you mean `age`" in told["mapping"][1].lower()
    assert "canary" not in str(told)


def test_a_secret_behind_the_word_bearer_is_looked_for_too(database: Database, tmp_path: Path) -> None:
    told = missing(tried(scene(database, tmp_path, path=str(tmp_path / "x"), token="Bearer env:NO_SUCH_TOKEN"), Guarded))

    assert "env:NO_SUCH_TOKEN" in told["secret"][0]


def test_a_mapping_of_another_release_hides_nothing_else_that_is_to_be_told(database: Database, tmp_path: Path) -> None:
    trial = tried(scene(database, tmp_path, mapping={"sieve": "age > 1"}))

    assert "can't be read by this release: sieve" in missing(trial)["mapping"][0]
    assert trial.report is not None


@pytest.mark.parametrize(
    ("error", "said", "fix"),
    [
        (Blocked("It is not shared.", fix="Share it."), "It is not shared.", "Share it."),
        (TryLater("It answers 503."), "It answers 503.", "Try again in a minute"),
        (RuntimeError("canary"), "The plug-in failed with RuntimeError.", "tell its author"),
    ],
)
def test_what_the_receiver_says_is_told_and_a_fault_of_the_plug_in_as_one(
    database: Database, tmp_path: Path, error: Exception, said: str, fix: str
) -> None:
    def fails(self: Shelf) -> ProbeReport:
        raise error

    told = missing(tried(scene(database, tmp_path), type("Failing", (Shelf,), {"probe": fails})))

    assert told["access"][0] == said
    assert fix in told["access"][1]
    assert "canary" not in str(told)


def test_the_commands_tell_it_with_an_exit_code(installation: Collect) -> None:
    installation("integrations", "add", "google_sheets", "--form", "visit", "--set", "credentials=env:NO_SUCH_TOKEN")
    told = installation("integrations", "test", "visit-google-sheets", code=7)
    document = installation.json("integrations", "test", "visit-google-sheets", code=7)

    assert "missing secret: The secret env:NO_SUCH_TOKEN is missing" in told.stdout
    assert "Next:" in told.stderr
    assert (document["ok"], [step["name"] for step in document["steps"] if not step["ok"]]) == (False, ["secret"])


def test_personal_answers_are_named_when_an_integration_is_added_and_no_longer_when_they_are_masked(installation: Collect) -> None:
    added = installation("integrations", "add", "warehouse", "--form", "visit")
    changed = installation("integrations", "set", "visit-warehouse", "--mask", "phone=last4")
    shown = installation.json("integrations", "show", "visit-warehouse")["integration"]

    assert "phone (direct)" in added.stderr
    assert "phone" not in changed.stderr
    assert shown["mapping"] == {"masks": {"phone": "last4"}}


def test_what_is_wrong_is_refused_with_the_field_and_the_closest_key_and_nothing_is_stored(installation: Collect) -> None:
    told = installation("integrations", "add", "warehouse", "--form", "visit", "--columns", "palce", "--mask", "phone=year", code=3)
    start = installation("integrations", "add", "warehouse", "--form", "visit", "--start", "yesterday", code=3)

    assert "columns: the form has no question `palce`" in told.stderr and "did you mean `place`?" in told.stderr
    assert "masks: `phone` (phone) has no year" in told.stderr
    assert "since:2026-01-31" in start.stderr
    assert installation.json("integrations", "list")["integrations"] == []


def test_options_change_their_own_part_and_empty_ones_take_it_away(installation: Collect) -> None:
    def mapping(*words: str) -> Any:
        return installation.json("integrations", "set", "visit-warehouse", *words)["mapping"]

    installation("integrations", "add", "warehouse", "--form", "visit", "--filter", 'place != ""', "--columns", "place=Where,phone")
    assert mapping("--mask", "phone=hash", "--values", "labels") == {
        "filter": 'place != ""', "columns": [{"question": "place", "heading": "Where,phone"}], "masks": {"phone": "hash"},
        "values": "labels",
    }  # fmt: skip
    assert mapping("--columns", "phone,place", "--filter", "", "--values", "default", "--append-only") == {
        "columns": [{"question": "phone"}, {"question": "place"}], "masks": {"phone": "hash"}, "mode": "append_only",
    }  # fmt: skip
    assert mapping("--columns", "", "--mask", "phone=none", "--upsert", "--exclude", "phone") == {"exclude": ["phone"]}
    assert mapping("--exclude", "") == {}


def test_options_of_which_nothing_comes_are_refused_and_say_so(installation: Collect) -> None:
    installation("integrations", "add", "warehouse", "--form", "visit", "--columns", "place=", "--language", "default")
    nothing = installation("integrations", "set", "visit-warehouse", code=2)
    unset = installation("integrations", "set", "visit-warehouse", "--unset", "datset", code=3)
    headings = installation("integrations", "set", "visit-warehouse", "--columns", "place=Where,phone=Number", code=3)
    shown = installation.json("integrations", "show", "visit-warehouse")["integration"]

    assert "Say what to change" in nothing.stderr
    assert "warehouse has no such field" in unset.stderr and "did you mean `dataset`?" in unset.stderr
    assert "more than one heading" in headings.stderr
    assert (shown["mapping"], shown["language"]) == ({"columns": [{"question": "place"}]}, None)


def backlog(installation: Collect, responses: int) -> None:
    """A paused integration, and what came in since."""
    installation("integrations", "add", "warehouse", "--form", "visit")
    installation("integrations", "pause", "visit-warehouse")
    database = Database(installation.environment["COLLECT_DATABASE_URL"])
    with database.begin() as connection:
        form_id = find_form(connection, "visit").form_id
    accept(database, [submission(form_id, f"r{place}", {"place": "Market"}) for place in range(responses)])
    database.dispose()


def test_a_paused_integration_keeps_its_backlog_and_resume_says_how_much_it_sends(installation: Collect) -> None:
    backlog(installation, 3)

    assert installation.json("integrations", "show", "visit-warehouse")["integration"]["state"] == "paused"
    assert "3 entries to send" in installation("integrations", "resume", "visit-warehouse").stderr


def test_removing_refuses_while_something_is_to_be_sent_and_takes_everything_away_when_forced(installation: Collect) -> None:
    backlog(installation, 1)
    refused = installation("integrations", "remove", "visit-warehouse", code=3)
    removed = installation.json("integrations", "remove", "visit-warehouse", "--force")

    assert "1 entry to send" in refused.stderr and "--force" in refused.stderr
    assert removed == {"removed": "visit-warehouse", "unsent": 1}
    assert installation.json("integrations", "list")["integrations"] == []


def test_nothing_that_hangs_on_an_integration_is_left_behind(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.create("a", "b")
    it.courier().deliver(it.integration_id)
    referring = text(
        "select conrelid::regclass::text from pg_constraint where contype = 'f' and confrelid = 'collect.integration'::regclass"
    )
    with database.begin() as connection:
        held = take_lease(connection, f"integration:{it.integration_id}", "a worker")
        assert held is not None
        with pytest.raises(Conflict, match="delivering"):
            remove_integration(connection, it.integration, even_if_pending=True)
        release_lease(connection, held)
        tables = {name.rpartition(".")[2] for name in connection.execute(referring).scalars()}
        assert remove_integration(connection, it.integration) == 0
        left = [
            connection.execute(text(f"select count(*) from collect.{name} where integration_id = {it.integration_id}")).scalar()
            for name in tables
        ]

    assert tables <= {table.name for table in OWNED}
    assert set(left) == {0}


def test_since_begins_with_the_first_response_received_then(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, "since")
    it.create("a", "b", "c")
    settings = Settings(data_dir=tmp_path)
    moved = text(
        "update collect.response set received_at = timestamptz '2026-01-30 18:29:59Z' + position * interval '1 second' where form_id = :f"
    )
    with database.begin() as connection:
        connection.execute(moved, {"f": it.form_id})
        form = find_form(connection, "since")
        starts = {"since:2026-01-31": 0, "since:2026-01-31T00:00:01+05:30": 1, "since:2027-01-01": 3, "now": 3, "all": 0}
        for number, (start, cursor) in enumerate(starts.items()):
            mapping = read_mapping({"time_zone": "Asia/Kolkata"})
            config = {"path": str(tmp_path / "x")}
            saved = create_integration(
                connection, settings, form, f"since-{number}", "shelf", config, mapping, start=start, finder=lambda _: Shelf
            )
            assert (start, saved.integration.cursor) == (start, cursor)


def test_a_question_retired_by_a_new_version_is_told_by_test_and_preview(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, "retiring", mapping={"filter": "age >= 18"})
    questions: list[dict[str, Any]] = [
        {"key": "name", "type": "text", "label": "Name"},
        {"key": "age", "type": "integer", "label": "Age", "retired": "2026-01-31"},
        {"key": "crop", "type": "select_one", "label": "Crop", "choices": [{"code": "w", "label": "Wheat"}]},
    ]
    with database.begin() as connection:
        publish_form(
            connection, "default", FormDefinition.model_validate({"form": "retiring", "title": "Retiring", "questions": questions})
        )
        assert find_integration(connection, it.integration.name).state == "active"

    assert any("filter: `age` is no longer asked since 2026-01-31" in notice for notice in tried(it).notices)
