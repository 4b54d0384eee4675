"""A committed response is validated and delivered by Dagster's own processes, and goes on after any of them is killed."""

import os
import secrets
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
import psycopg
import pytest
from psycopg import sql

from collect_pipelines.local.application import find_application
from collect_pipelines.store.database import Database
from collect_pipelines.store.ledger import ledger
from tests.graph.conftest import Household
from tests.integration.dagster_stack import DagsterStack, dagster_stack, eventually

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

CANARY = "canary-5b1e"
PATIENCE_SECONDS = 150.0  # of patience only: measured 20 s, but a machine that runs other tests too needs far longer
HELD_BACK = 7  # number of the response whose answer is no number
LANES = ("validation_lane", "warehouse_lane")


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    """One database for all tests of this module: starting the processes is what costs."""
    name = f"dagster_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template_database)))
    opened = Database(postgres.url(name))
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def stack(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterStack]:
    with dagster_stack(database.url, tmp_path_factory.mktemp("dagster")) as running:
        yield running


@pytest.fixture(scope="module")
def survey(database: Database) -> Household:
    return Household(database)


def settled(survey: Household) -> bool:
    """True when the ledger says that nothing is pending: all is delivered or held back."""
    with survey.database.begin() as connection:
        (row,) = ledger(connection)
    return row.accepted == row.delivered + row.quarantined == survey.accepted


def rows(stack: DagsterStack) -> list[str]:
    """The response ids in the warehouse, from the copy for people; none before the first load."""
    copy = stack.folder / "data" / "warehouse.read.duckdb"
    if not copy.exists():
        return []
    with duckdb.connect(str(copy), read_only=True) as connection:
        return [str(row[0]) for row in connection.execute("select _response_id from forms.household order by 1").fetchall()]


def test_responses_reach_the_warehouse_from_a_cold_start(stack: DagsterStack, survey: Household) -> None:
    survey.accept(5, name=CANARY)

    eventually(lambda: settled(survey), PATIENCE_SECONDS, stack.log)

    expected = [f"r{number:05d}" for number in range(1, 6)]
    eventually(lambda: rows(stack) == expected, PATIENCE_SECONDS, stack.log)


def test_while_the_runs_are_alive_a_response_takes_no_new_run(stack: DagsterStack, survey: Household) -> None:
    survey.accept(1, name=CANARY)
    survey.accept(1, people=CANARY)

    eventually(lambda: settled(survey), PATIENCE_SECONDS, stack.log)

    assert [stack.statuses(job) for job in LANES] == [["STARTED"], ["STARTED"]], stack.log()


def test_the_form_is_a_partition_with_its_deliveries_and_its_check(stack: DagsterStack) -> None:
    told = """select count(*) from dagster.event_logs
              where partition = 'household' and asset_key = %s and dagster_event_type = 'ASSET_MATERIALIZATION'"""
    eventually(
        lambda: all(stack.query(told, f'["{key}"]') != [(0,)] for key in ("responses", "validated", "warehouse")),
        PATIENCE_SECONDS,
        stack.log,
    )

    assert stack.query("select partition from dagster.dynamic_partitions where partitions_def_name = 'forms'") == [("household",)]
    # One response of the test before is held back: the change is told at once.
    checks = "select check_name, partition, execution_status from dagster.asset_check_executions"
    eventually(lambda: stack.query(checks) == [("answers_hold", "household", "FAILED")], PATIENCE_SECONDS, stack.log)


def test_killed_runs_are_replaced_and_nothing_is_lost_or_doubled(stack: DagsterStack, survey: Household) -> None:
    for pid in stack.run_pids().values():
        os.kill(pid, signal.SIGKILL)
    survey.accept(3, name=CANARY)

    eventually(lambda: settled(survey), PATIENCE_SECONDS, stack.log)

    assert [stack.statuses(job)[0] for job in LANES] == ["FAILURE", "FAILURE"]
    expected = [f"r{number:05d}" for number in range(1, survey.accepted + 1) if number != HELD_BACK]
    eventually(lambda: rows(stack) == expected, PATIENCE_SECONDS, stack.log)


def test_the_command_line_materializes_one_form(stack: DagsterStack, survey: Household) -> None:
    # Before the tests that end the lanes' runs: a response would have new ones started.
    survey.accept(1, name=CANARY)
    definitions = str(find_application().definitions)

    done = stack.dagster("asset", "materialize", "-f", definitions, "--select", "validated,warehouse", "--partition", "household")

    assert done.returncode == 0, done.stderr[-4000:]
    told = "select status from dagster.runs where pipeline_name = '__ASSET_JOB' and partition = 'household'"
    assert stack.query(told) == [("SUCCESS",)]
    # A lane may have been quicker, or have the form in hand.
    eventually(lambda: settled(survey), PATIENCE_SECONDS, stack.log)


def test_a_terminated_run_finishes_its_batch_and_ends_as_canceled(stack: DagsterStack) -> None:
    pids = stack.run_pids()
    stack.request_termination("warehouse_lane")
    os.kill(pids["warehouse_lane"], signal.SIGTERM)

    eventually(lambda: stack.statuses("warehouse_lane")[-1] == "CANCELED", PATIENCE_SECONDS, stack.log)

    # The lease was given back, not left to expire: a successor may work at once.
    assert stack.query("select owner from collect.lease where name = 'lane:warehouse'") == [("",)]


def test_a_run_that_a_supervisor_stops_is_no_failure(stack: DagsterStack) -> None:
    os.kill(stack.run_pids()["validation_lane"], signal.SIGTERM)

    eventually(lambda: stack.statuses("validation_lane")[-1] != "STARTED", PATIENCE_SECONDS, stack.log)

    assert stack.statuses("validation_lane")[-1] == "SUCCESS"
    assert stack.query("select owner from collect.lease where name = 'lane:validation'") == [("",)]


def test_neither_answers_nor_secrets_are_in_anything_that_dagster_keeps(stack: DagsterStack, survey: Household) -> None:
    # Promise 10, in every text of every table of Dagster's schema, in its logs and in its files.
    password = survey.database.url.partition("@")[0].rpartition(":")[2]
    columns = stack.query(
        """select table_name, column_name from information_schema.columns
           where table_schema = 'dagster' and data_type in ('text', 'character varying')"""
    )
    found = [
        (table, column, needle)
        for table, column in columns
        for needle in (CANARY, password)
        if stack.query(f'select 1 from dagster."{table}" where position(%s in "{column}") > 0 limit 1', needle)
    ]
    files = [path for path in stack.folder.rglob("*") if path.is_file() and not path.name.startswith("warehouse")]
    told = [path.name for path in files if any(needle.encode() in path.read_bytes() for needle in (CANARY, password))]

    assert len(columns) > 20
    assert found == []
    assert told == []
