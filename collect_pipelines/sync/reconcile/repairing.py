"""Repairing what a comparison found: sending again, and taking away what is there twice. Rows of others are never touched."""

import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from collect_pipelines.errors import TryLater, Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.backfills import begin_replay
from collect_pipelines.store.comparing.comparison import Expected
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.leases import Lease, release_lease, take_lease
from collect_pipelines.store.reconciliations import note_repair
from collect_pipelines.sync.plugs import Finder, installed_destination, make_destination
from collect_pipelines.sync.reconcile.borrowing import Patience, ReadingContext
from collect_pipelines.sync.reconcile.comparing import Findings, words_of_error
from collect_pipelines.sync.tenure import LEASE_SECONDS, Tenure, wall_seconds

__all__ = ["Repair", "repair"]

ASK_SECONDS = 0.5  # between two looks whether the worker that delivers is done with its batch
MOST_WAIT_SECONDS = 300.0  # for it; the longest call of a destination
MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Repair:
    """What was done."""

    removed: int = 0
    """Rows that were there twice."""
    sent_again: int = 0
    """Responses that are on their way, behind new ones."""
    backfill_id: int | None = None
    """Number of the replay that sends them."""
    trouble: str | None = None
    """Why rows that are there twice could not be removed."""


def repair(
    database: Database,
    settings: Settings,
    findings: Findings,
    *,
    finder: Finder = installed_destination,
    patience: Patience | None = None,
    actor: str = "cli",
) -> Repair:
    """
    Removes the copies under the integration's lease, and begins a replay of exactly the entries whose rows are missing or too old.

    Raises Unavailable without Postgres, and what `begin_replay` raises.
    """
    stored = findings.stored
    with database.begin() as connection:
        integration = integration_by_id(connection, stored.integration_id)
    removed, trouble = 0, None
    if findings.copies:
        try:
            removed = _Removal(database, settings, integration, finder, patience or Patience()).done(findings.copies)
        except Unavailable:
            raise
        except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything, and the rest is to be repaired all the same
            trouble = words_of_error(exc, integration)
    with database.begin() as connection:
        backfill_id = None
        if positions := findings.send_again:
            backfill_id = begin_replay(connection, stored.integration_id, positions[0], positions[-1], positions, actor=actor).backfill_id
        note_repair(connection, stored.reconciliation_id, removed + len(positions))
        detail = {"removed": removed, "sent_again": len(positions)}
        record_audit(connection, actor, "reconciliation.repair", f"{stored.integration_id}:{stored.reconciliation_id}", detail)
    return Repair(removed, len(positions), backfill_id, trouble)


@dataclass(frozen=True)
class _Removal:
    database: Database
    settings: Settings
    integration: Integration
    finder: Finder
    patience: Patience

    def done(self, copies: Sequence[Expected]) -> int:
        context = ReadingContext(self.database, self.settings, self.integration, self.patience)
        removed = 0
        with closing(make_destination(self.integration, context, self.finder)) as destination:
            for number in range(1, MOST_TRIES + 1):
                try:
                    # Promise 5: nobody else writes for the integration meanwhile
                    with self._tenure() as tenure, context.during(tenure, background=True):
                        removed += destination.remove_copies(copies)
                    return removed
                except TryLater as exc:
                    if number == MOST_TRIES:
                        raise
                    self.patience.wait(exc.after or 1.0, exc.message)
        return removed

    def _tenure(self) -> "_Held":
        waited = 0.0
        while True:
            asked_at = wall_seconds()
            with self.database.begin() as connection:
                lease = take_lease(connection, f"integration:{self.integration.integration_id}", f"repair:{secrets.token_hex(4)}")
            if lease is not None:
                return _Held(self.database, lease, asked_at)
            if waited >= MOST_WAIT_SECONDS:
                raise TryLater(f"{self.integration.name} is being delivered to without a pause.")
            self.patience.wait(ASK_SECONDS, "A worker delivers.")
            waited += ASK_SECONDS


class _Held:
    """A lease that is given back at the end of the block."""

    def __init__(self, database: Database, lease: Lease, taken_at: float) -> None:
        self._database, self._tenure = database, Tenure(database, lease, LEASE_SECONDS, taken_at)

    def __enter__(self) -> Tenure:
        return self._tenure.__enter__()

    def __exit__(self, *error: object) -> None:
        self._tenure.__exit__(None, None, None)
        with self._database.begin() as connection:
            release_lease(connection, self._tenure.lease)
