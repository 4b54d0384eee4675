"""What the core lends a destination, kept in Postgres and fenced by the lease."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Note
from collect_pipelines.errors import NotFound
from collect_pipelines.model import JsonValue, QuotaBucket
from collect_pipelines.settings import Settings
from collect_pipelines.store import connections, integrations, journal, opt_outs, quota
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.leases import hold_lease
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secret_texts import secret_text
from collect_pipelines.sync.tenure import Tenure

__all__ = ["DeliveryContext"]

CONNECTION = "connection:"

BEGUN_SECONDS = 10.0  # a sequence of calls that is begun waits so long for its next token: beginning anew would cost more calls


class DeliveryContext:
    """Implements `destinations.interface.Context` for one integration. Lives as long as its destination object."""

    def __init__(
        self, database: Database, settings: Settings, integration: Integration, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """sleep: waits so many seconds."""
        self._sleep = sleep
        self.integration_id = integration.integration_id
        self.integration = integration.name
        self.form = integration.form
        self._organization = integration.organization
        self._database, self._settings = database, settings
        self._tenure: Tenure | None = None
        self._weight, self._background = integration.weight, False
        self._read_at: dict[str, datetime | None] = {}
        self.quota_wait_seconds = 0.0
        """What `take_quota` asked the destination to wait since the last delivery began."""

    @contextmanager
    def during(self, tenure: Tenure, *, weight: float = 1.0, background: bool = False) -> Iterator[None]:
        """Within the block every write needs the lease. weight, background: with which the quota is asked for."""
        self._tenure, self.quota_wait_seconds = tenure, 0.0
        self._weight, self._background = weight, background
        try:
            yield
        finally:
            self._tenure = None

    def recall(self, name: str) -> JsonValue:
        """What was last remembered under this name."""
        with self._database.begin() as connection:
            return integrations.recall(connection, self.integration_id, name)

    def remember(self, name: str, value: JsonValue) -> None:
        """Keeps a value; raises LeaseLost when another worker took over."""
        with self._fenced() as connection:
            integrations.remember(connection, self.integration_id, name, value)

    def allocate(self, scope: str, name: str) -> int:
        """A number for (scope, name), the same for ever."""
        with self._fenced() as connection:
            return integrations.allocate(connection, scope, name)

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        """0.0 when a token of every bucket was taken, else the seconds until this integration's turn."""
        return self.choose_quota([buckets], background=background)[1]

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, background: bool = False, begun: bool = False) -> tuple[int, float]:
        """
        The same for the choice that can be had first: which one, and the wait.

        begun: in the middle of a sequence of calls. A short wait is then waited out here, and is none for the caller.
        """
        # Promise 9: one quota for all processes, in turns by weight, new entries before older ones
        claim = quota.Claim(self.integration_id, self._weight, background or self._background, begun)
        patience = BEGUN_SECONDS if begun else 0.0
        while True:
            with self._database.begin() as connection:
                choice, wait = quota.choose_quota(connection, choices, claim)
            self.quota_wait_seconds += wait
            patience -= wait
            if not wait or patience < 0:
                return choice, wait
            self._sleep(wait)

    def settle_quota(self, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
        """Tokens that were held for so long are used now, or given back."""
        with self._database.begin() as connection:
            quota.settle_quota(connection, buckets, held_seconds, used=used)

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        """Empties the buckets for so long."""
        with self._database.begin() as connection:
            quota.drain_quota(connection, buckets, seconds)

    def notes(self, keys: Sequence[str]) -> dict[str, Note]:
        """Lines of the journal by key."""
        with self._database.begin() as connection:
            found = journal.read_journal(connection, self.integration_id, keys)
        return {key: Note(**dataclasses.asdict(line)) for key, line in found.items()}

    def note(self, notes: Sequence[Note]) -> None:
        """Writes lines of the journal; raises LeaseLost when another worker took over."""
        lines = [journal.JournalLine(**dataclasses.asdict(note)) for note in notes]
        with self._fenced() as connection:
            journal.write_journal(connection, self.integration_id, lines)

    def noted_since(self, seconds: float, *, states: Sequence[str], subject: str | None = None) -> int:
        """How many lines were first written since."""
        with self._database.begin() as connection:
            return journal.noted_since(connection, self.integration_id, seconds, states, subject)

    def opted_out(self, channel: str, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses that nobody may write to."""
        with self._database.begin() as connection:
            return opt_outs.opted_out(connection, self.integration_id, channel, addresses)

    def secret(self, reference: str) -> str:
        """The text behind `env:NAME`, `file:PATH`, `stored:NAME` or `connection:NAME`."""
        if reference.startswith(CONNECTION):
            # before the text: one that is replaced in between counts as older than it is, and is then not taken for refused
            self._read_at[reference] = self._changed_at(reference)
        return secret_text(self._database.begin, self._settings, self._organization, reference)

    def secret_refused(self, reference: str, reason: str) -> str | None:
        """Marks the connection as one to be made anew, unless it was since this context read it."""
        if not reference.startswith(CONNECTION):
            return None
        changed_at = self._read_at.get(reference)
        with self._database.begin() as connection:
            owner = organization_id_of(connection, self._organization)
            known = connections.find_connection(connection, owner, reference.removeprefix(CONNECTION))
            if changed_at is not None:
                connections.mark_refused(connection, owner, known.name, changed_at, reason)
        command = connections.connect_command(known.name, known.organization, known.kind)
        return f"Connect again: {command}. Then it goes on by itself."

    def setting(self, name: str) -> str:
        """A setting as text, defaults filled in. Secret settings are not lent."""
        derived = _derived(self._settings)
        if name in derived:
            return derived[name]
        spec = next((spec for spec in dataclasses.fields(self._settings) if spec.name == name), None)
        if spec is None or spec.metadata.get("secret"):
            raise KeyError(name)
        value: object = getattr(self._settings, name)
        return "" if value is None else str(value)

    def guard(self) -> None:
        """Raises LeaseLost when another worker took over."""
        if self._tenure is not None:
            self._tenure.check()

    def _changed_at(self, reference: str) -> datetime | None:
        with self._database.begin() as connection:
            owner = organization_id_of(connection, self._organization)
            try:
                return connections.find_connection(connection, owner, reference.removeprefix(CONNECTION)).changed_at
            except NotFound:
                return None

    @contextmanager
    def _fenced(self) -> Iterator[Connection]:
        with self._database.begin() as connection:
            if self._tenure is not None:
                hold_lease(connection, self._tenure.lease)
            yield connection


def _derived(settings: Settings) -> dict[str, str]:
    local = settings.local_sheets_url
    return {
        "warehouse_path": str(settings.duckdb_path),
        "sheets_base_url": settings.sheets_base_url or local,
        "drive_base_url": settings.drive_base_url or local,
        "oauth_token_url": settings.oauth_token_url or f"{local}/token",
        "local_sheets_credentials": str(settings.data_dir / "sheets" / "person.json"),
    }
