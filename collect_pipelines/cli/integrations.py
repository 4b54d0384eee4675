"""`collect integrations`: a form bound to a destination, and its care."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.integration_settings import add, read_config, set_command
from collect_pipelines.cli.integration_trials import preview, test
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import ago, emit, print_facts, print_json, say
from collect_pipelines.cli.problem_words import words_of
from collect_pipelines.cli.quotas import quota
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.integrations import Integration

__all__ = ["command", "read_config"]


@click.group()
def command() -> None:
    """Connect forms to destinations, and look after them."""


command.add_command(add)
command.add_command(set_command)
command.add_command(preview)
command.add_command(quota)
command.add_command(test)


@command.command()
@json_option
def kinds(as_json: bool) -> None:
    """List the installed kinds of destinations; any pip package may add some."""
    from collect_pipelines import plugins

    installed = [{"kind": one.kind, "distribution": one.distribution} for one in plugins.installed(plugins.DESTINATIONS)]
    emit(
        {"kinds": installed},
        as_json=as_json,
        headings=("kind", "package"),
        rows=[tuple(one.values()) for one in installed],
        empty="No destination is installed. Next: pip install --force-reinstall collect-pipelines",
    )


@command.command("list")
@click.option("--form", help="Only of this form.")
@click.option("--kind", help="Only of this kind.")
@json_option
@pass_settings
def list_command(settings: Settings, form: str | None, kind: str | None, as_json: bool) -> None:
    """List the integrations and how far each has come."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.integrations import list_integrations

        form_id = find_form(connection, form).form_id if form else None
        found = list_integrations(connection, form_id, kind)
    emit(
        {"integrations": found},
        as_json=as_json,
        headings=("name", "form", "kind", "state", "delivered up to", "problem", "reason", "notices"),
        rows=[
            (one.name, one.form, one.kind, one.state, one.cursor, one.problem, one.reason, " ".join(words_of(one.notices)) or None)
            for one in found
        ],
        empty="There are no integrations. Next: collect integrations add KIND --form FORM",
    )


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def show(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Show one integration: configuration, state, breaker and ledger."""
    with transaction(settings) as connection:
        from collect_pipelines.store.breakers import breaker_of
        from collect_pipelines.store.integrations import find_integration
        from collect_pipelines.store.ledger import ledger

        found = find_integration(connection, name, organization)
        breaker = breaker_of(connection, found.integration_id)
        row = next((asdict(one) for one in ledger(connection, found.form_id) if one.integration == found.name), None)
    if as_json:
        print_json({"integration": found, "breaker": breaker, "ledger": row})
        return
    documents = {name: json.dumps(getattr(found, name), ensure_ascii=False) for name in ("config", "mapping")}
    failing = {"breaker": breaker.state.replace("_", "-"), "failing since": breaker.since, "last error": breaker.error}
    facts = asdict(found)
    told = {f"notice since {one['since']}": words for one, words in zip(facts.pop("notices"), words_of(found.notices), strict=True)}
    print_facts(facts | documents | failing | told)
    if row:
        names = ("accepted", "delivered", "filtered", "quarantined", "dead_lettered", "erased", "pending")
        print_facts({name.replace("_", " "): row[name] for name in names} | {"oldest pending": ago(row["oldest_pending_seconds"])})


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def pause(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Stop delivering; what comes in meanwhile is kept and delivered after `resume`."""
    paused = _set_state(settings, name, organization, "paused")
    if as_json:
        print_json(paused)
    else:
        say(f"{name} is paused; what comes in is kept. Next: collect integrations resume {name}")


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def resume(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Deliver again after a pause or a block, from where it stopped."""
    resumed = _set_state(settings, name, organization, "active")
    if as_json:
        print_json(resumed)
        return
    with transaction(settings) as connection:
        from collect_pipelines.store.integration_changes import pending_of

        pending = pending_of(connection, resumed.integration_id)
    say(f"{name} delivers again: {pending} {'entry' if pending == 1 else 'entries'} to send.")


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when it has responses to send, or some that wait for a decision: they are never sent.")
@organization_option
@json_option
@pass_settings
def remove(settings: Settings, name: str, force: bool, organization: str, as_json: bool) -> None:
    """Take an integration away with its history; what it delivered stays where it is."""
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.integration_changes import remove_integration
        from collect_pipelines.store.integrations import find_integration

        found = find_integration(connection, name, organization)
        unsent = remove_integration(connection, found, even_if_pending=force)
        record_audit(connection, "cli", "integration.remove", name, {"kind": found.kind, "form": found.form, "unsent": unsent})
    if as_json:
        print_json({"removed": name, "unsent": unsent})
    else:
        say(f"{name} is removed; what it delivered stays where it is. Not sent: {unsent}.")


def _set_state(settings: Settings, name: str, organization: str, state: Literal["active", "paused"]) -> "Integration":
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.integrations import find_integration, set_integration_state

        found = find_integration(connection, name, organization)
        set_integration_state(connection, found.integration_id, state)
        record_audit(connection, "cli", f"integration {state}", name, {})
        return find_integration(connection, name, organization)
