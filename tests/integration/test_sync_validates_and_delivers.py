"""From the log through Great Expectations into the real warehouse: what fails is held back with reasons, the rest arrives."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import form_by_id, publish_form
from collect_pipelines.store.leases import take_lease
from collect_pipelines.store.validation import list_quarantined, release
from collect_pipelines.sync.lane import Lane
from collect_pipelines.sync.preview import preview
from collect_pipelines.sync.trial import probe
from collect_pipelines.sync.validate import validate_pending
from collect_pipelines.validation.gate import Gate, Verdict, shared_gate
from tests.integration.sync_tools import QUESTIONS, Scene, one_database, scene, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


def validated(it: Scene, **options: Any) -> Any:
    return validate_pending(it.database, shared_gate(), it.form_id, "worker", **options)


def warehouse_rows(folder: Path, slug: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        (name,) = {column for column, *_ in connection.execute(f"describe forms.{slug}").fetchall() if column.startswith("q_name")}
        return connection.execute(f"select _response_id, _revision, {name} from forms.{slug} order by _position").fetchall()


def test_bad_rows_are_held_with_reasons_and_the_others_reach_the_warehouse(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, "orchards", "warehouse")
    it.accept(
        submission(it.form_id, "good", {"name": "Asha", "age": 30, "crop": "w"}),
        submission(it.form_id, "bad", {"name": "", "age": 999, "crop": "secret-canary"}),
        submission(it.form_id, "mended", {"name": "Ravi", "age": -1}),
        submission(it.form_id, "gone", {"name": "x"}),
        submission(it.form_id, "mended", {"name": "Ravi", "age": 1}, "edit", 1),
        submission(it.form_id, "gone", {}, "delete", 1),
    )
    settings = Settings(data_dir=tmp_path)
    (report,) = Lane(database.url, settings, "validation", "worker").drain(frozenset({"orchards"}))
    with database.begin() as connection:
        held = list_quarantined(connection, it.form_id)
    assert (report.outcome, report.rows, report.delivered, report.quarantined) == ("validated", 6, 4, 2)
    assert (report.checks["age.max"].passed, report.checks["age.max"].failed) == (4, 1)
    assert [(entry.response_id, entry.revision, [reason["rule"] for reason in entry.reasons]) for entry in held] == [
        ("bad", 1, ["name.required", "age.max", "crop.choice.unknown"]),
        ("mended", 1, ["age.min"]),
    ]
    assert held[0].reasons[1]["message"] == "“Age” must be at most 120."
    assert "secret-canary" not in json.dumps([entry.reasons for entry in held])

    list(Lane(database.url, settings, "warehouse", "worker").drain())
    assert warehouse_rows(tmp_path, "orchards") == [("good", 1, "Asha"), ("mended", 2, "Ravi")]
    assert it.accounted() == {"delivered": 4, "quarantined": 2}

    with database.begin() as connection:
        release(connection, it.form_id, held[0].position, "test")
    list(Lane(database.url, settings, "validation", "worker").drain(frozenset({"orchards"})))
    list(Lane(database.url, settings, "warehouse", "worker").drain())
    assert ("bad", 2, "") in warehouse_rows(tmp_path, "orchards")
    assert it.accounted() == {"delivered": 5, "quarantined": 2}


def test_each_response_is_judged_by_the_version_it_answered(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, "versions")
    stricter = [{**question, "max": 50} if question["key"] == "age" else question for question in QUESTIONS]
    form = FormDefinition.model_validate({"form": "versions", "title": "Versions", "languages": ["en", "hi"], "questions": stricter})
    with database.begin() as connection:
        assert publish_form(connection, "default", form).version == 2
    it.accept(
        submission(it.form_id, "old", {"name": "a", "age": 100}, version=1),
        submission(it.form_id, "new", {"name": "b", "age": 100}, version=2),
    )
    report = validated(it)

    assert report.quarantined == 1
    with database.begin() as connection:
        assert [entry.response_id for entry in list_quarantined(connection, it.form_id)] == ["new"]


def test_validation_goes_on_in_bounded_steps(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.accept(*(submission(it.form_id, f"r{number}", {"name": "x"}) for number in range(7)))
    reports = [validated(it, max_rows=3) for _ in range(4)]

    assert [(report.from_position, report.to_position, report.full) for report in reports[:3]] == [
        (1, 3, True),
        (4, 6, True),
        (7, 7, False),
    ]
    assert reports[3] is None


def test_large_responses_are_judged_a_few_at_a_time(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = scene(database, tmp_path)
    it.accept(*(submission(it.form_id, f"r{number}", {"name": "x" * 10_000}) for number in range(5)))
    monkeypatch.setattr("collect_pipelines.sync.validate.MAX_BYTES", 25_000)

    assert [validated(it).to_position for _ in range(3)] == [2, 4, 5]


def test_a_gate_that_takes_longer_than_the_lease_still_settles(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.accept(submission(it.form_id, "a", {"name": "x"}))
    others = []

    class Slow(Gate):
        def validate(self, definition: FormDefinition, frame: Any) -> Verdict:
            time.sleep(0.8)
            others.append(validate_pending(database, shared_gate(), it.form_id, "another"))
            return super().validate(definition, frame)

    report = validate_pending(database, Slow(), it.form_id, "worker", lease_seconds=0.3)

    assert others == [None], "the form was taken away from the worker that judged it"
    assert report is not None and report.outcome == "validated"


def test_a_gate_that_fails_releases_nothing_and_holds_nothing_back(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.accept(submission(it.form_id, "a", {"name": "x"}))

    class Broken(Gate):
        def validate(self, definition: FormDefinition, frame: Any) -> Verdict:
            return Verdict([], (), error="Expectation age.max could not be judged (ValueError).")

    report = validate_pending(database, Broken(), it.form_id, "worker")

    assert report is not None and report.outcome == "blocked"
    assert report.message is not None and "age.max" in report.message
    with database.begin() as connection:
        assert form_by_id(connection, it.form_id).validated_through == 0
        assert list_quarantined(connection, it.form_id) == []


def test_one_form_whose_gate_fails_does_not_stop_the_others(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, fine = scene(database, tmp_path, "broken"), scene(database, tmp_path, "fine")
    for it in (broken, fine):
        it.accept(submission(it.form_id, "a", {"name": "x"}))
    judge = Gate.validate

    def failing(self: Gate, definition: FormDefinition, frame: Any) -> Verdict:
        return Verdict([], (), error="Not judged.") if definition.form == "broken" else judge(self, definition, frame)

    monkeypatch.setattr(Gate, "validate", failing)
    lane = Lane(database.url, Settings(data_dir=tmp_path), "validation", "worker")
    outcomes = {report.form: report.outcome for report in lane.drain(frozenset({"broken", "fine"}))}

    assert outcomes == {"broken": "blocked", "fine": "validated"}


def test_only_one_worker_validates_a_form_at_a_time(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path)
    it.accept(submission(it.form_id, "a", {"name": "x"}))
    with database.begin() as connection:
        assert take_lease(connection, f"validation:{it.form_id}", "another", 0.3) is not None

    assert validated(it) is None
    time.sleep(0.35)
    assert validated(it).outcome == "validated"


def test_a_trial_shows_what_would_be_written_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, "trial", "warehouse")
    it.create("a", "b")
    settings = Settings(data_dir=tmp_path)

    assert "warehouse.duckdb can be written" in probe(database, settings, it.integration_id).summary
    shown = preview(database, settings, it.integration_id, 1).text
    assert "1 rows to merge" in shown
    assert '"b"' in shown or "b" in shown.split()
    assert it.accounted() == {"pending": 2}
