"""Readers get the log exactly: by position for the pipeline, by id for people; operators decide about what is held."""

import csv
import io

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Conflict, LeaseLost, NotFound
from collect_pipelines.store.database import Database, Doorbell
from collect_pipelines.store.integrations import (
    add_integration,
    due_integrations,
    find_integration,
    integration_by_id,
    list_integrations,
    next_due_seconds,
    recall,
    remember,
    set_integration_state,
)
from collect_pipelines.store.leases import take_lease
from collect_pipelines.store.ledger import ledger
from collect_pipelines.store.log import batch_end, entry_counts, find_responses, list_responses, newest_response, read_entries
from collect_pipelines.store.validation import (
    QuarantineEntry,
    discard,
    forms_to_validate,
    list_quarantined,
    quarantined_at,
    release,
    settle_validation,
)
from tests.integration.store_filling import fill
from tests.integration.store_tools import publish, scalar


@pytest.fixture
def form_id(database: Database) -> int:
    """A form with ten responses, r-1 to r-10."""
    [form_id] = publish(database, "household")
    with database.begin() as connection:
        fill(connection, form_id, 10)
    return form_id


def validate(database: Database, form_id: int, through: int, *held: int) -> None:
    with database.begin() as connection:
        connection.execute(text("delete from collect.lease"))
        lease = take_lease(connection, f"validation:{form_id}", "gate")
        assert lease is not None
        entries = [QuarantineEntry(position, f"r-{position}", 1, [{"rule": "age", "message": "too old"}]) for position in held]
        settle_validation(connection, form_id, through, entries, lease)


def test_entries_come_as_csv_with_null_and_the_empty_text_apart(database: Database, form_id: int) -> None:
    odd = 'a"b,c\nd\r\n"" 6\'3" é 🙂 \\N \\.'
    with database.begin() as connection:
        connection.execute(
            text(
                "update collect.response set answers = jsonb_build_object('name', cast(:odd as text), 'a ''\" %s:x', 7) where position = 2"
            ),
            {"odd": odd},
        )
        raw = read_entries(connection, form_id, 1, 3, ["name", "empty", "missing", "a '\" %s:x"])

    lines = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    assert list(lines[0])[:9] == [
        "position", "response_id", "revision", "operation", "version", "submitted_at", "received_at", "source", "respondent",
    ]  # fmt: skip
    assert [line["position"] for line in lines] == ["2", "3"]
    assert (lines[0]["k0"], lines[0]["k3"]) == (odd, "7")
    assert b'Name 3,"",,\n' in raw
    assert lines[0]["received_at"].endswith("Z")
    assert len(lines[0]["received_at"]) == len("2026-01-31T09:30:00.000000Z")


def test_entries_can_leave_out_what_is_held_and_other_versions(database: Database, form_id: int) -> None:
    validate(database, form_id, 10, 4, 5)
    with database.begin() as connection:
        connection.execute(text("update collect.response set version = 2 where position > 8"))
        held_out = read_entries(connection, form_id, 3, 7, [], without_quarantined=True)
        second = read_entries(connection, form_id, 0, 10, [], version=2)

        assert [line.split(b",")[0] for line in held_out.splitlines()[1:]] == [b"6", b"7"]
        assert [line.split(b",")[0] for line in second.splitlines()[1:]] == [b"9", b"10"]
        assert entry_counts(connection, form_id, 3, 7).__class__.__name__ == "EntryCounts"
        assert (entry_counts(connection, form_id, 3, 7).total, entry_counts(connection, form_id, 3, 7).quarantined) == (4, 2)


def test_a_batch_ends_where_rows_or_bytes_end_and_holds_one_entry_at_least(database: Database, form_id: int) -> None:
    size = scalar(database, "select octet_length(answers::text) from collect.response where position = 1")
    with database.begin() as connection:
        for wanted, arguments in (
            (3, (0, 10, 3, 10**6)),
            (10, (0, 10, 100, 10**6)),
            (6, (0, 6, 100, 10**6)),
            (2, (0, 10, 100, 2 * size)),
            (1, (0, 10, 100, 1)),
            (8, (7, 10, 100, 1)),
            (10, (10, 10, 100, 1)),
        ):
            assert batch_end(connection, form_id, *arguments) == wanted, arguments


def test_every_revision_of_a_response_is_found_in_every_form(database: Database, form_id: int) -> None:
    [other] = publish(database, "clinic")
    with database.begin() as connection:
        fill(connection, other, 2)
        assert [(entry.form, entry.position) for entry in find_responses(connection, "r-2")] == [("household", 2), ("clinic", 2)]
        assert find_responses(connection, "r-2", "north") == []
        assert [entry.position for entry in list_responses(connection, form_id, after=8)] == [9, 10]
        assert [entry.position for entry in list_responses(connection, form_id, limit=2)] == [1, 2]
        newest = newest_response(connection, form_id, "r-3")
        assert newest is not None
        assert (newest.answers["name"], newest.flags, newest.source) == ("Name 3", [], "test")
        assert newest_response(connection, other, "r-3") is None
    assert (
        scalar(database, "select value from collect.answer where form_id = :f and position = 3 and question = 'name'", f=form_id)
        == "Name 3"
    )


def test_validation_moves_forward_only_and_not_past_the_head(database: Database, form_id: int) -> None:
    validate(database, form_id, 6)
    for through in (6, 5, 11):
        with pytest.raises(Conflict):
            validate(database, form_id, through)
    with database.begin() as connection:
        [pending] = forms_to_validate(connection)
        assert (pending.reference, pending.after, pending.head) == ("household", 6, 10)
        stolen = take_lease(connection, "validation:999", "gate")
        assert stolen is not None
        with pytest.raises(LeaseLost):
            settle_validation(connection, form_id, 7, [], stolen)
    validate(database, form_id, 10)
    with database.begin() as connection:
        assert forms_to_validate(connection) == []


def test_a_held_entry_is_let_through_as_a_new_entry(database: Database, form_id: int) -> None:
    validate(database, form_id, 10, 4)
    with database.begin() as connection:
        [held] = list_quarantined(connection)
        assert held == quarantined_at(connection, form_id, 4)
        assert (held.position, held.reasons) == (4, [{"rule": "age", "message": "too old"}])
        assert quarantined_at(connection, form_id, 5) is None
        assert release(connection, form_id, 4, "operator") == 11
    with database.begin() as connection:
        original, released = find_responses(connection, "r-4")
        assert list_quarantined(connection, form_id) == []
        decided = quarantined_at(connection, form_id, 4)
        assert decided is not None
        assert (decided.state, decided.decided_by, decided.released_position) == ("released", "operator", 11)
        with pytest.raises(Conflict, match="released already"):
            release(connection, form_id, 4, "operator")
        with pytest.raises(NotFound):
            release(connection, form_id, 5, "operator")

    assert (released.position, released.revision, released.operation) == (11, 2, "release")
    assert released.answers == original.answers
    assert scalar(database, "select head from collect.form") == 11


def test_a_held_entry_that_was_edited_since_is_not_let_through(database: Database, form_id: int) -> None:
    validate(database, form_id, 10, 4)
    with database.begin() as connection:
        fill(connection, form_id, 1)
        connection.execute(text("update collect.response set response_id = 'r-4', revision = 2 where position = 11"))
    with pytest.raises(Conflict), database.begin() as connection:
        release(connection, form_id, 4, "operator")
    with database.begin() as connection:
        discard(connection, form_id, 4, "operator", "the correction counts")
        assert list_quarantined(connection) == []
        with pytest.raises(Conflict, match="discarded already"):
            discard(connection, form_id, 4, "operator")
    kept = scalar(database, "select detail ->> 'reason' from collect.audit where action = 'quarantine.discarded'")
    assert kept == "the correction counts"


def test_an_integration_starts_at_the_first_response_or_at_the_next(database: Database, form_id: int) -> None:
    with database.begin() as connection:
        everything = add_integration(connection, form_id, "all", "sheets", {"tab": "a"}, language="hi")
        later = add_integration(connection, form_id, "later", "sheets", {}, start="now")
        lines = {line.integration: line for line in ledger(connection)}

    assert (everything.cursor, later.cursor) == (0, 10)
    assert (everything.config, everything.language, everything.form, everything.organization) == (
        {"tab": "a"},
        "hi",
        "household",
        "default",
    )
    assert (lines["all"].pending, lines["later"].pending, lines["later"].filtered) == (10, 0, 10)
    assert lines["all"].oldest_pending_seconds is not None


def test_names_of_integrations_are_taken_once_per_organization(database: Database, form_id: int) -> None:
    with database.begin() as connection:
        made = add_integration(connection, form_id, "sheet", "sheets", {})
        with pytest.raises(Conflict):
            add_integration(connection, form_id, "sheet", "warehouse", {})
        with pytest.raises(NotFound):
            add_integration(connection, 999, "other", "sheets", {})
        with pytest.raises(NotFound):
            find_integration(connection, "nothing")
        with pytest.raises(NotFound):
            integration_by_id(connection, 999)
        assert find_integration(connection, "sheet") == made == integration_by_id(connection, made.integration_id)
        assert list_integrations(connection, kind="warehouse") == []
        assert list_integrations(connection, form_id=form_id, kind="sheets") == [made]


def test_an_integration_is_due_while_it_is_active_and_validated_entries_wait(database: Database, form_id: int) -> None:
    [other] = publish(database, "clinic")
    with database.begin() as connection:
        fill(connection, other, 3)
        late = add_integration(connection, form_id, "late", "sheets", {})
        add_integration(connection, other, "fresh", "sheets", {})
        add_integration(connection, form_id, "warehouse", "warehouse", {})
        assert due_integrations(connection, "sheets") == []
    validate(database, other, 3)
    validate(database, form_id, 6)
    with database.begin() as connection:
        assert [due.name for due in due_integrations(connection, "sheets")] == ["late", "fresh"]
        [first, _] = due_integrations(connection, "sheets")
        assert (first.cursor, first.validated_through, first.form) == (0, 6, "household")
        assert next_due_seconds(connection, "sheets") is None
        set_integration_state(connection, late.integration_id, "blocked", "no access", "share the sheet")
        assert [due.name for due in due_integrations(connection, "sheets")] == ["fresh"]
        assert integration_by_id(connection, late.integration_id).fix == "share the sheet"
        connection.execute(text("update collect.integration set next_attempt_at = clock_timestamp() + interval '1 minute'"))
        assert due_integrations(connection, "sheets") == []
        assert next_due_seconds(connection, "sheets") == pytest.approx(60.0, abs=5.0)
        set_integration_state(connection, late.integration_id, "active")
        assert [due.name for due in due_integrations(connection, "sheets")] == ["late"]


def test_an_integration_remembers_values_by_name(database: Database, form_id: int) -> None:
    with database.begin() as connection:
        one, two = (add_integration(connection, form_id, name, "sheets", {}).integration_id for name in ("a", "b"))
        assert recall(connection, one, "tab") is None
        for value in ({"id": 7}, "text", 3, None, [1, 2]):
            remember(connection, one, "tab", value)
            assert recall(connection, one, "tab") == value
        assert recall(connection, two, "tab") is None


def test_whoever_waits_is_woken_by_validation_and_by_a_resumed_integration(database: Database, form_id: int) -> None:
    doorbell = Doorbell(database.url)
    validate(database, form_id, 5)
    assert doorbell.wait(5.0)
    with database.begin() as connection:
        made = add_integration(connection, form_id, "sheet", "sheets", {})
    assert doorbell.wait(5.0)
    with database.begin() as connection:
        set_integration_state(connection, made.integration_id, "paused")
    assert not doorbell.wait(0.05)
    with database.begin() as connection:
        set_integration_state(connection, made.integration_id, "active")
    assert doorbell.wait(5.0)
    doorbell.close()
