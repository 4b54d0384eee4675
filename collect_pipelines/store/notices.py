"""What a destination wants a person to know of an integration that goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from collect_pipelines.store.tables import integration

__all__ = ["MOST_NOTICES", "StoredNotice", "settle_notices"]

MOST_NOTICES = 50  # of one integration: more would be read by nobody


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One notice; no answers, no secrets."""

    code: str
    message: str
    fix: str | None = None


def settle_notices(connection: Connection, integration_id: int, notices: Sequence[StoredNotice]) -> None:
    """
    These are all that is true now: others end, and one that stays keeps the moment since when it is.

    Call it in the transaction that settles the batch that told them.
    """
    mine = integration.c.integration_id == integration_id
    query = select(integration.c.notices, func.to_char(func.clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')).where(mine)
    row = connection.execute(query).one_or_none()
    if row is None:
        return
    known: list[dict[str, Any]] = row[0]
    since = {one["code"]: one["since"] for one in reversed(known)}
    told = [
        {"code": one.code, "message": one.message, "fix": one.fix, "since": since.get(one.code, row[1])}
        for one in dict.fromkeys(notices[:MOST_NOTICES])
    ]
    if told != known:
        connection.execute(update(integration).where(mine).values(notices=told))
