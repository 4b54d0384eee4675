"""What a lane works on: forms to validate, or integrations of one kind to deliver for."""

from dataclasses import dataclass
from typing import Protocol

from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations
from collect_pipelines.store.validation import forms_to_validate
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.plugs import Finder
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.validate import VALIDATION_LANE, validate_pending
from collect_pipelines.sync.versions import Versions
from collect_pipelines.validation.gate import shared_gate

__all__ = ["Item", "Work", "work_of"]

DELIVERY_THREADS = 8  # they mostly wait for receivers; each needs a connection to Postgres for milliseconds
SLOW_DELIVERY_THREADS = 24  # for receivers that hang: a thread that waits costs next to nothing


@dataclass(frozen=True, slots=True)
class Item:
    """Something pending: a form (validation) or an integration (delivery)."""

    key: int
    form: str
    """Reference of the form."""
    name: str | None
    """Of the integration."""


class Work(Protocol):
    """One kind of work. `pending` and `do` raise Unavailable while Postgres is away."""

    kind: str
    threads: int
    """So many items at a time."""
    slow_threads: int
    """So many more for items that are known to take long, or have been taking long."""
    min_interval_seconds: float
    """Least time between two micro-batches of one item, unless there is a backlog."""

    def warm_up(self) -> None:
        """Does what takes seconds the first time."""

    def pending(self) -> list[Item]:
        """What has something to do now, the one that waits longest first."""

    def do(self, item: Item) -> Report | None:
        """One micro-batch; None when another worker has the item, or nothing is left to do."""

    def close(self) -> None:
        """Releases what is held."""


def work_of(database: Database, settings: Settings, kind: str, owner: str, finder: Finder) -> Work:
    """The work of a lane: kind `validation`, or the kind of a destination."""
    return Validating(database, owner) if kind == VALIDATION_LANE else Delivering(database, settings, kind, owner, finder)


class Validating:
    """Judging new entries, form by form; one at a time, because the gate is one."""

    kind = VALIDATION_LANE
    threads = 1
    slow_threads = 0
    min_interval_seconds = 0.0

    def __init__(self, database: Database, owner: str) -> None:
        self._database, self._owner = database, owner
        self._versions = Versions()

    def warm_up(self) -> None:
        """Imports Great Expectations."""
        shared_gate().warm_up()

    def pending(self) -> list[Item]:
        """Forms with entries nobody has judged."""
        with self._database.begin() as connection:
            return [Item(form.form_id, form.reference, None) for form in forms_to_validate(connection)]

    def do(self, item: Item) -> Report | None:
        """Judges the next entries of the form."""
        return validate_pending(self._database, shared_gate(), item.key, self._owner, versions=self._versions)

    def close(self) -> None:
        """Nothing is held."""


class Delivering:
    """Delivering for the integrations of one kind, several at a time."""

    threads = DELIVERY_THREADS
    slow_threads = SLOW_DELIVERY_THREADS

    def __init__(self, database: Database, settings: Settings, kind: str, owner: str, finder: Finder) -> None:
        self.kind = kind
        self._database = database
        self._courier = Courier(database, settings, owner, finder=finder)
        self.min_interval_seconds = self._courier.plugs.kind(kind).min_interval_seconds

    def warm_up(self) -> None:
        """The plug-in is loaded already; what it imports on use is its own affair."""

    def pending(self) -> list[Item]:
        """Active integrations with validated entries after their cursor, or with a batch to finish."""
        with self._database.begin() as connection:
            due = due_integrations(connection, self.kind)
        return [Item(one.integration_id, one.form, one.name) for one in due]

    def do(self, item: Item) -> Report | None:
        """Delivers the next batch of the integration."""
        return self._courier.deliver(item.key)

    def close(self) -> None:
        """Closes the destinations."""
        self._courier.close()
