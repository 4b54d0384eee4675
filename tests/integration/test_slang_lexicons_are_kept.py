"""Lexicons of an organization in Postgres, and the commands that import, list, remove and search with them."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collect_pipelines.cli.root import collect
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.forms.reading import read_form
from collect_pipelines.model import Operation, Submission
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.references import add_rows, list_references, read_rows, references_version, remove_rows, replace_rows
from tests.integration.store_tools import writing

FORM = """\
form: visit
title: Visit
checks:
  slang:
    config: {city: city}
questions:
  - key: city
    type: select_one
    label: City
    choices:
      - {code: mumbai, label: {en: Mumbai}, attributes: {language: [mr, hi]}}
      - {code: chennai, label: {en: Chennai}, attributes: {language: ta}}
  - {key: note, type: text, label: Remarks}
"""


class Collect:
    """The command line of one installation."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.environment = {"COLLECT_DATABASE_URL": database_url, "COLLECT_DATA_DIR": str(folder / "data")}

    def __call__(self, *words: str, code: int = 0, input: str | None = None) -> Any:
        told = CliRunner().invoke(collect, words, env=self.environment, input=input)
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return told

    def json(self, *words: str, input: str | None = None) -> Any:
        return json.loads(self(*words, "--json", input=input).stdout)

    def found(self, *words: str) -> list[tuple[str, ...]]:
        return [(one["term"], one["language"]) for one in self.json("slang", "search", *words)["found"]]


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> Collect:
    return Collect(database_url, tmp_path)


def test_every_change_of_any_list_makes_the_version_grow(database: Database) -> None:
    versions = []
    with database.begin() as connection:
        mine, other = ensure_organization(connection, "mine"), ensure_organization(connection, "other")
        versions.append(references_version(connection, mine))
        for change in (
            lambda: replace_rows(connection, "mine", "slang", "a", "MIT", [{"term": "x"}, {"term": "y"}]),
            lambda: add_rows(connection, "mine", "slang", "a", "MIT", [{"term": "z"}]),
            lambda: replace_rows(connection, "mine", "words", "b", "MIT", []),
            lambda: remove_rows(connection, "mine", "slang", "a"),
            lambda: replace_rows(connection, "mine", "slang", "a", "CC0", [{"term": "w"}]),
        ):
            change()
            versions.append(references_version(connection, mine))

        assert versions == sorted(set(versions))
        assert references_version(connection, other) == 0


def test_rows_keep_their_order_source_and_licence(database: Database) -> None:
    with database.begin() as connection:
        organization_id = ensure_organization(connection, "mine")
        replace_rows(connection, "mine", "slang", "a", "MIT", [{"term": str(number)} for number in range(12_000)])
        replace_rows(connection, "mine", "slang", "b", "CC0", [{"term": "x"}])
        assert add_rows(connection, "mine", "slang", "a", "Apache-2.0", [{"term": "last"}]) == 12_001
        rows = read_rows(connection, organization_id, "slang")
        listed = list_references(connection, "mine", "slang")

        assert [row["term"] for row in rows] == [*map(str, range(12_000)), "last", "x"]
        assert (rows[0]["source"], rows[0]["licence"], rows[-1]["licence"]) == ("a", "Apache-2.0", "CC0")
        assert [(one.source, one.licence, one.rows) for one in listed] == [("a", "Apache-2.0", 12_001), ("b", "CC0", 1)]
        assert read_rows(connection, ensure_organization(connection, "other"), "slang") == []


def test_a_list_without_a_licence_is_refused_and_one_that_is_not_there_can_not_be_removed(database: Database) -> None:
    with database.begin() as connection:
        with pytest.raises(Invalid, match="source and a licence"):
            replace_rows(connection, "default", "slang", "a", " ", [])
        with pytest.raises(NotFound, match="nothing from 'a'"):
            remove_rows(connection, "default", "slang", "a")


def test_adding_the_same_rows_again_changes_nothing(database: Database) -> None:
    rows = [{"term": "a", "variants": ["b"]}, {"term": "c", "variants": []}]
    with database.begin() as connection:
        organization_id = ensure_organization(connection, "mine")

        def add(licence: str, *added: dict[str, object]) -> tuple[int, int, list[str]]:
            total = add_rows(connection, "mine", "slang", "s", licence, added)
            stored = read_rows(connection, organization_id, "slang")
            return total, references_version(connection, organization_id), [f"{row['term']} {row['licence']}" for row in stored]

        assert add("MIT", *rows) == (2, 1, ["a MIT", "c MIT"])
        assert add("MIT", *rows) == (2, 1, ["a MIT", "c MIT"])
        assert add("MIT", rows[1], {"term": "a", "variants": []}) == (3, 2, ["a MIT", "c MIT", "a MIT"])
        assert add("CC0-1.0", *rows) == (3, 3, ["a CC0-1.0", "c CC0-1.0", "a CC0-1.0"])


def test_a_lexicon_is_imported_listed_searched_and_removed(cli: Collect, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(
        "term,language,variants,meaning,source,licence\nghanta,hi,,nothing at all,ours,CC0-1.0\nnalla,mr,,idle,theirs,MIT\n", "utf-8"
    )

    assert "collect slang import --seed" in cli("slang", "search", "x", code=4).stderr
    assert "52 terms" in cli("slang", "import", "--seed").stderr
    done = cli.json("slang", "import", str(own))
    assert done["lists"] == [
        {"source": "ours", "licence": "CC0-1.0", "terms": 1, "languages": ["hi"]},
        {"source": "theirs", "licence": "MIT", "terms": 1, "languages": ["mr"]},
    ]

    listed = cli.json("slang", "list")["lists"]
    assert {(one["language"], one["source"], one["licence"]) for one in listed if one["source"] != "collect-pipelines"} == {
        ("hi", "ours", "CC0-1.0"), ("mr", "theirs", "MIT"),
    }  # fmt: skip
    assert {one["language"] for one in listed} == {"hi", "mr", "bn", "ta", "te", "en-IN", "sw"}
    assert [one["term"] for one in cli.json("slang", "list", "--terms", "--language", "sw")["terms"]][:2] == ["poa", "sasa"]
    assert "The lexicon has no term in fi." in cli("slang", "list", "--language", "fi").stderr

    assert cli.found("Ghanta! nalla jugaad", "--language", "hi") == [("ghanta", "hi"), ("जुगाड़", "hi")]
    assert cli.json("slang", "search", "-", "--language", "hi", input="so ghanta\n")["found"] == [
        {"term": "ghanta", "span": [3, 9], "language": "hi", "script": "Latn", "severity": "note", "found": "written",
         "meaning": "nothing at all"}
    ]  # fmt: skip
    assert ("nalla", "mr") in cli.found("nalla")

    assert cli.json("slang", "remove", "theirs")["removed"] == 1
    assert cli.found("nalla", "--language", "mr") == []


def test_importing_again_replaces_a_source_and_add_keeps_it(cli: Collect, tmp_path: Path) -> None:
    words = tmp_path / "sw"
    words.write_text("poa\nsasa\n", "utf-8")
    licence = ("--format", "ldnoobw", "--licence", "CC-BY-4.0")

    cli("slang", "import", str(words), *licence)
    words.write_text("...\nmambo\n", "utf-8")
    assert "left out: sw:1" in cli("slang", "import", str(words), *licence, "--dry-run").stderr
    assert [one["terms"] for one in cli.json("slang", "list")["lists"]] == [2]
    cli("slang", "import", str(words), *licence, "--add")
    assert [one["terms"] for one in cli.json("slang", "list")["lists"]] == [3]
    cli("slang", "import", str(words), *licence)
    assert [(one["terms"], one["source"]) for one in cli.json("slang", "list")["lists"]] == [(1, "LDNOOBW sw")]


def test_an_import_that_can_not_be_done_changes_nothing_and_says_why(cli: Collect, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("term,language\nx,hi\n", "utf-8")
    plain = tmp_path / "hi"
    plain.write_text("poa\n", "utf-8")

    assert "bad.csv:2: licence: is empty; give --licence" in cli("slang", "import", str(bad), code=3).stderr
    assert "--licence" in cli("slang", "import", str(plain), "--format", "ldnoobw", code=3).stderr
    assert "Name a file, or --seed." in cli("slang", "import", code=2).stderr
    assert "no slang lexicon" in cli("slang", "list").stderr


def response(
    form_id: int, name: str, answers: dict[str, Any], operation: Operation = "create", replaces: int | None = None, **more: Any
) -> Submission:
    text = json.dumps(answers)
    digest = hashlib.sha256(f"{name}{operation}{text}".encode()).digest()
    return Submission(form_id, name, operation, 1, answers, digest, text, replaces, **more)


def store(database_url: str, *submissions: Submission) -> None:
    """Through the writer, one after the other."""

    async def write() -> None:
        async with writing(database_url) as writer:
            for one in submissions:
                assert (await writer.accept(one)).outcome == "accepted"

    asyncio.run(write())


def test_stored_responses_are_searched_by_city_and_language(cli: Collect, database: Database, database_url: str) -> None:
    with database.begin() as connection:
        form_id = publish_form(connection, "default", read_form(FORM)).form_id
    cli("slang", "import", "--seed")
    data = {"term": "जुगाड़", "span": [0, 6], "language": "hi", "script": "Deva", "severity": "note", "found": "written"}
    flag = {"code": "slang.found", "severity": "note", "message": "m", "question": "note", "data": data, "check": "slang"}
    store(
        database_url,
        response(form_id, "a", {"city": "mumbai", "note": "jugaad"}, flags=[flag]),
        response(form_id, "b", {"city": "chennai", "note": "macha jugaad"}),
        response(form_id, "c", {"note": "macha jugaad"}),
        response(form_id, "d", {"city": "chennai", "note": "semma"}),
        response(form_id, "d", {}, "delete", 1),
        response(form_id, "f", {"city": {"other": "Leh"}, "note": "semma"}),
        response(form_id, "e", {"city": "chennai", "note": "mokka"}),
        response(form_id, "e", {"city": "chennai", "note": "gethu"}, "edit", 1),
    )

    def found(*words: str) -> list[tuple[str, str, bool]]:
        return [(one["response"], one["term"], one["noted"]) for one in cli.json("slang", "search", "--form", "visit", *words)["found"]]

    chennai = [("b", "மச்சான்", False), ("e", "கெத்து", False)]
    assert found() == [("a", "जुगाड", False), *chennai]  # Marathi is named before Hindi
    assert found("--city", "Chennai") == found("--city", "chennai") == chennai
    assert found("--language", "hi") == [("a", "जुगाड़", True), ("b", "जुगाड़", False), ("c", "जुगाड़", False)]
    assert found("--city", "mumbai", "--language", "hi", "--limit", "1") == [("a", "जुगाड़", True)]
    assert found("--stored") == found("--stored", "--city", "mumbai", "--language", "hi") == [("a", "जुगाड़", True)]
    assert found("--stored", "--city", "chennai") == found("--stored", "--language", "mr") == []
    assert "Its choices: mumbai, chennai." in cli("slang", "search", "--form", "visit", "--city", "pune", code=4).stderr
    assert "There is no form" in cli("slang", "search", "--form", "visits", code=4).stderr


def test_a_form_whose_check_is_not_valid_is_searched_by_what_its_choices_say(cli: Collect, database: Database, database_url: str) -> None:
    with database.begin() as connection:
        form_id = publish_form(connection, "default", read_form(FORM.replace("city: city", "citty: city"))).form_id
    cli("slang", "import", "--seed")
    store(database_url, response(form_id, "a", {"city": "chennai", "note": "semma"}))

    assert [one["language"] for one in cli.json("slang", "search", "--form", "visit")["found"]] == ["ta"]


def test_a_form_that_names_no_language_asks_for_one(cli: Collect, database: Database) -> None:
    plain = "form: plain\ntitle: P\nquestions:\n  - {key: note, type: text, label: N}\n"
    with database.begin() as connection:
        publish_form(connection, "default", read_form(plain))
    cli("slang", "import", "--seed")

    assert "--language" in cli("slang", "search", "--form", "plain", code=3).stderr
    assert "attributes" in cli("slang", "search", "--form", "plain", "--city", "x", code=3).stderr
    assert "No slang found." in cli("slang", "search", "--form", "plain", "--language", "hi").stderr
