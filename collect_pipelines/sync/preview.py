"""What real responses would become at a destination, and which of them stay behind, with the reason; nothing is sent."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import FormRecord, form_by_id
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.log import StoredEntry, find_responses, list_responses
from collect_pipelines.store.validation import quarantined_at
from collect_pipelines.sync.mapping.filtering import why_not
from collect_pipelines.sync.mapping.freezing import frozen
from collect_pipelines.sync.mapping.notices import notices
from collect_pipelines.sync.mapping.render import Rendered, rendered
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.plugs import Finder, Plugs, installed_destination
from collect_pipelines.sync.versions import Versions

__all__ = ["LeftOut", "Preview", "preview"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry of the log that would not be sent."""

    response_id: str
    revision: int
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent of some entries."""

    text: str
    """The exact cells or bytes; empty when nothing would be sent."""
    rows: int
    left_out: tuple[LeftOut, ...]
    notices: tuple[str, ...]
    """What a person should know, e.g. which personal answers go out as they are."""


def preview(
    database: Database,
    settings: Settings,
    integration_id: int,
    rows: int = 5,
    *,
    response_id: str | None = None,
    finder: Finder = installed_destination,
) -> Preview:
    """
    The newest entries (`rows` at most), or all of one response.

    Raises NotFound when there is none, and Blocked when the integration can't be used as it is.
    """
    plugs = Plugs(database, settings, finder)
    try:
        with database.begin() as connection:
            integration = integration_by_id(connection, integration_id)
        destination = plugs.plug(integration).destination
        with database.begin() as connection:
            form = form_by_id(connection, integration.form_id)
            entries = _wanted(connection, form, rows, response_id)
            piece = Piece("live", entries[0].position, entries[-1].position, tuple(entry.position for entry in entries))
            versions, mapping = Versions(), frozen(connection, integration)
            made = rendered(connection, integration, destination, versions, piece, form.version, mapping, settings=settings)
            left = tuple(_left_out(connection, integration, made, entries))
            known = versions.up_to(connection, form.form_id, form.version)
            columns = versions.columns(connection, form.form_id, form.version, mapping.language)
        text = destination.preview(made.batch(integration, form, piece, 0)) if made.frame.height else ""
        return Preview(text, made.frame.height, left, notices(made.plan, columns, known[-1].definition))
    finally:
        plugs.close()


def _wanted(connection: Connection, form: FormRecord, rows: int, response_id: str | None) -> list[StoredEntry]:
    if response_id is None:
        entries = list_responses(connection, form.form_id, max(form.head - rows, 0), rows)
    else:
        entries = [entry for entry in find_responses(connection, response_id) if entry.form_id == form.form_id]
    if entries:
        return entries
    if response_id is None:
        raise NotFound(f"The form {form.reference} has no response yet.", fix="Send one: `collect responses submit`.")
    raise NotFound(
        f"The form {form.reference} has no response {response_id}.", fix=f"`collect responses list {form.reference}` shows them."
    )


def _left_out(connection: Connection, integration: Integration, made: Rendered, entries: list[StoredEntry]) -> Iterator[LeftOut]:
    sent = set(made.membership.rows["_position"].to_list())
    let_through = {position: row for row, position in enumerate(made.entries["_position"].to_list())}
    last = dict(zip(made.entries["_response_id"].to_list(), made.entries["_revision"].to_list(), strict=True))
    for entry in entries:
        if entry.position in sent:
            continue
        if entry.position not in let_through:
            why = _held(connection, entry)
        elif entry.revision != last[entry.response_id] and not made.plan.append_only:
            why = f"revision {last[entry.response_id]} stands for it"
        elif entry.operation == "delete" and not made.plan.takes_back:
            why = "deletions are ignored here"
        else:
            why = _not_passed(made, made.entries[let_through[entry.position]])
        yield LeftOut(entry.response_id, entry.revision, why)


def _held(connection: Connection, entry: StoredEntry) -> str:
    held = quarantined_at(connection, entry.form_id, entry.position)
    rules = ", ".join(str(reason.get("rule")) for reason in held.reasons) if held else ""
    return f"held back by validation: {rules or 'no reason is kept'}"


def _not_passed(made: Rendered, entry: pl.DataFrame) -> str:
    if entry["_operation"][0] == "delete" or made.plan.filter is None:
        return "what it deletes never passed the filter"
    return why_not(made.plan.filter, made.plan.filter.values(entry).row(0, named=True))
