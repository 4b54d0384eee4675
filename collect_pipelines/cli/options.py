"""What commands share: the settings, `--json`, `--organization`."""

from collections.abc import Callable
from dataclasses import replace
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from collect_pipelines.settings import Settings

__all__ = ["DEMO_FOLDER", "door_options", "json_option", "organization_option", "pass_settings", "settings_of"]

DEMO_FOLDER = "demo"  # inside the data folder, so that `collect up` never touches what the demo made

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people.")
organization_option = click.option("--organization", default="default", show_default=True, help="Slug of the organization.")


def door_options(function: Callable[P, R]) -> Callable[P, R]:
    """`--url`, `--key` and `--key-file`: which ingest endpoint, and who asks."""
    options = (
        click.option("--url", help="Base URL of the ingest endpoint. Default: the one of this installation."),
        click.option("--key", help="API key; others on this machine may see it in the process list. Default: COLLECT_API_KEY."),
        click.option("--key-file", type=click.Path(dir_okay=False, path_type=Path), help="File with the API key in it."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def pass_settings(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Gives a command the settings as its first argument: the environment, and `--data-dir` over it."""

    @click.pass_context
    def with_settings(ctx: click.Context, /, *args: Any, **options: Any) -> Any:
        return ctx.invoke(function, settings_of(ctx), *args, **options)

    return update_wrapper(with_settings, function)


def settings_of(ctx: click.Context) -> Settings:
    """The settings of this command line."""
    settings = Settings.from_environment()
    data_dir = ctx.find_root().obj
    return replace(settings, data_dir=data_dir) if isinstance(data_dir, Path) else settings
