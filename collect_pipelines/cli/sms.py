"""`collect sms`: what a text costs, what became of each message, and whom nobody writes to."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, say
from collect_pipelines.errors import Conflict, Invalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.journal import JournalLine

__all__ = ["command"]

CHANNEL = "sms"
STATES = ("sending", "unknown", "sent", "delivered", "undelivered", "failed", "refused", "suppressed", "waiting")
MOST_COSTLY = 10  # characters shown


@click.group()
def command() -> None:
    """Count segments, list messages and what became of them, and keep the opt-out list."""


@command.command()
@click.argument("text")
@json_option
def count(text: str, as_json: bool) -> None:
    """Count the segments of TEXT, and name the characters that make it costly."""
    from collect_pipelines.destinations.sms.segments import count as count_of

    counted = count_of(text)
    costly = " ".join(counted.costly[:MOST_COSTLY]) + (" ..." if len(counted.costly) > MOST_COSTLY else "")
    facts: dict[str, Any] = {"encoding": counted.encoding, "segments": counted.segments, "used": counted.units, "left": counted.left}
    if as_json:
        print_json(facts | {"not in GSM-7": list(counted.costly)})
        return
    print_facts(facts | ({"not in GSM-7": costly} if costly else {}))


@command.command("list")
@click.argument("integration")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only messages in this state; may be repeated.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@organization_option
@json_option
@pass_settings
def list_command(settings: Settings, integration: str, states: tuple[str, ...], limit: int, organization: str, as_json: bool) -> None:
    """List the newest messages of an INTEGRATION and what became of each; without numbers and texts."""
    with transaction(settings) as connection:
        from collect_pipelines.store.journal import list_journal

        integration_id = _sms(connection, integration, organization)
        lines = [_told(line) for line in list_journal(connection, integration_id, states, limit)]
    names = ("response", "revision", "state", "segments", "since", "changed", "message", "reason")
    emit(
        {"messages": lines},
        as_json=as_json,
        headings=names,
        rows=[[line[name] for name in names] for line in lines],
        empty="No message yet.",
    )


@command.command()
@click.argument("integration")
@click.argument("response")
@click.argument("outcome", type=click.Choice(["sent", "not-sent"]))
@click.option("--revision", type=click.IntRange(min=1), help="Of several messages about a response, the one about this revision.")
@organization_option
@json_option
@pass_settings
def mark(
    settings: Settings,
    integration: str,
    response: str,
    outcome: Literal["sent", "not-sent"],
    revision: int | None,
    organization: str,
    as_json: bool,
) -> None:
    """
    Decide about a message of which nobody knows whether it was sent, e.g. after a look into the provider's console.

    A message marked `sent` counts as delivered, one marked `not-sent` is sent, both with the next batch.
    """
    state = "sent" if outcome == "sent" else "waiting"
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.dead_letters import retry_unknown
        from collect_pipelines.store.journal import change_line, read_journal

        integration_id = _sms(connection, integration, organization)
        found = read_journal(connection, integration_id, _keys(response, revision))
        doubtful = [line for line in found.values() if line.state in ("sending", "unknown")]
        if not doubtful:
            raise _nothing_in_doubt(found.values(), integration, response)
        changed = [
            change_line(
                connection,
                integration_id,
                line.key,
                state,
                over=("sending", "unknown"),
                reference=None,
                facts={"reason": "a person said so"},
            )
            for line in doubtful
        ]
        record_audit(connection, "cli", f"sms {outcome}", integration, {"response": response})
        retry_unknown(connection, integration_id, response, "cli")
    if as_json:
        print_json({"messages": [_told(line) for line in changed if line is not None]})
    else:
        say(f"The message about {response} counts as {outcome.replace('-', ' ')}{'' if outcome == 'sent' else ', and is sent soon'}.")


@command.group("opt-out")
def opt_out() -> None:
    """Keep the list of numbers that nobody of the organization writes to."""


@opt_out.command("add")
@click.argument("number")
@organization_option
@json_option
@pass_settings
def opt_out_add(settings: Settings, number: str, organization: str, as_json: bool) -> None:
    """Write to this NUMBER (with + and country code) no more."""
    _add(settings, [_e164(number)], "cli", organization, as_json=as_json)


@opt_out.command("list")
@organization_option
@json_option
@pass_settings
def opt_out_list(settings: Settings, organization: str, as_json: bool) -> None:
    """List the numbers, and where each wish came from."""
    with transaction(settings) as connection:
        from collect_pipelines.store.opt_outs import list_opt_outs
        from collect_pipelines.store.organizations import ensure_organization

        found = list_opt_outs(connection, ensure_organization(connection, organization), CHANNEL)
    emit(
        {"opt_outs": found},
        as_json=as_json,
        headings=("number", "source", "since"),
        rows=[(one.address, one.source, one.created_at) for one in found],
        empty="Nobody has opted out.",
    )


@opt_out.command("remove")
@click.argument("number")
@organization_option
@json_option
@pass_settings
def opt_out_remove(settings: Settings, number: str, organization: str, as_json: bool) -> None:
    """Allow messages to this NUMBER again."""
    wanted = _e164(number)
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.opt_outs import remove_opt_out
        from collect_pipelines.store.organizations import organization_id_of

        if not remove_opt_out(connection, organization_id_of(connection, organization), CHANNEL, wanted):
            raise NotFound("The number is not on the list.", fix="`collect sms opt-out list` shows it.")
        record_audit(connection, "cli", "sms opt-out removed", organization, {})
    if as_json:
        print_json({"removed": 1})
    else:
        say("The number may be written to again.")


@opt_out.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@organization_option
@json_option
@pass_settings
def opt_out_import(settings: Settings, file: Path, organization: str, as_json: bool) -> None:
    """Add every number of a FILE: one per line, with + and country code; what comes after a comma is left out."""
    numbers = list(_numbers_in(file))
    _add(settings, numbers, file.name, organization, as_json=as_json)


def _add(settings: Settings, numbers: list[str], source: str, organization: str, *, as_json: bool) -> None:
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.opt_outs import add_opt_outs
        from collect_pipelines.store.organizations import ensure_organization

        new = add_opt_outs(connection, ensure_organization(connection, organization), CHANNEL, numbers, source)
        record_audit(connection, "cli", "sms opt-out added", organization, {"numbers": new, "source": source})
    if as_json:
        print_json({"added": new, "known": len(set(numbers)) - new})
    else:
        say(f"{new} added, {len(set(numbers)) - new} known before.")


def _numbers_in(file: Path) -> Iterator[str]:
    for number, line in enumerate(file.read_text("utf-8-sig").splitlines(), 1):
        text = line.partition(",")[0].strip().strip('"')
        if not text or text.startswith("#") or (number == 1 and not any(character.isdigit() for character in text)):
            continue
        yield _e164(text, f"{file.name}, line {number}: ")


def _e164(text: str, where: str = "") -> str:
    from collect_pipelines.destinations.sms.numbers import e164

    found = e164(text)
    if found is None:
        raise Invalid(f"{where}this is no phone number.", fix="Write it with + and country code, e.g. +919876543210.")
    return found


def _sms(connection: Any, name: str, organization: str) -> int:
    from collect_pipelines.store.integrations import find_integration

    found = find_integration(connection, name, organization)
    if found.kind != CHANNEL:
        raise Invalid(f"{name} is of the kind {found.kind}.", fix="`collect integrations list --kind sms` shows those that send SMS.")
    return found.integration_id


def _keys(response: str, revision: int | None) -> list[str]:
    from collect_pipelines.destinations.sms.keys import receipt_key

    return [receipt_key(response), *([receipt_key(response, revision)] if revision is not None else [])]


def _nothing_in_doubt(lines: "Iterable[JournalLine]", integration: str, response: str) -> Conflict | NotFound:
    states = ", ".join(sorted({line.state for line in lines}))
    if not states:
        return NotFound(f"{integration} knows of no message about {response}.", fix=f"`collect sms list {integration}` shows its messages.")
    return Conflict(f"The message about {response} is not in doubt: {states}.", fix="There is nothing to decide.")


def _told(line: "JournalLine") -> dict[str, Any]:
    from collect_pipelines.destinations.sms.keys import response_of

    code = line.detail.get("code")
    reason = line.detail.get("reason")
    return {
        "response": response_of(line.key),
        "revision": line.detail.get("revision"),
        "state": line.state,
        "segments": line.detail.get("segments"),
        "encoding": line.detail.get("encoding"),
        "since": line.created_at,
        "changed": line.updated_at,
        "message": line.reference,
        "reason": f"{reason} ({code})" if reason and code else reason or code,
        "look_ups": line.detail.get("look_ups", 0),
    }
