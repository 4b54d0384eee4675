"""What config as code asks of the store: one change of a project at a time."""

import zlib

from sqlalchemy import Connection, func, select

__all__ = ["hold_project"]

SPACE = 1_668_246_636  # of advisory locks: the letters `coll`, so that other programs on the database don't meet it by chance


def hold_project(connection: Connection, organization: str) -> None:
    """Lets one change of an organization's project happen at a time; until the transaction ends."""
    number = zlib.crc32(organization.encode("utf-8", "surrogatepass")) - 2**31
    connection.execute(select(func.pg_advisory_xact_lock(SPACE, number)))
