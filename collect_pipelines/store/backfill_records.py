"""Backfills and replays as they stand, and what they have still to send."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from collect_pipelines.errors import Conflict, NotFound
from collect_pipelines.store.batches import OPEN
from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.stretches import Stretch, without
from collect_pipelines.store.tables import backfill, batch, form, integration, organization

__all__ = [
    "UNFINISHED",
    "Backfill",
    "BackfillState",
    "current_backfill",
    "find_backfill",
    "list_backfills",
    "owed",
    "require_none_unfinished",
    "sent",
    "unsent",
]

BackfillState = Literal["active", "paused", "cancelled", "done"]
UNFINISHED = ("active", "paused")


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill or a replay as it stands. Counts are log entries, without those still to come."""

    backfill_id: int
    integration_id: int
    integration: str
    kind: str
    form_id: int
    form: str
    """Reference of the form."""
    purpose: Literal["backfill", "replay"]
    from_position: int
    to_position: int
    positions: tuple[int, ...] | None
    """Only these of the range, in order; None: all of it that is owed."""
    next_position: int
    """Everything of it before this position is settled."""
    state: BackfillState
    delivered: int
    filtered: int
    quarantined: int
    dead_lettered: int
    behind: int
    """Set aside by the receiver. Of a backfill they are sent by themselves; of a replay they were delivered before."""
    seconds: float
    """Spent on its batches, waits not included."""
    created_by: str
    created_at: datetime
    finished_at: datetime | None

    @property
    def settled(self) -> int:
        """Entries it is done with."""
        return self.delivered + self.filtered + self.quarantined + self.dead_lettered + self.behind


def find_backfill(connection: Connection, backfill_id: int) -> Backfill:
    """The backfill or replay with this number. Raises NotFound."""
    for found in _backfills(connection, _BACKFILLS.where(backfill.c.backfill_id == backfill_id)):
        return found
    raise NotFound(f"There is no backfill number {backfill_id}.", fix="`collect backfill list` shows them.")


def list_backfills(
    connection: Connection, integration_id: int | None = None, *, unfinished: bool = False, limit: int = 100
) -> list[Backfill]:
    """Backfills and replays, the newest first; of one integration, only unfinished ones, or both."""
    query = _BACKFILLS.order_by(backfill.c.backfill_id.desc()).limit(limit)
    if integration_id is not None:
        query = query.where(backfill.c.integration_id == integration_id)
    return _backfills(connection, query.where(backfill.c.state.in_(UNFINISHED)) if unfinished else query)


def current_backfill(connection: Connection, integration_id: int) -> Backfill | None:
    """The one whose turn it is: a replay before a backfill, then the older one; None when none is active."""
    query = _BACKFILLS.where(backfill.c.integration_id == integration_id, backfill.c.state == "active")
    return next(iter(_backfills(connection, query.order_by(backfill.c.purpose.desc(), backfill.c.backfill_id).limit(1))), None)


def owed(connection: Connection, one: Backfill) -> list[Stretch]:
    """The stretches of positions it has still to send, in order."""
    if one.next_position > one.to_position:
        return []
    rest = [(one.next_position, one.to_position)]
    if one.positions is not None:
        return [(position, position) for position in one.positions if position >= one.next_position]
    return rest if one.purpose == "replay" else without(rest, sent(connection, one.integration_id, before=one.backfill_id))


def unsent(connection: Connection, integration_id: int) -> list[Stretch]:
    """What `start` left out and no backfill has sent so far, in order."""
    start: int = connection.execute(select(integration.c.start_position).where(integration.c.integration_id == integration_id)).scalar_one()
    return without([(1, start)], sent(connection, integration_id))


def require_none_unfinished(connection: Connection, integration_id: int, name: str) -> None:
    """Raises Conflict, naming it, while a backfill of the integration is under way, paused, or has a batch on its way."""
    for other in list_backfills(connection, integration_id, unfinished=True):
        if other.purpose == "backfill":
            raise Conflict(
                f"{name} has a backfill already: number {other.backfill_id}, {other.state}.",
                fix=f"See `collect backfill show {name}`; resume it, or cancel it first: what it sent stays sent.",
            )
    # A cancelled one may still have a batch on its way: which positions are left is known when that has landed.
    sending = select(batch.c.batch_no).where(
        batch.c.integration_id == integration_id, batch.c.purpose == "backfill", batch.c.state.in_(OPEN)
    )
    if (number := connection.execute(sending).scalar()) is not None:
        raise Conflict(f"Batch {number} of the backfill of {name} that was cancelled is still being sent.", fix="Try again in a minute.")


_BACKFILLS = (
    select(backfill, integration.c.name, integration.c.kind, form.c.form_id, form.c.slug, organization.c.slug.label("organization"))
    .join(integration, integration.c.integration_id == backfill.c.integration_id)
    .join(form, form.c.form_id == integration.c.form_id)
    .join(organization, organization.c.organization_id == integration.c.organization_id)
)


def _backfills(connection: Connection, query: Any) -> list[Backfill]:
    found = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        values["form"] = form_reference(values.pop("organization"), values.pop("slug"))
        values["integration"] = values.pop("name")
        values["positions"] = None if values["positions"] is None else tuple(values["positions"])
        found.append(Backfill(**values))
    return found


def sent(connection: Connection, integration_id: int, *, before: int | None = None) -> list[Stretch]:
    """What backfills have sent, or are done with; only those older than number `before`."""
    query = select(backfill.c.from_position, backfill.c.next_position - 1).where(
        backfill.c.integration_id == integration_id, backfill.c.purpose == "backfill", backfill.c.next_position > backfill.c.from_position
    )
    if before is not None:
        query = query.where(backfill.c.backfill_id < before)
    return [(first, last) for first, last in connection.execute(query)]
