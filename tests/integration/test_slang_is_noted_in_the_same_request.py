"""Slang over HTTP: a real ingest process answers with the find, stores it, and takes up a changed lexicon while it runs."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from collect_pipelines.checks.slang.lexicon import Term
from collect_pipelines.checks.slang.scripts import script_of
from collect_pipelines.cli.slang_responses import search_form
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.database import Database
from collect_pipelines.store.references import remove_rows, replace_rows
from tests.integration.ingest_server import IngestProcess, client_of, cloned, ingest, make_key, publish, response, wait_for

FORM = """
form: household
title: {en: Household, hi: परिवार}
languages: [en, hi]
checks:
  slang:
    config: {city: city, languages: [en-IN]}
questions:
  - {key: head, type: text, label: Head of the household, required: true}
  - {key: members, type: integer, label: Members}
  - key: city
    type: select_one
    label: City
    choices:
      - {code: mumbai, label: Mumbai, attributes: {language: [mr, hi]}}
      - {code: chennai, label: Chennai, attributes: {language: ta}}
  - {key: note, type: text, label: {en: Remarks, hi: टिप्पणी}}
"""


def lexicon(database_url: str, *words: tuple[str, str, str], organization: str = "default") -> None:
    """The organization's lexicon becomes these: term, language, severity."""
    database = Database(database_url)
    rows = [Term(text, language, script_of(text), severity=severity, meaning="a word").as_row() for text, language, severity in words]  # type: ignore[arg-type]
    with database.begin() as connection:
        replace_rows(connection, organization, "slang", "test", "CC0-1.0", rows)
    database.dispose()


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    with cloned(postgres, template_database) as url:
        publish(url, FORM)
        publish(url, FORM.replace("city: city", "city: town").replace("household", "misfit"))
        lexicon(url, ("जुगाड़", "hi", "note"), ("macha", "ta", "note"), ("macha", "en-IN", "note"), ("poa", "hi", "reject"))
        yield url


@pytest.fixture(scope="module")
def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    with ingest(database_url, tmp_path_factory.mktemp("ingest")) as process:
        yield process


@pytest.fixture(scope="module")
def client(running: IngestProcess, database_url: str) -> Iterator[httpx.Client]:
    with client_of(running, make_key(database_url, "ingest", "read")) as client:
        yield client


def send(client: httpx.Client, language: str = "en", form: str = "household", **answers: Any) -> dict[str, Any]:
    """The receipt of one accepted response."""
    answer = client.post(f"/v1/forms/{form}/responses", json=response(answers), headers={"Accept-Language": language})
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def found(receipt: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of the check in a receipt."""
    (slang,) = [check for check in receipt["checks"] if check["check"] == "slang"]
    findings: list[dict[str, Any]] = slang["findings"]
    return findings


def terms(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["data"]["term"], finding["data"]["language"]) for finding in found(receipt)]


def test_the_find_is_in_the_201_in_the_callers_language(client: httpx.Client) -> None:
    receipt = send(client, "hi", city="mumbai", note="क्या जुगाड है भाई")

    assert found(receipt) == [
        {
            "code": "slang.found",
            "severity": "note",
            "message": "“टिप्पणी” में बोलचाल का शब्द “जुगाड़” (hi) है: a word।",
            "question": "note",
            "label": "टिप्पणी",
            "data": {
                "term": "जुगाड़", "span": [5, 10], "language": "hi", "script": "Deva", "severity": "note", "found": "written",
                "meaning": "a word",
            },
        }
    ]  # fmt: skip


def test_the_answered_city_decides_which_languages_are_searched(client: httpx.Client) -> None:
    assert terms(send(client, city="mumbai", note="macha, jugaad")) == [("जुगाड़", "hi")]
    assert terms(send(client, city="chennai", note="macha, jugaad")) == [("macha", "ta")]
    assert terms(send(client, note="macha, jugaad")) == [("macha", "en-IN")]


def test_a_word_never_sends_a_response_back_by_default(client: httpx.Client) -> None:
    (finding,) = found(send(client, city="mumbai", note="poa"))

    assert (finding["severity"], finding["data"]["severity"]) == ("flag", "reject")


def test_what_was_noted_is_stored_and_can_be_queried(client: httpx.Client, database_url: str) -> None:
    receipt = send(client, city="chennai", note="so macha it is")
    database = Database(database_url)
    with database.begin() as connection:
        stored = search_form(connection, "household", "Chennai", ["ta"], 1_000, stored=True)
        fresh = search_form(connection, "household", "Chennai", ["ta"], 1_000, stored=False)
    database.dispose()

    mine = [one for one in stored if one["response"] == receipt["id"]]
    assert [(one["question"], one["term"], one["span"], one["noted"]) for one in mine] == [("note", "macha", [3, 8], True)]
    assert fresh == stored


def test_a_changed_lexicon_is_taken_up_within_seconds(client: httpx.Client, database_url: str) -> None:
    words = (("जुगाड़", "hi", "note"), ("macha", "ta", "note"), ("macha", "en-IN", "note"), ("poa", "hi", "reject"))
    assert terms(send(client, city="chennai", note="semma")) == []

    lexicon(database_url, *words, ("semma", "ta", "note"))
    wait_for(lambda: terms(send(client, city="chennai", note="semma")) == [("semma", "ta")], "the new word was never searched", 10)
    lexicon(database_url, *words)
    wait_for(lambda: terms(send(client, city="chennai", note="semma")) == [], "the removed word is still found", 10)


def test_a_lexicon_belongs_to_its_organization(client: httpx.Client, database_url: str) -> None:
    lexicon(database_url, ("head", "ta", "note"), organization="other")
    lexicon(database_url, ("sasa", "ta", "note"), ("macha", "ta", "note"))
    wait_for(lambda: terms(send(client, city="chennai", note="head sasa")) == [("sasa", "ta")], "the change was never taken", 10)


def test_an_emptied_lexicon_finds_nothing_and_refuses_nothing(client: httpx.Client, database_url: str) -> None:
    lexicon(database_url, ("macha", "ta", "note"))
    wait_for(lambda: terms(send(client, city="chennai", note="macha")) == [("macha", "ta")], "the change was never taken", 10)
    database = Database(database_url)
    with database.begin() as connection:
        remove_rows(connection, "default", "slang", "test")
    database.dispose()
    wait_for(lambda: terms(send(client, city="chennai", note="macha")) == [], "the lexicon is still there", 10)


def test_a_config_that_does_not_fit_the_form_is_told_and_blocks_no_response(running: IngestProcess, client: httpx.Client) -> None:
    receipt = send(client, "en", "misfit", city="mumbai", note="jugaad")
    (slang,) = [check for check in receipt["checks"] if check["check"] == "slang"]

    assert (slang["outcome"], [finding["code"] for finding in slang["findings"]]) == ("error", ["check.error"])
    assert [line for line in running.log_lines() if "has no question 'town'" in str(line)]
