"""Which entries of a piece of the log become rows: last revisions that pass the filter, and deletions of what may stand there."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.store.backfill_records import unsent
from collect_pipelines.store.earlier import earlier_entries, lettered_positions, undelivered_positions
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.stretches import Stretch
from collect_pipelines.sync.entries import newest, text_frame
from collect_pipelines.sync.mapping.filtering import Filter
from collect_pipelines.sync.mapping.plan import Plan
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.supersession import current_entries

__all__ = ["known_responses", "select"]


@dataclass(frozen=True, slots=True)
class _Past:
    """An earlier revision of a response."""

    position: int
    passed: bool
    deleted: bool


def select(connection: Connection, integration: Integration, plan: Plan, piece: Piece, entries: pl.DataFrame) -> pl.DataFrame:
    """
    The entries that go out; `_operation` says what each means for this destination, which need not be what it was in the log.

    entries: a `text_frame` of the piece with the plan's sources, without those in quarantine.
    """
    rows = entries if plan.append_only else newest(current_entries(connection, integration, piece, entries))
    if not plan.takes_back:
        rows = rows.filter(pl.col("_operation") != "delete")
    if plan.filter is None:
        return rows
    passes = plan.filter.passes(rows)
    operations = _operations(connection, integration, plan, piece, rows.select("_position", "_response_id", "_operation"), passes)
    kept = rows.with_columns(pl.Series("_operation", operations, dtype=pl.String))
    return kept.filter(pl.col("_operation").is_not_null())


def known_responses(connection: Connection, integration: Integration, plan: Plan, piece: Piece, rows: pl.DataFrame) -> frozenset[str]:
    """
    The responses of these rows of which the destination was sent an earlier revision that stands: so a row was there once.

    rows: what `select` chose. The same for a batch that is resumed, as long as the cursor stands.
    """
    past = _past(connection, integration, plan, rows.filter(pl.col("_revision") > 1).select("_position", "_response_id", "_operation"))
    if not past:
        return frozenset()
    never = unsent(connection, integration.integration_id)
    positions = [one.position for revisions in past.values() for one in revisions]
    never += [(one, one) for one in undelivered_positions(connection, integration.integration_id, positions)]
    before = {response: position for position, response in rows.select("_position", "_response_id").iter_rows()}
    return frozenset(
        response for response, revisions in past.items() if _stood(revisions, before[response], integration.cursor, piece, never)
    )


def _stood(past: Sequence[_Past], position: int, cursor: int, piece: Piece, never: Sequence[Stretch]) -> bool:
    """Whether the newest revision before this position that was sent is one with a row."""
    for one in past:
        if one.position >= position or one.position > cursor or (piece.purpose == "backfill" and one.position >= piece.from_position):
            continue
        if one.passed and not any(first <= one.position <= last for first, last in never):
            return not one.deleted
    return False


def _operations(
    connection: Connection, integration: Integration, plan: Plan, piece: Piece, candidates: pl.DataFrame, passes: pl.Series
) -> list[str | None]:
    """What each candidate is for the destination: as it was, `create` when it enters the filter, `delete` when it leaves; None: nothing."""
    wanted = (candidates["_operation"] == "delete") | ((candidates["_operation"] != "create") & (passes | plan.takes_back))
    past = _past(connection, integration, plan, candidates.filter(wanted))
    found: list[str | None] = []
    for (position, response, operation), passed in zip(candidates.iter_rows(), passes.to_list(), strict=True):
        stands = operation != "create" and _may_stand(past.get(response, ()), position, piece, plan.append_only)
        if operation != "delete" and passed:
            found.append("create" if operation == "edit" and not stands else operation)
        else:
            found.append("delete" if stands and plan.takes_back else None)
    return found


def _past(connection: Connection, integration: Integration, plan: Plan, candidates: pl.DataFrame) -> dict[str, list[_Past]]:
    """Earlier revisions of these responses, newest first; of what could not be delivered only those that may have been."""
    if not candidates.height:
        return {}
    filters = [one for one in (plan.filter, *(plan.earlier or ())) if one is not None]
    columns = list({column.name: column for one in filters for column in one.columns.values()}.values())
    before: int = candidates["_position"].max()  # type: ignore[assignment]  # there is one
    responses = candidates["_response_id"].unique().to_list()
    csv = earlier_entries(connection, integration.form_id, responses, before, [column.keys for column in columns])
    entries = text_frame(csv, columns)
    everything = plan.earlier is None or plan.filter is None
    passed = pl.Series([True] * entries.height, dtype=pl.Boolean) if everything else _any(filters, entries)
    lettered = lettered_positions(connection, integration.integration_id, entries["_position"].to_list())
    past: dict[str, list[_Past]] = {}
    rows = zip(entries.select("_position", "_response_id", "_operation").iter_rows(), passed.to_list(), strict=True)
    for (position, response, operation), through in rows:
        deleted = operation == "delete"
        # a deletion that was refused changed nothing: what came before it counts
        if position not in lettered or (through and not deleted):
            past.setdefault(response, []).insert(0, _Past(position, through, deleted))
    return past


def _any(filters: Sequence[Filter], entries: pl.DataFrame) -> pl.Series:
    passed = pl.Series([False] * entries.height, dtype=pl.Boolean)
    for one in filters:
        passed = passed | one.passes(entries)
    return passed


def _may_stand(past: Sequence[_Past], position: int, piece: Piece, append_only: bool) -> bool:
    """
    Whether the destination may hold the response, given its revisions before this position.

    Entries of the same piece are not sent by themselves (unless rows are only appended), so of them only those that passed count: an
    earlier attempt, cut in other pieces, may have sent them.
    """
    for one in past:
        if one.position >= position:
            continue
        if one.passed and not one.deleted:
            return True
        if append_only or one.position < piece.from_position:
            return False
    return False
