"""Older entries of a log, as they are sent again: how large each is, and whether something newer took its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Text, cast, exists, func, select

from collect_pipelines.model import Operation
from collect_pipelines.store.tables import form, quarantine, response

__all__ = ["OlderEntry", "first_position_since", "older_entries"]

DISORDER = timedelta(minutes=1)  # by so much at most an entry was received before one that stands ahead of it in the log


@dataclass(frozen=True, slots=True)
class OlderEntry:
    """One entry of the log."""

    position: int
    operation: Operation
    bytes: int
    """Of its answers as stored."""
    replaced: bool
    """A newer revision of its response was let through by validation."""
    held: bool
    """Validation holds, or held, it back."""


def older_entries(
    connection: Connection, form_id: int, first: int, last: int, validated_through: int, positions: Sequence[int] | None = None
) -> list[OlderEntry]:
    """The entries `first`..`last` in order, or only `positions` of them; `validated_through` is how far newer ones were judged."""
    older, newer = response.alias("older"), response.alias("newer")
    # the range once more: without it all of the form's quarantine may be read
    range_held = quarantine.c.position.between(first, last)
    held = exists().where(quarantine.c.form_id == form_id, quarantine.c.position == older.c.position, range_held)
    newer_held = exists().where(quarantine.c.form_id == form_id, quarantine.c.position == newer.c.position)
    replaced = (
        exists()
        .where(newer.c.form_id == form_id, newer.c.response_id == older.c.response_id, newer.c.revision > older.c.revision)
        # What nobody has judged yet may still be held back: it takes nobody's place.
        .where(newer.c.position <= validated_through, ~newer_held)
    )
    query = (
        select(
            older.c.position,
            older.c.operation,
            func.octet_length(cast(older.c.answers, Text)).label("bytes"),
            replaced.label("replaced"),
            held.label("held"),
        )
        .where(older.c.form_id == form_id, older.c.position >= first, older.c.position <= last)
        .order_by(older.c.position)
    )
    if positions is not None:
        query = query.where(older.c.position.in_(positions))
    return [OlderEntry(*row) for row in connection.execute(query)]


def first_position_since(connection: Connection, form_id: int, moment: datetime) -> int | None:
    """The position of the first entry that was received at the moment or after it; None when there is none."""
    low, high = 1, connection.execute(select(form.c.head).where(form.c.form_id == form_id)).scalar_one() + 1
    entries = select(response.c.received_at).where(response.c.form_id == form_id).order_by(response.c.position).limit(1)
    while low < high:  # some twenty probes in a log of millions
        middle = (low + high) // 2
        received_at = connection.execute(entries.where(response.c.position >= middle)).scalar()
        if received_at is None or received_at >= moment - DISORDER:
            high = middle
        else:
            low = middle + 1
    first = select(func.min(response.c.position)).where(
        response.c.form_id == form_id, response.c.position >= low, response.c.received_at >= moment
    )
    position: int | None = connection.execute(first).scalar()
    return position
