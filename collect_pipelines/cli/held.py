"""`collect failures`: what validation holds back, what a receiver refused for good, and what a person decides about the first."""

from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import emit, print_json, say
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.dead_letters import StoredDeadLetter
    from collect_pipelines.store.validation import Quarantined

__all__ = ["command"]

ACTOR = "cli"  # who decided, as the audit trail names it


@click.group()
def command() -> None:
    """List the responses that are held back, with the reason of each, and decide about them."""


@command.command("list")
@click.option("--form", help="Only of this form.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most so many of each kind.")
@json_option
@pass_settings
def list_command(settings: Settings, form: str | None, limit: int, as_json: bool) -> None:
    """List what is quarantined and what is dead-lettered now; no answer is shown."""
    with transaction(settings) as connection:
        from collect_pipelines.store.dead_letters import list_dead_letters
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import list_quarantined

        form_id = find_form(connection, form).form_id if form else None
        quarantined = list_quarantined(connection, form_id, limit)
        refused = list_dead_letters(connection, form_id, limit=limit)
    emit(
        {"quarantined": quarantined, "dead_letters": refused},
        as_json=as_json,
        headings=("form", "id", "revision", "position", "state", "held by", "since (UTC)", "reason"),
        rows=[*map(_quarantined, quarantined), *map(_refused, refused)],
        empty="Nothing is held back.",
    )


@command.command()
@click.argument("form")
@click.argument("position", type=click.IntRange(min=1))
@json_option
@pass_settings
def release(settings: Settings, form: str, position: int, as_json: bool) -> None:
    """Deliver what validation holds at POSITION as it is: the same answers as a new revision, not judged again."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import release as let_through

        record = find_form(connection, form)
        released = let_through(connection, record.form_id, position, ACTOR)
    if as_json:
        print_json({"form": record.reference, "position": position, "state": "released", "released_position": released})
    else:
        say(f"Position {position} of {record.reference} goes on as position {released}. To deliver now: collect sync")


@command.command()
@click.argument("form")
@click.argument("position", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why, in your words, without answers; kept in the audit trail.")
@json_option
@pass_settings
def discard(settings: Settings, form: str, position: int, reason: str, as_json: bool) -> None:
    """Never deliver what validation holds at POSITION; its answers stay in the log."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import discard as leave_out

        record = find_form(connection, form)
        leave_out(connection, record.form_id, position, ACTOR, reason)
    if as_json:
        print_json({"form": record.reference, "position": position, "state": "discarded", "reason": reason})
    else:
        say(f"Position {position} of {record.reference} is discarded: no destination gets it.")


def _quarantined(one: "Quarantined") -> tuple[Any, ...]:
    reasons = "; ".join(f"{reason['rule']}: {reason['message']}" for reason in one.reasons)
    return one.form, one.response_id, one.revision, one.position, "quarantined", "validation", one.created_at, reasons


def _refused(one: "StoredDeadLetter") -> tuple[Any, ...]:
    return one.form, one.response_id, one.revision, one.position, "dead-lettered", one.integration, one.created_at, one.reason
