"""`collect doctor`: everything this installation needs, looked at once."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import click

from collect_pipelines.cli.connection import database_url
from collect_pipelines.cli.failures import UNAVAILABLE
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import emit, say
from collect_pipelines.errors import CollectError
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database

__all__ = ["Diagnosis", "command", "diagnose"]

LEAST_FREE_BYTES = 1024**3  # Postgres stops accepting when the disk is full; 1 GiB is some hours of warning
MOST_CLOCK_SECONDS = 5.0  # more, and the ages people see are wrong


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at."""

    check: str
    state: Literal["ok", "note", "broken"]
    detail: str
    fix: str | None = None


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
    for look in (_python, _disk, _plugins):
        yield from _safely(look, settings)
    yield from _safely(_database, settings)
    yield from _safely(_servers, settings)


def _safely(look: Callable[[Settings], Iterator[Diagnosis]], settings: Settings) -> Iterator[Diagnosis]:
    name = look.__name__.strip("_")
    try:
        yield from look(settings)
    except CollectError as exc:
        yield Diagnosis(name, "broken", exc.message, exc.fix)
    except OSError as exc:
        yield Diagnosis(name, "broken", str(exc), "Repair what the message names.")


def _python(settings: Settings) -> Iterator[Diagnosis]:
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


def _plugins(settings: Settings) -> Iterator[Diagnosis]:
    from collect_pipelines import plugins

    for group, word in ((plugins.CHECKS, "check"), (plugins.DESTINATIONS, "destination")):
        for kind in sorted({one.kind for one in plugins.installed(group)}):
            try:
                plugins.load(group, kind)
                yield Diagnosis(f"{word} {kind}", "ok", "can be loaded")
            except CollectError as exc:
                yield Diagnosis(f"{word} {kind}", "broken", exc.message, exc.fix)


def _database(settings: Settings) -> Iterator[Diagnosis]:
    with database_url(settings) as url:
        from sqlalchemy import text

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
        finally:
            database.dispose()


def _integrations(database: "Database") -> Iterator[Diagnosis]:
    from collect_pipelines.store.integrations import list_integrations

    with database.begin() as connection:
        found = list_integrations(connection)
    blocked = [one for one in found if one.state == "blocked"]
    for one in blocked:
        fix = f"{one.fix} Then: collect integrations resume {one.name}" if one.fix else f"collect integrations resume {one.name}"
        yield Diagnosis(f"integration {one.name}", "broken", one.reason or "It is blocked.", fix)
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
