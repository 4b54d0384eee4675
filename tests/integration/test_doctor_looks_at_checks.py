"""`collect doctor` says which open forms name checks they can't use, and which lists are empty, without being taken along."""

import json
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines import plugins
from collect_pipelines.cli import doctor_checks
from collect_pipelines.cli.diagnosis import Diagnosis
from collect_pipelines.cli.doctor import diagnose
from collect_pipelines.cli.doctor_checks import check_diagnoses
from collect_pipelines.cli.plugin_facts import facts_of
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import set_form_state
from collect_pipelines.store.references import add_rows
from tests.integration.ingest_server import publish
from tests.strangers import install

CITY = {
    "key": "city", "type": "select_one", "label": "City",
    "choices": [
        {"code": "pune", "label": "Pune", "attributes": {"language": ["mr", "hi"]}},
        {"code": "leeds", "label": "Leeds", "attributes": {"language": "en-GB"}},
    ],
}  # fmt: skip


def form(name: str, **checks: Any) -> str:
    questions = [{"key": "name", "type": "text", "label": "Name"}, CITY]
    return json.dumps({"form": name, "title": name, "checks": checks, "questions": questions})


def looked(database: Database, *kinds: str) -> dict[str, Diagnosis]:
    """What is said, by what it is about; these kinds are installed."""
    found = facts_of([("check", plugins.find(plugins.CHECKS, kind)) for kind in kinds])
    return {one.check: one for one in check_diagnoses(database, {one.kind: one for one in found})}


def test_a_check_that_is_not_installed_or_not_configured_names_form_and_remedy(database: Database) -> None:
    publish(database.url, form("absent", absent={"on_error": "reject"}))
    publish(database.url, form("wrong", phone={"config": {"regoin": "IN"}}))
    publish(database.url, form("misfit", duplicate={"config": {"questions": ["nobody"]}}))
    told = looked(database, "phone", "duplicate")

    assert {name: one.state for name, one in told.items()} == {
        "check absent of absent": "broken",
        "check phone of wrong": "broken",
        "check duplicate of misfit": "broken",
    }
    assert "not installed" in told["check absent of absent"].detail
    assert "on_error: reject decides" in str(told["check absent of absent"].fix)
    assert "regoin" in told["check phone of wrong"].detail
    assert "collect plugins show phone" in str(told["check phone of wrong"].fix)
    assert "nobody" in told["check duplicate of misfit"].detail


def test_only_the_newest_version_of_open_forms_counts(database: Database) -> None:
    publish(database.url, form("corrected", phone={"config": {"regoin": "IN"}}))
    publish(database.url, form("corrected", phone={"config": {"region": "IN"}}))
    closed = publish(database.url, form("closed", absent={}))
    with database.begin() as connection:
        set_form_state(connection, closed, "closed")

    (told,) = looked(database, "phone").values()
    assert (told.check, told.state, told.detail) == ("checks of forms", "ok", "1 open forms name checks, and all can be used")


def test_a_check_that_hangs_or_ends_its_process_takes_neither_the_doctor_nor_other_forms_along(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(install(tmp_path))
    monkeypatch.setattr(doctor_checks, "TRIAL_SECONDS", 12.0)
    publish(database.url, form("good", stranger={"config": {"do": "pass", "place": "prepare"}}))
    publish(database.url, form("hanging", stranger={"config": {"do": "sleep", "place": "prepare"}}))
    publish(database.url, form("ending", bounded_stranger={}, recogniser={}, no_check={}))
    told = looked(database, "stranger", "recogniser", "no_check")

    broken = {name for name, one in told.items() if one.state == "broken"}
    assert broken == {"check stranger of hanging", "check bounded_stranger of ending", "check no_check of ending"}
    assert "not made ready within 12 s" in told["check stranger of hanging"].detail
    assert "strange-checks" in str(told["check no_check of ending"].fix)


def test_an_empty_list_and_a_language_without_terms_are_noted(database: Database) -> None:
    publish(database.url, form("words", slang={"config": {"city": "city", "languages": ["ta"]}}))
    (fine, empty) = looked(database, "slang").values()

    assert (fine.state, empty.check, empty.state) == ("ok", "list slang", "note")
    assert "slang finds nothing in words" in empty.detail
    assert "collect slang import" in str(empty.fix)

    with database.begin() as connection:
        rows = [{"term": "jugaad", "language": "hi"}, {"term": "timepass", "language": "en"}]
        add_rows(connection, "default", "slang", "own", "CC0-1.0", rows)
    (_, lacking) = looked(database, "slang").values()

    assert (lacking.check, lacking.state) == ("slang in words", "note")
    assert "no term in mr, ta, which words names" in lacking.detail
    assert "--language mr" in str(lacking.fix)


def test_the_doctor_tells_where_checks_run_and_whether_workbooks_can_be_read(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collect_pipelines.cli.doctor.find_spec", lambda _: None)
    settings = Settings(database_url=database_url, data_dir=tmp_path, trusted_plugins=())
    told = {one.check: one for one in diagnose(settings)}

    assert told["check phone"].detail == "can be used; runs in processes of its own"
    assert (told["xlsform"].state, "collect-pipelines[xlsform]" in str(told["xlsform"].fix)) == ("note", True)
    assert told["checks of forms"].state == "ok"
