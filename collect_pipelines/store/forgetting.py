"""What is only kept for a time: removed in small slices, by whichever process gets to it."""

from sqlalchemy import Connection, func, select

from collect_pipelines.store.fingerprints import prune_fingerprints
from collect_pipelines.store.rejections import prune_rejections

__all__ = ["forget_expired"]

LOCK = 0x636F6C6C_66677400  # any number no other advisory lock of the database uses


def forget_expired(connection: Connection) -> int:
    """
    Removes some thousand expired attempts and fingerprints at most, and says how many; 0 also while another process is at it.

    Call it again at once while it finds any: each call is one short transaction.
    """
    if not connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one():
        return 0
    return prune_rejections(connection) + prune_fingerprints(connection)
