"""`collect up`: everything, supervised, in one terminal."""

import json
import os
import time
from pathlib import Path

import click

from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.settings import Settings

__all__ = ["command", "tell_ready"]


@click.command()
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written once everything works; for scripts.")
@json_option
@pass_settings
def command(settings: Settings, ready_file: Path | None, as_json: bool) -> None:
    """
    Run everything: Postgres, ingest, Dagster, metrics, a local Google Sheets.

    Set COLLECT_DATABASE_URL to use a Postgres you have, and COLLECT_SHEETS_BASE_URL and its siblings to use Google. Ctrl-C ends
    all of it; the next start finds the data again. With --json, one line on standard output tells that everything works.
    """
    from collect_pipelines.local.application import find_application
    from collect_pipelines.local.services import urls
    from collect_pipelines.local.signals import StopSignals
    from collect_pipelines.local.supervisor import Supervisor

    begun = time.monotonic()
    with StopSignals() as stop, Supervisor(settings, find_application(), say=say) as supervisor:
        for name in filter(None, supervisor.start(stop)):
            say(f"{time.monotonic() - begun:5.1f} s  {name} is ready")
        if not stop:
            tell_ready(settings, urls(settings), ready_file, as_json=as_json)
        supervisor.keep(stop)
        say("Stopping: everything in hand is finished first.")
    say("Stopped. The data is kept.")


def tell_ready(settings: Settings, places: dict[str, str], ready_file: Path | None, *, as_json: bool) -> None:
    """Says where to look: to people, to a program on standard output, and to scripts in a file."""
    document = {"ready": True, "pid": os.getpid(), "data_dir": str(settings.data_dir.absolute()), "urls": places}
    if ready_file:
        temporary = ready_file.with_name(ready_file.name + ".new")
        temporary.write_text(json.dumps(document), "utf-8")
        temporary.replace(ready_file)
    if as_json:
        print_json(document)
    for name, url in places.items():
        say(f"  {name:<8} {url}")
    say("Everything works. Ctrl-C ends it; the data stays.")
