"""`collect responses`: one response in, and what is stored out."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import click

from collect_pipelines.cli.api_key import find_api_key
from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.front_door import FrontDoor, place_lines
from collect_pipelines.cli.options import door_options, json_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, say
from collect_pipelines.cli.trace import read_attempts, told_by_code, wrong_in
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.settings import Settings

__all__ = ["command"]


@click.group()
def command() -> None:
    """Submit, list and show responses."""


@command.command()
@click.argument("form")
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--id", "response_id", help="Id of the response. Default: the one in the document, else a new one.")
@click.option("--dry-run", is_flag=True, help="Run the checks and store nothing.")
@door_options
@json_option
@pass_settings
def submit(
    settings: Settings,
    form: str,
    file: Any,
    response_id: str | None,
    dry_run: bool,
    url: str | None,
    key: str | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """
    Submit one response through HTTP, checks included.

    FILE (or standard input) holds the answers as a JSON object, or a whole document {"id": ..., "answers": {...}}.
    """
    document = _document(file.read(), response_id)
    door = FrontDoor(url or ingest_url(settings), find_api_key(settings, key, key_file), waiting=say)
    path = f"/v1/forms/{quote(form, safe='')}/responses{':validate' if dry_run else ''}"
    try:
        answer = door.post(path, json.dumps(document).encode()).or_raise()
    finally:
        door.close()
    if as_json:
        print_json(answer)
        return
    print_facts({name: value for name, value in answer.items() if not isinstance(value, list | dict)})
    for line in place_lines(answer.get("errors", ())):
        click.echo(f"  {line}")
    for finding in [finding for one in answer.get("checks", ()) for finding in one.get("findings", ())]:
        click.echo(f"  {finding['severity']} {finding['code']}: {finding['message']}")
    if not dry_run and "id" in answer:
        say(f"Next: collect trace {answer['id']}")


@command.command("list")
@click.argument("form")
@click.option("--after", default=0, help="Begin after this position.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@json_option
@pass_settings
def list_command(settings: Settings, form: str, after: int, limit: int, as_json: bool) -> None:
    """List log entries of a form by position; answers only with --json."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.log import list_responses

        entries = list_responses(connection, find_form(connection, form).form_id, after, limit)
    emit(
        {"responses": entries},
        as_json=as_json,
        headings=("position", "id", "revision", "operation", "version", "received (UTC)", "source"),
        rows=[(one.position, one.response_id, one.revision, one.operation, one.version, one.received_at, one.source) for one in entries],
        empty=f"{form} has no response after position {after}.",
    )


@command.command()
@click.argument("response_id")
@click.option("--form", help="Only in this form.")
@json_option
@pass_settings
def show(settings: Settings, response_id: str, form: str | None, as_json: bool) -> None:
    """Show a response as stored, every revision, answers included; and the attempts to send it that were sent back."""
    with transaction(settings) as connection:
        from collect_pipelines.store.log import find_responses

        sent_back = read_attempts(connection, response_id, form)
        entries = [one for one in find_responses(connection, response_id) if form is None or one.form == form]
    if not entries and not sent_back:
        raise NotFound(f"There is no response {response_id}.", fix="Check the id; collect responses list FORM shows what there is.")
    if as_json:
        print_json({"responses": entries, "sent_back": sent_back})
        return
    for attempt in sent_back:
        print_facts(
            {"form": attempt["form"], "attempt": attempt["attempt"], "sent back": attempt["attempted_at"], "for": wrong_in(attempt)}
        )
    if not entries:
        say(f"No attempt of {response_id} was accepted so far; its answers are kept nowhere.")
    for one in entries:
        print_facts(
            {"form": one.form, "position": one.position, "revision": f"{one.revision} ({one.operation})", "received": one.received_at}
            | ({"found": told_by_code(one.flags)} if one.flags else {})
        )
        print_facts({f"  {key}": value for key, value in (one.answers or {}).items()})
        if one.answer_metadata:
            click.echo("what checks noted of the answers:")
            print_facts({f"  {key}": json.dumps(value, ensure_ascii=False) for key, value in one.answer_metadata.items()})


def ingest_url(settings: Settings) -> str:
    """Where this installation's ingest endpoint listens."""
    return f"http://{settings.host}:{settings.ingest_port}"


def _document(text: str, response_id: str | None) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise Invalid(f"The input is not JSON: {exc}", fix='Give an object such as {"name": "Ana"}.') from exc
    if not isinstance(document, dict):
        raise Invalid("The input is not a JSON object.", fix='Give an object such as {"name": "Ana"}.')
    whole = document if isinstance(document.get("answers"), dict) else {"answers": document}
    return {"id": str(uuid4())} | whole | ({"id": response_id} if response_id else {})
