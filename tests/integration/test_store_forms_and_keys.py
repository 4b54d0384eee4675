"""Forms are published as immutable versions; keys are shown once; everything is found by the name people use."""

import traceback
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from collect_pipelines.errors import FormIncompatible, Invalid, NotFound, Unavailable
from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store.alerts import list_alerts, mark_notified, open_alerts, record_alert, resolve_alert
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, form_by_id, form_versions, list_forms, publish_form, set_form_state
from collect_pipelines.store.keys import create_key, find_key, list_keys, revoke_key, touch_key
from collect_pipelines.store.log import read_entries
from collect_pipelines.store.organizations import ensure_organization, organization_id_of
from tests.integration.store_tools import definition, scalar


def test_publishing_the_same_content_again_makes_no_version(database: Database) -> None:
    with database.begin() as connection:
        first = publish_form(connection, "default", definition("household", "name"))
        again = publish_form(connection, "default", definition("household", "name"))
        changed = publish_form(connection, "default", definition("household", "name", "age"))

    assert (first.version, first.created) == (1, True)
    assert (again.version, again.created) == (1, False)
    assert (changed.version, changed.created, changed.form_id) == (2, True, first.form_id)


def test_versions_come_back_as_they_were_published_the_order_of_languages_included(database: Database) -> None:
    labels = {"hi": "नाम", "en": "Name"}
    form = definition("household", title=labels, languages=("hi", "en"))
    with database.begin() as connection:
        form_id = publish_form(connection, "default", form).form_id
        publish_form(connection, "default", definition("household", "name", "age", title=labels, languages=("hi", "en")))
        [first, second] = form_versions(connection, form_id)

        assert [version.version for version in form_versions(connection, form_id, up_to=1)] == [1]
    assert first.definition == form
    assert list(first.definition.title) == ["hi", "en"]
    assert first.content_hash == first.definition.content_hash != second.content_hash


def test_an_incompatible_version_is_refused_and_nothing_is_changed(database: Database) -> None:
    number = definition("household").model_copy(update={"questions": (definition().questions[0].model_copy(update={"type": "integer"}),)})
    with database.begin() as connection:
        form_id = publish_form(connection, "default", definition("household")).form_id
    with pytest.raises(FormIncompatible), database.begin() as connection:
        publish_form(connection, "default", number)
    with database.begin() as connection:
        assert [version.version for version in form_versions(connection, form_id)] == [1]


def test_questions_are_kept_one_by_one_with_their_groups(database: Database) -> None:
    group = {"key": "who", "type": "group", "label": "Who", "questions": [{"key": "age", "type": "integer", "label": "Age", "min": 0}]}
    form = definition("household", questions=[group, {"key": "note", "type": "text", "label": "Note", "pii": "direct"}])
    with database.begin() as connection:
        publish_form(connection, "default", form)
        rows = connection.execute(text("select key, parent, ordinal, type, constraints, pii from collect.question order by ordinal")).all()

    assert [tuple(row) for row in rows] == [
        ("who", None, 1, "group", {}, "none"),
        ("age", "who", 2, "integer", {"min": 0}, "none"),
        ("note", None, 3, "text", {}, "direct"),
    ]


def test_a_form_is_found_by_the_reference_people_use(database: Database) -> None:
    with database.begin() as connection:
        own = publish_form(connection, "default", definition("household"))
        other = publish_form(connection, "north", definition("household"))

        assert find_form(connection, "household").form_id == own.form_id
        assert find_form(connection, "north.household").form_id == other.form_id
        assert find_form(connection, "household", "north").form_id == other.form_id
        assert find_form(connection, "north.household", "north").reference == "north.household"
        assert [record.reference for record in list_forms(connection)] == ["household", "north.household"]
        assert [record.form_id for record in list_forms(connection, "north")] == [other.form_id]
        set_form_state(connection, own.form_id, "closed")
        assert form_by_id(connection, own.form_id).state == "closed"


@pytest.mark.parametrize(
    ("reference", "organization"), [("nothing", None), ("household", "north"), ("household", "south"), ("x.y.z", None)]
)
def test_a_form_of_others_is_not_found(database: Database, reference: str, organization: str | None) -> None:
    with database.begin() as connection:
        publish_form(connection, "default", definition("household"))
        ensure_organization(connection, "north")
        with pytest.raises(NotFound) as missing:
            find_form(connection, reference, organization)

    assert "collect forms" in str(missing.value.fix)


def test_naming_another_organization_does_not_open_it(database: Database) -> None:
    with database.begin() as connection:
        publish_form(connection, "north", definition("household"))
        for reference, organization in (("north.household", "default"), ("north.household", "south")):
            with pytest.raises(NotFound):
                find_form(connection, reference, organization)


def test_a_key_is_shown_once_and_kept_as_a_hash(database: Database) -> None:
    with database.begin() as connection:
        created = create_key(connection, "north", "tablet", frozenset({"ingest", "read"}))
        found = find_key(connection, created.text)

    assert created.text.startswith("cp_live_")
    assert len(created.text) > 40
    assert (found.key_id, found.organization, found.scopes) == (created.key_id, "north", {"ingest", "read"})
    assert found.organization_id == scalar(database, "select organization_id from collect.organization where slug = 'north'")
    dump = scalar(database, "select string_agg(to_jsonb(k)::text, ',') from collect.api_key k")
    assert created.text not in dump
    assert created.text[20:] not in dump


@pytest.mark.parametrize("wrong", ["", "cp_live_", "cp_live_nonsense", "\ud800", "x" * 10_000])
def test_a_wrong_key_is_not_found(database: Database, wrong: str) -> None:
    with database.begin() as connection, pytest.raises(NotFound):
        create_key(connection, "default", "tablet", frozenset({"ingest"}))
        find_key(connection, wrong)


@pytest.mark.parametrize("scopes", [frozenset(), frozenset({"ingest", "root"})])
def test_a_key_has_known_scopes(database: Database, scopes: frozenset) -> None:  # type: ignore[type-arg]
    with database.begin() as connection, pytest.raises(Invalid):
        create_key(connection, "default", "tablet", scopes)


def test_a_revoked_or_expired_key_is_found_as_such(database: Database) -> None:
    past = datetime.now(UTC) - timedelta(days=1)
    with database.begin() as connection:
        created = create_key(connection, "default", "tablet", frozenset({"admin"}), expires_at=past)
        revoke_key(connection, created.key_id)
        first = find_key(connection, created.text)
        revoke_key(connection, created.key_id)

        assert first.expires_at == past
        assert first.revoked_at is not None
        assert find_key(connection, created.text).revoked_at == first.revoked_at
        with pytest.raises(NotFound):
            revoke_key(connection, 999)


def test_use_of_a_key_is_noted_once_a_minute(database: Database) -> None:
    with database.begin() as connection:
        key_id = create_key(connection, "default", "tablet", frozenset({"ingest"})).key_id
    used = []
    for _ in range(2):
        with database.begin() as connection:
            touch_key(connection, key_id)
            used.append(list_keys(connection, "default")[0].last_used_at)

    assert used[0] is not None
    assert used[0] == used[1]


def test_an_organization_is_made_once_and_a_missing_one_is_told(database: Database) -> None:
    with database.begin() as connection:
        assert (
            ensure_organization(connection, "north") == ensure_organization(connection, "north") == organization_id_of(connection, "north")
        )
        with pytest.raises(NotFound):
            organization_id_of(connection, "south")


def test_an_alert_is_one_line_however_often_it_is_seen_and_opens_anew_after_its_end(database: Database) -> None:
    with database.begin() as connection:
        seen = [record_alert(connection, "late", "sheet", f"{n} minutes late") for n in (5, 6)]
        [alert] = open_alerts(connection)
        mark_notified(connection, alert.alert_id)
        resolved = [resolve_alert(connection, "late", "sheet") for _ in range(2)]
        again = record_alert(connection, "late", "sheet", "1 minute late")

        assert [one.message for one in open_alerts(connection)] == ["1 minute late"]
        assert [(one.message, one.resolved_at is None) for one in list_alerts(connection)] == [
            ("1 minute late", True),
            ("6 minutes late", False),
        ]
    assert (seen, resolved, again) == ([True, False], [True, False], True)


def test_a_database_that_is_not_migrated_is_told_with_the_command(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.url("postgres"))
    with pytest.raises(Unavailable) as behind, database.begin() as connection:
        list_forms(connection)
    database.dispose()

    assert "collect db upgrade" in str(behind.value.fix)


@pytest.mark.parametrize(
    "statement",
    [
        "select cast(:answer as integer)",
        "insert into collect.organization (slug, title) values (:answer, 'x'), (:answer, 'x')",
        "insert into collect.quota (key, tokens, burst, rate, refilled_at) values (:answer, 2, 1, 1, now())",
    ],
    ids=["cast", "unique", "check"],
)
def test_an_error_of_the_database_shows_no_value(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError) as broken, database.begin() as connection:
        connection.execute(text(statement), {"answer": "secret answer"})

    shown = "".join(traceback.format_exception(broken.value))
    assert "SQLSTATE" in shown
    assert "secret answer" not in shown


def test_a_copy_that_waits_in_vain_is_told_as_busy(database: Database) -> None:
    with database.begin() as stranger, pytest.raises(Unavailable) as busy:
        stranger.execute(text("lock table collect.response in access exclusive mode"))
        with database.begin() as connection:
            connection.execute(text("set local lock_timeout = '50ms'"))
            read_entries(connection, 1, 0, 10, [])

    assert "busy" in busy.value.message
