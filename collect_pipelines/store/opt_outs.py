"""Whom nobody of an organization may write to, per channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert

from collect_pipelines.store.tables import integration, opt_out

__all__ = ["OptOut", "add_opt_outs", "list_opt_outs", "opted_out", "remove_opt_out"]


def opted_out(connection: Connection, integration_id: int, channel: str, addresses: Sequence[str]) -> frozenset[str]:
    """Those of the addresses that the integration's organization must not write to on this channel."""
    query = (
        select(opt_out.c.address)
        .join(integration, integration.c.organization_id == opt_out.c.organization_id)
        .where(integration.c.integration_id == integration_id, opt_out.c.channel == channel, opt_out.c.address.in_(addresses))
    )
    return frozenset(connection.execute(query).scalars())


def add_opt_outs(connection: Connection, organization_id: int, channel: str, addresses: Sequence[str], source: str) -> int:
    """Nobody of the organization writes to these addresses on this channel any more. Returns how many are new."""
    values = [{"organization_id": organization_id, "channel": channel, "address": address, "source": source} for address in set(addresses)]
    if not values:
        return 0
    made = connection.execute(insert(opt_out).values(values).on_conflict_do_nothing().returning(opt_out.c.address))
    return len(made.all())


def remove_opt_out(connection: Connection, organization_id: int, channel: str, address: str, source: str | None = None) -> bool:
    """The address may be written to again; with `source` only when that is where the wish came from."""
    statement = delete(opt_out).where(
        opt_out.c.organization_id == organization_id, opt_out.c.channel == channel, opt_out.c.address == address
    )
    if source is not None:
        statement = statement.where(opt_out.c.source == source)
    return bool(connection.execute(statement).rowcount)


@dataclass(frozen=True, slots=True)
class OptOut:
    """An address nobody writes to."""

    address: str
    source: str
    created_at: datetime


def list_opt_outs(connection: Connection, organization_id: int, channel: str) -> list[OptOut]:
    """All of a channel, oldest first."""
    query = select(opt_out.c.address, opt_out.c.source, opt_out.c.created_at).where(
        opt_out.c.organization_id == organization_id, opt_out.c.channel == channel
    )
    return [OptOut(*row) for row in connection.execute(query.order_by(opt_out.c.created_at, opt_out.c.address))]
