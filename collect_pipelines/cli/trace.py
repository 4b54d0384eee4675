"""`collect trace`: the story of one response."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.deliveries import delivery_steps, read_deliveries
from collect_pipelines.cli.effects import effect_steps, read_effects
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, print_table
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.log import StoredEntry
    from collect_pipelines.store.rejections import StoredRejection

__all__ = ["command", "read_attempts", "read_story", "told_by_code", "wrong_in"]

HEADINGS = ("time (UTC)", "step", "state", "details")


@click.command()
@click.argument("response_id")
@click.option("--form", help="Only in this form; needed only when several forms use the same ids.")
@json_option
@pass_settings
def command(settings: Settings, response_id: str, form: str | None, as_json: bool) -> None:
    """
    Tell the story of one response: accepted, checked, delivered.

    Attempts that were sent back are told for 30 days, the newest 20 of a response.
    """
    with transaction(settings) as connection:
        sent_back = read_attempts(connection, response_id, form)
        story = read_story(connection, response_id, form)
    if not story and not sent_back:
        where = f" in form {form}" if form else ""
        raise NotFound(
            f"No response {response_id}{where} was ever accepted.", fix="Check the id; collect responses list FORM shows the newest."
        )
    if as_json:
        print_json({"response_id": response_id, "sent_back": sent_back, "entries": story})
        return
    for entry in story:
        before = [one for one in sent_back if one["form"] == entry["form"] and one["attempt"] < (entry["attempt"] or 0)]
        sent_back = [one for one in sent_back if one not in before]
        click.echo(f"{entry['form']} {response_id}: revision {entry['revision']} ({entry['operation']}), position {entry['position']}")
        print_table(HEADINGS, [*map(_refusal, before), *_steps(entry)])
    for name in dict.fromkeys(one["form"] for one in sent_back):
        click.echo(f"{name} {response_id}: sent back, and nothing accepted since")
        print_table(HEADINGS, [_refusal(one) for one in sent_back if one["form"] == name])


def read_attempts(connection: "Connection", response_id: str, form: str | None = None) -> list[dict[str, Any]]:
    """The attempts under this id that were sent back, oldest first, each with its number among all attempts and what was wrong."""
    from collect_pipelines.store.rejections import StoredRejection

    return [
        {
            "form": one.form,
            "attempt": number,
            "attempted_at": one.attempted_at,
            "operation": one.operation,
            "version": one.version,
            "source": one.source,
            "key_id": one.key_id,
            "findings": one.findings,
        }
        for number, one in _numbered(connection, response_id, form)
        if isinstance(one, StoredRejection)
    ]


def wrong_in(attempt: Mapping[str, Any]) -> str:
    """What an attempt was sent back for: `rule.savings_within_income: savings, income; required: name`."""
    return told_by_code(one for one in attempt["findings"] if one["severity"] == "reject")


def told_by_code(findings: Iterable[Mapping[str, Any]]) -> str:
    """Codes and questions of findings, never answers: `rule.error: savings, kids; slang.found: remarks`."""
    by_code: dict[str, list[str]] = {}
    for finding in findings:
        concerned = finding.get("questions") or [one["question"] for one in (finding.get("data") or {}).get("questions", ())]
        places = concerned or ([finding["question"]] if finding.get("question") else [])
        by_code.setdefault(finding["code"], []).extend(places)
    return "; ".join(f"{code}: {', '.join(dict.fromkeys(places))}" if places else code for code, places in by_code.items())


def read_story(connection: "Connection", response_id: str, form: str | None = None) -> list[dict[str, Any]]:
    """Every log entry of the response, oldest first, each with what validation and every integration did with it."""
    from collect_pipelines.store.forms import form_by_id
    from collect_pipelines.store.log import find_responses
    from collect_pipelines.store.rejections import StoredRejection
    from collect_pipelines.store.validation import quarantined_at

    numbered = _numbered(connection, response_id, form)
    attempts = {(one.form_id, one.position): number for number, one in numbered if not isinstance(one, StoredRejection)}
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
                "attempt": attempts.get((entry.form_id, entry.position)),
                "version": entry.version,
                "submitted_at": entry.submitted_at,
                "received_at": entry.received_at,
                "source": entry.source,
                "flags": entry.flags,
                "validation": "quarantined" if held else "passed" if validated else "waiting",
                "reasons": list(held.reasons) if held else [],
                "deliveries": read_deliveries(connection, entry.form_id, entry.position, held=held is not None),
                "effects": read_effects(connection, entry.form_id, response_id, entry.revision),
            }
        )
    return story


def _numbered(connection: "Connection", response_id: str, form: str | None) -> list[tuple[int, "StoredEntry | StoredRejection"]]:
    """Every attempt under this id, numbered within its form."""
    from collect_pipelines.store.log import find_responses
    from collect_pipelines.store.rejections import find_rejections, numbered_attempts

    entries = find_responses(connection, response_id, without_answers=True)
    rejections = find_rejections(connection, response_id)
    forms = [*(one.form for one in entries), *(one.form for one in rejections)]
    return [
        numbered
        for name in dict.fromkeys(forms)
        if form in (None, name)
        for numbered in numbered_attempts([one for one in entries if one.form == name], [one for one in rejections if one.form == name])
    ]


def _steps(entry: dict[str, Any]) -> list[tuple[Any, ...]]:
    attempt = f"attempt {entry['attempt']} " if (entry["attempt"] or 0) > 1 else ""
    accepted = f"{attempt}accepted as position {entry['position']}"
    found = f"{told_by_code(entry['flags'])}; " if entry["flags"] else ""
    said = f"{found}version {entry['version']}, from {entry['source']}"
    steps: list[tuple[Any, ...]] = [(entry["received_at"], "ingest", accepted, said)]
    reasons = "; ".join(str(reason.get("message", reason)) if isinstance(reason, dict) else str(reason) for reason in entry["reasons"])
    steps.append((None, "validation", entry["validation"], reasons))
    return steps + delivery_steps(entry["deliveries"]) + effect_steps(entry["effects"])


def _refusal(one: Mapping[str, Any]) -> tuple[Any, ...]:
    said = f"{wrong_in(one)}; version {one['version']}, from {one['source']}"
    return one["attempted_at"], "ingest", f"attempt {one['attempt']} sent back", said
