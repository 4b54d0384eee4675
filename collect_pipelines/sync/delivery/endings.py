"""The ways an attempt can end, each in one transaction: cursor, ledger, batch, letters and the wait for the next one together."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Delivery, Destination, Notice, Outcome
from collect_pipelines.errors import Blocked, TryLater
from collect_pipelines.model import RECONNECT_NEEDED
from collect_pipelines.store.backfills import settle_backfill
from collect_pipelines.store.batches import Counts, last_batches
from collect_pipelines.store.connections import connections_named, is_refused
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, set_batch_rows, set_integration_state
from collect_pipelines.store.leases import Lease, hold_lease, release_lease
from collect_pipelines.store.letters import Letter
from collect_pipelines.store.notices import StoredNotice, settle_notices
from collect_pipelines.store.settlement import Spent, close_batch, postpone_batch, replace_batch
from collect_pipelines.sync.delivery.aside import letters_of, with_given_up
from collect_pipelines.sync.delivery.attempt import Attempt
from collect_pipelines.sync.delivery.singling import after_landing, half, refused_through
from collect_pipelines.sync.membership import Account, storable
from collect_pipelines.sync.retry import next_wait

__all__ = ["Ending", "Odds", "set_blocked", "told_notices"]

LOOK_BACK = 64  # batches: more than it takes to single one entry out of a million


@dataclass(frozen=True, slots=True)
class Odds:
    """What makes waits differ."""

    dice: Callable[[], float]
    """Numbers in [0, 1)."""
    wait_scale: float = 1.0
    """Every wait is multiplied with it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one attempt ends, once. Every method raises LeaseLost when another worker took over; then nothing is changed."""

    database: Database
    integration: Integration
    destination: Destination
    lease: Lease
    attempt: Attempt
    odds: Odds

    def land(self, account: Account, delivery: Delivery, seconds: float, quota_wait_seconds: float) -> tuple[Counts, float | None]:
        """The rows have outcomes. What became of the entries, and the seconds until the rest is sent, if there is one."""
        letters = letters_of(account.failures, self.attempt.letters, self.odds.dice, self.odds.wait_scale)
        counts = with_given_up(account.counts, letters)
        wait = None if account.later is None else self._wait(1, TryLater(account.later.reason, after=account.later.after))
        cost = Spent(self.attempt.rows, delivery.api_calls, delivery.sent_bytes, seconds, quota_wait_seconds)
        with self.database.begin() as connection:
            self._close(connection, "landed", counts, letters, cost, account, wait, error=None)
            if delivery.notices is not None:
                settle_notices(connection, self.integration.integration_id, told_notices(delivery.notices))
        return counts, wait

    def park(self, error: str, *, unknown: bool, answered: bool, seconds: float) -> Counts:
        """
        Gives up what would have been sent: it is left to a person.

        unknown: the receiver may have had it all the same. answered: the receiver said no, rather than nothing.
        """
        outcome = Outcome.unknown(error) if unknown else Outcome.refused(error)
        account = self.attempt.membership.account((outcome,) * self.attempt.rows)
        assert account is not None, "none of them should come later"
        letters = letters_of(account.failures, self.attempt.letters, self.odds.dice)
        cost = Spent(self.attempt.rows, seconds=seconds)
        with self.database.begin() as connection:
            self._close(connection, "parked", account.counts, letters, cost, account, None, error=storable(error), progress=answered)
        return account.counts

    def split(self, error: str, outcome: str, seconds: float) -> None:
        """The entries go out in smaller batches, so that the one that can't be taken is found."""
        with self.database.begin() as connection:
            replace_batch(connection, self.attempt.stored, self.lease, error=storable(error), outcome=outcome, seconds=seconds)
            set_batch_rows(connection, self.integration.integration_id, half(self.attempt.stored.entries))
            release_lease(connection, self.lease)

    def postpone(self, error: TryLater, outcome: str, seconds: float, *, failed: bool = True, in_a_row: int | None = None) -> float:
        """The same batch comes again. The seconds until then; in_a_row: attempts that ended like this one, when they count alone."""
        wait = self._wait(self.integration.failures + 1 if in_a_row is None else in_a_row, error)
        waited_only = error.quota_wait and not error.unknown
        with self.database.begin() as connection:
            postpone_batch(
                connection,
                self.attempt.stored,
                self.lease,
                wait,
                unknown=error.unknown,
                error=storable(error.message),
                begun=not waited_only,
                failed=failed,
                outcome=outcome,
                seconds=seconds,
            )
            release_lease(connection, self.lease)
        return wait

    def block(self, error: Blocked, seconds: float) -> None:
        """A person is needed; the batch stays open."""
        with self.database.begin() as connection:
            words = storable(error.message)
            postpone_batch(
                connection,
                self.attempt.stored,
                self.lease,
                0.0,
                unknown=False,
                error=words,
                failed=False,
                outcome="blocked",
                seconds=seconds,
            )
            set_blocked(connection, self.integration, self.lease, error)

    def _close(
        self,
        connection: Connection,
        state: Literal["landed", "parked"],
        counts: Counts,
        letters: list[Letter],
        cost: Spent,
        account: Account,
        wait: float | None,
        *,
        error: str | None,
        progress: bool = True,
    ) -> None:
        # Promise 4: cursor, ledger, batch, letters and backfill in one transaction
        stored = self.attempt.stored
        close_batch(
            connection,
            stored,
            self.lease,
            counts,
            letters,
            cost,
            state=state,
            error=error,
            dropped=account.dropped,
            through=account.through,
            wait_seconds=wait,
            progress=progress,
        )
        if stored.backfill_id is not None:
            settle_backfill(connection, stored.backfill_id, account.through, counts, cost.seconds)
        self._widen(connection, account.through, found=state == "parked")
        release_lease(connection, self.lease)

    def _widen(self, connection: Connection, through: int, *, found: bool) -> None:
        most = self.integration.batch_rows
        if most is None:
            return
        left = None
        if self.attempt.stored.purpose == "live" and not found:
            end = refused_through(last_batches(connection, self.integration.integration_id, LOOK_BACK), through)
            left = None if end is None else end - through
        set_batch_rows(connection, self.integration.integration_id, after_landing(most, left, self.destination.max_rows))

    def _wait(self, failures: int, error: TryLater) -> float:
        return next_wait(failures, error, self.odds.dice, self.destination.longest_wait_seconds) * self.odds.wait_scale


def set_blocked(connection: Connection, integration: Integration, lease: Lease, error: Blocked) -> None:
    """A person is needed before the integration goes on. Ends the lease."""
    hold_lease(connection, lease)
    if error.problem == RECONNECT_NEEDED and _connected_anew(connection, integration):
        # it failed with credentials that were replaced meanwhile: who replaced them saw nothing to resume
        release_lease(connection, lease)
        return
    words = (storable(error.message), storable(error.fix or ""))
    problem = None if error.problem is None else storable(error.problem)
    set_integration_state(connection, integration.integration_id, "blocked", *words, problem=problem)
    release_lease(connection, lease)


def _connected_anew(connection: Connection, integration: Integration) -> bool:
    names = connections_named(json.dumps(integration.config))
    return bool(names) and not is_refused(connection, integration.integration_id, integration.organization, names)


def told_notices(notices: Sequence[Notice]) -> list[StoredNotice]:
    """As they can be kept. Raises whatever comes of a plug-in that told something else than notices."""
    return [StoredNotice(storable(one.code), storable(one.message), None if one.fix is None else storable(one.fix)) for one in notices]
