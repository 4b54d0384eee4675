"""`collect plan`: what a project file would change."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.failures import CHANGES
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.project.plan import Plan

__all__ = ["command", "file_argument", "prune_option", "show_plan"]

PARTS = {"form": "forms", "integration": "integrations", "key": "keys"}

file_argument = click.argument("file", default="collect.yaml", type=click.Path(path_type=Path, dir_okay=False), metavar="[FILE]")
prune_option = click.option("--prune", is_flag=True, help="Also pause integrations that are not in the file.")


@click.command()
@file_argument
@prune_option
@click.option("--offline", is_flag=True, help="Check the file without a database: every fault that can be found so.")
@json_option
@pass_settings
def command(settings: Settings, file: Path, prune: bool, offline: bool, as_json: bool) -> int:
    """
    Show what a project file would change: forms, columns, integrations, backfills, keys. Changes nothing.

    FILE is collect.yaml unless given (docs/project.md). Exit code 0: nothing to change; 9: something; 3: the file has faults.
    """
    from collect_pipelines.project.applying import refuse_problems
    from collect_pipelines.project.planning import make_plan, offline_plan
    from collect_pipelines.project.reading import read_project

    project = read_project(file)
    if offline:
        plan = offline_plan(project)
    else:
        with transaction(settings) as connection:
            plan = make_plan(connection, project, prune=prune)
    if as_json:
        print_json({"file": str(file), "offline": offline, **plan.as_json()})
    elif not plan.problems and not offline:
        show_plan(plan)
    refuse_problems(project, plan)
    if offline:
        if not as_json:
            _say_notices(plan)
            say(f"{file} has no fault that shows without a database. Next: collect plan {file}")
        return 0
    if plan.changes and not as_json:
        say(f"Next: collect apply {file}{' --prune' if prune else ''}")
    return CHANGES if plan.changes else 0


def show_plan(plan: "Plan") -> None:
    """The plan for people."""
    for change in plan.changes:
        click.echo(f"{change.sign} {change.part} {change.name}: {change.summary}")
        for line in change.lines:
            click.echo(f"    {line}")
    _say_notices(plan)
    if plan.changes:
        counts = {plural: len(plan.of(part)) for part, plural in PARTS.items()}  # type: ignore[arg-type]
        told = ", ".join(f"{count} {plural if count > 1 else plural[:-1]}" for plural, count in counts.items() if count)
        click.echo(f"{told} to change in organization {plan.organization}.")
    else:
        click.echo(f"Nothing to change in organization {plan.organization}.")


def _say_notices(plan: "Plan") -> None:
    for notice in plan.notices:
        say(f"# {notice}")
