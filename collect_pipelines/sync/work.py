"""What a lane works on: forms to validate, or integrations of one kind to deliver for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations
from collect_pipelines.store.validation import forms_to_validate
from collect_pipelines.sync.company import Companies, Company
from collect_pipelines.sync.delivery.courier import Courier
from collect_pipelines.sync.plugs import Finder
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.validate import VALIDATION_LANE, validate_pending
from collect_pipelines.sync.versions import Versions
from collect_pipelines.validation.gate import shared_gate

__all__ = ["Chooses", "Item", "Work", "everything", "work_of"]

DELIVERY_THREADS = 8  # they mostly wait for receivers; each needs a connection to Postgres for milliseconds
SLOW_DELIVERY_THREADS = 24  # for receivers that hang: a thread that waits costs next to nothing


@dataclass(frozen=True, slots=True)
class Item:
    """Something pending: a form (validation), an integration, or several integrations that go in one call (delivery)."""

    key: int
    form: str
    """Reference of the form, of the first one."""
    name: str | None
    """Of the integration, of the first one."""
    numbers: tuple[int, ...] = ()
    """Of the integrations."""

    @property
    def members(self) -> tuple[int, ...]:
        """Form or integrations it stands for."""
        return self.numbers or (self.key,)


Chooses = Callable[[int, str], bool]
"""Whether a form or integration with this number, and this reference of a form, is to be worked on."""


def everything(number: int, form: str) -> bool:
    """Leaves nothing out."""
    return True


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

    def pending(self, chooses: Chooses = everything) -> list[Item]:
        """What has something to do now, the one that waits longest first."""

    def do(self, item: Item) -> dict[int, Report]:
        """One micro-batch for each member, by number; without those that another worker has, or that have nothing left to do."""

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

    def pending(self, chooses: Chooses = everything) -> list[Item]:
        """Forms with entries nobody has judged."""
        with self._database.begin() as connection:
            forms = forms_to_validate(connection)
        return [Item(form.form_id, form.reference, None) for form in forms if chooses(form.form_id, form.reference)]

    def do(self, item: Item) -> dict[int, Report]:
        """Judges the next entries of the form."""
        report = validate_pending(self._database, shared_gate(), item.key, self._owner, versions=self._versions)
        return {} if report is None else {item.key: report}

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
        found = self._courier.plugs.kind(kind)
        self.min_interval_seconds = found.min_interval_seconds
        self._companies = Companies(self._courier, found)

    def warm_up(self) -> None:
        """The plug-in is loaded already; what it imports on use is its own affair."""

    def pending(self, chooses: Chooses = everything) -> list[Item]:
        """Active integrations with something to send; those that share one call as one item."""
        with self._database.begin() as connection:
            due = [one for one in due_integrations(connection, self.kind) if chooses(one.integration_id, one.form)]
            return [_item(company) for company in self._companies.of(connection, due)]

    def do(self, item: Item) -> dict[int, Report]:
        """Delivers the next batch of the integration, or of each of them."""
        return self._courier.deliver_together(item.members)

    def close(self) -> None:
        """Closes the destinations."""
        self._courier.close()


def _item(company: Company) -> Item:
    first = company.members[0]
    numbers = tuple(one.integration_id for one in company.members)
    return Item(company.key, first.form, first.name, numbers)
