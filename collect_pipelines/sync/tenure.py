"""Holding leases while work is going on: renewed by a thread, judged by a clock that does not stop when the machine sleeps."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType

from collect_pipelines.errors import LeaseLost, Unavailable
from collect_pipelines.store.database import Database
from collect_pipelines.store.leases import Lease, renew_lease

__all__ = ["LEASE_SECONDS", "Tenure", "Tenures", "wall_seconds"]

LEASE_SECONDS = 15.0  # a killed worker's integration goes on elsewhere after so long
RENEWALS_PER_LEASE = 3.0  # two may fail before the lease is gone


def wall_seconds() -> float:
    """Seconds of real time, also those the machine was suspended: a frozen worker must see that its lease ran out."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Tenure:
    """
    The time a lease is held: within its block, or within that of the `Tenures` it belongs to.

    `check` is cheap, safe in every thread, and right also when Postgres can't be asked: past the lease's own end it raises.
    """

    def __init__(self, database: Database, lease: Lease, seconds: float, taken_at: float) -> None:
        """`taken_at`: `wall_seconds()` from before the lease was taken."""
        self.lease = lease
        self._database, self._seconds = database, seconds
        self._until = taken_at + seconds
        self._lost = False
        self._keeper = Tenures([self], seconds)

    def __enter__(self) -> "Tenure":
        self._keeper.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._keeper.__exit__(kind, error, trace)

    def check(self) -> None:
        """Raises LeaseLost when another worker owns the lease or may own it by now."""
        if self._lost or wall_seconds() >= self._until:
            raise LeaseLost()

    def renew(self) -> None:
        """Holds the lease for longer, when it is still held."""
        if self._lost:
            return
        asked_at = wall_seconds()
        try:
            with self._database.begin() as connection:
                renew_lease(connection, self.lease, self._seconds)
        except LeaseLost:
            self._lost = True
        except Unavailable:
            return  # Postgres is away: the lease stands until its end, `check` watches it
        else:
            self._until = asked_at + self._seconds


class Tenures:
    """Renews several leases by one thread for as long as its block lasts."""

    def __init__(self, tenures: Sequence[Tenure], seconds: float) -> None:
        """seconds: for which the leases are held."""
        self._tenures, self._seconds = tenures, seconds
        self._ended = threading.Event()
        name = f"tenure-{tenures[0].lease.name}" if tenures else "tenure"
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def __enter__(self) -> Sequence[Tenure]:
        if self._tenures:
            self._thread.start()
        return self._tenures

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        if self._tenures:
            self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(self._seconds / RENEWALS_PER_LEASE):
            for tenure in self._tenures:
                tenure.renew()
