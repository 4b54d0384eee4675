"""`collect db`: the schema of the store."""

from dataclasses import asdict

import click

from collect_pipelines.cli.connection import database_url
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_facts, print_json, say
from collect_pipelines.settings import Settings

__all__ = ["command"]


@click.group()
def command() -> None:
    """Look after the database schema."""


@command.command()
@json_option
@pass_settings
def upgrade(settings: Settings, as_json: bool) -> None:
    """
    Bring the schema to this version; safe to run twice, or by two processes at once.

    The schema in which Dagster keeps its own records is made too; Dagster makes the tables in it.
    """
    with database_url(settings, create=True) as url:
        from collect_pipelines.local.dagster_storage import create_dagster_schema
        from collect_pipelines.store import migrations

        applied = migrations.upgrade(url)
        create_dagster_schema(url)
    if as_json:
        print_json({"applied": applied})
        return
    say(f"Applied {', '.join(applied)}." if applied else "The schema is current; nothing to do.")


@command.command()
@json_option
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show which migrations ran and which wait."""
    with database_url(settings) as url:
        from collect_pipelines.store import migrations

        found = migrations.status(url)
    if as_json:
        print_json(asdict(found))
        return
    print_facts({"current": found.current or "none", "head": found.head, "pending": ", ".join(found.pending) or "none"})
    if found.pending:
        say("Next: collect db upgrade")


@command.command()
@click.option("--dagster", is_flag=True, help="As Dagster wants it: the value of COLLECT_DAGSTER_URL.")
@pass_settings
def url(settings: Settings, dagster: bool) -> None:
    """Print the URL of the database, password included, for psql and for Dagster's own commands."""
    with database_url(settings) as found:
        from collect_pipelines.local.dagster_storage import dagster_url

        click.echo(dagster_url(found) if dagster else found)
