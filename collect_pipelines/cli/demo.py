"""`collect demo`: the product with sample data, from nothing to the first visible response, timed."""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.api_key import key_file, save_api_key
from collect_pipelines.cli.failures import TIMED_OUT
from collect_pipelines.cli.options import DEMO_FOLDER, json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.cli.streaming import Stream
from collect_pipelines.cli.up import tell_ready
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.local.application import Application
    from collect_pipelines.local.signals import StopSignals
    from collect_pipelines.local.supervisor import Supervisor

__all__ = ["command"]

LOOK_SECONDS = 0.5
ARRIVAL_SECONDS = 180.0  # on a machine that does much else at the same time


@click.command()
@click.option("--rate", default=1.0, show_default=True, type=click.FloatRange(0.1, 200), help="Sample responses per second.")
@click.option("--count", default=500, show_default=True, type=click.IntRange(1, 100_000), help="Stop sending after so many responses.")
@click.option("--once", "--exit-after-first", "once", is_flag=True, help="Stop everything once the first response is visible; for tests.")
@json_option
@pass_settings
def command(settings: Settings, rate: float, count: int, once: bool, as_json: bool) -> int:
    """
    Run everything with sample data and watch the first response arrive.

    The data lies in a folder of its own (.collect/demo, or the folder you name); `collect up` does not touch it.
    """
    from collect_pipelines.local.application import find_application
    from collect_pipelines.local.signals import StopSignals
    from collect_pipelines.local.supervisor import Supervisor

    begun = time.monotonic()
    settings = demo_settings(settings, click.get_current_context().find_root().obj)
    application = find_application()
    with StopSignals() as stop, Supervisor(settings, application, say=say) as supervisor:
        demo = _Demo(supervisor, application, begun, rate, count, as_json=as_json)
        try:
            code = demo.run(stop, once=once)
        finally:
            demo.close()
    say("Stopped. The data is kept.")
    return code


def demo_settings(settings: Settings, given: Path | None) -> Settings:
    """The demo's own data folder, unless one is named on the command line or in the environment."""
    named = given is not None or settings.data_dir != Settings().data_dir
    return settings if named else replace(settings, data_dir=settings.data_dir / DEMO_FOLDER)


class _Demo:
    """From the first process to the first visible response, and on until it is stopped."""

    def __init__(
        self, supervisor: "Supervisor", application: "Application", begun: float, rate: float, count: int, *, as_json: bool
    ) -> None:
        from collect_pipelines.local.demo_arrival import SheetView

        self._supervisor = supervisor
        self._settings = supervisor.settings
        self._begun = begun
        self._as_json = as_json
        self._forms, key = _prepare(self._settings, supervisor.database_url, application)
        self._stream = Stream(f"http://{self._settings.host}:{self._settings.ingest_port}", key, self._forms, rate, count)
        self._view = SheetView(self._settings.local_sheets_url, self._settings.data_dir / "sheets" / "person.json")
        self._seen: dict[str, float] = {}
        self._sheet_page = ""

    def run(self, stop: "StopSignals", *, once: bool) -> int:
        from collect_pipelines.local.services import urls

        for name in self._supervisor.start(stop):
            if name:
                self._say(f"{name} is ready")
            if name == "ingest":
                self._stream.start()
            self._look()
        if not stop:
            tell_ready(self._settings, urls(self._settings), None, as_json=False)
        code = self._await_first(stop)
        if code == 0 and not stop:
            self._tell(once)
        if not once:
            self._supervisor.keep(stop)
        say("Stopping: everything in hand is finished first.")
        return code

    def close(self) -> None:
        self._stream.stop()

    def _await_first(self, stop: "StopSignals") -> int:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not self._look():
            if stop.wait(LOOK_SECONDS):
                return 0
            self._supervisor.look_after()
            if time.monotonic() > deadline:
                say(f"Error: no response became visible within {ARRIVAL_SECONDS:.0f} s.")
                say(f"Next:  read the logs in {self._supervisor.logs}, and run `{_command(self._settings)} status`.")
                return TIMED_OUT
        return 0

    def _look(self) -> bool:
        """True when the first response was seen everywhere; notes the moment it is seen in each place."""
        first = self._stream.first
        if first is None:
            return False
        from collect_pipelines.local.demo_arrival import in_warehouse

        form, response_id = first
        if "spreadsheet" not in self._seen and self._settings.uses_local_sheets and (page := self._view.find(response_id)):
            self._sheet_page = page
            self._note("spreadsheet")
        if "warehouse" not in self._seen and in_warehouse(self._settings.duckdb_path, form, response_id):
            self._note("warehouse")
        return {"warehouse"} | ({"spreadsheet"} if self._settings.uses_local_sheets else set()) <= self._seen.keys()

    def _note(self, place: str) -> None:
        self._seen[place] = round(time.monotonic() - self._begun, 2)
        self._say(f"the first response is visible in the {place}")

    def _say(self, text: str) -> None:
        say(f"{time.monotonic() - self._begun:5.1f} s  {text}")

    def _tell(self, once: bool) -> None:
        from collect_pipelines.local.services import urls

        if self._as_json:
            document = {"pid": os.getpid(), "first_visible_seconds": self._seen, "spreadsheet": self._sheet_page}
            print_json(document | {"data_dir": str(self._settings.data_dir), "urls": urls(self._settings)})
        if once:
            return
        say("")
        for line in _hints(self._settings, self._forms[0], self._sheet_page):
            say(line)


def _hints(settings: Settings, form: "FormDefinition", sheet_page: str) -> Iterator[str]:
    """What to look at and what to try, ready to be copied."""
    from collect_pipelines.destinations.warehouse.naming import table_name
    from collect_pipelines.local.demo_responses import sample_responses

    document = next(sample_responses(form, seed=1))
    copy = settings.duckdb_path.with_suffix(".read.duckdb")
    query = f"import duckdb; print(duckdb.connect('{copy}', read_only=True).sql('from forms.{table_name(form.form)}'))"
    command = _command(settings)
    yield f"See it arrive:    {sheet_page}"
    yield f'Query it:         {sys.executable} -c "{query}"'
    yield f"Where it all is:  {command} status"
    yield "Send one yourself; sent again, it is stored once:"
    yield f"  curl -H \"Authorization: Bearer $(cat {key_file(settings)})\" -H 'Content-Type: application/json' \\"
    yield f"    --data {shlex.quote(json.dumps(document))} \\"
    yield f"    http://{settings.host}:{settings.ingest_port}/v1/forms/{form.form}/responses"
    yield f"and follow it:    {command} trace {document['id']}"


def _prepare(settings: Settings, database_url: str, application: "Application") -> "tuple[list[FormDefinition], str]":
    """Publishes the samples and adds integrations; returns the forms and an API key."""
    from collect_pipelines.local.demo_setup import add_demo_integrations, create_demo_key, publish_samples, sample_files
    from collect_pipelines.store.database import Database

    database = Database(database_url, pool_size=1)
    try:
        with database.begin() as connection:
            forms = publish_samples(connection, sample_files(application))
            add_demo_integrations(connection, forms)
            key = key_file(settings).read_text("ascii").strip() if key_file(settings).exists() else create_demo_key(connection)
    finally:
        database.dispose()
    save_api_key(settings, key)
    return forms, key


def _command(settings: Settings) -> str:
    """How the demo's data is asked about from another terminal."""
    return f"{Path(sys.executable).with_name('collect')} --data-dir {settings.data_dir}"
