"""Dead letters on the command line: which ones are meant, and how they are shown."""

from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.deliveries import DOUBTFUL
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.dead_letters import Decided, StoredDeadLetter

__all__ = ["by_integration", "chosen_letters", "letter_facts", "letter_row", "responses", "tell_decided"]

STATES = {"waiting": "set aside", "open": "dead-lettered"}


def chosen_letters(
    connection: "Connection", form: str | None, position: int | None, integration_id: int | None, cause: str | None
) -> list["StoredDeadLetter"]:
    """The undecided letters that the command line names. Raises NotFound when there is none."""
    from collect_pipelines.store.dead_letters import letters_at, list_dead_letters
    from collect_pipelines.store.forms import find_form

    if (form is None) != (position is None) or (form is None and integration_id is None):
        raise click.UsageError("Name FORM and POSITION, or an --integration.")
    if form is not None and position is not None:
        letters = letters_at(connection, find_form(connection, form).form_id, position, integration_id)
    else:
        letters = list_dead_letters(connection, integration_id=integration_id, limit=None)
    found = [letter for letter in letters if letter.state in STATES and (cause or "").lower() in letter.reason.lower()]
    if not found:
        raise NotFound("No integration has such a response set aside or refused.", fix="`collect failures list` shows those there are.")
    return found


def by_integration(letters: list["StoredDeadLetter"]) -> dict[int, list[int]]:
    """Positions by integration."""
    found: dict[int, list[int]] = {}
    for letter in letters:
        found.setdefault(letter.integration_id, []).append(letter.position)
    return found


def tell_decided(decided: list["Decided"], word: str, after: str, *, as_json: bool) -> None:
    """Says what was decided: `word` is `again` or `discarded`, `after` the next step."""
    changed, busy = sum(one.changed for one in decided), sum(one.busy for one in decided)
    if as_json:
        print_json({"changed": changed, "busy": busy})
        return
    left = f" {responses(busy)} left alone: being sent right now." if busy else ""
    done = "waits to be sent" if changed == 1 else "wait to be sent"
    said = f"{responses(changed)} {done} {word}." if word == "again" else f"{responses(changed)} {word}."
    say(f"{said}{left} {after}")


def responses(count: int) -> str:
    """`1 response`, `3 responses`."""
    return "1 response" if count == 1 else f"{count} responses"


def letter_facts(one: "StoredDeadLetter") -> dict[str, Any]:
    """Everything known of one letter, for a person."""
    facts: dict[str, Any] = {"held by": one.integration, "response": one.response_id, "revision": one.revision, "position": one.position}
    facts |= {"state": STATES.get(one.state, one.state), "since": one.created_at, "reason": one.reason}
    facts |= {"beware": f"it {DOUBTFUL}"} if one.unknown else {}
    facts |= {"batch": one.batch_no, "retries": one.attempts}
    facts |= {"next attempt": one.next_attempt_at} if one.next_attempt_at is not None else {}
    return facts | ({"decided": one.decided_at, "by": one.decided_by} if one.decided_at is not None else {})


def letter_row(one: "StoredDeadLetter") -> tuple[Any, ...]:
    """A line of the list."""
    state = f"{STATES[one.state]}, {DOUBTFUL}" if one.unknown else STATES[one.state]
    where = one.form, one.response_id, one.revision, one.position
    return *where, state, one.integration, one.created_at, one.attempts, one.next_attempt_at, one.reason
