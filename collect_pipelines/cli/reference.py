"""The reference pages of commands and settings, written from the code that defines them; a test proves the pages current."""

from collections.abc import Iterator
from dataclasses import fields

import click

from collect_pipelines.cli.failures import EXIT_CODES
from collect_pipelines.cli.root import COMMANDS, collect
from collect_pipelines.settings import Settings, setting_name, setting_text

__all__ = ["cli_page", "settings_page"]

WIDTH = 110  # characters of a help line in the page

CLI_INTRODUCTION = """\
# Commands

Written by `make docs` from the commands themselves. `collect --help` says the same.

Data goes to standard output, messages to standard error. `--json` prints one JSON document (one line in a pipe). Tables become
tab-separated lines when the output is not a terminal. Commands that need the database use `COLLECT_DATABASE_URL`, else the
embedded Postgres of the data folder: they attach to the running one, or start it for the moment.

## Exit codes
"""

SETTINGS_INTRODUCTION = """\
# Settings

Written by `make docs` from `collect_pipelines/settings.py`. Every setting is an environment variable; nothing else is read from
the environment. `collect --data-dir FOLDER` overrides `COLLECT_DATA_DIR` for one command.

| variable | default | meaning |
| --- | --- | --- |
"""


def cli_page() -> str:
    """docs/cli.md."""
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    parts = [f"{CLI_INTRODUCTION}\n| code | meaning |\n| --- | --- |\n{codes}\n", _section("collect", collect)]
    for name, lazy in COMMANDS.items():
        parts += [_section(path, command) for path, command in _walk(f"collect {name}", lazy.load())]
    return "\n".join(parts)


def settings_page() -> str:
    """docs/settings.md."""
    rows = []
    for spec in fields(Settings):
        default = "" if spec.default is None else f"`{setting_text(spec.default)}`"
        secret = " Secret: never shown or logged." if spec.metadata["secret"] else ""
        rows.append(f"| `{setting_name(spec.name)}` | {default} | {spec.metadata['description']}{secret} |")
    return SETTINGS_INTRODUCTION + "\n".join(rows) + "\n"


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.commands:
            yield from _walk(f"{path} {name}", command.commands[name])


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH, help_option_names=["-h", "--help"])
    level = "##" if path.count(" ") <= 1 else "###"
    return f"{level} {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"
