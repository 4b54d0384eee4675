"""
Letters: entries of a batch that were not delivered with it.

A `waiting` one is pending and tried again by itself; an `open` one is a dead letter, about which a person decides.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.store.batches import StoredBatch
from collect_pipelines.store.tables import dead_letter, response

__all__ = ["LONGEST_LETTER_WAIT_SECONDS", "Letter", "WaitingLetter", "due_letters", "is_due", "waiting_letters", "write_letters"]

COUNTED = {"waiting": "behind", "open": "dead_lettered", "discarded": "dead_lettered"}
"""State of a letter -> where the ledger counts its entry; in any other state it is not counted as a letter any more."""
LONGEST_LETTER_WAIT_SECONDS = 27 * 3600.0  # a day, its share of chance, and some; further ahead lies only what a clock set back left


@dataclass(frozen=True, slots=True)
class Letter:
    """An entry that was not delivered; `reason` is for operators and holds no answer."""

    position: int
    response_id: str
    revision: int
    reason: str
    unknown: bool = False
    """The receiver may have had it all the same."""
    waits_seconds: float | None = None
    """Until it is tried again by itself; None: a person decides."""


@dataclass(frozen=True, slots=True)
class WaitingLetter:
    """An entry that was set aside."""

    position: int
    attempts: int
    """Of its own, since it was set aside."""
    age_seconds: float


def due_letters(connection: Connection, integration_id: int, form_id: int, most: int, most_bytes: int) -> list[int]:
    """
    The positions of entries that were set aside and may be tried again now, those that wait longest first, in order of position.

    At most so many, and so many bytes of answers; one at least, however large it is.
    """
    due = (
        select(dead_letter.c.position, dead_letter.c.next_attempt_at)
        .where(dead_letter.c.integration_id == integration_id, dead_letter.c.state == "waiting")
        .where(is_due())
        .order_by(dead_letter.c.next_attempt_at, dead_letter.c.position)
        .limit(most)
        .subquery("due")
    )
    size = func.octet_length(cast(response.c.answers, Text))
    query = (
        select(due.c.position, func.coalesce(size, 0))
        .select_from(due.outerjoin(response, (response.c.form_id == form_id) & (response.c.position == due.c.position)))
        .order_by(due.c.next_attempt_at, due.c.position)
    )
    taken: list[int] = []
    left = most_bytes
    for position, length in connection.execute(query):
        left -= length
        if taken and left < 0:
            break
        taken.append(position)
    return sorted(taken)


def waiting_letters(connection: Connection, integration_id: int, positions: Sequence[int]) -> dict[int, WaitingLetter]:
    """Those of the positions that are set aside, by position."""
    age = func.extract("epoch", func.clock_timestamp() - dead_letter.c.created_at)
    query = select(dead_letter.c.position, dead_letter.c.attempts, age.label("age")).where(
        dead_letter.c.integration_id == integration_id, dead_letter.c.position.in_(positions), dead_letter.c.state == "waiting"
    )
    return {row.position: WaitingLetter(row.position, row.attempts, max(float(row.age), 0.0)) for row in connection.execute(query)}


def is_due() -> Any:
    """Condition: a letter that waits may be tried now."""
    # the moment of the statement: with a clock that goes on during it no index is used
    now, at = func.statement_timestamp(), dead_letter.c.next_attempt_at
    return (at <= now) | (at > now + _interval(LONGEST_LETTER_WAIT_SECONDS)) | at.is_(None)


def write_letters(
    connection: Connection, batch_: StoredBatch, letters: Sequence[Letter], dropped: Collection[int], through: int
) -> Counter[str]:
    """
    What became of the entries of a batch that is being settled: new letters, and the end of earlier ones.

    Returns how the ledger moves by a replay, whose entries were accounted for before; nothing for any other batch.
    """
    earlier = {} if batch_.purpose in ("live", "backfill") else _earlier(connection, batch_, through)
    if letters:
        _put(connection, batch_, letters)
    kept = {letter.position for letter in letters}
    done = [position for position in earlier if position not in kept]
    _end(connection, batch_, "redelivered", [position for position in done if position not in dropped])
    _end(connection, batch_, "superseded", [position for position in done if position in dropped])
    moved = Counter[str]()
    if batch_.purpose != "replay":
        return moved
    for position in done:
        _shift(moved, COUNTED[earlier[position]], "filtered" if position in dropped else "delivered")
    for letter in letters:
        # what has no letter was delivered before: a replay sends what was settled
        before = COUNTED[earlier[letter.position]] if letter.position in earlier else "delivered"
        _shift(moved, before, "dead_lettered" if letter.waits_seconds is None else "behind")
    return moved


def _shift(moved: Counter[str], source: str, target: str) -> None:
    moved[source] -= 1
    moved[target] += 1


def _earlier(connection: Connection, batch_: StoredBatch, through: int) -> dict[int, str]:
    """The letters of entries of the batch that are not over, by position: their states."""
    query = select(dead_letter.c.position, dead_letter.c.state).where(
        dead_letter.c.integration_id == batch_.integration_id,
        dead_letter.c.position.between(batch_.from_position, through),
        dead_letter.c.state.in_(["waiting"] if batch_.purpose == "retry" else list(COUNTED)),
    )
    if batch_.positions is not None:
        query = query.where(dead_letter.c.position.in_(batch_.positions))
    return {row.position: row.state for row in connection.execute(query)}


def _end(connection: Connection, batch_: StoredBatch, state: str, positions: Collection[int]) -> None:
    if positions:
        ended = {"state": state, "next_attempt_at": None, "decided_at": func.clock_timestamp(), "attempts": dead_letter.c.attempts + 1}
        theirs = (dead_letter.c.integration_id == batch_.integration_id, dead_letter.c.position.in_(positions))
        connection.execute(update(dead_letter).where(*theirs).values(ended))


def _put(connection: Connection, batch_: StoredBatch, letters: Sequence[Letter]) -> None:
    statement = insert(dead_letter)
    changes: dict[str, Any] = {name: statement.excluded[name] for name in ("batch_no", "reason", "unknown", "state", "next_attempt_at")}
    changes |= {"decided_at": None, "decided_by": None}
    # one that was decided about before begins anew
    changes |= (
        {"attempts": dead_letter.c.attempts + 1} if batch_.purpose == "retry" else {"attempts": 0, "created_at": func.clock_timestamp()}
    )
    statement = statement.on_conflict_do_update(index_elements=["integration_id", "position"], set_=changes)
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    connection.execute(statement, [_values(batch_, letter, now) for letter in letters])


def _values(batch_: StoredBatch, letter: Letter, now: Any) -> dict[str, Any]:
    waits = letter.waits_seconds
    return {
        "integration_id": batch_.integration_id,
        "batch_no": batch_.batch_no,
        "position": letter.position,
        "response_id": letter.response_id,
        "revision": letter.revision,
        "reason": letter.reason,
        "unknown": letter.unknown,
        "state": "open" if waits is None else "waiting",
        "next_attempt_at": None if waits is None else now + timedelta(seconds=min(waits, LONGEST_LETTER_WAIT_SECONDS)),
    }


def _interval(seconds: float) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)
