"""One real Postgres per test run; every test gets a freshly migrated database of its own, cloned from a template."""

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
from psycopg import sql

from tests.drawn import examples

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres
    from collect_pipelines.store.database import Database

TEMPLATE = "collect_template"

# A busy machine is no fault of an example: nothing in the suite is asserted by the clock.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=examples(40))
hypothesis.settings.load_profile("suite")


@pytest.fixture(scope="session")
def postgres() -> "Iterator[EmbeddedPostgres]":
    """A running server that this test run owns; it ends with the run."""
    from collect_pipelines.local.postgres import throwaway_postgres

    with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: "EmbeddedPostgres") -> str:
    """Name of a migrated database that nobody connects to, so that it can be cloned in milliseconds."""
    from collect_pipelines.local.postgres import create_database
    from collect_pipelines.store.migrations import upgrade

    create_database(postgres.url("postgres"), TEMPLATE)
    upgrade(postgres.url(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[str]:
    """URL of a fresh, migrated database; it is dropped afterwards whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template_database)))
    yield postgres.url(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database(database_url: str) -> "Iterator[Database]":
    """An open `Database` on a fresh, migrated database."""
    from collect_pipelines.store.database import Database

    opened = Database(database_url)
    yield opened
    opened.dispose()
