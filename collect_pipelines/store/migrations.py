"""
Bringing the schema `collect` up to date; the scripts lie in `alembic/versions` beside this file.

Alembic is imported by an upgrade only: whether one is needed is asked by every ingest process, again and again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Text, column, func, inspect, select, table, text

from collect_pipelines.store.database import Database
from collect_pipelines.store.tables.base import SCHEMA

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationInfo

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
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    applied: list[str] = []

    def note(*, step: "MigrationInfo", **_: Any) -> None:
        applied.append(str(step.up_revision_id))

    with _database(url) as database, database.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text(f"set local lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
        if not inspect(connection).has_schema(SCHEMA):
            connection.execute(text(f"create schema {SCHEMA}"))
        scripts = ScriptDirectory(str(SCRIPTS))
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
    revisions = _revisions()
    with _database(url) as database, database.begin() as connection:
        exists = connection.scalar(select(func.to_regclass(f"{SCHEMA}.{VERSION_TABLE}").is_not(None)))
        versions = select(func.max(column("version_num", Text))).select_from(table(VERSION_TABLE, schema=SCHEMA))
        current = connection.scalar(versions) if exists else None
    return MigrationStatus(current, revisions[-1], tuple(revision for revision in revisions if current is None or revision > current))


@cache
def _revisions() -> tuple[str, ...]:
    """Every revision, oldest first: scripts are named after theirs, and numbered."""
    return tuple(sorted(script.name.partition("_")[0] for script in (SCRIPTS / "versions").glob("[0-9]*.py")))


@contextmanager
def _database(url: str) -> Iterator[Database]:
    database = Database(url, pool_size=1, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
    try:
        yield database
    finally:
        database.dispose()
