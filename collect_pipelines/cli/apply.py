"""`collect apply`: makes a project file so."""

import sys
from pathlib import Path

import click

from collect_pipelines.cli.connection import open_database
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.cli.plan import file_argument, prune_option, show_plan
from collect_pipelines.errors import Invalid
from collect_pipelines.settings import Settings

__all__ = ["command"]


@click.command()
@file_argument
@prune_option
@click.option("--yes", is_flag=True, help="Don't ask. Without a terminal it must be given.")
@json_option
@pass_settings
def command(settings: Settings, file: Path, prune: bool, yes: bool, as_json: bool) -> None:
    """
    Make forms, integrations and keys as a project file says, all of it or nothing. A second time changes nothing.

    FILE is collect.yaml unless given (docs/project.md). What is not in the file is left alone.
    """
    from collect_pipelines.project.applying import apply_plan, refuse_problems
    from collect_pipelines.project.planning import make_plan
    from collect_pipelines.project.reading import read_project

    project = read_project(file)
    with open_database(settings) as database:
        with database.begin() as connection:
            plan = make_plan(connection, project, prune=prune)
        if not as_json and not plan.problems:
            show_plan(plan)
        refuse_problems(project, plan)
        if plan.changes and not yes:
            _ask()
        done = apply_plan(database, settings, project, agreed=None if yes else plan, prune=prune)
    if as_json:
        print_json({"file": str(file), "applied": True, **done.as_json()})
    elif done.changes:
        say("Done. Next: collect status")
    elif plan.changes:
        say("Another `collect apply` was quicker: all of it is done already.")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise Invalid("Nobody is there to be asked.", fix="Look at `collect plan`, then: collect apply --yes")
    click.confirm("Do this?", abort=True, err=True)
