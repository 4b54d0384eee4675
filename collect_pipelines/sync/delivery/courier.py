"""Delivers micro-batches: for one integration, or for several in one call. Whatever a destination does, this returns reports."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Delivery
from collect_pipelines.errors import Blocked, DeliveryError, LeaseLost, Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.leases import Lease, release_lease, take_lease
from collect_pipelines.sync.delivery.endings import Odds
from collect_pipelines.sync.delivery.errand import Errand, Office, Result
from collect_pipelines.sync.plugs import Finder, Plugs, installed_destination
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.tenure import LEASE_SECONDS, Tenure, Tenures, wall_seconds

__all__ = ["MOST_TOGETHER", "Courier"]

MOST_TOGETHER = 64  # batches in one call
MOST_TOGETHER_BYTES = 100_000_000  # of answers in one call: they are in memory all at once


class Courier:
    """Delivers for the integrations of this process. Safe for threads; one integration is served by one worker at a time."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        owner: str,
        *,
        finder: Finder = installed_destination,
        lease_seconds: float = LEASE_SECONDS,
        dice: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        wait_scale: float = 1.0,
    ) -> None:
        """
        `owner` names this worker in leases; no two workers may share it.

        wait_scale: every wait before something is tried again is multiplied with it.
        """
        self.plugs = Plugs(database, settings, finder)
        self._office = Office(database, settings, self.plugs, Odds(dice, wait_scale), clock)
        self._database, self._owner, self._lease_seconds = database, owner, lease_seconds
        self._alone: set[int] = set()

    def deliver(self, integration_id: int) -> Report | None:
        """
        One micro-batch; None when another worker has the integration, or nothing is to be sent.

        Never raises for trouble of the destination: the report tells. Raises Unavailable when Postgres is away at the start.
        """
        return self.deliver_together([integration_id]).get(integration_id)

    def deliver_together(self, integration_ids: Sequence[int]) -> dict[int, Report]:
        """
        One micro-batch for each of these integrations of one kind, in one call of the destination; by integration, those that had any.

        They should say the same in `shares`. At most 64, and 100 MB of answers; the others are left for the next call. Raises as
        `deliver` does.
        """
        taken_at = wall_seconds()
        held = self._taken(sorted(set(integration_ids[:MOST_TOGETHER])))
        kept = [(integration, Tenure(self._database, lease, self._lease_seconds, taken_at)) for integration, lease in held]
        with Tenures([tenure for _, tenure in kept], self._lease_seconds), ExitStack() as stack:
            errands = [stack.enter_context(Errand(self._office, integration, tenure)) for integration, tenure in kept]
            self._send(self._begun(errands))
        return {errand.integration.integration_id: errand.report for errand in errands if errand.report is not None}

    def may_share(self, integration_id: int) -> bool:
        """False for an integration that was in a call for several which raised: it goes by itself until that is over."""
        return integration_id not in self._alone

    def close(self) -> None:
        """Closes the destinations."""
        self.plugs.close()

    def _taken(self, integration_ids: Sequence[int]) -> list[tuple[Integration, Lease]]:
        held = []
        with self._database.begin() as connection:
            # in the order of their numbers, so that two workers never wait for each other
            for integration_id in integration_ids:
                lease = take_lease(connection, f"integration:{integration_id}", self._owner, self._lease_seconds)
                if lease is None:
                    continue
                # read under the lease: whoever held it before has settled
                integration = integration_by_id(connection, integration_id)
                if integration.state == "active":
                    held.append((integration, lease))
                else:
                    release_lease(connection, lease)
        return held

    def _begun(self, errands: Sequence[Errand]) -> list[Errand]:
        """Those whose batch is noted as being sent, all in one transaction (R3: membership before effect)."""
        ready, blocked = [], []
        for errand in errands:
            try:
                errand.plug_in()
                ready.append(errand)
            except Blocked as exc:
                blocked.append((errand, exc))
        begun: list[Errand] = []
        try:
            with self._database.begin() as connection:
                for errand in ready:
                    if sum(one.attempt.batch.frame.estimated_size() for one in begun) < MOST_TOGETHER_BYTES:
                        self._begin(connection, errand, begun, blocked)
        except Unavailable as exc:
            for errand in ready:
                errand.fail(exc.message)
            begun = []
        for errand, blocking in blocked:
            errand.block(blocking)
        return begun

    def _begin(self, connection: Connection, errand: Errand, begun: list[Errand], blocked: list[tuple[Errand, Blocked]]) -> None:
        try:
            if errand.begin(connection):
                begun.append(errand)
        except Blocked as exc:
            blocked.append((errand, exc))
        except LeaseLost as exc:
            errand.fail(exc.message)
        except Unavailable:
            raise
        except Exception:
            # whatever it is, the next time it concerns this one only
            self._alone.add(errand.integration.integration_id)
            raise

    def _send(self, errands: Sequence[Errand]) -> None:
        full = [errand for errand in errands if errand.attempt.rows]
        for errand in errands:
            if not errand.attempt.rows:
                errand.end(errand.send())
        for company in _companies(full):
            with ExitStack() as stack:
                for errand in company:
                    stack.enter_context(errand.at_work())
                results = [company[0].send()] if len(company) == 1 else _together(company)
            with ExitStack() as stack:
                for errand, result in zip(company, results, strict=True):
                    self._remember(errand, result, shared=len(company) > 1)
                    # each by itself: one that can't be settled keeps no other from being settled
                    stack.callback(errand.end, result)

    def _remember(self, errand: Errand, result: Result, *, shared: bool) -> None:
        """An exception of a call for several may be about one of them only: each goes by itself until it went well."""
        strange = isinstance(result, Exception) and not isinstance(result, DeliveryError | LeaseLost | Unavailable)
        if shared and strange:
            self._alone.add(errand.integration.integration_id)
        elif not isinstance(result, Exception):
            self._alone.discard(errand.integration.integration_id)


def _companies(errands: Sequence[Errand]) -> list[list[Errand]]:
    """Those that go in one call; what each says it shares may have changed since they were put together."""
    found: dict[object, list[Errand]] = {}
    for errand in errands:
        name = _shared(errand) if len(errands) > 1 else None
        found.setdefault(errand.integration.integration_id if name is None else name, []).append(errand)
    return list(found.values())


def _shared(errand: Errand) -> str | None:
    try:
        return errand.destination.shares()
    except Exception:  # noqa: BLE001 - a plug-in may raise anything and must not stop other integrations (promise 7)
        return None


def _together(errands: Sequence[Errand]) -> list[Result]:
    kind = type(errands[0].destination)
    try:
        told = list(kind.deliver_together([(errand.destination, errand.attempt.batch) for errand in errands]))
    except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything and must not stop other integrations (promise 7)
        return [exc] * len(errands)
    if len(told) != len(errands):
        return [RuntimeError("another number of results than batches")] * len(errands)
    return [one if isinstance(one, Delivery | Exception) else TypeError("no result") for one in told]
