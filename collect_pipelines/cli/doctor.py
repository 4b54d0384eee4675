"""`collect doctor`: everything this installation needs, looked at once."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

import click

from collect_pipelines import plugins
from collect_pipelines.cli.connection import database_url
from collect_pipelines.cli.diagnosis import Diagnosis
from collect_pipelines.cli.failures import UNAVAILABLE
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import emit, say
from collect_pipelines.errors import CollectError
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.cli.plugin_facts import PluginFacts
    from collect_pipelines.store.database import Database

__all__ = ["Diagnosis", "command", "diagnose"]

LEAST_FREE_BYTES = 1024**3  # Postgres stops accepting when the disk is full; 1 GiB is some hours of warning
IMPORT_SECONDS = 20.0  # of one plug-in
MOST_CLOCK_SECONDS = 5.0  # more, and the ages people see are wrong


@click.command()
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> int:
    """Check everything this installation needs, and say what to repair."""
    found = list(diagnose(settings))
    broken = [one for one in found if one.state == "broken"]
    emit(
        {"healthy": not broken, "checks": [asdict(one) for one in found]},
        as_json=as_json,
        headings=("check", "state", "detail", "what to do"),
        rows=[(one.check, one.state, one.detail, one.fix or "") for one in found],
        empty="",
    )
    if not as_json:
        say(f"{len(broken)} of {len(found)} checks found something broken." if broken else "Everything needed is in order.")
    return UNAVAILABLE if broken else 0


def diagnose(settings: Settings) -> Iterator[Diagnosis]:
    """Every check in turn; none of them raises."""
    from collect_pipelines.cli.plugin_facts import facts_of

    yield from _safely("python", _python)
    yield from _safely("disk", _disk, settings)
    # Each in a process of its own and for a limited time: a plug-in that hangs when it is imported must not take the doctor along.
    facts = facts_of(list(_installed()), IMPORT_SECONDS)
    yield from _plugins(settings, facts)
    yield from _safely("database", _database, settings, {one.kind: one for one in facts if one.door == "check"})
    yield from _safely("servers", _servers, settings)


def _safely(name: str, look: Callable[..., Iterator[Diagnosis]], *arguments: Any) -> Iterator[Diagnosis]:
    try:
        yield from look(*arguments)
    except CollectError as exc:
        yield Diagnosis(name, "broken", exc.message, exc.fix)
    except OSError as exc:
        yield Diagnosis(name, "broken", str(exc), "Repair what the message names.")


def _python() -> Iterator[Diagnosis]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Diagnosis("python", "ok", f"{version} at {sys.executable}")
    if sys.dont_write_bytecode:
        yield Diagnosis(
            "byte code", "note", "PYTHONDONTWRITEBYTECODE is set: every start costs seconds more.", "Unset PYTHONDONTWRITEBYTECODE."
        )


def _disk(settings: Settings) -> Iterator[Diagnosis]:
    folder = settings.data_dir.absolute()
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    state: Literal["ok", "broken"] = "ok" if free >= LEAST_FREE_BYTES else "broken"
    yield Diagnosis(
        "disk", state, f"{free / 1024**3:.1f} GiB free at {there}", None if state == "ok" else "Make room, or move the data folder."
    )


def _installed() -> Iterator[tuple[str, plugins.Plugin]]:
    for door, group in (("check", plugins.CHECKS), ("destination", plugins.DESTINATIONS)):
        yield from ((door, plugin) for plugin in {one.kind: one for one in plugins.installed(group)}.values())


def _plugins(settings: Settings, facts: "list[PluginFacts]") -> Iterator[Diagnosis]:
    from collect_pipelines.cli.plugin_facts import place_of

    for one in facts:
        name = f"{one.door} {one.kind}"
        if one.problem is not None:
            yield Diagnosis(name, "broken", one.problem, f"Repair, upgrade or uninstall {one.distribution}.")
        else:
            yield Diagnosis(name, "ok", f"can be used; runs {place_of(one, settings.trusted_plugins)}")
    if find_spec("pyxform") is not None:
        yield Diagnosis("xlsform", "ok", "installed: XLSForm and workbooks can be read and written")
    else:
        missing = "not installed: no XLSForm or workbook can be read or written"
        yield Diagnosis("xlsform", "note", missing, 'If that is wanted: pip install "collect-pipelines[xlsform]"')


def _database(settings: Settings, checks: "dict[str, PluginFacts]") -> Iterator[Diagnosis]:
    with database_url(settings) as url:
        from sqlalchemy import text

        from collect_pipelines.cli.doctor_checks import check_diagnoses
        from collect_pipelines.cli.doctor_connections import connection_diagnoses
        from collect_pipelines.cli.doctor_secrets import secret_diagnoses
        from collect_pipelines.store import migrations
        from collect_pipelines.store.database import Database, durability_problems

        database = Database(url, pool_size=1)
        try:
            with database.begin() as connection:
                version = connection.execute(text("select current_setting('server_version')")).scalar_one()
                clock: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
                problems = durability_problems(connection)
            yield Diagnosis("postgres", "ok", f"{version}, {'external' if settings.database_url else 'embedded'}")
            # Promise 1: the same check that ingest makes at start and every minute.
            yield _verdict("durability", problems, "fsync, synchronous_commit, full_page_writes are on", "Switch them on.")
            skew = abs((datetime.now(UTC) - clock).total_seconds())
            yield _verdict(
                "clock",
                [f"{skew:.0f} s apart from Postgres"] if skew > MOST_CLOCK_SECONDS else [],
                "agrees with Postgres",
                "Let both machines use NTP.",
            )
            state = migrations.status(url)
            yield _verdict("schema", list(state.pending), f"at {state.current}", "Run `collect db upgrade`.")
            if not state.pending:
                yield from _integrations(database)
                yield from _safely("checks of forms", check_diagnoses, database, checks)
                yield from _safely("secrets", secret_diagnoses, database, settings)
                yield from _safely("connections", connection_diagnoses, database, settings)
        finally:
            database.dispose()


def _integrations(database: "Database") -> Iterator[Diagnosis]:
    from collect_pipelines.store.integrations import list_integrations

    with database.begin() as connection:
        found = list_integrations(connection)
    blocked = [one for one in found if one.state == "blocked"]
    for one in blocked:
        fix = f"{one.fix} Then: collect integrations resume {one.name}" if one.fix else f"collect integrations resume {one.name}"
        named = f" ({one.problem}: docs/problems.md)" if one.problem else ""
        yield Diagnosis(f"integration {one.name}", "broken", (one.reason or "It is blocked.") + named, fix)
    for one in found:
        for notice in one.notices:
            yield Diagnosis(f"integration {one.name}", "note", f"{notice['message']} ({notice['code']})", notice["fix"])
    if not blocked:
        yield Diagnosis("integrations", "ok", f"{len(found)}, none is blocked")


def _servers(settings: Settings) -> Iterator[Diagnosis]:
    from collect_pipelines.local.probes import answers

    places = {
        "ingest": f"http://{settings.host}:{settings.ingest_port}/readyz",
        "metrics": f"http://{settings.host}:{settings.metrics_port}/metrics",
        "dagster": f"http://127.0.0.1:{settings.dagster_port}/server_info",
    }
    if settings.uses_local_sheets:
        places["local sheets"] = settings.local_sheets_url
    for name, url in places.items():
        if answers(url):
            yield Diagnosis(name, "ok", f"answers at {url}")
        else:
            yield Diagnosis(name, "note", f"does not answer at {url}", "collect up starts it.")


def _verdict(check: str, problems: list[str], good: str, fix: str) -> Diagnosis:
    return Diagnosis(check, "broken", "; ".join(problems), fix) if problems else Diagnosis(check, "ok", good)
