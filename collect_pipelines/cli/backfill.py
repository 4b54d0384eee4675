"""`collect backfill`: older responses for an integration that began without them, behind the live ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.agreement import agree, yes_option
from collect_pipelines.cli.backfill_view import HEADINGS, estimate_words, facts_of, row_of, watch
from collect_pipelines.cli.connection import open_database, transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, say
from collect_pipelines.cli.spans import positions_option, since_option, span_of
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.backfill_records import Backfill
    from collect_pipelines.sync.backfill_estimate import Estimate
    from collect_pipelines.sync.backfill_progress import Progress

__all__ = ["command"]

ACTOR = "cli"

watch_option = click.option("--watch", "watch_", is_flag=True, help="Stay and show its progress until it is over; Ctrl-C leaves it alone.")
number_option = click.option("--id", "number", type=int, help="Number of the backfill or replay. Default: every one it is true for.")


@click.group()
def command() -> None:
    """Send older responses to an integration that began without them; those that come in meanwhile go first."""


@command.command()
@click.argument("name")
@positions_option
@since_option
@organization_option
@yes_option
@watch_option
@json_option
@pass_settings
def start(
    settings: Settings, name: str, positions: str | None, since: str | None, organization: str, yes: bool, watch_: bool, as_json: bool
) -> None:
    """
    Send the integration NAME what its `start` left out, once; says before how much that is and how long it takes.

    Of a response that was edited only the newest revision is sent; the others count as filtered.
    """
    with open_database(settings) as database:
        with database.begin() as connection:
            integration_id, first, through, estimate = _expected(connection, name, organization, positions, since)
        if not as_json:
            say(estimate_words(estimate))
        agree(f"Send them to {name}?", yes)
        with database.begin() as connection:
            from collect_pipelines.store.backfills import begin_backfill

            begun = begin_backfill(connection, integration_id, first, through, actor=ACTOR)
        if begun is None:
            raise _nothing(name)
        if watch_:
            watch(database, begun.backfill_id, quiet=as_json)
        with database.begin() as connection:
            shown = _progress(connection, begun.backfill_id)
    if as_json:
        print_json({"progress": shown, "estimate": estimate})
    elif not watch_:
        say(f"Backfill {begun.backfill_id} of {name} has begun. Watch it: collect backfill show {name} --watch")


@command.command("list")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@organization_option
@json_option
@pass_settings
def list_command(settings: Settings, name: str | None, every: bool, organization: str, as_json: bool) -> None:
    """List backfills and replays with their progress; of one integration when it is NAMEd."""
    with transaction(settings) as connection:
        from collect_pipelines.store.backfill_records import list_backfills
        from collect_pipelines.store.integrations import find_integration
        from collect_pipelines.sync.backfill_progress import progress_of

        integration_id = find_integration(connection, name, organization).integration_id if name else None
        found = [progress_of(connection, one) for one in list_backfills(connection, integration_id, unfinished=not every)]
    emit(
        {"backfills": found},
        as_json=as_json,
        headings=HEADINGS,
        rows=[row_of(one) for one in found],
        empty="No backfill or replay is under way." if not every else "There was no backfill and no replay yet.",
    )


@command.command()
@click.argument("name")
@number_option
@organization_option
@watch_option
@json_option
@pass_settings
def show(settings: Settings, name: str, number: int | None, organization: str, watch_: bool, as_json: bool) -> None:
    """Show how the backfill of NAME is getting on: rate, time left, and what holds it up; the newest when none is under way."""
    with open_database(settings) as database:
        with database.begin() as connection:
            (newest, *_others) = _of(connection, name, organization, number, lambda one: True)
        if watch_:
            watch(database, newest.backfill_id, quiet=as_json)
        with database.begin() as connection:
            shown = _progress(connection, newest.backfill_id)
    if as_json:
        print_json({"progress": shown})
    else:
        print_facts(facts_of(shown))


@command.command()
@click.argument("name")
@number_option
@organization_option
@json_option
@pass_settings
def pause(settings: Settings, name: str, number: int | None, organization: str, as_json: bool) -> None:
    """Stop the backfill of NAME after the batch that is being sent; what is left stays pending."""
    from collect_pipelines.store.backfills import pause_backfill

    _turn(settings, name, number, organization, "active", pause_backfill, as_json=as_json)


@command.command()
@click.argument("name")
@number_option
@organization_option
@json_option
@pass_settings
def resume(settings: Settings, name: str, number: int | None, organization: str, as_json: bool) -> None:
    """Go on with the backfill of NAME where it was paused."""
    from collect_pipelines.store.backfills import resume_backfill

    _turn(settings, name, number, organization, "paused", resume_backfill, as_json=as_json)


@command.command()
@click.argument("name")
@number_option
@organization_option
@json_option
@pass_settings
def cancel(settings: Settings, name: str, number: int | None, organization: str, as_json: bool) -> None:
    """End the backfill of NAME: what was sent stays sent, what is left counts as filtered, and a later backfill may send it."""
    from collect_pipelines.store.backfills import cancel_backfill

    _turn(settings, name, number, organization, "unfinished", cancel_backfill, as_json=as_json)


def _expected(
    connection: "Connection", name: str, organization: str, positions: str | None, since: str | None
) -> tuple[int, int, int | None, "Estimate"]:
    """Number of the integration, the stretch that is meant, and what sending it takes. Raises NotFound when nothing is left to send."""
    from collect_pipelines import plugins
    from collect_pipelines.store.backfill_records import require_none_unfinished, unsent
    from collect_pipelines.store.integrations import find_integration
    from collect_pipelines.store.stretches import entries_in, within
    from collect_pipelines.sync.backfill_estimate import estimate_of

    integration = find_integration(connection, name, organization)
    require_none_unfinished(connection, integration.integration_id, name)
    first, through = span_of(connection, integration, positions, since)
    stretches = within(unsent(connection, integration.integration_id), first, through)
    if not stretches:
        raise _nothing(name)
    kind = plugins.load(plugins.DESTINATIONS, integration.kind)
    return integration.integration_id, first, through, estimate_of(connection, integration, kind, entries_in(stretches))


def _nothing(name: str) -> NotFound:
    return NotFound(
        f"{name} has been sent everything of that, or will be by itself.",
        fix=f"To send some of it again: collect replay {name} --since DATE",
    )


def _turn(
    settings: Settings,
    name: str,
    number: int | None,
    organization: str,
    state: str,
    change: Callable[..., "Backfill"],
    *,
    as_json: bool,
) -> None:
    states = ("active", "paused") if state == "unfinished" else (state,)
    with transaction(settings) as connection:
        found = _of(connection, name, organization, number, lambda one: number is not None or one.state in states)
        if not found:
            raise NotFound(f"{name} has no {state} backfill or replay.", fix=f"See: collect backfill list {name} --all")
        changed = [change(connection, one.backfill_id, actor=ACTOR) for one in found]
    if as_json:
        print_json({"backfills": changed})
        return
    for one in changed:
        say(f"The {one.purpose} {one.backfill_id} of {name} is {one.state}, with {one.settled} entries sent or settled.")


def _of(connection: "Connection", name: str, organization: str, number: int | None, fits: Callable[["Backfill"], bool]) -> list["Backfill"]:
    """Backfills and replays of the integration, those under way first, then the newest. Raises NotFound when it has none at all."""
    from collect_pipelines.store.backfill_records import UNFINISHED, list_backfills
    from collect_pipelines.store.integrations import find_integration

    integration = find_integration(connection, name, organization)
    found = [one for one in list_backfills(connection, integration.integration_id) if number in (None, one.backfill_id)]
    if not found:
        if number is not None:
            raise NotFound(f"{name} has no backfill number {number}.", fix=f"See: collect backfill list {name} --all")
        raise NotFound(f"{name} has no backfill.", fix=f"To begin one: collect backfill start {name}")
    return sorted((one for one in found if fits(one)), key=lambda one: one.state not in UNFINISHED)


def _progress(connection: "Connection", backfill_id: int) -> "Progress":
    from collect_pipelines.store.backfill_records import find_backfill
    from collect_pipelines.sync.backfill_progress import progress_of

    return progress_of(connection, find_backfill(connection, backfill_id))
