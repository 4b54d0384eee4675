"""The database a command works on: COLLECT_DATABASE_URL, or the embedded Postgres, attached to or started for the moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from collect_pipelines.cli.options import DEMO_FOLDER
from collect_pipelines.errors import Unavailable
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.database import Database

__all__ = ["database_url", "open_database", "transaction"]

# What Postgres answers when a table, a column or the whole schema is missing: the migrations have not run.
SCHEMA_BEHIND = frozenset({"42P01", "42703", "3F000"})


@contextmanager
def database_url(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """
    The URL of a Postgres that answers; the embedded one is attached to, or runs until the block ends.

    create: make the embedded database when there is none yet; else Unavailable is raised.
    """
    if settings.database_url:
        yield settings.database_url
        return
    from collect_pipelines.cli.output import say
    from collect_pipelines.local.folders import make_data_folder
    from collect_pipelines.local.postgres import EmbeddedPostgres

    folder = settings.data_dir / "postgres"
    if not create and not (folder / "data").exists():
        demo = settings.data_dir / DEMO_FOLDER
        named = f"the demo's: collect --data-dir {demo} ..." if (demo / "postgres").exists() else "collect --data-dir FOLDER ..."
        raise Unavailable(
            f"There is no database yet: {folder} is empty and COLLECT_DATABASE_URL is not set.",
            fix=f"Run `collect up` (or `collect db upgrade`) first, or name the data folder, {named}",
        )
    make_data_folder(settings.data_dir)
    with EmbeddedPostgres(folder, settings.postgres_port, progress=say) as server:
        yield server.url()


@contextmanager
def open_database(settings: Settings, *, create: bool = False) -> Iterator["Database"]:
    """The store of this installation. Raises Unavailable when Postgres is away or its schema is not there."""
    with database_url(settings, create=create) as url:
        from sqlalchemy.exc import DBAPIError

        from collect_pipelines.store.database import Database

        database = Database(url, pool_size=2)
        try:
            yield database
        except DBAPIError as exc:
            if getattr(exc.orig, "sqlstate", None) in SCHEMA_BEHIND:
                raise Unavailable("The database has no tables of this version.", fix="Run `collect db upgrade`.") from exc
            raise
        finally:
            database.dispose()


@contextmanager
def transaction(settings: Settings) -> Iterator["Connection"]:
    """One transaction on the store of this installation."""
    with open_database(settings) as database, database.begin() as connection:
        yield connection
