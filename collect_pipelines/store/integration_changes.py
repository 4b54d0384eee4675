"""Changing and removing integrations; what they delivered stays where it is."""

from typing import Any

from sqlalchemy import Connection, exists, func, select, update

from collect_pipelines.errors import Conflict
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.leases import release_lease, take_lease
from collect_pipelines.store.tables import backfill, batch, dead_letter, form, integration, integration_memory, journal, reconciliation

__all__ = ["pending_of", "remove_integration", "surely_unused", "update_integration"]

OWNED = (dead_letter, batch, backfill, journal, integration_memory, reconciliation)
"""What hangs on an integration, in the order in which it can be taken away."""


def update_integration(
    connection: Connection,
    integration_id: int,
    *,
    config: dict[str, Any],
    mapping: dict[str, Any],
    language: str | None,
    weight: float | None = None,
) -> Integration:
    """
    Other settings from the next batch on; one that is planned already goes out as it was planned. Raises NotFound.

    weight: None leaves it as it was.
    """
    values = {"config": config, "mapping": mapping, "language": language} | ({} if weight is None else {"weight": weight})
    connection.execute(update(integration).where(integration.c.integration_id == integration_id).values(values))
    return integration_by_id(connection, integration_id)


def surely_unused(connection: Connection, found: Integration) -> bool:
    """
    True when no batch of the integration was ever planned, and none is being planned.

    Then, until the transaction ends, no worker reads the integration in order to plan one.
    """
    if found.cursor > found.start_position:
        return False
    # a worker reads the mapping under the lease, some time before there is a batch
    lease = take_lease(connection, f"integration:{found.integration_id}", "change")
    if lease is None:
        return False
    release_lease(connection, lease)
    return not connection.execute(select(exists().where(batch.c.integration_id == found.integration_id))).scalar_one()


def pending_of(connection: Connection, integration_id: int) -> int:
    """Entries that are still to be sent."""
    query = (
        select(form.c.head - integration.c.cursor + integration.c.behind)
        .join_from(integration, form, form.c.form_id == integration.c.form_id)
        .where(integration.c.integration_id == integration_id)
    )
    return int(connection.execute(query).scalar_one())


def remove_integration(connection: Connection, found: Integration, *, even_if_pending: bool = False) -> int:
    """
    Takes the integration away with its history, and says how many responses it had not sent.

    Raises Conflict while a worker delivers for it; also, unless even_if_pending, when something is to be sent or waits for a person.
    """
    lease = take_lease(connection, f"integration:{found.integration_id}", "removal")
    if lease is None:
        raise Conflict(
            f"A worker is delivering for {found.name} at this moment.", fix=f"`collect integrations pause {found.name}`, then try again."
        )
    pending = pending_of(connection, found.integration_id)
    letters = select(func.count()).where(dead_letter.c.integration_id == found.integration_id, dead_letter.c.state == "open")
    undecided = int(connection.execute(letters).scalar_one())
    if (pending or undecided) and not even_if_pending:
        raise Conflict(
            f"{found.name} has {pending} {'entry' if pending == 1 else 'entries'} to send, and {undecided} waiting for a decision.",
            fix="Let it deliver them first; or add --force, and they are never sent.",
        )
    for table in (*OWNED, integration):
        connection.execute(table.delete().where(table.c.integration_id == found.integration_id))
    release_lease(connection, lease)
    return pending
