"""`collect trace`: the story of one response."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, print_table
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.batches import BatchTrace

__all__ = ["command"]


@click.command()
@click.argument("response_id")
@click.option("--form", help="Only in this form; needed only when several forms use the same ids.")
@json_option
@pass_settings
def command(settings: Settings, response_id: str, form: str | None, as_json: bool) -> None:
    """Tell the story of one response: accepted, checked, delivered."""
    with transaction(settings) as connection:
        story = read_story(connection, response_id, form)
    if not story:
        where = f" in form {form}" if form else ""
        raise NotFound(
            f"No response {response_id}{where} was ever accepted.", fix="Check the id; collect responses list FORM shows the newest."
        )
    if as_json:
        print_json({"response_id": response_id, "entries": story})
        return
    for entry in story:
        click.echo(f"{entry['form']} {response_id}: revision {entry['revision']} ({entry['operation']}), position {entry['position']}")
        print_table(("time (UTC)", "step", "state", "details"), list(_steps(entry)))


def read_story(connection: "Connection", response_id: str, form: str | None = None) -> list[dict[str, Any]]:
    """Every log entry of the response, oldest first, each with what validation and every integration did with it."""
    from collect_pipelines.store.forms import form_by_id
    from collect_pipelines.store.log import find_responses
    from collect_pipelines.store.validation import quarantined_at

    story = []
    for entry in find_responses(connection, response_id):
        if form is not None and entry.form != form:
            continue
        held = quarantined_at(connection, entry.form_id, entry.position)
        validated = form_by_id(connection, entry.form_id).validated_through >= entry.position
        story.append(
            {
                "form": entry.form,
                "position": entry.position,
                "revision": entry.revision,
                "operation": entry.operation,
                "version": entry.version,
                "submitted_at": entry.submitted_at,
                "received_at": entry.received_at,
                "source": entry.source,
                "flags": entry.flags,
                "validation": "quarantined" if held else "passed" if validated else "waiting",
                "reasons": list(held.reasons) if held else [],
                "deliveries": _deliveries(connection, entry.form_id, entry.position, held=held is not None),
            }
        )
    return story


def _deliveries(connection: "Connection", form_id: int, position: int, *, held: bool) -> list[dict[str, Any]]:
    """What became of the entry in every integration of its form, also where no batch holds it yet."""
    from collect_pipelines.store.batches import attempts_of
    from collect_pipelines.store.integrations import list_integrations

    found = [asdict(attempt) | {"outcome": _outcome(attempt, held)} for attempt in attempts_of(connection, form_id, position)]
    tried = {one["integration_id"] for one in found}
    for one in list_integrations(connection, form_id):
        if one.integration_id not in tried:
            # A cursor beyond an entry that no batch holds: the integration was added with --start now.
            outcome = "waiting" if one.cursor < position else "filtered"
            facts = {"integration_id": one.integration_id, "integration": one.name, "kind": one.kind, "batch_no": None}
            found.append(facts | {"state": one.state, "error": one.reason, "outcome": outcome})
    return found


def _outcome(attempt: "BatchTrace", held: bool) -> str:
    if attempt.dead_letter is not None:
        return "dead-lettered"
    if held:
        return "quarantined"  # the batch counts the entry and leaves it out
    return {"landed": "delivered", "parked": "dead-lettered", "planned": "waiting", "sending": "on its way"}[attempt.state]


def _steps(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = [(entry["received_at"], "ingest", "accepted", f"version {entry['version']}, from {entry['source']}")]
    reasons = "; ".join(str(reason.get("message", reason)) if isinstance(reason, dict) else str(reason) for reason in entry["reasons"])
    steps.append((None, "validation", entry["validation"], reasons))
    steps += [_delivery(one) for one in entry["deliveries"]]
    return steps


def _delivery(one: dict[str, Any]) -> tuple[Any, ...]:
    if one["batch_no"] is None:
        before = "accepted before the integration was added" if one["outcome"] == "filtered" else None
        state = f"the integration is {one['state']}" if one["state"] != "active" else "in no batch yet"
        details = before or state
    else:
        details = f"batch {one['batch_no']}, {one['attempts']} attempt{'s' if one['attempts'] != 1 else ''}"
    why = one.get("dead_letter") or one["error"]
    when = one.get("landed_at") or one.get("planned_at")
    return when, one["integration"], one["outcome"], f"{details}: {why}" if why else details
