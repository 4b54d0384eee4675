"""A device that was offline sends what it collected under an old version: taken by the rules of then, delivered into the same columns."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import httpx
import pytest
from click.testing import CliRunner

from collect_pipelines.cli import collect
from collect_pipelines.destinations.google_sheets.content.tables import tables_of
from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import FormIncompatible
from collect_pipelines.forms.columns import physical_name
from collect_pipelines.forms.reading import read_form
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, publish_form
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.validation import list_quarantined
from collect_pipelines.sync.context import DeliveryContext
from collect_pipelines.sync.lane import Lane
from collect_pipelines.sync.mapping.model import FrozenMapping
from collect_pipelines.sync.mapping.render import rendered
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.plugs import installed_destination
from collect_pipelines.sync.versions import Versions
from tests.integration.ingest_server import client_of, cloned, ingest, make_key, publish
from tests.integration.sync_tools import submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

FIRST = """
form: plots
title: Plots
languages: [en, hi]
questions:
  - {key: farmer, type: text, label: Farmer, required: true}
  - {key: age, type: integer, label: Age, max: 120}
  - {key: crop, type: select_one, label: Crop, choices: [{code: w, label: Wheat}, {code: r, label: Rice}]}
  - {key: remark, type: text, label: Remark}
  - {key: people, type: repeat, label: People, questions: [{key: first_name, type: text, label: Name}]}
"""
SECOND = """
form: plots
title: Plots
languages: [en, hi]
questions:
  - {key: farmer, type: text, label: Farmer, required: true}
  - {key: years, type: integer, label: Age in years, max: 60, was: [age]}
  - {key: crop, type: select_one, label: Crop, choices: [{code: w, label: Wheat}, {code: r, label: Rice, retired: true}]}
  - {key: remark, type: text, label: Remark, retired: 2026-01-01}
  - {key: members, type: repeat, label: People, was: [people], questions: [{key: given_name, type: text, label: Name, was: [first_name]}]}
"""
THIRD = SECOND.replace("key: years", "key: years_old").replace("was: [age]", "required: true, was: [age, years]") + (
    "  - {key: area, type: decimal, label: Area}\nrules:\n  - {name: adult, expression: years_old >= 18, severity: reject}\n"
)
RESPONSES = "/v1/forms/plots/responses"


@pytest.fixture(scope="module")
def plots(
    postgres: "EmbeddedPostgres", template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, httpx.Client]]:
    """URL of the database of a form with three versions, and a client of its ingest endpoint."""
    with cloned(postgres, template_database) as url:
        for text in (FIRST, SECOND, THIRD):
            publish(url, text)
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running, client_of(running, make_key(url, "ingest", "read")) as client:
            yield url, client


def sent(client: httpx.Client, answers: dict[str, Any], version: int | None = None, response_id: str | None = None) -> httpx.Response:
    document: dict[str, Any] = {"id": response_id or str(uuid4()), "answers": {"farmer": "Asha", **answers}}
    return client.post(RESPONSES, json=document if version is None else {**document, "version": version})


def faults(reply: httpx.Response) -> list[tuple[str, str]]:
    assert reply.status_code == 422, reply.text
    return [(error["question"], error["message"]) for error in reply.json()["errors"]]


def test_a_late_response_is_judged_by_the_version_it_names(plots: tuple[str, httpx.Client]) -> None:
    _, client = plots

    late = sent(client, {"age": 100, "crop": "r", "remark": "late", "people": [{"first_name": "Ravi"}]}, 1)

    assert late.status_code == 201, late.text
    assert late.json()["version"] == 1
    assert [finding for check in late.json()["checks"] for finding in check["findings"]] == []
    assert sent(client, {"years": 50}, 2).status_code == 201
    assert faults(sent(client, {"age": 121}, 1)) == [("age", "“Age” must be at most 120.")]
    assert faults(sent(client, {"years": 61}, 2)) == [("years", "“Age in years” must be at most 60.")]


def test_without_a_version_the_newest_one_is_meant(plots: tuple[str, httpx.Client]) -> None:
    _, client = plots

    newest = sent(client, {"years_old": 40, "crop": "r", "remark": "x"})

    assert newest.status_code == 201, newest.text
    assert newest.json()["version"] == 3
    flags = {finding["code"] for check in newest.json()["checks"] for finding in check["findings"]}
    assert {"retired", "choice.retired"} <= flags
    assert [question for question, _ in faults(sent(client, {}))] == ["years_old"]


@pytest.mark.parametrize(
    ("version", "key", "now"), [(2, "age", "years"), (3, "age", "years_old"), (3, "years", "years_old"), (None, "years", "years_old")]
)
def test_an_old_key_under_a_newer_version_is_refused_with_the_new_name(
    plots: tuple[str, httpx.Client], version: int | None, key: str, now: str
) -> None:
    _, client = plots

    told = dict(faults(sent(client, {key: 30}, version)))

    assert told[key] == f"The question “{key}” was renamed to “{now}” in this version of the form."


def test_a_newer_key_under_an_old_version_is_unknown(plots: tuple[str, httpx.Client]) -> None:
    _, client = plots

    assert [question for question, _ in faults(sent(client, {"years": 30}, 1))] == ["years"]


def test_a_version_that_does_not_exist_is_refused_with_those_there_are(plots: tuple[str, httpx.Client]) -> None:
    _, client = plots

    reply = sent(client, {}, 99)

    assert reply.status_code == 422
    assert reply.json()["code"] == "unknown-version"
    assert "versions 1 to 3" in reply.text


def test_responses_of_all_versions_pass_validation_and_stand_in_the_same_columns(plots: tuple[str, httpx.Client], tmp_path: Path) -> None:
    url, client = plots
    database = Database(url)
    with database.begin() as connection:
        form = find_form(connection, "plots")
        add_integration(connection, form.form_id, "plots-warehouse", "warehouse", {})
    answered: dict[int, dict[str, Any]] = {
        1: {"age": 100, "crop": "r", "people": [{"first_name": "Ravi"}]},
        2: {"years": 59, "members": [{"given_name": "Mira"}]},
        3: {"years_old": 30, "area": 1.5},
    }
    for version, answers in answered.items():
        assert sent(client, answers, version, f"column-{version}").status_code == 201

    lanes = [Lane(url, Settings(data_dir=tmp_path), name, "worker") for name in ("validation", "warehouse")]
    for lane in lanes:
        list(lane.drain())

    age, people = physical_name("age"), physical_name("people")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as warehouse:
        names = [name for name, *_ in warehouse.execute("describe forms.plots").fetchall()]
        rows = warehouse.execute(f"select _version, {age} from forms.plots where _response_id like 'column-%' order by 1").fetchall()
        known = warehouse.execute(f"select question from forms._questions where column_name = '{age}'").fetchall()
    with database.begin() as connection:
        assert list_quarantined(connection, form.form_id) == []
    database.dispose()
    assert rows == [(1, 100), (2, 59), (3, 30)]
    assert [name for name in names if name.startswith("q_")] == [
        physical_name(key) for key in ("farmer", "age", "crop", "remark", "people", "area")
    ]
    assert people in names
    assert known == [("years_old",)]


def test_a_sheet_keeps_its_column_and_shows_old_and_new_rows_under_one_label(plots: tuple[str, httpx.Client], tmp_path: Path) -> None:
    url, client = plots
    old: dict[str, Any] = {"age": 7, "people": [{"first_name": "Ravi"}]}
    new: dict[str, Any] = {"years_old": 50, "members": [{"given_name": "Mira"}]}
    for version, answers in ((1, old), (3, new)):
        assert sent(client, answers, version).status_code == 201
    database, settings = Database(url), Settings(data_dir=tmp_path)
    with database.begin() as connection:
        form = find_form(connection, "plots")
        integration = add_integration(connection, form.form_id, "plots-sheet", "google_sheets", {})
        kind = installed_destination("google_sheets")
        sheet = kind(kind.Config(), DeliveryContext(database, settings, integration))
        piece = Piece("live", form.head - 1, form.head)
        of, versions = FrozenMapping(), Versions()
        first, third = (rendered(connection, integration, sheet, versions, piece, at, of, settings=settings) for at in (1, 3))
    database.dispose()

    shown = third.frame.select(physical_name("age"), physical_name("people")).rows()
    assert shown == [(7, "1. Name: Ravi"), (50, "1. Name: Mira")]
    bound = [[column.name for column in tables_of(batch(one))[0].columns] for one in (first, third)]
    assert bound[0] == ["_submitted", "farmer", "age", "crop", "remark", "people", "_id", "_revision"]
    assert [name for name in bound[1] if name != "area"] == bound[0]


def batch(rows: Any) -> Batch:
    return Batch("plots", "Plots", 1, 1, 1, 2, rows.digest, rows.columns, rows.frame)


def test_validation_judges_a_late_response_by_its_own_version(plots: tuple[str, httpx.Client], tmp_path: Path) -> None:
    """Written past the door, so that only validation can find it."""
    from tests.integration.sync_tools import accept

    url, _ = plots
    database = Database(url)
    with database.begin() as connection:
        form = find_form(connection, "plots")
    accept(
        database,
        [
            submission(form.form_id, "old-good", {"farmer": "A", "age": 119}, version=1),
            submission(form.form_id, "old-bad", {"farmer": "A", "age": 121}, version=1),
            submission(form.form_id, "new-bad", {"farmer": "A", "years": 119}, version=2),
        ],
    )
    list(Lane(url, Settings(data_dir=tmp_path), "validation", "worker").drain())
    with database.begin() as connection:
        held = {entry.response_id: [reason["rule"] for reason in entry.reasons] for entry in list_quarantined(connection, form.form_id)}
    database.dispose()

    assert held == {"old-bad": ["age.max"], "new-bad": ["years.max"]}


def test_published_versions_are_compared_and_a_misnamed_one_is_refused(plots: tuple[str, httpx.Client], tmp_path: Path) -> None:
    url, _ = plots
    draft = tmp_path / "draft.yaml"
    draft.write_text(THIRD.replace("required: true, was: [age, years]", "required: true, was: [years]"), "utf-8")
    environment = {"COLLECT_DATABASE_URL": url}

    def run(*arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(collect, ["forms", "diff", *arguments, "--json"], env=environment)
        return result.exit_code, json.loads(result.output.splitlines()[0])

    code, document = run("plots", "v1", "3")
    assert code == 0
    assert {"question.renamed", "question.retired", "choice.retired", "question.added", "rule.added"} <= {
        change["kind"] for change in document["changes"]
    }
    code, document = run("plots", str(draft))
    assert code == 3
    assert "write `was: [age, years]`" in document["refused"][0]
    database = Database(url)
    with pytest.raises(FormIncompatible, match="write `was"), database.begin() as connection:
        publish_form(connection, "default", read_form(draft.read_text("utf-8")))
    database.dispose()
