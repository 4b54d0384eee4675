"""`collect status`: where all responses stand."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.behind import NOTHING_BEHIND, Behind, read_behind
from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import ago, print_json, print_table, say
from collect_pipelines.cli.problem_words import words_of
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.model import Ledger
    from collect_pipelines.store.forms import FormRecord

__all__ = ["command"]

MAX_NAMED = 3  # forms in one sentence


@click.command()
@click.option("--form", help="Only this form.")
@json_option
@pass_settings
def command(settings: Settings, form: str | None, as_json: bool) -> None:
    """Show where all responses stand, per form and integration."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form, list_forms
        from collect_pipelines.store.ledger import ledger

        forms = [find_form(connection, form)] if form else list_forms(connection)
        form_id = forms[0].form_id if form else None
        rows = ledger(connection, form_id)
        behind = read_behind(connection, rows, form_id)
    if as_json:
        integrations = [asdict(row) | {"complete": is_complete(row)} for row in rows]
        print_json({"forms": [_form(one) for one in forms], "integrations": integrations, **asdict(behind)})
        return
    if not forms:
        say("No form is published yet. Next: collect forms publish FILE.yaml")
        return
    _tables(forms, rows)
    for row in rows:
        for words in words_of(row.notices):
            say(f"{row.integration}: {words}")
    say(_sentence(forms, rows, behind))


def is_complete(row: "Ledger") -> bool:
    """True when nothing waits and every entry is accounted for."""
    # Promise 4: the sum is checked here once more, on what the query said.
    accounted = row.delivered + row.filtered + row.quarantined + row.dead_lettered + row.erased + row.pending
    return row.pending == 0 and accounted == row.accepted


def _form(form: "FormRecord") -> dict[str, Any]:
    pending = form.head - form.validated_through
    facts = {"form": form.reference, "state": form.state, "version": form.version, "accepted": form.head}
    return facts | {"validated": form.validated_through, "validation_pending": pending}


def _tables(forms: list["FormRecord"], rows: list["Ledger"]) -> None:
    print_table(
        ("form", "state", "accepted", "validated", "to validate"),
        [(form.reference, form.state, form.head, form.validated_through, form.head - form.validated_through) for form in forms],
    )
    if rows:
        shown = _shown_counts(rows, every=not sys.stdout.isatty())
        print_table(
            ("form", "integration", "state", *(name.replace("_", " ") for name in shown), "oldest"),
            [
                (row.form, row.integration, row.state, *(getattr(row, name) for name in shown), ago(row.oldest_pending_seconds))
                for row in rows
            ],
        )


def _shown_counts(rows: list["Ledger"], *, every: bool) -> list[str]:
    """Names of the ledger's columns; on a terminal those that are 0 everywhere are left out, to fit."""
    names = ("accepted", "delivered", "filtered", "quarantined", "dead_lettered", "erased", "pending")
    always = ("accepted", "delivered", "pending")
    return [name for name in names if every or name in always or any(getattr(row, name) for row in rows)]


def _sentence(forms: list["FormRecord"], rows: list["Ledger"], behind: Behind = NOTHING_BEHIND) -> str:
    blocked = [row for row in rows if row.state == "blocked"]
    if blocked:
        first = blocked[0]
        fix = f" {first.fix}" if first.fix else ""
        reason = first.reason or "no reason given."
        named = f" ({first.problem})" if first.problem else ""
        return f"{first.integration} is blocked{named}: {reason}{fix} Then: collect integrations resume {first.integration}"
    pending = [row for row in rows if row.pending]
    if pending and all(row.state == "paused" for row in pending):
        names = ", ".join(row.integration for row in pending)
        return f"Only paused integrations have something to deliver: {names}. Next: collect integrations resume {pending[0].integration}"
    if pending:
        return _pending(pending, behind)
    if not rows:
        return f"No form has an integration. {_add(forms[0].reference)}"
    held = sum(row.quarantined + row.dead_lettered for row in rows) if behind.undecided is None else behind.undecided
    if held:
        return f"Nothing waits; {held} {'delivery is' if held == 1 else 'deliveries are'} held back. See: collect failures list"
    connected = {row.form for row in rows}
    alone = [form.reference for form in forms if form.reference not in connected and form.head]
    if alone:
        named = f"{', '.join(alone[:MAX_NAMED])}{' and others' if len(alone) > MAX_NAMED else ''}"
        verb = "has" if len(alone) == 1 else "have"
        return f"All integrations have delivered; {named} {verb} responses and no integration. {_add(alone[0])}"
    return "All responses are delivered."


def _pending(pending: list["Ledger"], behind: Behind) -> str:
    count = sum(row.pending for row in pending)
    waiting = "1 delivery waits" if count == 1 else f"{count} deliveries wait"
    ages = [row.oldest_pending_seconds for row in pending if row.oldest_pending_seconds is not None]
    oldest = f", the oldest for {ago(max(ages))}" if ages else ""
    told = behind.words()
    after = f"{told} See: {behind.see()}" if told else "To deliver now: collect sync"
    return f"{waiting}{oldest}. {after}"


def _add(form: str) -> str:
    return f"Next: collect integrations add warehouse --form {form}"
