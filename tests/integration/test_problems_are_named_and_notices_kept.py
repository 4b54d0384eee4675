"""A block has a code, a notice stays for as long as it is true, and both are shown wherever somebody looks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from assets.coalescing import Totals
from assets.events import metadata_of
from collect_pipelines.cli.doctor import _integrations
from collect_pipelines.cli.root import collect
from collect_pipelines.destinations.interface import Batch, Delivery, Notice
from collect_pipelines.errors import Blocked
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.sync.report import Report
from tests.integration.sync_tools import Scene, scene, shelf

Told = Callable[[Batch], Delivery]

CUT = Notice("shelf.cut", "2 answers were cut.", "Look at them with collect responses show.")
GONE = Notice("shelf.gone", "The column Age is gone.")


def deliver(it: Scene, told: Any = None) -> Report:
    report = it.courier(shelf(after=told)).deliver(it.integration_id)
    assert report is not None
    return report


def noticing(*notices: Notice) -> Told:
    return lambda batch: Delivery(Delivery.complete(batch).outcomes, notices=notices)


def refuses(problem: str | None) -> Told:
    def blocked(batch: Batch) -> Delivery:
        raise Blocked("The door is locked.", fix="Open it.", problem=problem)

    return blocked


def outputs(database: Database, monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[str]:
    monkeypatch.setenv("COLLECT_DATABASE_URL", database.url)
    return [CliRunner().invoke(collect, line.split()).output for line in lines]


def test_a_block_is_stored_with_its_code_until_somebody_resumes(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, slug="visit")
    it.create("a")
    report = deliver(it, refuses("shelf.locked"))
    blocked = it.integration
    with database.begin() as connection:
        set_integration_state(connection, it.integration_id, "active")

    assert (report.outcome, report.problem) == ("blocked", "shelf.locked")
    assert (blocked.state, blocked.problem, blocked.reason, blocked.fix) == ("blocked", "shelf.locked", "The door is locked.", "Open it.")
    assert (it.integration.state, it.integration.problem) == ("active", None)
    assert deliver(it, refuses(None)).problem is it.integration.problem is None


def test_a_notice_keeps_its_moment_while_it_stays_and_ends_when_it_is_over(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, slug="visit")
    it.create("a")
    deliver(it, noticing(CUT, GONE))
    with database.begin() as connection:  # as if it had been a while
        connection.execute(text("update collect.integration set notices = replace(notices::text, '20', '19')::jsonb"))
    first = {one["code"]: one["since"] for one in it.integration.notices}
    it.create("b")
    deliver(it)
    unchanged = it.integration.notices
    it.create("c")
    deliver(it, noticing(Notice("shelf.new", "New."), Notice("shelf.cut", "3 answers were cut.")))
    last = it.integration.notices
    it.create("d")
    deliver(it, noticing())

    assert [one["code"] for one in unchanged] == ["shelf.cut", "shelf.gone"]
    assert [(one["code"], one["message"], one["fix"]) for one in last] == [
        ("shelf.new", "New.", None),
        ("shelf.cut", "3 answers were cut.", None),
    ]
    assert last[1]["since"] == first["shelf.cut"] < last[0]["since"]
    assert it.integration.notices == []
    assert it.accounted() == {"delivered": 4}


def test_a_plug_in_that_tells_something_else_than_notices_fails_by_itself(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, slug="visit")
    it.create("a")
    report = deliver(it, lambda batch: Delivery(Delivery.complete(batch).outcomes, notices=("oops",)))  # type: ignore[arg-type]

    assert report.outcome == "postponed"
    assert it.accounted() == {"pending": 1}


def test_commands_and_the_doctor_show_both(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = scene(database, tmp_path, slug="visit")
    it.create("a")
    deliver(it, noticing(CUT))
    it.create("b")
    deliver(it, refuses("shelf.locked"))
    shown, listed, status, as_json = outputs(
        database, monkeypatch, "integrations show visit-shelf", "integrations list", "status", "status --json"
    )
    (said,) = json.loads(as_json)["integrations"]
    looked = list(_integrations(database))

    words = "2 answers were cut. Look at them with collect responses show. (shelf.cut)"
    assert words in shown and words in listed and f"visit-shelf: {words}" in status
    assert "shelf.locked" in shown and "shelf.locked" in listed and "is blocked (shelf.locked): The door is locked." in status
    assert (said["problem"], said["notices"][0]["code"]) == ("shelf.locked", "shelf.cut")
    assert [(one.state, one.detail) for one in looked] == [
        ("broken", "The door is locked. (shelf.locked: docs/problems.md)"),
        ("note", "2 answers were cut. (shelf.cut)"),
    ]


def test_dagster_events_tell_both(database: Database, tmp_path: Path) -> None:
    it = scene(database, tmp_path, slug="visit")
    it.create("a")
    totals = Totals("shelf", "visit")
    totals.add(deliver(it, noticing(CUT)))
    it.create("b")
    totals.add(deliver(it, refuses("shelf.locked")))
    told = metadata_of(totals)

    assert told["problem"] == "shelf.locked"
    assert told["notices"] == "2 answers were cut."
    assert told["message"] == "The door is locked. Open it."
