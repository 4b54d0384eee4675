"""What runs all the time reads a handful of index entries, however long the log is."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from collect_pipelines.local.postgres import EmbeddedPostgres
from collect_pipelines.store import accepting
from collect_pipelines.store.backfill_records import list_backfills
from collect_pipelines.store.batches import last_batches
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import add_integration, due_integrations, list_integrations
from collect_pipelines.store.ledger import ledger
from collect_pipelines.store.letters import due_letters
from collect_pipelines.store.log import batch_end, entry_counts, find_responses, list_responses, newest_response, read_entries
from collect_pipelines.store.migrations import upgrade
from collect_pipelines.store.older import first_position_since, older_entries
from collect_pipelines.store.rates import measured_rate, pace_of
from collect_pipelines.store.traces import batches_of
from collect_pipelines.store.validation import forms_to_validate, list_quarantined
from tests.integration.store_filling import fill
from tests.integration.store_tools import publish

FORMS = 40
ENTRIES = 700
BATCHES = 3000

# Counts what the current transaction itself did, at once and for plans that no EXPLAIN can reach, COPY among them.
SCANS = """
select relname, seq_scan, coalesce(idx_scan, 0) as idx_scan from pg_stat_xact_user_tables
where schemaname = 'collect' and (relname ~ '^response_' or relname in ('batch', 'quarantine', 'dead_letter'))
"""


@pytest.fixture(scope="module")
def long_logs(postgres: EmbeddedPostgres) -> Any:
    """Forty forms with integrations, a log each, some batches and quarantine; analysed as autovacuum would."""
    from collect_pipelines.local.postgres import create_database

    create_database(postgres.url("postgres"), "long_logs")
    upgrade(postgres.url("long_logs"))
    database = Database(postgres.url("long_logs"))
    forms = publish(database, *(f"form-{n}" for n in range(FORMS)))
    with database.begin() as connection:
        for form_id in forms:
            fill(connection, form_id, ENTRIES)
            add_integration(connection, form_id, f"sheet-{form_id}", "sheets", {})
        connection.execute(text("update collect.form set validated_through = head - 100"))
        connection.execute(
            text(
                "insert into collect.batch (integration_id, batch_no, from_position, to_position, form_version, digest, epoch, state,"
                " delivered) select integration_id, n, n, n, 1, 'd', 1, 'landed', 1 from collect.integration,"
                f" generate_series(1, {BATCHES // FORMS}) n"
            )
        )
        connection.execute(
            text(
                "insert into collect.dead_letter"
                " (integration_id, position, batch_no, response_id, revision, reason, state, next_attempt_at)"
                " select integration_id, from_position, batch_no, 'r', 1, 'no', case when batch_no % 2 = 0 then 'open' else 'waiting' end,"
                " case when batch_no > 2 then now() + interval '1 hour' end from collect.batch"
            )
        )
        connection.execute(
            text(
                "insert into collect.backfill (integration_id, purpose, from_position, to_position, next_position, created_by)"
                f" select integration_id, 'backfill', 1, {ENTRIES}, {BATCHES // FORMS + 1}, 'cli' from collect.integration"
            )
        )
        connection.execute(
            text(
                "insert into collect.batch (integration_id, batch_no, from_position, to_position, form_version, digest, epoch, state,"
                " delivered, rows, purpose, backfill_id, landed_at)"
                " select integration_id, 10000 + n, n, n, 1, 'd', 1, 'landed', 1, 1, 'backfill',"
                f" backfill_id, now() from collect.backfill, generate_series(1, {BATCHES // FORMS}) n"
            )
        )
        connection.execute(
            text(
                "insert into collect.quarantine (form_id, position, response_id, revision, reasons)"
                " select form_id, position, response_id, 1, '[]' from collect.response where position % 10 = 0"
            )
        )
    with psycopg.connect(database.url, autocommit=True) as connection:
        # Like autovacuum: it never looks at the partitioned table itself.
        tables = "select oid::regclass from pg_class where relnamespace = 'collect'::regnamespace and relkind = 'r'"
        connection.execute(f"vacuum analyze {', '.join(name for (name,) in connection.execute(tables))}")
    yield database, forms[FORMS // 2]
    database.dispose()


def of_form(connection: Connection, form_id: int) -> int:
    """Number of its integration."""
    return list_integrations(connection, form_id)[0].integration_id


ONE_FORM: dict[str, Callable[[Connection, int], object]] = {
    "read_entries": lambda connection, form: read_entries(connection, form, 300, 340, ["name"], without_quarantined=True),
    "batch_end": lambda connection, form: batch_end(connection, form, 300, 600, 50, 1_000_000),
    "entry_counts": lambda connection, form: entry_counts(connection, form, 300, 340),
    "newest_response": lambda connection, form: newest_response(connection, form, "r-300"),
    "list_responses": lambda connection, form: list_responses(connection, form, 300, 20),
    "batches_of": lambda connection, form: batches_of(connection, form, 30),
    "list_quarantined": lambda connection, form: list_quarantined(connection, form, 5),
    "older_entries": lambda connection, form: older_entries(connection, form, 300, 340, 600),
    "older_entries of some": lambda connection, form: older_entries(connection, form, 300, 340, 600, [300, 303, 340]),
    "first_position_since": lambda connection, form: first_position_since(connection, form, datetime(2020, 1, 1, tzinfo=UTC)),
    "due_letters": lambda connection, form: due_letters(connection, of_form(connection, form), form, 5, 1_000_000),
    "last_batches": lambda connection, form: last_batches(connection, of_form(connection, form), 4),
    "pace_of": lambda connection, form: pace_of(connection, list_backfills(connection, of_form(connection, form))[0]),
    "measured_rate": lambda connection, form: measured_rate(connection, "sheets", of_form(connection, form)),
}
ALL_FORMS: dict[str, Callable[[Connection, int], object]] = {
    "find_responses": lambda connection, _: find_responses(connection, "r-300"),
    "due_integrations": lambda connection, _: due_integrations(connection, "sheets"),
    "forms_to_validate": lambda connection, _: forms_to_validate(connection),
    "ledger": lambda connection, _: ledger(connection),
}


def scans(database: Database, read: Callable[[Connection], object]) -> dict[str, tuple[int, int]]:
    """Scans of whole tables and of indexes by table that the read made."""
    with database.begin() as connection:
        before = {name: (whole, index) for name, whole, index in connection.execute(text(SCANS))}
        assert read(connection)
        after = {name: (whole, index) for name, whole, index in connection.execute(text(SCANS))}
    return {name: (whole - before[name][0], index - before[name][1]) for name, (whole, index) in after.items()}


@pytest.mark.parametrize("name", [*ONE_FORM, *ALL_FORMS])
def test_no_log_and_no_history_is_read_as_a_whole(long_logs: tuple[Database, int], name: str) -> None:
    database, form_id = long_logs
    made = scans(database, lambda connection: (ONE_FORM | ALL_FORMS)[name](connection, form_id))

    assert [table for table, (whole, _) in made.items() if whole] == []
    assert any(index for _, index in made.values())


@pytest.fixture(scope="module")
def many_short_logs(postgres: EmbeddedPostgres) -> Any:
    """Four hundred forms with forty entries each, two of them with work to do: for a planner, scanning it all looks cheap."""
    from collect_pipelines.local.postgres import create_database

    create_database(postgres.url("postgres"), "many_short_logs")
    upgrade(postgres.url("many_short_logs"))
    database = Database(postgres.url("many_short_logs"))
    publish(database, "a-form")
    with database.begin() as connection:
        for statement in (
            "insert into collect.form (organization_id, slug, title, head, validated_through)"
            " select organization_id, 'form-' || n, '{}', 40, 39 + (n % 200 > 0)::int from collect.organization, generate_series(1, 400) n",
            "insert into collect.integration (organization_id, form_id, name, kind, cursor, delivered)"
            " select organization_id, form_id, slug, 'sheets', validated_through, validated_through from collect.form where head > 0",
            "update collect.form set validated_through = 38 where slug = 'form-200'",
            "update collect.integration set cursor = 30, delivered = 30 where name = 'form-1'",
            "insert into collect.response (form_id, position, response_id, revision, operation, version, received_at, source, content_hash,"
            " answers) select form_id, n, n, 1, 'create', 1, now(), 'api', '', '{}' from collect.form, generate_series(1, 40) n",
        ):
            connection.execute(text(statement))
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    yield database
    database.dispose()


@pytest.mark.parametrize("name", ["due_integrations", "forms_to_validate", "ledger"])
def test_looking_for_work_in_many_short_logs_reads_none_of_them_as_a_whole(many_short_logs: Database, name: str) -> None:
    made = scans(many_short_logs, lambda connection: ALL_FORMS[name](connection, 0))

    assert [table for table, (whole, _) in made.items() if whole and table.startswith("response_")] == []


LOG_READERS = ["read_entries", "batch_end", "entry_counts", "newest_response", "list_responses", "older_entries", "first_position_since"]


@pytest.mark.parametrize("name", LOG_READERS)
def test_reading_one_form_touches_one_partition(long_logs: tuple[Database, int], name: str) -> None:
    database, form_id = long_logs
    made = scans(database, lambda connection: ONE_FORM[name](connection, form_id))

    assert len([table for table, (_, index) in made.items() if table.startswith("response_") and index]) == 1


@pytest.mark.parametrize("name", ["due_integrations", "forms_to_validate", "ledger"])
def test_asking_about_all_forms_is_one_statement(long_logs: tuple[Database, int], name: str) -> None:
    from sqlalchemy import event

    database, _ = long_logs
    statements: list[str] = []
    with database.begin() as connection:
        event.listen(connection.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        answers = ALL_FORMS[name](connection, 0)

    assert len(statements) == 1
    assert len(answers) == FORMS  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statement", "arguments", "index"),
    [
        (accepting.LOCK_FORMS, "bigint[] = array[1, 2]", None),
        (accepting.FIND_RESPONSES, "bigint[] = array[1, 2], text[] = array['r-1', 'r-2']", "response_id_revision"),
        (accepting.FIND_UNIQUE_KEYS, "bigint[] = array[1, 2], text[] = array['key-1', 'key-2']", "unique_key"),
    ],
)
def test_the_writer_probes_indexes_with_the_plan_it_keeps(
    long_logs: tuple[Database, int], statement: str, arguments: str, index: str | None
) -> None:
    types, values = zip(*(one.split(" = ") for one in arguments.replace("], ", "]|").split("|")), strict=True)
    with psycopg.connect(long_logs[0].url) as connection:
        connection.execute("set plan_cache_mode = force_generic_plan")
        connection.execute(f"prepare hot ({', '.join(types)}) as {statement}")
        plan = "\n".join(line for (line,) in connection.execute(f"explain execute hot ({', '.join(values)})"))

    assert "Seq Scan on response" not in plan
    assert index is None or f"{index}" in plan, plan


def test_a_plan_that_reads_a_whole_log_would_be_seen(long_logs: tuple[Database, int]) -> None:
    database, _ = long_logs
    made = scans(database, lambda connection: connection.execute(text("select count(*) from collect.response where source = 'x'")))

    assert any(whole for whole, _ in made.values())
