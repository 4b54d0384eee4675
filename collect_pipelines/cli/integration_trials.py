"""`collect integrations test` and `preview`: what is missing, and what would be sent."""

from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import open_database
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import print_facts, print_json, say
from collect_pipelines.errors import Blocked
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.sync.trial import Trial

__all__ = ["preview", "test"]


@click.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
@click.pass_context
def test(ctx: click.Context, settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Say what is missing, and prove that the destination can be used, by using it; no response is sent."""
    with open_database(settings) as database:
        from collect_pipelines.sync.trial import try_out

        trial = try_out(database, settings, _id_of(database, name, organization))
    if as_json:
        print_json({"ok": not trial.faults, "steps": trial.steps, "notices": trial.notices, "report": trial.report})
        ctx.exit(Blocked.exit_code if trial.faults else 0)
    _tell(name, trial)


@click.command()
@click.argument("name")
@organization_option
@click.option("-n", "--rows", default=5, show_default=True, type=click.IntRange(1, 100), help="So many of the newest entries of the log.")
@click.option("--response", help="Only this response, by its id.")
@json_option
@pass_settings
def preview(settings: Settings, name: str, organization: str, rows: int, response: str | None, as_json: bool) -> None:
    """Show the exact cells or bytes real responses would become, and what stays behind and why; sends nothing."""
    with open_database(settings) as database:
        from collect_pipelines.sync.preview import preview as preview_of

        shown = preview_of(database, settings, _id_of(database, name, organization), rows, response_id=response)
    if as_json:
        print_json({"preview": shown.text, "rows": shown.rows, "left_out": shown.left_out, "notices": shown.notices})
        return
    if shown.rows:
        click.echo(shown.text)
    else:
        say("None of these responses would be sent.")
    for one in shown.left_out:
        say(f"# left out: {one.response_id}, revision {one.revision}: {one.why}")
    for notice in shown.notices:
        say(f"# {notice}")


def _tell(name: str, trial: "Trial") -> None:
    for step in trial.steps:
        click.echo(f"{'ok     ' if step.ok else 'missing'} {step.name}: {step.said}")
        if step.fix:
            click.echo(f"        Next: {step.fix}")
    if trial.report is not None:
        print_facts(trial.report.facts | ({"look at": trial.report.url} if trial.report.url else {}))
    for notice in trial.notices:
        say(f"# {notice}")
    if trial.faults:
        first = trial.faults[0]
        raise Blocked(f"{name} can't deliver: {first.said}", fix=first.fix or "See above.")


def _id_of(database: "Database", name: str, organization: str) -> int:
    from collect_pipelines.store.integrations import find_integration

    with database.begin() as connection:
        return find_integration(connection, name, organization).integration_id
