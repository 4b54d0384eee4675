"""
Leases: who may work on what, on Postgres's clock.

A lease is an efficiency device with a fence: its epoch rises at every take, and whoever settles checks it in the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import ColumnElement

from collect_pipelines.errors import LeaseLost
from collect_pipelines.store.tables import lease

__all__ = ["Lease", "LeaseRecord", "hold_lease", "list_leases", "release_lease", "renew_lease", "take_lease"]

LEASE_SECONDS = 15.0  # a killed worker's work is taken over after so long
NOBODY = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Proof of having taken a lease; worth nothing once somebody took it later."""

    name: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as it stands; `owner` is None when nobody holds it."""

    name: str
    owner: str | None
    epoch: int
    expires_at: datetime


def take_lease(connection: Connection, name: str, owner: str, seconds: float = LEASE_SECONDS) -> Lease | None:
    """The lease, with a new epoch, when it is free or expired; None while anyone holds it, the same owner included."""
    values = {"owner": owner, "seconds": seconds, "expires_at": _from_now(seconds)}
    # An expiry further ahead than its own length can only come from a clock that was set back: nobody renews it any more.
    left = lease.c.expires_at - func.clock_timestamp()
    free = or_(lease.c.owner == NOBODY, left <= _interval(0.0), left > _interval(lease.c.seconds))
    statement = (
        insert(lease)
        .values(name=name, epoch=1, **values)
        .on_conflict_do_update(index_elements=[lease.c.name], set_={**values, "epoch": lease.c.epoch + 1}, where=free)
        .returning(lease.c.epoch)
    )
    epoch = connection.execute(statement).scalar()
    return None if epoch is None else Lease(name, owner, epoch)


def renew_lease(connection: Connection, lease_: Lease, seconds: float = LEASE_SECONDS) -> None:
    """Holds the lease for so many seconds from now. Raises LeaseLost when another worker took it, or it was released."""
    values = {"seconds": seconds, "expires_at": _from_now(seconds)}
    if not connection.execute(update(lease).where(*_mine(lease_)).values(values)).rowcount:
        raise _lost(lease_)


def release_lease(connection: Connection, lease_: Lease) -> None:
    """Lets others take it at once; nothing happens when it was lost already."""
    connection.execute(update(lease).where(*_mine(lease_)).values(owner=NOBODY))


def hold_lease(connection: Connection, lease_: Lease) -> None:
    """
    Keeps everyone from taking the lease until this transaction ends. Raises LeaseLost when somebody took it before.

    An expired lease that nobody took is held: the epoch, not the time, decides.
    """
    # Promise 5: whoever lost its lease can't settle.
    if connection.execute(select(lease.c.epoch).where(*_mine(lease_)).with_for_update(read=True)).scalar() is None:
        raise _lost(lease_)


def list_leases(connection: Connection, name: str | None = None) -> list[LeaseRecord]:
    """All leases by name, also those that expired; with a name only that one, if it was ever taken."""
    query = select(lease).order_by(lease.c.name) if name is None else select(lease).where(lease.c.name == name)
    return [LeaseRecord(row.name, row.owner or None, row.epoch, row.expires_at) for row in connection.execute(query)]


def _mine(lease_: Lease) -> tuple[ColumnElement[bool], ...]:
    return lease.c.name == lease_.name, lease.c.owner == lease_.owner, lease.c.epoch == lease_.epoch


def _lost(lease_: Lease) -> LeaseLost:
    return LeaseLost(f"{lease_.owner} lost the lease {lease_.name} (epoch {lease_.epoch}).", fix="Nothing: another worker goes on with it.")


def _interval(seconds: float | ColumnElement[float]) -> ColumnElement[object]:
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _from_now(seconds: float) -> ColumnElement[object]:
    return func.clock_timestamp() + _interval(seconds)
