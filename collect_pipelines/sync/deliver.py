"""One micro-batch of one integration: take it, send it, settle it. Whatever a destination does, this returns a report."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from collect_pipelines.destinations.interface import Delivery, Outcome
from collect_pipelines.errors import Blocked, LeaseLost, Refused, TryLater, Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.store.batches import Counts, DeadLetter, park_batch, postpone_batch, settle_batch
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, integration_by_id, set_integration_state
from collect_pipelines.store.leases import Lease, hold_lease, release_lease, take_lease
from collect_pipelines.sync.attempt import Attempt, begin
from collect_pipelines.sync.membership import oldest_age_seconds, storable
from collect_pipelines.sync.plugs import Finder, Plug, Plugs, installed_destination
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.retry import next_wait
from collect_pipelines.sync.stacks import where_from
from collect_pipelines.sync.tenure import LEASE_SECONDS, Tenure, wall_seconds
from collect_pipelines.sync.versions import Versions
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Courier"]

log = get_logger(__name__)


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
    ) -> None:
        """`owner` names this worker in leases; no two workers may share it."""
        self.plugs = Plugs(database, settings, finder)
        self.database, self.settings, self.versions, self.dice = database, settings, Versions(), dice
        self.waited: dict[int, float] = {}
        """What the open batch of each integration has waited for quota so far, in this process."""
        self._owner, self._lease_seconds = owner, lease_seconds

    def deliver(self, integration_id: int) -> Report | None:
        """
        One micro-batch; None when another worker has the integration, or nothing is to be sent.

        Never raises for trouble of the destination: the report tells. Raises Unavailable when Postgres is away at the start.
        """
        taken_at = wall_seconds()
        with self.database.begin() as connection:
            lease = take_lease(connection, f"integration:{integration_id}", self._owner, self._lease_seconds)
            if lease is None:
                return None
            # read under the lease: whoever held it before has settled
            integration = integration_by_id(connection, integration_id)
            if integration.state != "active":
                release_lease(connection, lease)
                return None
        with Tenure(self.database, lease, self._lease_seconds, taken_at) as tenure:
            return _Errand(self, integration, lease, tenure).run()

    def close(self) -> None:
        """Closes the destinations."""
        self.plugs.close()


class _Errand:
    """One call of `Courier.deliver`, with the lease in hand."""

    def __init__(self, courier: Courier, integration: Integration, lease: Lease, tenure: Tenure) -> None:
        self._courier, self._database = courier, courier.database
        self._integration, self._lease, self._tenure = integration, lease, tenure
        self._started = time.monotonic()
        self._attempt: Attempt | None = None
        self._report = Report(lane=integration.kind, form=integration.form, integration=integration.name, outcome="failed")

    def run(self) -> Report | None:
        settled = False
        try:
            report = self._run()
            settled = True
        except (LeaseLost, Unavailable) as exc:
            # nothing can be written: what was begun is resumed by whoever holds the lease next
            report = self._told("failed", message=exc.message)
        finally:
            if not settled or self._attempt is None:
                self._release()
        return report

    def _run(self) -> Report | None:
        try:
            plug = self._courier.plugs.plug(self._integration)
            with self._database.begin() as connection:
                integration, settings = self._integration, self._courier.settings
                self._attempt = begin(connection, settings, integration, plug.destination, self._lease, self._courier.versions)
        except Blocked as exc:
            return self._block(exc)
        if self._attempt is None:
            return None
        self._note(self._attempt)
        return self._deliver(plug, self._attempt)

    def _deliver(self, plug: Plug, attempt: Attempt) -> Report:
        try:
            with plug.context.during(self._tenure):
                delivery = self._sent(plug, attempt)
            # in here, because it reads what the plug-in told
            counts, letters = attempt.membership.account(delivery.outcomes)
        except TryLater as exc:
            return self._postpone(attempt, exc, plug.context.quota_wait_seconds)
        except Blocked as exc:
            return self._block(exc)
        except Refused as exc:
            return self._park(attempt, exc)
        except (LeaseLost, Unavailable):
            raise
        except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything and must not stop other integrations (promise 7)
            return self._stumble(attempt, exc)
        return self._settle(attempt, delivery, counts, letters)

    def _sent(self, plug: Plug, attempt: Attempt) -> Delivery:
        rows = attempt.batch.frame.height
        if not rows:
            return Delivery(())  # all quarantined or filtered: nothing to send
        delivery = plug.destination.deliver(attempt.batch)
        if len(delivery.outcomes) != rows:
            raise TryLater(f"The plug-in told {len(delivery.outcomes)} outcomes for {rows} rows.", unknown=True)
        return delivery

    def _settle(self, attempt: Attempt, delivery: Delivery, counts: Counts, letters: Sequence[DeadLetter]) -> Report:
        earlier = self._courier.waited.get(self._integration.integration_id, 0.0)
        seconds = time.monotonic() - self._started
        with self._database.begin() as connection:
            # Promise 4: cursor, ledger and batch in one transaction
            settle_batch(
                connection,
                attempt.stored,
                self._lease,
                counts,
                letters,
                rows=attempt.batch.frame.height,
                api_calls=delivery.api_calls,
                sent_bytes=delivery.sent_bytes,
                seconds=seconds,
                quota_wait_seconds=earlier + delivery.quota_wait_seconds,
            )
            release_lease(connection, self._lease)
        self._courier.waited.pop(self._integration.integration_id, None)
        return self._told(
            "delivered",
            delivered=counts.delivered,
            rejected=counts.dead_lettered,
            quarantined=counts.quarantined,
            api_calls=delivery.api_calls,
            # What it waited before was told by the reports that postponed it.
            quota_wait_seconds=delivery.quota_wait_seconds,
        )

    def _postpone(self, attempt: Attempt, exc: TryLater, quota_wait: float = 0.0) -> Report:
        wait = next_wait(attempt.stored.attempts, exc, self._courier.dice)
        waited = self._courier.waited
        waited[self._integration.integration_id] = waited.get(self._integration.integration_id, 0.0) + quota_wait
        with self._database.begin() as connection:
            waited_only = exc.quota_wait and not exc.unknown
            error = storable(exc.message)
            postpone_batch(connection, attempt.stored, self._lease, wait, unknown=exc.unknown, error=error, begun=not waited_only)
            release_lease(connection, self._lease)
        return self._told("postponed", message=exc.message, retry_in_seconds=wait, quota_wait_seconds=quota_wait)

    def _stumble(self, attempt: Attempt, exc: Exception) -> Report:
        # Promise 10: the class only; its message may hold answers
        name = type(exc).__name__
        log.error(
            "plugin_failed",
            integration=self._integration.name,
            kind=self._integration.kind,
            form=self._integration.form,
            batch_no=attempt.stored.batch_no,
            attempt=attempt.stored.attempts,
            **{"error.type": name, "error.stack": where_from(exc)},
        )
        return self._postpone(attempt, TryLater(f"The plug-in {self._integration.kind} failed with {name}.", unknown=True))

    def _block(self, exc: Blocked) -> Report:
        with self._database.begin() as connection:
            if self._attempt is not None:
                postpone_batch(connection, self._attempt.stored, self._lease, 0.0, unknown=False, error=storable(exc.message))
            else:
                hold_lease(connection, self._lease)
            set_integration_state(connection, self._integration.integration_id, "blocked", storable(exc.message), storable(exc.fix or ""))
            release_lease(connection, self._lease)
        return self._told("blocked", message=f"{exc.message} {exc.fix or ''}".strip())

    def _park(self, attempt: Attempt, exc: Refused) -> Report:
        outcome = Outcome.refused(exc.message)
        counts, letters = attempt.membership.account((outcome,) * attempt.batch.frame.height)
        with self._database.begin() as connection:
            park_batch(connection, attempt.stored, self._lease, counts, letters, error=storable(exc.message))
            release_lease(connection, self._lease)
        return self._told("parked", rejected=counts.dead_lettered, quarantined=counts.quarantined, message=exc.message)

    def _note(self, attempt: Attempt) -> None:
        stored = attempt.stored
        self._report = replace(
            self._report,
            rows=attempt.batch.frame.height,
            from_position=stored.from_position,
            to_position=stored.to_position,
            oldest_age_seconds=oldest_age_seconds(attempt.membership.entries),
            full=attempt.full,
        )

    def _told(self, outcome: str, **values: object) -> Report:
        return replace(self._report, outcome=outcome, seconds=time.monotonic() - self._started, **values)  # type: ignore[arg-type]

    def _release(self) -> None:
        with suppress(Unavailable), self._database.begin() as connection:
            release_lease(connection, self._lease)
