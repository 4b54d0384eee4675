"""`collect failures`: what could not be delivered is shown with its cause, and tried again or discarded when a person says so."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collect_pipelines.store.database import Database
from tests.integration.backlog_tools import Commands, Old
from tests.integration.sync_tools import one_database

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

OPENED = {2: "The receiver answered 422.", 5: "No such number.", 7: "The receiver answered 422."}
WAITING = {4: "The receiver asked for it later."}


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture
def it(database: Database) -> Old:
    it = Old(database, 10, "all")
    it.deliver_except(opened=OPENED, waiting=WAITING, unknown=5)
    return it


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Commands:
    return Commands(database.url, tmp_path)


def test_the_list_has_what_waits_for_a_person_and_what_is_tried_again_by_itself(it: Old, run: Commands) -> None:
    lines = [line.split("\t") for line in run("failures", "list", "--form", it.form).stdout.splitlines()[1:]]
    letters = run.json("failures", "list", "--integration", it.name)["dead_letters"]

    assert [(line[3], line[4], line[7]) for line in lines] == [
        ("2", "dead-lettered", "3"), ("4", "set aside", "3"), ("5", "dead-lettered, may have been delivered", "3"),
        ("7", "dead-lettered", "3"),
    ]  # fmt: skip
    assert [line[8] == "-" for line in lines] == [True, False, True, True]
    assert [(letter["position"], letter["state"], letter["unknown"]) for letter in letters] == [
        (2, "open", False), (4, "waiting", False), (5, "open", True), (7, "open", False),
    ]  # fmt: skip
    assert "Name 2" not in run("failures", "list").stdout


def test_one_is_shown_with_its_cause_its_batch_and_every_attempt(it: Old, run: Commands) -> None:
    told = run("failures", "show", it.form, "5").stdout
    document = run.json("failures", "show", it.form, "5")
    run("failures", "show", it.form, "1", code=4)

    assert "No such number." in told
    assert "it may have been delivered" in told
    assert "2030-01-01 10:00:00" in told and "The receiver said 503." in told
    assert document["dead_letters"][0]["reason"] == "No such number."
    assert [tried["error"] for tried in document["deliveries"][0]["history"]] == ["The receiver said 503."]
    assert "Name 5" not in told + str(document)


def test_one_that_is_tried_again_is_pending(it: Old, run: Commands) -> None:
    run("failures", "retry", it.form, "2")

    assert it.counted() == {"delivered": 6, "dead_lettered": 2, "pending": 2}
    assert it.scalar("select attempts from collect.dead_letter where integration_id = :integration and position = 2") == 0
    assert it.scalar(
        "select next_attempt_at <= clock_timestamp() from collect.dead_letter where integration_id = :integration and position = 2"
    )


def test_nobody_is_asked_in_a_script_so_yes_must_be_said(it: Old, run: Commands) -> None:
    refused = run("failures", "retry", "--integration", it.name, code=2)
    run("failures", "retry", it.form, "5", code=2)

    assert "4 responses" in refused.stderr and "1 of which may have been delivered" in refused.stderr and "--yes" in refused.stderr
    assert it.counted() == {"delivered": 6, "dead_lettered": 3, "pending": 1}


def test_all_of_one_cause_are_tried_again(it: Old, run: Commands) -> None:
    changed = run.json("failures", "retry", "--integration", it.name, "--cause", "answered 422", "--yes")
    run("failures", "retry", "--integration", it.name, "--cause", "nobody said this", "--yes", code=4)

    assert changed == {"changed": 2, "busy": 0}
    assert it.counted() == {"delivered": 6, "dead_lettered": 1, "pending": 3}


def test_what_is_discarded_is_neither_listed_nor_tried_again(it: Old, run: Commands) -> None:
    run("failures", "discard", it.form, "4", "--integration", it.name, "--reason", "sent by hand")
    run("failures", "discard", "--integration", it.name, "--cause", "422", "--reason", "test data", "--yes")
    run("failures", "retry", it.form, "4", code=4)

    assert [letter["position"] for letter in run.json("failures", "list", "--integration", it.name)["dead_letters"]] == [5]
    assert it.counted() == {"delivered": 6, "dead_lettered": 4}
    audited = "select string_agg(detail ->> 'reason', ', ' order by at) from collect.audit where subject like :integration || ':%'"
    assert it.scalar(audited.replace(":integration ||", "cast(:integration as text) ||")) == "sent by hand, test data"


def test_what_validation_does_not_hold_is_discarded_for_an_integration_that_is_named(it: Old, run: Commands) -> None:
    told = run("failures", "discard", it.form, "2", "--reason", "x", code=3).stderr

    assert f"--integration {it.name}" in told
    run("failures", "discard", "--reason", "x", code=2)
    assert it.counted() == {"delivered": 6, "dead_lettered": 3, "pending": 1}


def test_what_is_being_sent_right_now_is_left_alone(it: Old, run: Commands) -> None:
    sending = (
        "insert into collect.batch (integration_id, batch_no, from_position, to_position, positions, purpose, form_version, digest, epoch,"
        " state) values (:integration, 2, 2, 4, '{2,4}', 'retry', 1, 'd', 1, 'sending') returning batch_no"
    )
    it.scalar(sending)
    busy = run("failures", "discard", it.form, "4", "--integration", it.name, "--reason", "x", code=3).stderr
    changed = run.json("failures", "retry", "--integration", it.name, "--yes")

    assert "is sending it right now" in busy
    assert changed == {"changed": 2, "busy": 2}
    assert it.counted() == {"delivered": 6, "dead_lettered": 1, "pending": 3}


def test_the_trace_tells_what_was_set_aside_and_why(it: Old, run: Commands) -> None:
    aside, refused, through = (run("trace", f"r-{position}", "--form", it.form).stdout for position in (4, 5, 6))

    assert "set aside" in aside and "The receiver asked for it later.; tried again at" in aside
    assert "dead-lettered" in refused and "may have been delivered" in refused and "No such number." in refused
    assert "delivered" in through and "try later\tbatch 1: The receiver said 503." in through
