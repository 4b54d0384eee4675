"""What came before a revision: whether a destination may hold the response."""

from collections.abc import Sequence

from psycopg import sql
from sqlalchemy import Connection, select

from collect_pipelines.store.log import copied_entries
from collect_pipelines.store.tables import dead_letter

__all__ = ["earlier_entries", "lettered_positions", "undelivered_positions"]


def earlier_entries(
    connection: Connection, form_id: int, response_ids: Sequence[str], before: int, keys: Sequence[str | tuple[str, ...]]
) -> bytes:
    """The entries of these responses before a position that validation let through, as `store.log.read_entries` gives them."""
    condition = sql.SQL("r.form_id = {} and r.position < {} and r.response_id = any({})").format(
        sql.Literal(form_id), sql.Literal(before), sql.Literal(list(response_ids))
    )
    return copied_entries(connection, keys, [condition], without_quarantined=True)


def lettered_positions(connection: Connection, integration_id: int, positions: Sequence[int]) -> frozenset[int]:
    """Those of the positions that the integration could not deliver, whatever was decided about them since."""
    query = select(dead_letter.c.position).where(dead_letter.c.integration_id == integration_id, dead_letter.c.position.in_(positions))
    return frozenset(connection.execute(query).scalars())


def undelivered_positions(connection: Connection, integration_id: int, positions: Sequence[int]) -> frozenset[int]:
    """Those of the positions that the integration could not deliver, and did not deliver since."""
    letter = dead_letter.c
    query = select(letter.position).where(letter.integration_id == integration_id, letter.position.in_(positions))
    return frozenset(connection.execute(query.where(letter.state != "redelivered")).scalars())
