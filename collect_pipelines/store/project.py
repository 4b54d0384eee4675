"""What config as code asks of the store: one change at a time, and where a new integration would begin."""

import zlib
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, func, select

from collect_pipelines.store.tables import response

__all__ = ["begin_position", "hold_project"]

SPACE = 1_668_246_636  # of advisory locks: the letters `coll`, so that other programs on the database don't meet it by chance


def hold_project(connection: Connection, organization: str) -> None:
    """Lets one change of an organization's project happen at a time; until the transaction ends."""
    number = zlib.crc32(organization.encode("utf-8", "surrogatepass")) - 2**31
    connection.execute(select(func.pg_advisory_xact_lock(SPACE, number)))


def begin_position(connection: Connection, form_id: int, start: Literal["all", "now"] | datetime, head: int) -> int:
    """Where the cursor of an integration that begins so would stand: everything up to there is left out."""
    if isinstance(start, str):
        return head if start == "now" else 0
    first = select(func.min(response.c.position)).where(response.c.form_id == form_id, response.c.received_at >= start)
    position: int | None = connection.execute(first).scalar()
    return head if position is None else position - 1
