"""`collect sync`: validate and deliver here and now."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import database_url, open_database
from collect_pipelines.cli.failures import DELIVERY_INCOMPLETE, QUARANTINED, UNAVAILABLE
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.model import Ledger
    from collect_pipelines.sync.report import Report

__all__ = ["command"]

VALIDATION = "validation"


@click.command()
@click.option("--form", help="Only this form.")
@click.option("--destination", help="Only this kind of destination, e.g. warehouse; forms are validated all the same.")
@json_option
@pass_settings
def command(settings: Settings, form: str | None, destination: str | None, as_json: bool) -> int:
    """
    Validate and deliver in this process until nothing is pending.

    The exit code tells: 0 all delivered, 5 it put responses into quarantine, 6 some wait for a later attempt, 7 a destination
    needs a person.
    """
    with database_url(settings) as url:
        reports = [_shown(report, as_json) for report in run_lanes(settings, url, _kinds(settings, destination), form)]
        rows = _unpaused(settings, form, destination)
    pending = sum(row.pending for row in rows)
    blocked = sorted(row.integration for row in rows if row.state == "blocked" and row.pending)
    if as_json:
        print_json({"reports": reports, "pending": pending, "blocked": blocked})
    else:
        say(_summary(pending, blocked))
    return outcome_code(reports, pending, blocked)


def run_lanes(settings: Settings, url: str, kinds: list[str], form: str | None) -> Iterator["Report"]:
    """Every micro-batch of validation first, then of each kind of destination."""
    import os

    from collect_pipelines.sync.lane import Lane
    from collect_pipelines.telemetry.logs import configure_logging

    configure_logging(settings, sys.stderr.buffer)  # standard output is for the data
    forms = frozenset({form}) if form else None
    for kind in (VALIDATION, *kinds):
        yield from Lane(url, settings, kind, f"collect-sync:{os.getpid()}").drain(forms)


def outcome_code(reports: list["Report"], pending: int, blocked: Sequence[str] = ()) -> int:
    """The exit code for what happened; the worst thing decides. `blocked`: integrations that were so before."""
    # what was only put off may have been delivered after all: the last word on each integration counts
    last = {(report.lane, report.form, report.integration): report.outcome for report in reports}
    if blocked or any(report.outcome == "blocked" for report in reports):
        return UNAVAILABLE
    if pending or {"postponed", "failed"} & set(last.values()) or any(report.outcome == "parked" for report in reports):
        return DELIVERY_INCOMPLETE
    return QUARANTINED if any(report.quarantined for report in reports) else 0


def _kinds(settings: Settings, destination: str | None) -> list[str]:
    from collect_pipelines import plugins

    if destination is not None:
        return [plugins.find(plugins.DESTINATIONS, destination).kind]
    return [plugin.kind for plugin in plugins.installed(plugins.DESTINATIONS)]


def _summary(pending: int, blocked: Sequence[str]) -> str:
    if not pending:
        return "Nothing is pending."
    waiting = "1 delivery is pending." if pending == 1 else f"{pending} deliveries are pending."
    return f"{waiting} Blocked: {', '.join(blocked)}. See: collect status" if blocked else f"{waiting} See: collect status"


def _unpaused(settings: Settings, form: str | None, destination: str | None) -> list["Ledger"]:
    with open_database(settings) as database, database.begin() as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.ledger import ledger

        rows = ledger(connection, find_form(connection, form).form_id if form else None)
    return [row for row in rows if row.state != "paused" and destination in (None, row.kind)]


def _shown(report: "Report", as_json: bool) -> "Report":
    if not as_json:
        say(_line(report))
    return report


def _line(report: "Report") -> str:
    what = report.integration or "validation"
    place = f"{report.form} {report.from_position}-{report.to_position}"
    counts: dict[str, Any] = {
        "rows": report.rows,
        "delivered": report.delivered,
        "quarantined": report.quarantined,
        "refused": report.rejected,
    }
    numbers = ", ".join(f"{value} {name}" for name, value in counts.items() if value)
    return f"{what}: {place} {report.outcome}: {numbers or 'nothing to do'} in {report.seconds:.1f} s. {report.message or ''}".rstrip()
