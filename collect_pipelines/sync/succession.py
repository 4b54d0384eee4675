"""Which of several lanes of one kind is the resident one: a lease in Postgres, handed over without a gap."""

import time
from contextlib import suppress

from collect_pipelines.errors import LeaseLost, Unavailable
from collect_pipelines.store.database import Database
from collect_pipelines.store.leases import release_lease, take_lease
from collect_pipelines.sync.tenure import Tenure, wall_seconds

__all__ = ["LANE_LEASE_SECONDS", "Succession"]

LANE_LEASE_SECONDS = 10.0  # a killed lane's successor waits so long; it guards nothing, leases of integrations do
ASK_SECONDS = 0.1
WAIT_SECONDS = 1.0  # between two signs of life to whoever waits for this lane


class Succession:
    """The place of the resident lane: waited for, held, given up."""

    def __init__(self, database: Database, name: str, owner: str) -> None:
        self._database, self._name, self._owner = database, name, owner
        self._tenure: Tenure | None = None

    def take(self) -> bool:
        """True once the place is ours; False after a second of asking."""
        until = time.monotonic() + WAIT_SECONDS
        while not self._asked():
            if time.monotonic() >= until:
                return False
            time.sleep(ASK_SECONDS)
        return True

    @property
    def lost(self) -> bool:
        """Somebody else may have taken the place: Postgres was away too long, or this process was frozen."""
        if self._tenure is None:
            return True
        try:
            self._tenure.check()
        except LeaseLost:
            return True
        return False

    def end(self) -> None:
        """Lets the successor begin."""
        tenure, self._tenure = self._tenure, None
        if tenure is None:
            return
        tenure.__exit__(None, None, None)
        with suppress(Unavailable), self._database.begin() as connection:
            release_lease(connection, tenure.lease)

    def _asked(self) -> bool:
        asked_at = wall_seconds()
        try:
            with self._database.begin() as connection:
                lease = take_lease(connection, self._name, self._owner, LANE_LEASE_SECONDS)
        except Unavailable:
            return False
        if lease is None:
            return False
        self._tenure = Tenure(self._database, lease, LANE_LEASE_SECONDS, asked_at)
        self._tenure.__enter__()
        return True
