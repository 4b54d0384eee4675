"""Where an entry of a log went: every batch that covers it, with every attempt, and no row per delivery anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, any_, literal, select

from collect_pipelines.model import BatchState, Purpose
from collect_pipelines.store.tables import batch, dead_letter, integration

__all__ = ["BatchTrace", "Fate", "Tried", "batches_of"]

Fate = Literal["set aside", "dead-lettered", "discarded", "superseded"]
FATES: dict[str, Fate] = {
    "waiting": "set aside",
    "open": "dead-lettered",
    "redelivered": "set aside",
    "superseded": "set aside",
    "discarded": "discarded",
}
"""State of an entry's letter -> what became of the entry in the batch that last failed with it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt of a batch that was ended; `error` holds no answer."""

    at: datetime
    outcome: str
    """How it ended, e.g. `landed`, `postponed`, `unknown`."""
    error: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class BatchTrace:
    """One batch that covers a position."""

    integration_id: int
    integration: str
    kind: str
    batch_no: int
    purpose: Purpose
    backfill_id: int | None
    state: BatchState
    attempts: int
    history: tuple[Tried, ...]
    """The last attempts, oldest first."""
    sent: bool
    """False: a newer revision had taken its place, so the batch left it out."""
    entries: int
    delivered: int
    filtered: int
    planned_at: datetime
    last_attempt_at: datetime | None
    landed_at: datetime | None
    error: str | None
    fate: Fate | None
    """What became of the entry, where it was not what became of the batch."""
    letter: str | None
    """State of the entry's dead letter when this batch is the one that last failed with it."""
    reason: str | None
    """Why; None without such a letter."""
    unknown: bool
    """True when, all the same, the receiver may have it."""
    next_attempt_at: datetime | None
    """When a letter that waits is tried again by itself."""


def batches_of(connection: Connection, form_id: int, position: int) -> list[BatchTrace]:
    """The batches that cover this entry, by integration and in the order they were planned; none where it is still pending."""
    rows = [*connection.execute(_live(form_id, position)), *connection.execute(_others(form_id, position))]
    rows.sort(key=lambda row: (row.integration_id, row.batch_no))
    letters = _letters(connection, form_id, position)
    return [_trace(row, position, letters.get(row.integration_id), rows[place + 1 :]) for place, row in enumerate(rows)]


def _live(form_id: int, position: int) -> Select[Any]:
    """Per integration the one live batch that holds the position: a probe of the index each."""
    live = batch.c.purpose == "live", batch.c.state != "replaced"
    covering = (
        select(batch)
        .where(batch.c.integration_id == integration.c.integration_id, batch.c.to_position >= position, *live)
        .order_by(batch.c.to_position)
        .limit(1)
        .lateral("covering")
    )
    found = integration.join(covering, covering.c.from_position <= position)
    return select(integration.c.name, integration.c.kind, covering).select_from(found).where(integration.c.form_id == form_id)


def _others(form_id: int, position: int) -> Select[Any]:
    """Batches that were planned anew in other pieces, and those of retries, backfills and replays."""
    again = (batch.c.purpose != "live") | (batch.c.state == "replaced")
    query = select(integration.c.name, integration.c.kind, batch).join(batch, batch.c.integration_id == integration.c.integration_id)
    # A retry or a replay of single positions concerns those; a backfill also decides about the ones it leaves out.
    whole = (batch.c.positions.is_(None)) | (batch.c.purpose == "backfill") | (literal(position) == any_(batch.c.positions))
    return query.where(integration.c.form_id == form_id, again, batch.c.from_position <= position, batch.c.to_position >= position, whole)


def _letters(connection: Connection, form_id: int, position: int) -> dict[int, Any]:
    """The entry's letters by integration; each has one at most."""
    query = select(dead_letter).join(integration, integration.c.integration_id == dead_letter.c.integration_id)
    rows = connection.execute(query.where(integration.c.form_id == form_id, dead_letter.c.position == position))
    return {row.integration_id: row for row in rows}


def _fate(row: Any, letter: Any, after: Sequence[Any]) -> Fate | None:
    if letter is not None and letter.batch_no == row.batch_no:
        return FATES[letter.state]
    if row.state not in ("landed", "parked"):
        return None
    following = next((one for one in after if one.integration_id == row.integration_id), None)
    if following is not None and following.purpose == "retry":
        return "set aside"  # only what was not delivered is retried; its letter tells of the last time only
    left_out = row.purpose == "retry" and following is None and letter is not None and letter.state == "superseded"
    return "superseded" if left_out else None


def _trace(row: Any, position: int, known: Any, after: Sequence[Any]) -> BatchTrace:
    """known: the entry's letter. after: the batches that follow."""
    letter = known if known is not None and known.batch_no == row.batch_no else None
    return BatchTrace(
        integration_id=row.integration_id,
        integration=row.name,
        kind=row.kind,
        batch_no=row.batch_no,
        purpose=row.purpose,
        backfill_id=row.backfill_id,
        state=row.state,
        attempts=row.attempts,
        history=tuple(_tried(one) for one in row.history),
        sent=row.positions is None or position in row.positions,
        entries=row.to_position - row.from_position + 1 if row.positions is None else len(row.positions),
        delivered=row.delivered,
        filtered=row.filtered,
        planned_at=row.planned_at,
        last_attempt_at=row.last_attempt_at,
        landed_at=row.landed_at,
        error=row.error,
        fate=_fate(row, known, after),
        letter=None if letter is None else letter.state,
        reason=None if letter is None else letter.reason,
        unknown=letter is not None and letter.unknown,
        next_attempt_at=None if letter is None else letter.next_attempt_at,
    )


def _tried(one: Mapping[str, Any]) -> Tried:
    return Tried(datetime.fromisoformat(one["at"]), one["outcome"], one.get("error"), one.get("seconds"))
