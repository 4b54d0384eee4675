"""What is only kept for a time: removed in small slices, by whichever process gets to it."""

from sqlalchemy import Connection, func, select

from collect_pipelines.store.fingerprints import prune_fingerprints
from collect_pipelines.store.rejections import prune_rejections

__all__ = ["SLICE", "forget_expired"]

SLICE = 5_000  # rows of each table in one call: locks stay short

LOCK = 0x636F6C6C_66677400  # any number no other advisory lock of the database uses


def forget_expired(connection: Connection) -> int:
    """
    Removes a slice of the expired attempts and fingerprints, and says how many; 0 also while another process is at it.

    With fewer than `SLICE` the rest can wait. Each call is one short transaction.
    """
    if not connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one():
        return 0
    return prune_rejections(connection, SLICE) + prune_fingerprints(connection, SLICE)
