"""`collect failures`: what validation holds back, what a receiver refused or asked for later, and what a person decides about it."""

from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.agreement import agree, yes_option
from collect_pipelines.cli.connection import open_database, transaction
from collect_pipelines.cli.deliveries import DOUBTFUL, delivery_steps, read_deliveries
from collect_pipelines.cli.letters import by_integration, chosen_letters, letter_facts, letter_row, responses, tell_decided
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, print_table, say
from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.validation import Quarantined

__all__ = ["command"]

ACTOR = "cli"  # who decided, as the audit trail names it

form_argument = click.argument("form", required=False)
position_argument = click.argument("position", type=click.IntRange(min=1), required=False)


@click.group()
def command() -> None:
    """List the responses that are held back, with the reason of each, and decide about them."""


@command.command("list")
@click.option("--form", help="Only of this form.")
@click.option("--integration", help="Only what this integration could not deliver.")
@organization_option
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most so many of each kind.")
@json_option
@pass_settings
def list_command(settings: Settings, form: str | None, integration: str | None, organization: str, limit: int, as_json: bool) -> None:
    """
    List what is quarantined, and what integrations could not deliver; no answer is shown.

    What is `set aside` is tried again by itself at the time shown. What is `dead-lettered` waits for your decision.
    """
    with transaction(settings) as connection:
        from collect_pipelines.store.dead_letters import list_dead_letters
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import list_quarantined

        form_id = find_form(connection, form).form_id if form else None
        integration_id = _id_of(connection, integration, organization) if integration else None
        quarantined = [] if integration else list_quarantined(connection, form_id, limit)
        letters = list_dead_letters(connection, form_id, integration_id, limit)
    emit(
        {"quarantined": quarantined, "dead_letters": letters},
        as_json=as_json,
        headings=("form", "id", "revision", "position", "state", "held by", "since (UTC)", "retries", "next attempt (UTC)", "reason"),
        rows=[*map(_quarantined, quarantined), *map(letter_row, letters)],
        empty="Nothing is held back.",
    )


@command.command()
@click.argument("form")
@click.argument("position", type=click.IntRange(min=1))
@json_option
@pass_settings
def show(settings: Settings, form: str, position: int, as_json: bool) -> None:
    """Show why the entry at POSITION of FORM is, or was, held back: causes, decisions, batches and every attempt; no answer."""
    with transaction(settings) as connection:
        from collect_pipelines.store.dead_letters import letters_at
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import quarantined_at

        record = find_form(connection, form)
        held = quarantined_at(connection, record.form_id, position)
        letters = letters_at(connection, record.form_id, position)
        deliveries = read_deliveries(connection, record.form_id, position, held=held is not None)
    if held is None and not letters:
        raise NotFound(f"Position {position} of {record.reference} is not held back.", fix="`collect failures list` shows what is.")
    concerned = {letter.integration_id for letter in letters}
    deliveries = [one for one in deliveries if one["integration_id"] in concerned]
    if as_json:
        print_json({"form": record.reference, "position": position, "quarantine": held, "dead_letters": letters, "deliveries": deliveries})
        return
    for facts in (*([_quarantine_facts(held)] if held else []), *map(letter_facts, letters)):
        print_facts(facts)
    if deliveries:
        print_table(("time (UTC)", "integration", "state", "details"), delivery_steps(deliveries))


@command.command()
@form_argument
@position_argument
@click.option("--integration", help="Only of this integration; without FORM and POSITION all it could not deliver.")
@click.option("--cause", help="Only those whose reason contains this text.")
@organization_option
@yes_option
@json_option
@pass_settings
def retry(
    settings: Settings,
    form: str | None,
    position: int | None,
    integration: str | None,
    cause: str | None,
    organization: str,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Try again, now, what integrations could not deliver: the entry at POSITION of FORM, or all of an --integration.

    Say it when the cause is gone. What may have been delivered could then arrive twice where the receiver can't tell.
    """
    with open_database(settings) as database:
        from collect_pipelines.store.dead_letters import retry_letters

        with database.begin() as connection:
            integration_id = _id_of(connection, integration, organization) if integration else None
            chosen = chosen_letters(connection, form, position, integration_id, cause)
        doubtful = sum(letter.unknown for letter in chosen)
        doubt = f", {doubtful} of which {DOUBTFUL}" if doubtful else ""
        if position is None or doubtful:
            agree(f"Try {responses(len(chosen))} again{doubt}?", yes)
        with database.begin() as connection:
            changed = [retry_letters(connection, one, ACTOR, positions=positions) for one, positions in by_integration(chosen).items()]
    tell_decided(changed, "again", "To deliver now: collect sync", as_json=as_json)


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
@form_argument
@position_argument
@click.option("--integration", help="What this integration could not deliver, in the place of what validation holds.")
@click.option("--cause", help="With --integration: only those whose reason contains this text.")
@click.option("--reason", required=True, help="Why, in your words, without answers; kept in the audit trail.")
@organization_option
@yes_option
@json_option
@pass_settings
def discard(
    settings: Settings,
    form: str | None,
    position: int | None,
    integration: str | None,
    cause: str | None,
    reason: str,
    organization: str,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Never deliver what validation holds at POSITION of FORM, or what an --integration could not deliver; answers stay in the log.

    With --integration and without FORM and POSITION: all it could not deliver. Other integrations are not concerned.
    """
    if integration is None:
        _discard_held(settings, form, position, reason, as_json)
        return
    with open_database(settings) as database:
        from collect_pipelines.store.dead_letters import discard_letters

        with database.begin() as connection:
            integration_id = _id_of(connection, integration, organization)
            chosen = chosen_letters(connection, form, position, integration_id, cause)
        if position is None:
            agree(f"Never deliver {responses(len(chosen))} to {integration}?", yes)
        with database.begin() as connection:
            positions = [letter.position for letter in chosen]
            decided = discard_letters(connection, integration_id, ACTOR, reason, positions=positions)
    tell_decided([decided], "discarded", f"{integration} never gets them.", as_json=as_json)


def _discard_held(settings: Settings, form: str | None, position: int | None, reason: str, as_json: bool) -> None:
    if form is None or position is None:
        raise click.UsageError("Name FORM and POSITION, or an --integration.")
    with transaction(settings) as connection:
        from collect_pipelines.store.dead_letters import letters_at
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.validation import discard as leave_out
        from collect_pipelines.store.validation import quarantined_at

        record = find_form(connection, form)
        letters = letters_at(connection, record.form_id, position)
        if letters and quarantined_at(connection, record.form_id, position) is None:
            names = ", ".join(letter.integration for letter in letters)
            raise Conflict(
                f"Validation holds nothing at position {position} of {record.reference}, but {names} could not deliver it.",
                fix=f"Say for whom: collect failures discard {form} {position} --integration {letters[0].integration} --reason ...",
            )
        leave_out(connection, record.form_id, position, ACTOR, reason)
    if as_json:
        print_json({"form": record.reference, "position": position, "state": "discarded", "reason": reason})
    else:
        say(f"Position {position} of {record.reference} is discarded: no destination gets it.")


def _id_of(connection: "Connection", name: str, organization: str) -> int:
    from collect_pipelines.store.integrations import find_integration

    return find_integration(connection, name, organization).integration_id


def _quarantine_facts(one: "Quarantined") -> dict[str, Any]:
    facts: dict[str, Any] = {"held by": "validation", "response": one.response_id, "revision": one.revision, "position": one.position}
    facts |= {"state": one.state, "since": one.created_at, "reason": _reasons(one)}
    return facts | ({"decided": one.decided_at, "by": one.decided_by} if one.decided_at is not None else {})


def _reasons(one: "Quarantined") -> str:
    return "; ".join(f"{reason['rule']}: {reason['message']}" for reason in one.reasons)


def _quarantined(one: "Quarantined") -> tuple[Any, ...]:
    where = one.form, one.response_id, one.revision, one.position
    return *where, "quarantined", "validation", one.created_at, None, None, _reasons(one)
