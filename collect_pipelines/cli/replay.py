"""`collect replay`: send an integration once more what it has been sent already."""

from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.agreement import agree, yes_option
from collect_pipelines.cli.backfill_view import count, estimate_words, watch
from collect_pipelines.cli.connection import open_database
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.cli.spans import positions_option, since_option, span_of
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.database import Database
    from collect_pipelines.store.integrations import Integration

__all__ = ["command"]

ACTOR = "cli"
GUARANTEES = {
    "exactly_once": "It keeps one row per response: what was changed there is put back, and nothing is there twice.",
    "at_least_once": "Its receiver gets them once more, under the same ids where the receiver can tell by them.",
    "at_most_once": "What was sent is not sent twice; only what surely was not goes out.",
}
APPENDED = "It adds a row per revision: what is sent again may be there twice."


@click.command()
@click.argument("name")
@click.option("--response", "response_id", metavar="ID", help="Only this response.")
@positions_option
@since_option
@click.option("--failed", is_flag=True, help="What could not be delivered: the same as collect failures retry --integration NAME.")
@organization_option
@yes_option
@click.option("--watch", "watch_", is_flag=True, help="Stay and show its progress until it is over; Ctrl-C leaves it alone.")
@json_option
@pass_settings
def command(
    settings: Settings,
    name: str,
    response_id: str | None,
    positions: str | None,
    since: str | None,
    failed: bool,
    organization: str,
    yes: bool,
    watch_: bool,
    as_json: bool,
) -> None:
    """
    Send the integration NAME once more what it has been sent, as the responses and its settings are now.

    For a destination that lost data, or after its mapping was changed. Of an edited response the newest revision is sent. The
    ledger stays as it is, but for dead letters that arrive.
    """
    if sum((response_id is not None, positions is not None, since is not None, failed)) != 1:
        raise click.UsageError("Say what: --response ID, --positions A-B, --since DATE or --failed.")
    with open_database(settings) as database:
        if failed:
            _retry(database, name, organization, yes, as_json=as_json)
            return
        with database.begin() as connection:
            integration, first, through, chosen = _meant(connection, name, organization, response_id, positions, since)
            from collect_pipelines import plugins
            from collect_pipelines.store.backfills import replayable
            from collect_pipelines.sync.backfill_estimate import estimate_of

            kind = plugins.load(plugins.DESTINATIONS, integration.kind)
            entries = replayable(connection, integration.integration_id, first, through, chosen)
            estimate = estimate_of(connection, integration, kind, entries)
        if not as_json:
            append_only = integration.mapping.get("mode") == "append_only"
            say(f"{estimate_words(estimate)} {APPENDED if append_only else GUARANTEES[kind.guarantee]}")
        agree(f"Send {count(estimate.entries, 'entry', 'entries')} to {name} again?", yes)
        with database.begin() as connection:
            from collect_pipelines.store.backfills import begin_replay

            begun = begin_replay(connection, integration.integration_id, first, through, chosen, actor=ACTOR)
        if watch_:
            watch(database, begun.backfill_id, quiet=as_json)
        with database.begin() as connection:
            from collect_pipelines.store.backfill_records import find_backfill
            from collect_pipelines.sync.backfill_progress import progress_of

            shown = progress_of(connection, find_backfill(connection, begun.backfill_id))
    if as_json:
        print_json({"progress": shown, "estimate": estimate})
    elif not watch_:
        say(f"Replay {begun.backfill_id} of {name} has begun. Watch it: collect backfill show {name} --watch")


def _meant(
    connection: "Connection", name: str, organization: str, response_id: str | None, positions: str | None, since: str | None
) -> tuple["Integration", int, int | None, list[int] | None]:
    """The integration, the stretch of its log, and the positions of it if only some are meant."""
    from collect_pipelines.store.integrations import find_integration
    from collect_pipelines.store.log import find_responses

    integration = find_integration(connection, name, organization)
    if response_id is None:
        return integration, *span_of(connection, integration, positions, since), None
    entries = find_responses(connection, response_id, without_answers=True)
    chosen = [entry.position for entry in entries if entry.form_id == integration.form_id]
    if not chosen:
        raise NotFound(
            f"{integration.form} has no response {response_id}.", fix="Check the id; collect responses list FORM shows the newest."
        )
    return integration, chosen[0], None, chosen


def _retry(database: "Database", name: str, organization: str, yes: bool, *, as_json: bool) -> None:
    from collect_pipelines.cli.letters import chosen_letters, responses, tell_decided
    from collect_pipelines.store.dead_letters import retry_letters
    from collect_pipelines.store.integrations import find_integration

    with database.begin() as connection:
        integration_id = find_integration(connection, name, organization).integration_id
        chosen = chosen_letters(connection, None, None, integration_id, None)
    agree(f"Try {responses(len(chosen))} again?", yes)
    with database.begin() as connection:
        decided = retry_letters(connection, integration_id, ACTOR, positions=[letter.position for letter in chosen])
    tell_decided([decided], "again", "To deliver now: collect sync", as_json=as_json)
