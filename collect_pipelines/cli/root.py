"""The tree of commands, and what happens when one fails."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from collect_pipelines import __version__
from collect_pipelines.cli.failures import EXIT_CODES, report
from collect_pipelines.cli.lazy import LazyCommand, LazyGroup
from collect_pipelines.cli.options import settings_of
from collect_pipelines.settings import Settings

__all__ = ["COMMANDS", "collect", "main"]

ROOM = "collect_pipelines.cli"

COMMANDS = {
    "demo": LazyCommand(f"{ROOM}.demo", "Run everything with sample data and watch the first response arrive."),
    "up": LazyCommand(f"{ROOM}.up", "Run everything: Postgres, ingest, Dagster, metrics, a local Google Sheets."),
    "status": LazyCommand(f"{ROOM}.status", "Show where all responses stand, per form and integration."),
    "trace": LazyCommand(f"{ROOM}.trace", "Tell the story of one response: accepted, checked, delivered."),
    "send": LazyCommand(f"{ROOM}.send", "Send every row of a CSV file as a response, through HTTP."),
    "forms": LazyCommand(f"{ROOM}.forms", "Check, publish, compare, show, infer, import and export form definitions."),
    "rules": LazyCommand(f"{ROOM}.rules", "List the rules of a form, show one, and try them on responses."),
    "responses": LazyCommand(f"{ROOM}.responses", "Submit, list and show responses."),
    "integrations": LazyCommand(f"{ROOM}.integrations", "Connect forms to destinations, and look after them."),
    "keys": LazyCommand(f"{ROOM}.keys", "Create, list and revoke API keys."),
    "plan": LazyCommand(
        f"{ROOM}.plan", "Show what a project file would change: forms, columns, integrations, backfills, keys. Changes nothing."
    ),
    "apply": LazyCommand(
        f"{ROOM}.apply", "Make forms, integrations and keys as a project file says, all of it or nothing. A second time changes nothing."
    ),
    "export": LazyCommand(
        f"{ROOM}.export", "Write forms, integrations and keys as a project file; `collect plan` right after finds nothing to change."
    ),
    "secrets": LazyCommand(f"{ROOM}.secrets", "Keep secrets for integrations, sealed in the database; no command shows one."),
    "connections": LazyCommand(f"{ROOM}.connections", "Connect Google accounts that integrations write as, and look after them."),
    "plugins": LazyCommand(f"{ROOM}.plugins", "List, show, test and start plug-ins: checks and destinations."),
    "failures": LazyCommand(f"{ROOM}.held", "List the responses that are held back, with the reason of each, and decide about them."),
    "backfill": LazyCommand(
        f"{ROOM}.backfill", "Send older responses to an integration that began without them; those that come in meanwhile go first."
    ),
    "replay": LazyCommand(
        f"{ROOM}.replay", "Send the integration NAME once more what it has been sent, as the responses and its settings are now."
    ),
    "reconcile": LazyCommand(
        f"{ROOM}.reconcile", "Compare what the integration NAME should hold, by the log, with what its destination holds now."
    ),
    "slang": LazyCommand(f"{ROOM}.slang", "Import slang lexicons, list them, and search texts and stored responses."),
    "sms": LazyCommand(f"{ROOM}.sms", "Count segments, list messages and what became of them, and keep the opt-out list."),
    "sync": LazyCommand(f"{ROOM}.sync", "Validate and deliver in this process until nothing is pending."),
    "sql": LazyCommand(f"{ROOM}.sql", "Ask the DuckDB warehouse in SQL; it can change nothing."),
    "doctor": LazyCommand(f"{ROOM}.doctor", "Check everything this installation needs, and say what to repair."),
    "db": LazyCommand(f"{ROOM}.db", "Look after the database schema."),
    "serve": LazyCommand(f"{ROOM}.serve", "Run one server in the foreground, for containers and units."),
}


class Root(LazyGroup):
    """The command `collect`: every error ends as an exit code and words, never as a traceback of a CollectError."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **options: Any) -> NoReturn:
        """Runs one command line and exits the process."""
        options["standalone_mode"] = False
        try:
            code = super().main(args, prog_name or "collect", *rest, **options)
        except Exception as error:  # noqa: BLE001 - the one place where every failure becomes an exit code
            code = report(error)
        except KeyboardInterrupt as error:
            code = report(error)
        sys.exit(code if isinstance(code, int) else 0)


def _exit_codes() -> str:
    lines = "\n".join(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())
    return f"\b\nExit codes:\n{lines}"


@click.group(
    cls=Root, lazy=COMMANDS, invoke_without_command=True, epilog=_exit_codes(), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="collect")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of everything the product keeps on disk. Default: COLLECT_DATA_DIR, else .collect",
)
@click.pass_context
def collect(ctx: click.Context, data_dir: Path | None) -> None:
    """
    Form responses in; clean, exactly-once rows out; and for every response you can see where it is.

    Without a command: the status of this installation, if there is one.
    """
    ctx.obj = data_dir
    if ctx.invoked_subcommand is None:
        if _is_installed(settings_of(ctx)):
            ctx.invoke(COMMANDS["status"].load())
        else:
            click.echo(ctx.get_help())


def _is_installed(settings: Settings) -> bool:
    return settings.database_url is not None or (settings.data_dir / "postgres" / "data").exists()


def main() -> NoReturn:
    """Entry point of the program `collect`."""
    collect.main()
