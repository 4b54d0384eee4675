"""Who holds which value of a rule `unique`: one row per rule and response, digests only, moved with what validation decides."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.store.tables import unique_progress

__all__ = ["Holding", "first_holders", "held_by", "record_holdings", "unique_progress_of"]


@dataclass(frozen=True, slots=True)
class Holding:
    """A value that a response holds."""

    rule: str
    response_id: str
    value: bytes
    """A digest; what it was made of can't be read from it (promise 10)."""
    position: int
    """Of the log entry since which the response has held it."""


HELD_BY = text("""
    select rule, response_id, value, position from collect.unique_value
    where form_id = :form_id and response_id = any(:responses) and rule = any(:rules)
""")

FIRST_HOLDERS = text("""
    select asked.rule, asked.value, holder.response_id, holder.position
    from unnest(cast(:rules as text[]), cast(:values as bytea[])) asked(rule, value)
    cross join lateral (
        select h.response_id, h.position from collect.unique_value h
        where h.form_id = :form_id and h.rule = asked.rule and h.value = asked.value and h.response_id <> all(:responses)
        order by h.position
        limit 1
    ) holder
""")

LET_GO = text("""
    delete from collect.unique_value where form_id = :form_id and response_id = any(:responses) and rule = any(:rules)
""")

HOLD = text("""
    insert into collect.unique_value (form_id, rule, response_id, value, position)
    select :form_id, given.* from unnest(
        cast(:rules as text[]), cast(:responses as text[]), cast(:values as bytea[]), cast(:positions as bigint[])
    ) given
""")


def held_by(connection: Connection, form_id: int, rules: Collection[str], responses: Collection[str]) -> list[Holding]:
    """What these responses hold, one value per rule at most."""
    asked = {"form_id": form_id, "rules": list(rules), "responses": list(responses)}
    return [Holding(row.rule, row.response_id, bytes(row.value), row.position) for row in connection.execute(HELD_BY, asked)]


def first_holders(
    connection: Connection, form_id: int, values: Collection[tuple[str, bytes]], except_for: Collection[str]
) -> dict[tuple[str, bytes], Holding]:
    """For each rule and value that anybody else holds: who has held it for longest. One answer per value, however many hold it."""
    asked = {"form_id": form_id, "rules": [rule for rule, _ in values], "values": [value for _, value in values]}
    found = connection.execute(FIRST_HOLDERS, {**asked, "responses": list(except_for)})
    return {(row.rule, bytes(row.value)): Holding(row.rule, row.response_id, bytes(row.value), row.position) for row in found}


def record_holdings(
    connection: Connection, form_id: int, rules: Collection[str], responses: Collection[str], holdings: Sequence[Holding], through: int
) -> None:
    """
    From now on these responses hold these values and no others, by log entries up to `through`.

    Belongs into the transaction that settles the validation of these entries, or that reads history under the same lease.
    """
    connection.execute(LET_GO, {"form_id": form_id, "rules": list(rules), "responses": list(responses)})
    columns = {
        "rules": [one.rule for one in holdings],
        "responses": [one.response_id for one in holdings],
        "values": [one.value for one in holdings],
        "positions": [one.position for one in holdings],
    }
    if holdings:
        connection.execute(HOLD, {"form_id": form_id, **columns})
    progress = insert(unique_progress).values([{"form_id": form_id, "rule": rule, "through_position": through} for rule in sorted(rules)])
    furthest = func.greatest(unique_progress.c.through_position, progress.excluded.through_position)
    connection.execute(progress.on_conflict_do_update(index_elements=["form_id", "rule"], set_={"through_position": furthest}))


def unique_progress_of(connection: Connection, form_id: int) -> Mapping[str, int]:
    """How far in the log each rule knows who holds what."""
    query = select(unique_progress.c.rule, unique_progress.c.through_position).where(unique_progress.c.form_id == form_id)
    return {row.rule: row.through_position for row in connection.execute(query)}
