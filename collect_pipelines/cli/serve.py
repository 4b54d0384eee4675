"""`collect serve`: one server in the foreground, for containers and service managers."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from collect_pipelines.cli.connection import database_url
from collect_pipelines.cli.options import pass_settings
from collect_pipelines.settings import Settings

__all__ = ["command"]


@click.group()
def command() -> None:
    """Run one server in the foreground, for containers and units."""


@command.command()
@pass_settings
def ingest(settings: Settings) -> None:
    """Serve the ingest endpoint until SIGTERM; requests in flight are finished first."""
    from collect_pipelines.ingest.server import serve

    with _ready_database(settings) as url:
        serve(settings, url)


@command.command()
@pass_settings
def metrics(settings: Settings) -> None:
    """Serve the pipeline's metrics, computed from the ledger at each scrape."""
    from collect_pipelines.cli.exporter import export

    with _ready_database(settings) as url:
        export(settings, url)


@command.command()
@pass_settings
def sheets(settings: Settings) -> None:
    """Serve the local Google Sheets; its files and accounts lie in the data folder."""
    from collect_pipelines.local.sheets.server import serve

    serve(settings.data_dir / "sheets", host=settings.host, port=settings.sheets_port)


@contextmanager
def _ready_database(settings: Settings) -> Iterator[str]:
    """The database; the embedded one is made and brought up to date, one of your own is left as it is."""
    with database_url(settings, create=True) as url:
        if settings.database_url is None:
            from collect_pipelines.store import migrations

            migrations.upgrade(url)
        yield url
