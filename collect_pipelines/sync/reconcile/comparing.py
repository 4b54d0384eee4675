"""One comparison of a destination with its ledger, from its first question to what it found."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from collect_pipelines.destinations.interface import Destination, Held
from collect_pipelines.errors import Blocked, CollectError, DeliveryError, TryLater
from collect_pipelines.settings import Settings
from collect_pipelines.store.batches import attempted_through
from collect_pipelines.store.comparing.comparison import Comparison, Difference, Expected, Found, Numbers
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, integration_by_id
from collect_pipelines.store.reconciliations import Reconciliation, begin_reconciliation, end_reconciliation, reconciliation_by_id
from collect_pipelines.sync.membership import storable
from collect_pipelines.sync.plugs import Finder, installed_destination, make_destination
from collect_pipelines.sync.reconcile.borrowing import Patience, ReadingContext
from collect_pipelines.sync.reconcile.expecting import expectation
from collect_pipelines.sync.stacks import where_from
from collect_pipelines.sync.versions import Versions
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["LISTED", "Findings", "Tell", "can_compare", "compare", "words_of_error"]

log = get_logger(__name__)

LISTED = 100  # differences of each kind that are kept and shown
MOST_PASSES = 3  # readings; what is different in each of them is different
MOST_TRIES = 5  # of one reading that the receiver breaks off
BETWEEN_TRIES_SECONDS = 5.0  # where the receiver says nothing of when to come again
MOST_REVISION = 2**31  # of what a person may have typed into the column
MOST_ID_CHARACTERS = 200  # of a row that a person wrote; ids of ours are shorter

NO_REVISIONS = "What is there does not say which revision it is, so that rows per revision can't be told apart."

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison came to, and what a repair would do."""

    stored: Reconciliation
    send_again: tuple[int, ...] = ()
    """Positions of entries whose rows are missing or too old, but for those that people deleted and that is to be respected."""
    copies: tuple[Expected, ...] = ()
    """What stands there more than once."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    numbers: Numbers
    respected: int
    differences: list[Difference]
    send_again: list[int]
    copies: list[Expected]


def can_compare(integration: Integration, finder: Finder = installed_destination) -> bool:
    """Whether the kind can say what it holds. Raises PluginError."""
    return "read_back" in finder(integration.kind).supports


def compare(
    database: Database,
    settings: Settings,
    integration_id: int,
    *,
    finder: Finder = installed_destination,
    patience: Patience | None = None,
    refill: bool = False,
    tell: Tell = lambda words: None,
) -> Findings:
    """
    Compares everything that is settled with what the destination holds, and stores what is different.

    Trouble of the destination is not raised: what is stored says why it failed. refill: rows that people deleted are to be sent again,
    whatever the integration's settings say. tell: is told what is being done. Raises NotFound, and Unavailable without Postgres.
    """
    with database.begin() as connection:
        integration = integration_by_id(connection, integration_id)
        number = begin_reconciliation(connection, integration_id, integration.cursor)
    try:
        outcome = _Work(database, settings, integration, finder, patience or Patience(), tell).done(refill=refill)
    except Exception as exc:
        with database.begin() as connection:
            end_reconciliation(connection, number, None, error=words_of_error(exc, integration))
            stored = reconciliation_by_id(connection, number)
        if isinstance(exc, CollectError) and not isinstance(exc, DeliveryError):
            raise
        return Findings(stored)
    with database.begin() as connection:
        end_reconciliation(connection, number, outcome.numbers, outcome.differences, respected=outcome.respected)
        stored = reconciliation_by_id(connection, number)
    return Findings(stored, tuple(outcome.send_again), tuple(outcome.copies))


@dataclass(frozen=True)
class _Work:
    database: Database
    settings: Settings
    integration: Integration
    finder: Finder
    patience: Patience
    tell: Tell

    def done(self, *, refill: bool) -> _Outcome:
        context = ReadingContext(self.database, self.settings, self.integration, self.patience)
        destination = make_destination(self.integration, context, self.finder)
        with self.database.begin() as connection:
            rules, judge = expectation(connection, self.integration, type(destination), Versions())
        with closing(destination), Comparison(self.database.url, rules) as comparison:
            self.tell(f"Working out what {self.integration.name} should hold, up to position {rules.through}.")
            comparison.judge(judge.verdicts(self.database))
            comparison.expect()
            numbers = self._compared(comparison, destination)
            self._require_unchanged()
            leave = not refill and getattr(destination.config, "deleted_rows", "refill") != "refill"
            return _Outcome(
                numbers,
                numbers.missing if leave else 0,
                comparison.sample(LISTED),
                comparison.to_send_again(missing=not leave),
                comparison.copies(),
            )

    def _compared(self, comparison: Comparison, destination: Destination) -> Numbers:
        """What is different each time it is read: a row that somebody moves meanwhile may be seen twice, or not at all."""
        different = -1
        for number in range(MOST_PASSES):
            self.tell("Reading what is there." if not number else f"Looking again at {different} differences.")
            self._read(comparison, destination)
            comparison.compare()
            with self.database.begin() as connection:
                tried = attempted_through(connection, self.integration.integration_id)
            numbers = comparison.forget_changed(tried)
            if numbers.different in (0, different):
                break
            different = numbers.different
        return numbers

    def _read(self, comparison: Comparison, destination: Destination) -> None:
        for number in range(1, MOST_TRIES + 1):
            try:
                comparison.find(_found(destination, by_revision=comparison.by_revision))
            except TryLater as exc:
                if number == MOST_TRIES:
                    raise
                self.patience.wait(BETWEEN_TRIES_SECONDS if exc.after is None else exc.after, exc.message)
            else:
                return

    def _require_unchanged(self) -> None:
        """What was set meanwhile may have changed what should be there."""
        with self.database.begin() as connection:
            now = integration_by_id(connection, self.integration.integration_id)
        if (now.mapping, now.config, now.language) != (self.integration.mapping, self.integration.config, self.integration.language):
            raise TryLater(f"The settings of {now.name} were changed while it was compared.")


def _found(destination: Destination, *, by_revision: bool) -> Iterator[list[Found]]:
    for chunk in destination.read_back():
        yield [_row(one, by_revision=by_revision) for one in chunk]


def _row(row: Held, *, by_revision: bool) -> Found:
    if row.revision is None and by_revision:
        raise Blocked(NO_REVISIONS, fix="Undo the deletion of the column, or send everything to a new place.")
    # a row that a person wrote may hold anything
    revision = None if row.revision is None else min(max(int(row.revision), 0), MOST_REVISION)
    return storable(str(row.response_id))[:MOST_ID_CHARACTERS], revision, bool(row.deleted), storable(str(row.place))


def words_of_error(error: Exception, integration: Integration) -> str:
    """What went wrong, for a person; of a fault of the plug-in the class alone, which is logged with its place."""
    if isinstance(error, CollectError):
        return storable(f"{error.message} {error.fix or ''}".strip())
    # Promise 10: the class only; its message may hold answers
    name = type(error).__name__
    log.error(
        "plugin_failed",
        integration=integration.name,
        kind=integration.kind,
        form=integration.form,
        **{"error.type": name, "error.stack": where_from(error)},
    )
    return f"The plug-in {integration.kind} failed with {name}."
