"""Rules over many responses, on a real log: what must be unique is, across batches, edits, deletions and crashes; batches are warned of."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from collect_pipelines.store.database import Database
from collect_pipelines.store.profiles import batch_warnings
from collect_pipelines.store.uniques import first_holders, held_by
from collect_pipelines.store.validation import release
from collect_pipelines.sync import many
from collect_pipelines.sync.validate import validate_pending
from collect_pipelines.telemetry.alerts import evaluate
from collect_pipelines.validation.gate import Verdict, shared_gate
from collect_pipelines.validation.whole import Whole
from tests.integration.sync_tools import one_database
from tests.integration.validation_tools import QUESTIONS, UNIQUE, Log, PlainGate, log

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres


MANY_HOLDERS = """
insert into collect.unique_value (form_id, rule, value, response_id, position)
select :form, 'r', convert_to(case when n <= 10000 then 'all' else 'v' || n end, 'UTF8'), 'id-' || n, n from generate_series(1, 20000) n
"""
READ = "select seq_scan, coalesce(idx_tup_fetch, 0) as rows from pg_stat_xact_user_tables where relname = 'unique_value'"


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.mark.parametrize("rows", [1, 100], ids=["one at a time", "all at once"])
def test_a_later_response_with_the_same_answer_is_held_back(database: Database, rows: int) -> None:
    it = log(database, UNIQUE)
    it.send("first", {"phone": "98765 43210"})
    it.send("other", {"phone": "98765 43211"})
    it.send("silent", {})
    it.send("silent too", {})
    it.send("second", {"phone": "98765-43210"})
    it.send("first", {"phone": "98765 43210", "income": 1}, "edit", 1)
    it.send("other", {"phone": "9876543210"}, "edit", 1)
    it.validate_all(rows)

    assert it.held_ids == ["second@1", "other@2"]
    assert it.held[0].reasons == [
        {
            "rule": "rule.phone_once",
            "code": "rule.phone_once",
            "severity": "reject",
            "message": "Another response already has the same “Phone”.",
            "question": "phone",
            "label": "Phone",
            "data": {"rule": "phone_once", "questions": [{"question": "phone", "label": "Phone"}], "earlier": "first"},
        }
    ]
    assert "43210" not in json.dumps([entry.reasons for entry in it.held])


@pytest.mark.parametrize("rows", [1, 100], ids=["one at a time", "all at once"])
def test_what_is_deleted_changed_or_held_back_leaves_its_value_to_others(database: Database, rows: int) -> None:
    it = log(database, UNIQUE, {"name": "affordable", "expression": "savings <= income"})
    it.send("gone", {"phone": "1111"})
    it.send("gone", {}, "delete", 1)
    it.send("after it", {"phone": "1111"})
    it.send("moved", {"phone": "2222"})
    it.send("moved", {"phone": "3333"}, "edit", 1)
    it.send("behind it", {"phone": "2222"})
    it.send("wrong", {"phone": "4444", "savings": 2, "income": 1})
    it.send("corrected", {"phone": "4444", "savings": 1, "income": 1})
    it.send("in vain", {"phone": "3333"})
    it.validate_all(rows)

    assert it.held_ids == ["wrong@1", "in vain@1"]
    assert [entry.reasons[0]["rule"] for entry in it.held] == ["rule.affordable", "rule.phone_once"]


def test_what_a_person_releases_holds_its_value(database: Database) -> None:
    it = log(database, UNIQUE)
    it.send("first", {"phone": "1111"})
    it.send("second", {"phone": "1111"})
    it.validate()
    with database.begin() as connection:
        release(connection, it.form_id, 2, "test")
    it.validate()
    it.send("first", {}, "delete", 1)
    it.send("third", {"phone": "1111"})
    it.validate()

    assert it.held_ids == ["third@1"]
    assert it.held[0].reasons[0]["data"]["earlier"] == "second"


def test_what_a_person_released_may_be_edited_while_another_has_the_same_answer(database: Database) -> None:
    it = log(database, UNIQUE)
    it.send("first", {"phone": "1111"})
    it.send("second", {"phone": "1111"})
    it.validate()
    with database.begin() as connection:
        release(connection, it.form_id, 2, "test")
    it.validate()
    it.send("second", {"phone": "1111", "income": 1}, "edit", 2)
    it.send("second", {"phone": "2222"}, "edit", 3)
    it.send("second", {"phone": "1111"}, "edit", 4)
    it.validate()

    assert it.held_ids == ["second@5"]


def test_a_rule_that_only_flags_counts_and_holds_nothing_back(database: Database) -> None:
    it = log(database, {**UNIQUE, "severity": "flag"})
    it.send_many({"phone": "1111"}, {"phone": "1111"}, {"phone": "1111"})
    report = it.validate()
    it.send_many({"phone": "1111"})

    assert (report.quarantined, report.checks["rule.phone_once"].failed) == (0, 2)
    assert it.validate().checks["rule.phone_once"].failed == 1
    assert len(it.rows("unique_value")) == 4


def test_a_new_rule_knows_all_that_came_before_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "CHUNK_ROWS", 2)
    monkeypatch.setattr(many.History.catch_up, "__defaults__", (4,))
    it = log(database)
    for number in range(5):
        it.send(f"old {number}", {"phone": f"111{number}"})
    it.send("old 3", {}, "delete", 1)
    it.send("old 4", {"phone": "2222"}, "edit", 1)
    it.validate()
    it.publish(UNIQUE)
    for number, phone in enumerate(("1110", "1113", "1114", "2222")):
        it.send(f"new {number}", {"phone": phone})
    it.send("late", {"phone": "1113"}, version=1)
    reports = [it.validate(), it.validate()]

    assert [report.rows for report in reports] == [0, 5]
    assert reports[0].full and reports[0].message == "A rule `unique` is new: its history is read up to 4 of 7."
    assert it.held_ids == ["new 0@1", "new 3@1"]
    assert it.rows("unique_progress", "rule, through_position") == [("phone_once(phone)", 12)]


def test_a_renamed_question_keeps_what_is_known_of_it(database: Database) -> None:
    it = log(database, UNIQUE)
    it.send("first", {"phone": "1111"})
    it.validate()
    renamed = [{**QUESTIONS[0], "key": "mobile", "was": ["phone"]}, *QUESTIONS[1:]]
    it.publish({"name": "phone_once", "unique": ["mobile"]}, questions=renamed)
    it.send("second", {"mobile": "1111"})
    it.send("third", {"phone": "1111"}, version=1)
    it.validate()

    assert it.held_ids == ["second@1", "third@1"]
    assert it.rows("unique_progress", "rule") == [("phone_once(phone)",)]


def test_who_holds_a_value_is_found_by_index_however_many_do(database: Database) -> None:
    it = log(database, UNIQUE)
    with database.begin() as connection:
        connection.execute(text(MANY_HOLDERS), {"form": it.form_id})
    with database.begin() as connection:
        connection.execute(text("analyze collect.unique_value"))
        values = {("r", f"v{number}".encode()) for number in range(0, 20_000, 400)} | {("r", b"all")}
        found = first_holders(connection, it.form_id, values, ["id-1"])
        mine = held_by(connection, it.form_id, ["r"], ["id-1", "id-11001"])
        (read,) = connection.execute(text(READ))

    assert found["r", b"all"].response_id == "id-2" and len(found) == 1 + 24
    assert [(one.response_id, one.value) for one in mine] == [("id-1", b"all"), ("id-11001", b"v11001")]
    assert (read.seq_scan, read.rows < 300) == (0, True)


def test_values_together_are_one_value(database: Database) -> None:
    it = log(database, {"name": "pair", "unique": ["crop", "income"]})
    it.send("a", {"crop": "w", "income": 1})
    it.send("b", {"crop": "w", "income": 2})
    it.send("c", {"crop": "r", "income": 1})
    it.send("d", {"crop": "w"})
    it.send("e", {"crop": "w", "income": 1})
    it.validate()

    assert it.held_ids == ["e@1"]
    assert it.held[0].reasons[0]["message"] == "Another response already has the same “Crop” and “Income”."


def test_a_worker_killed_while_it_settles_loses_nothing_and_doubles_nothing(database: Database) -> None:
    rules: list[dict[str, Any]] = [UNIQUE, {"name": "many", "volume": {"min": 10}}]
    logs = [log(database, *rules) for _ in range(3)]
    for it in logs:
        it.send("first", {"phone": "1111"})
        it.send("second", {"phone": "1111"})
        it.send("third", {"phone": "2222"})
        it.flush()
    words = [sys.executable, "-m", "tests.integration.validation_tools", database.url, *(str(it.form_id) for it in logs)]
    subprocess.run(words, check=True, capture_output=True)
    for it in logs:
        assert (it.held, it.rows("unique_value"), it.rows("batch_profile"), it.rows("unique_progress")) == ([], [], [], [])
        deadline = time.monotonic() + 10
        while (report := validate_pending(database, shared_gate(), it.form_id, "worker")) is None:  # the dead worker's lease
            assert time.monotonic() < deadline
        assert (report.rows, report.quarantined, sorted(report.warnings)) == (3, 1, ["rule.many"])
        assert it.held_ids == ["second@1"]
        assert it.rows("unique_value", "response_id, position") == [("first", 1), ("third", 3)]
        assert len(it.rows("batch_profile")) == 1


def test_a_worker_that_lost_its_lease_while_it_judged_writes_nothing(database: Database) -> None:
    it = log(database, UNIQUE, {"name": "many", "volume": {"min": 10}})
    it.send("first", {"phone": "1111"})
    it.send("second", {"phone": "1111"})
    it.flush()

    class Robbed(PlainGate):
        def weigh(self, whole: Whole) -> Verdict:
            with database.begin() as connection:
                connection.execute(text("update collect.lease set expires_at = now() - interval '1 hour'"))
            it.validate()
            it.send("first", {"phone": "2222"}, "edit", 1)
            it.send("third", {"phone": "1111"})
            it.validate()
            return super().weigh(whole)

    report = validate_pending(database, Robbed(), it.form_id, "robbed")

    assert report is not None and (report.outcome, report.quarantined) == ("failed", 0)
    assert it.held_ids == ["second@1"]
    assert it.rows("unique_value", "response_id, position") == [("first", 3), ("third", 4)]
    assert len(it.rows("batch_profile")) == 2


def test_a_rule_that_is_taken_out_and_comes_back_knows_what_came_meanwhile(database: Database) -> None:
    it = log(database, UNIQUE)
    it.send("first", {"phone": "1111"})
    it.validate()
    it.publish()
    it.send("second", {"phone": "1111"})
    it.send("third", {"phone": "2222"})
    it.validate()
    it.publish(UNIQUE)
    it.send("second", {"phone": "1111", "income": 1}, "edit", 1)
    it.send("fourth", {"phone": "2222"})
    it.validate()

    assert it.held_ids == ["fourth@1"]


def test_a_rule_that_can_not_be_judged_holds_the_response_as_a_finding_of_its_own(database: Database) -> None:
    it = log(
        database,
        {"name": "rate", "expression": "savings / income < 2"},
        {"name": "lenient", "expression": "income / savings < 2", "severity": "flag", "placement": "batch"},
    )
    it.send("nothing", {"savings": 1, "income": 0})
    it.send("missing", {"savings": 1})
    it.send("wrong", {"savings": 9, "income": 1})
    it.send("flagged", {"savings": 0, "income": 1})
    report = it.validate()

    assert [(entry.response_id, entry.reasons[0]["rule"], entry.reasons[0]["code"]) for entry in it.held] == [
        ("nothing", "rule.rate", "rule.error"),
        ("wrong", "rule.rate", "rule.rate"),
    ]
    assert {name: count.failed for name, count in report.checks.items() if count.failed} == {
        "rule.rate": 1,
        "rule.rate.error": 1,
        "rule.lenient.error": 1,
    }


def test_an_old_version_is_judged_by_its_own_rules(database: Database) -> None:
    it = log(database, {"name": "affordable", "expression": "savings <= income"})
    it.publish({"name": "affordable", "expression": "savings <= income * 2"})
    for version in (1, 2):
        it.send(f"v{version}", {"savings": 3, "income": 2}, version=version)
    it.validate()

    assert it.held_ids == ["v1@1"]


COMPLETE = {"name": "incomes", "complete": "income", "at_least": 0.8, "min_rows": 5, "last": 3}


def test_a_question_that_is_left_out_too_often_is_warned_of_and_holds_nothing_back(database: Database) -> None:
    it = log(database, COMPLETE)
    it.send_many(*[{"income": 1}] * 4)
    few = it.validate()
    it.send_many({})
    enough = it.validate()
    it.send_many({}, {})
    report = it.validate()

    assert (few.warnings, enough.warnings) == ({}, {})
    assert report.warnings == {"rule.incomes": "`income` is answered in 57.1 % of 7 responses; at least 80.0 % should be."}
    assert (report.outcome, report.quarantined, report.delivered, report.message) == ("validated", 0, 2, report.warnings["rule.incomes"])
    assert (report.checks["rule.incomes"].passed, report.checks["rule.incomes"].failed) == (0, 1)
    assert [row.rows for row in it.rows("batch_profile")] == [5, 2], "batches are joined until there are min_rows"
    with database.begin() as connection:
        warnings = {it.slug: batch_warnings(connection)[it.slug]}
    (alert,) = evaluate([], {}, 60.0, warnings)
    assert warnings == {it.slug: report.warnings}
    assert (alert.kind, alert.subject, alert.severity) == ("batch", it.slug, "warning") and "57.1 % of 7" in alert.message
    it.send_many(*[{"income": 1}] * 20)
    assert it.validate().warnings == {}
    with database.begin() as connection:
        assert it.slug not in batch_warnings(connection)


def test_a_question_is_complete_where_it_is_asked(database: Database) -> None:
    asked = [{**QUESTIONS[1], "relevant": 'crop == "w"'} if one["key"] == "income" else one for one in QUESTIONS]
    it = log(database)
    it.publish({**COMPLETE, "min_rows": 2}, questions=asked)
    it.send_many({"crop": "w", "income": 1}, {"crop": "w", "income": 1}, {"crop": "r"}, {"crop": "r"}, {})

    assert it.validate().warnings == {}


def test_a_batch_of_unusual_size_is_warned_of(database: Database) -> None:
    it = log(database, {"name": "steady", "volume": {"max": 95}, "factor": 2.0, "last": 3}, {"name": "some", "volume": {"min": 2}})
    sizes = [30, 30, 30, 90, 60, 1, 40, 96]
    told = []
    for size in sizes:
        it.send_many(*[{"income": 1}] * size)
        told.append(sorted(it.validate().warnings))
    it.send("deleted", {"income": 1})
    it.send("deleted", {}, "delete", 1)
    it.validate(max_rows=1)

    assert told == [[], [], [], ["rule.steady"], [], ["rule.some", "rule.steady"], [], ["rule.steady"]]
    assert it.validate().warnings == {}, "a batch of deletions only says nothing"


def test_a_rule_that_the_form_has_no_more_is_warned_of_no_more(database: Database) -> None:
    it = log(database, {"name": "some", "volume": {"min": 3}}, {"name": "more", "volume": {"min": 4}})
    it.send_many({"income": 1})
    it.validate()
    it.publish({"name": "some", "volume": {"min": 3}})

    with database.begin() as connection:
        assert list(batch_warnings(connection)[it.slug]) == ["rule.some"]
    it.publish()
    with database.begin() as connection:
        assert it.slug not in batch_warnings(connection)


def test_a_rule_over_batches_that_only_notes_is_counted_and_warns_nobody(database: Database) -> None:
    it = log(database, {"name": "some", "volume": {"min": 3}, "severity": "note"})
    it.send_many({"income": 1})
    report = it.validate()

    assert (report.warnings, report.checks["rule.some"].failed) == ({}, 1)


def test_a_batch_that_was_cut_says_nothing_about_too_few(database: Database) -> None:
    it = log(database, {"name": "some", "volume": {"min": 3}})
    it.send_many(*[{"income": 1}] * 5)

    assert [bool(it.validate(max_rows=2).warnings) for _ in range(3)] == [False, False, True]


def test_answers_that_shift_are_warned_of(database: Database) -> None:
    rule = {"tolerance": 0.25, "min_rows": 40, "last": 5}
    it = log(database, {"name": "money", "distribution": "income", **rule}, {"name": "crops", "distribution": "crop", **rule})
    usual = [{"income": 100 + number % 20, "crop": "wr"[number % 2]} for number in range(40)]
    for _ in range(3):
        it.send_many(*usual)
        assert it.validate().warnings == {}
    it.send_many(*[{"income": one["income"] + 30, "crop": "r"} for one in usual])
    report = it.validate()

    assert sorted(report.warnings) == ["rule.crops", "rule.money"]
    assert "standard deviations against the 3 batches before" in report.warnings["rule.money"]
    assert report.quarantined == 0


def test_batches_of_one_response_are_judged_together(database: Database) -> None:
    it = log(database, {"name": "crops", "distribution": "crop", "tolerance": 0.1, "min_rows": 4, "last": 5})
    told = []
    for crop in "wrwr" + "rrrr":
        it.send_many({"crop": crop})
        told.append("rule.crops" in it.validate().warnings)

    assert told == [False] * 7 + [True]
    assert [row.rows for row in it.rows("batch_profile")] == [4, 4]


def test_only_as_many_batches_are_kept_as_are_looked_at(database: Database) -> None:
    it = log(database, {"name": "steady", "volume": {"max": 5}, "last": 2})
    for _ in range(5):
        it.send_many({"income": 1})
        it.validate()

    assert len(it.rows("batch_profile")) == 4


def profile_of(it: Log) -> str:
    return json.dumps([row.profile for row in it.rows("batch_profile")])


def test_a_profile_and_the_values_held_tell_no_answer(database: Database) -> None:
    questions = [*QUESTIONS, {"key": "more", "type": "select_multiple", "label": "More", "other": True, "choices": QUESTIONS[3]["choices"]}]
    it = log(database)
    it.publish(UNIQUE, {"name": "mores", "distribution": "more"}, questions=questions)
    it.send_many({"phone": "98765 43210", "more": ["w", {"other": "secret-canary"}]})
    it.validate()

    assert '"w": 1' in profile_of(it) and "secret-canary" not in profile_of(it)
    assert b"43210" not in bytes(it.rows("unique_value")[0].value)
