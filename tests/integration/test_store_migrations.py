"""Upgrading makes exactly the declared tables, once, whoever starts it and whatever the database belongs to."""

from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import create_engine, make_url

from collect_pipelines.errors import ConfigInvalid, Unavailable
from collect_pipelines.local.ports import free_port
from collect_pipelines.local.postgres import EmbeddedPostgres, create_database
from collect_pipelines.store.database import Database
from collect_pipelines.store.migrations import SCRIPTS, VERSION_TABLE, status, upgrade
from collect_pipelines.store.tables import SCHEMA, metadata


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres) -> Any:
    """URL of a database without anything of ours."""
    create_database(postgres.url("postgres"), "empty")
    yield postgres.url("empty")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database empty with (force)")


def differences(url: str) -> list[Any]:
    """What autogenerate would change to make the database what the tables declare."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), connect_args={"options": "-csearch_path=public"})
    options = {
        "include_schemas": True,
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        "include_object": lambda item, name, kind, *_: kind != "table" or not (name.startswith("response_") or name == VERSION_TABLE),
    }
    with engine.connect() as connection:
        found = list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    engine.dispose()
    return found


def definitions(url: str) -> set[tuple[str, str]]:
    """Every constraint and index of the schema as Postgres prints it; autogenerate looks at neither checks nor conditions."""
    query = """
        select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
        where contype in ('c', 'p', 'u', 'f') and connamespace = 'collect'::regnamespace
        union all select tablename, indexdef from pg_indexes where schemaname = 'collect'
    """
    with psycopg.connect(url, options="-csearch_path=public") as connection:
        every = {(table.removeprefix("collect."), text) for table, text in connection.execute(query)}
    return {(table, text) for table, text in every if not table.startswith("response_") and table != VERSION_TABLE}


def test_the_upgraded_database_is_what_the_tables_declare(database_url: str) -> None:
    assert differences(database_url) == []


def test_the_upgraded_database_has_the_declared_constraints_and_indexes(database_url: str, empty_url: str) -> None:
    engine = create_engine(make_url(empty_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("create schema collect")
        metadata.create_all(connection)
    engine.dispose()

    assert definitions(database_url) == definitions(empty_url)


def test_a_difference_would_be_seen(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table collect.batch drop column digest")

    assert [difference[0] for difference in differences(database_url)] == ["add_column"]


def test_an_upgrade_tells_what_it_applied_and_a_second_one_applies_nothing(empty_url: str) -> None:
    before = status(empty_url)
    applied = upgrade(empty_url)
    after = status(empty_url)

    assert before.current is None
    assert applied == list(before.pending)
    assert upgrade(empty_url) == []
    assert (after.current, after.pending) == (after.head, ())


def test_two_upgrades_started_at_once_apply_each_revision_once(empty_url: str) -> None:
    every = list(status(empty_url).pending)
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: upgrade(empty_url), range(4)))

    assert sorted(applied) == [[], [], [], every]


def test_a_user_that_owns_nothing_but_the_database_can_upgrade_and_work(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("create role tenant login password 'secret'")
        connection.execute("create database tenant owner tenant")
    url = make_url(postgres.url("tenant")).set(username="tenant", password="secret").render_as_string(hide_password=False)
    try:
        upgrade(url)
        database = Database(url)
        with database.begin() as connection:
            connection.exec_driver_sql("insert into collect.organization (slug, title) values ('a', 'A')")
        database.dispose()
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("drop database tenant with (force)")
            connection.execute("drop role tenant")


def test_a_database_user_without_rights_is_told_what_to_grant(postgres: EmbeddedPostgres, empty_url: str) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("create role guest login password 'secret'")
    url = make_url(empty_url).set(username="guest", password="secret").render_as_string(hide_password=False)
    try:
        with pytest.raises(ConfigInvalid) as refused:
            upgrade(url)

        assert "grant create on database" in str(refused.value.fix).lower()
    finally:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop role guest"))


def test_an_upgrade_without_postgres_is_unavailable_and_hides_the_password() -> None:
    with pytest.raises(Unavailable) as away:
        upgrade(f"postgresql://user:hunter2@127.0.0.1:{free_port()}/nowhere")

    assert "hunter2" not in str(away.value) + str(away.value.fix)


def test_the_names_of_the_scripts_are_their_revisions_in_order(empty_url: str) -> None:
    scripts = ScriptDirectory(str(SCRIPTS)).walk_revisions("base", "heads")

    assert list(status(empty_url).pending) == [script.revision for script in scripts][::-1]


def test_a_database_of_a_newer_version_is_behind_nothing(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("update collect.schema_version set version_num = '9999'")

    assert (status(database_url).current, status(database_url).pending) == ("9999", ())


def test_the_migrations_lie_inside_the_package() -> None:
    scripts = files("collect_pipelines.store").joinpath("alembic", "versions")

    assert any(script.name.startswith("0001") for script in scripts.iterdir())


def test_the_schema_uses_nothing_newer_than_postgres_14() -> None:
    scripts = files("collect_pipelines.store").joinpath("alembic", "versions")
    text = "\n".join(script.read_text("utf-8").lower() for script in scripts.iterdir() if script.name.endswith(".py"))

    # 15: nulls not distinct, security_invoker views; 16: any_value; 17: merge returning; 18: virtual columns, uuidv7, without overlaps.
    for newer in ("nulls not distinct", "security_invoker", "any_value", "merge into", "virtual", "uuidv7", "without overlaps"):
        assert newer not in text
