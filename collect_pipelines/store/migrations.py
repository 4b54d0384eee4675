"""Bringing the schema `collect` up to date; the scripts lie in `alembic/versions` beside this file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from collect_pipelines.store.database import Database
from collect_pipelines.store.tables.base import SCHEMA

__all__ = ["MigrationStatus", "status", "upgrade"]

SCRIPTS = Path(__file__).parent / "alembic"
VERSION_TABLE = "schema_version"
LOCK = 7_063_051_100  # any number nobody else uses: one upgrade at a time in a database
# A migration that has to wait for a long transaction must not make every response wait behind it.
LOCK_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_SECONDS = 3600.0  # an index on ten million responses takes minutes


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Where a database stands; `pending` names the revisions an upgrade would apply, oldest first."""

    current: str | None
    head: str
    pending: tuple[str, ...]


def upgrade(url: str) -> list[str]:
    """
    Applies what is missing, all or nothing, and returns the names of the revisions applied, oldest first.

    Safe when two processes start it at once. Needs the right to create a schema in the database, nothing more.
    Raises Unavailable when Postgres is away or another transaction holds a table for too long, ConfigInvalid without that right.
    """
    applied: list[str] = []

    def note(*, step: MigrationInfo, **_: Any) -> None:
        applied.append(str(step.up_revision_id))

    with _database(url) as database, database.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        if not inspect(connection).has_schema(SCHEMA):
            connection.execute(text(f"create schema {SCHEMA}"))
        scripts = _scripts()
        with EnvironmentContext(Config(), scripts, fn=lambda current, _: scripts._upgrade_revs("head", current)) as environment:
            environment.configure(
                connection=connection,
                version_table=VERSION_TABLE,
                version_table_schema=SCHEMA,
                on_version_apply=cast(Any, note),  # Alembic calls it with keywords, its type says otherwise
            )
            environment.run_migrations()
    return applied


def status(url: str) -> MigrationStatus:
    """Where the database stands; changes nothing. Raises Unavailable when Postgres is away."""
    scripts = _scripts()
    head = scripts.get_current_head()
    assert head is not None, "the wheel holds the migrations"
    with _database(url) as database, database.begin() as connection:
        current = _context(connection).get_current_revision() if inspect(connection).has_table(VERSION_TABLE, SCHEMA) else None
    pending = tuple(script.revision for script in scripts.iterate_revisions(head, current or "base"))
    return MigrationStatus(current, head, pending[::-1])


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(SCRIPTS))


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "version_table_schema": SCHEMA})


@contextmanager
def _database(url: str) -> Iterator[Database]:
    database = Database(url, pool_size=1, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
    try:
        yield database
    finally:
        database.dispose()
