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
    from collect_pipelines.store.batches import attempts_of
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
                "deliveries": [asdict(attempt) for attempt in attempts_of(connection, entry.form_id, entry.position)],
            }
        )
    return story


def _steps(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, ...]] = [(entry["received_at"], "ingest", "accepted", f"version {entry['version']}, from {entry['source']}")]
    reasons = "; ".join(str(reason.get("message", reason)) if isinstance(reason, dict) else str(reason) for reason in entry["reasons"])
    steps.append((None, "validation", entry["validation"], reasons))
    for one in entry["deliveries"]:
        details = f"batch {one['batch_no']}, {one['attempts']} attempt{'s' if one['attempts'] != 1 else ''}"
        error = f": {one['error']}" if one.get("error") else ""
        steps.append((one["landed_at"] or one["planned_at"], one["integration"], _delivery_word(one["state"]), details + error))
    return steps


def _delivery_word(state: str) -> str:
    return {"landed": "delivered", "parked": "given up", "planned": "waiting", "sending": "on its way"}.get(state, state)
