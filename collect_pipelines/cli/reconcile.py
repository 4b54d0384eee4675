"""`collect reconcile`: proves that destinations hold what the ledger says, and repairs what they do not."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.agreement import agree, yes_option
from collect_pipelines.cli.connection import open_database
from collect_pipelines.cli.failures import DIFFERENT, UNAVAILABLE
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import print_json, print_table, say
from collect_pipelines.errors import Invalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.integrations import Integration
    from collect_pipelines.store.reconciliations import Reconciliation
    from collect_pipelines.sync.reconcile.comparing import Findings
    from collect_pipelines.sync.reconcile.repairing import Repair

__all__ = ["command", "words_of"]

HEADINGS = ("integration", "what", "response", "position", "expected", "found", "where")
KINDS = {"missing": "missing", "duplicated": "there twice", "strange": "strange", "stale": "stale"}


@click.command()
@click.argument("name", required=False)
@click.option("--form", help="Every integration of this form that can be compared.")
@click.option("--all", "every", is_flag=True, help="Every integration that can be compared.")
@click.option("--repair", "repairs", is_flag=True, help="Send again what is missing or stale, and remove what is there twice.")
@click.option("--refill", is_flag=True, help="With --repair: also rows that people deleted, whatever the setting `deleted_rows` says.")
@organization_option
@yes_option
@json_option
@pass_settings
def command(
    settings: Settings,
    name: str | None,
    form: str | None,
    every: bool,
    repairs: bool,
    refill: bool,
    organization: str,
    yes: bool,
    as_json: bool,
) -> int:
    """
    Compare what the integration NAME should hold, by the log, with what its destination holds now.

    Lists rows that are missing, there twice, strange (nothing was sent for them) or stale (another revision). Exit code 10 when there
    are any, 7 when the destination could not be read. Changes nothing without --repair; rows of others are never touched.
    """
    if sum((name is not None, form is not None, every)) != 1:
        raise click.UsageError("Say what: NAME, --form FORM or --all.")
    if refill and not repairs:
        raise click.UsageError("--refill says what --repair does: name both.")
    with open_database(settings) as database:
        chosen, skipped = _chosen(database, name, form, organization)
        tell = (lambda words: None) if as_json else say
        results = []
        for one in chosen:
            findings = _compare(database, settings, one, tell, refill=refill)
            if not as_json:
                _show(findings.stored, skipped if one is chosen[-1] else [])
            results.append((findings, _repair(database, settings, findings, yes, as_json=as_json) if repairs else None))
    if as_json:
        shown = [asdict(found.stored) | {"right": found.stored.right, "repair": done and asdict(done)} for found, done in results]
        print_json({"reconciliations": shown, "skipped": [one.name for one in skipped]})
    elif not chosen:
        say("There is no integration whose kind can be read back.")
    states = {found.stored.state for found, _ in results}
    return UNAVAILABLE if "failed" in states else DIFFERENT if "different" in states else 0


def words_of(one: "Reconciliation") -> str:
    """What a comparison found, in a sentence."""
    if one.state == "failed":
        return f"{one.integration} could not be compared: {one.error}"
    begin = (
        f"{one.integration}: {one.right:,} of {one.expected:,} rows are there as they should be, up to position {one.through_position:,}"
    )
    if one.state == "equal":
        return f"{begin}."
    parts = [f"{getattr(one, kind):,} {word}" for kind, word in KINDS.items() if getattr(one, kind)]
    left = f" The missing {'one is' if one.respected == 1 else 'ones are'} left to people: `deleted_rows`." if one.respected else ""
    return f"{begin}; {', '.join(parts)}.{left}"


def _chosen(database: "Database", name: str | None, form: str | None, organization: str) -> tuple[list["Integration"], list["Integration"]]:
    """What is to be compared, and what can't be. Raises Invalid when the one that is named can't be."""
    with database.begin() as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.integrations import find_integration, list_integrations
        from collect_pipelines.sync.reconcile.comparing import can_compare

        if name is not None:
            found = find_integration(connection, name, organization)
            if not can_compare(found):
                raise Invalid(f"{name} can't be compared: a {found.kind} can't say what it holds.", fix="See docs/reconcile.md.")
            return [found], []
        every = list_integrations(connection, find_form(connection, form).form_id if form else None)
        return [one for one in every if can_compare(one)], [one for one in every if not can_compare(one)]


def _compare(database: "Database", settings: Settings, one: "Integration", tell: Any, *, refill: bool) -> "Findings":
    from collect_pipelines.sync.reconcile.comparing import compare

    return compare(database, settings, one.integration_id, refill=refill, tell=tell)


def _repair(database: "Database", settings: Settings, findings: "Findings", yes: bool, *, as_json: bool) -> "Repair | None":
    stored = findings.stored
    if not findings.send_again and not findings.copies:
        if stored.different and not as_json:
            say(f"Nothing of it can be repaired by {stored.integration}.")
        return None
    from collect_pipelines.sync.reconcile.repairing import repair

    agree(f"Send {len(findings.send_again):,} again, and remove rows that are there twice of {len(findings.copies):,} responses?", yes)
    done = repair(database, settings, findings)
    if not as_json:
        if findings.copies:
            say(f"{done.removed:,} rows that were there twice are removed." if done.trouble is None else f"Not removed: {done.trouble}")
        if done.backfill_id is not None:
            name = stored.integration
            say(f"{done.sent_again:,} are sent again (replay {done.backfill_id}). Watch it: collect backfill show {name} --watch")
    return done


def _show(stored: "Reconciliation", skipped: list["Integration"]) -> None:
    click.echo(words_of(stored))
    if stored.differences:
        names = ("response_id", "position", "expected", "found", "place")
        rows = [(stored.integration, KINDS[one["kind"]], *(one[name] for name in names)) for one in stored.differences]
        print_table(HEADINGS, rows)
        if stored.different > len(rows):
            say(f"These are the first of each kind; there are {stored.different:,}.")
    if skipped:
        say(f"Not compared, because their kind can't be read back: {', '.join(one.name for one in skipped)}")
