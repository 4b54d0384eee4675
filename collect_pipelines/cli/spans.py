"""Which stretch of a form's log a command is about: `--positions A-B`, `--since DATE`, or all of it."""

import re
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from collect_pipelines.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.integrations import Integration

__all__ = ["Span", "positions_option", "since_option", "span_of"]

Span = tuple[int, int | None]
"""First position, and the last one or None for as far as it goes."""

positions_option = click.option("--positions", metavar="A-B", help="Only these positions of the form's log.")
since_option = click.option("--since", metavar="DATE", help="Only what was received since then: 2026-01-31, or a moment with its offset.")


def span_of(connection: "Connection", integration: "Integration", positions: str | None, since: str | None) -> Span:
    """The stretch that the options name. Raises UsageError, and NotFound when nothing was received since then."""
    if positions is not None and since is not None:
        raise click.UsageError("Name --positions or --since, not both.")
    if positions is not None:
        return _positions(positions)
    if since is None:
        return 1, None
    from collect_pipelines.store.older import first_position_since

    first = first_position_since(connection, integration.form_id, _moment(connection, integration, since))
    if first is None:
        raise NotFound(f"{integration.form} has received nothing since {since}.", fix="Name an earlier day.")
    return first, None


def _positions(text: str) -> Span:
    found = re.fullmatch(r"([1-9][0-9]{0,17})(?:-([1-9][0-9]{0,17}))?", text)
    if found is None or int(found[1]) > int(found[2] or found[1]):
        raise click.UsageError(f"--positions {text}: write 12, or 12-40.")
    return int(found[1]), int(found[2] or found[1])


def _moment(connection: "Connection", integration: "Integration", text: str) -> datetime:
    from collect_pipelines.rules.moments import read_date, read_datetime
    from collect_pipelines.store.forms import form_versions

    day, moment = read_date(text), read_datetime(text)
    if day is not None:
        # a day of the people who read it there
        zone = integration.mapping.get("time_zone") or form_versions(connection, integration.form_id)[-1].definition.timezone or "UTC"
        return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    if moment is None:
        raise click.UsageError(f"--since {text}: write 2026-01-31, or 2026-01-31T09:30:00+05:30.")
    return moment
