"""One batch of one integration, with the lease in hand: prepared, sent, and brought to an end whatever the destination does."""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from types import TracebackType

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Delivery, Destination
from collect_pipelines.errors import Blocked, LeaseLost, Refused, TryLater, Unavailable
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.leases import release_lease
from collect_pipelines.sync.delivery.attempt import Attempt, Desk
from collect_pipelines.sync.delivery.endings import Ending, Odds, set_blocked, told_notices
from collect_pipelines.sync.delivery.singling import SINGLE_STUMBLES, STUMBLES
from collect_pipelines.sync.membership import Account, oldest_age_seconds
from collect_pipelines.sync.plugs import Plug, Plugs
from collect_pipelines.sync.report import Report
from collect_pipelines.sync.stacks import where_from
from collect_pipelines.sync.tenure import Tenure
from collect_pipelines.sync.versions import Versions
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Errand", "Office", "Result"]

log = get_logger(__name__)

Result = Delivery | Exception
"""What a destination did with a batch."""


class Office:
    """What all errands of a process share. Safe for threads."""

    def __init__(self, database: Database, settings: Settings, plugs: Plugs, odds: Odds, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that never go back."""
        self.database, self.settings, self.plugs, self.odds, self.clock = database, settings, plugs, odds, clock
        self.versions = Versions()
        self.waited: dict[int, float] = {}
        """What the open batch of each integration has waited for quota so far, in this process."""


class Errand:
    """
    One call for one integration, by one thread: `plug_in`, `begin`, then `send` (or one call for several errands) and `end`.

    A context manager: at its end the lease is given back, if that is not done.
    """

    def __init__(self, office: Office, integration: Integration, tenure: Tenure) -> None:
        self.integration, self.tenure = integration, tenure
        self.report: Report | None = None
        """How it ended; None when there was nothing to send."""
        self._office, self._started = office, office.clock()
        self._plug: Plug | None = None
        self._attempt: Attempt | None = None
        self._settled = False
        self._outline = Report(lane=integration.kind, form=integration.form, integration=integration.name, outcome="failed")

    def __enter__(self) -> "Errand":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._settled:
            with suppress(Unavailable), self._office.database.begin() as connection:
                release_lease(connection, self.tenure.lease)

    @property
    def plug(self) -> Plug:
        """The destination and its context."""
        assert self._plug is not None, "plug_in comes first"
        return self._plug

    @property
    def destination(self) -> Destination:
        """The destination."""
        return self.plug.destination

    @property
    def attempt(self) -> Attempt:
        """The batch that is about to be sent."""
        assert self._attempt is not None, "begin comes first"
        return self._attempt

    def plug_in(self) -> None:
        """Gets the destination. Raises Blocked when a person is needed first."""
        self._plug = self._office.plugs.plug(self.integration)

    def begin(self, connection: Connection) -> bool:
        """Notes the batch that is about to be sent; False when there is none. Commit before sending. Raises Blocked and LeaseLost."""
        office = self._office
        desk = Desk(connection, office.settings, office.versions, self.integration, self.destination, self.tenure.lease)
        self._attempt = desk.begin()
        if self._attempt is not None:
            self._outline = _outlined(self._outline, self._attempt)
        return self._attempt is not None

    def at_work(self) -> AbstractContextManager[None]:
        """While the batch is sent: what the destination does needs the lease, and its calls wait their turn as what they are."""
        older = self.attempt.stored.purpose in ("backfill", "replay")
        return self.plug.context.during(self.tenure, weight=self.integration.weight, background=older)

    def send(self) -> Result:
        """Hands the batch to the destination."""
        if not self.attempt.rows:
            return Delivery(())  # all quarantined or filtered: nothing to send
        try:
            return self.destination.deliver(self.attempt.batch)
        except Exception as exc:  # noqa: BLE001 - a plug-in may raise anything and must not stop other integrations (promise 7)
            return exc

    def end(self, result: Result) -> None:
        """Settles what came of it. After a LeaseLost or Unavailable whoever holds the lease next resumes what was begun."""
        try:
            self.report = self._ended(result)
            self._settled = True
        except (LeaseLost, Unavailable) as exc:
            self.fail(exc.message)

    def block(self, error: Blocked) -> None:
        """A person is needed before anything can be sent."""
        try:
            with self._office.database.begin() as connection:
                set_blocked(connection, self.integration, self.tenure.lease, error)
            self.report = self._told("blocked", message=f"{error.message} {error.fix or ''}".strip(), problem=error.problem)
            self._settled = True
        except (LeaseLost, Unavailable) as exc:
            self.fail(exc.message)

    def fail(self, message: str) -> None:
        """Nothing could be written."""
        self.report = self._told("failed", message=message)

    def _ended(self, result: Result) -> Report:
        try:
            delivery = _without_error(result, self.attempt.rows)
            # in here, because it reads what the plug-in told
            account = self.attempt.membership.account(delivery.outcomes)
            notices = told_notices(delivery.notices or ())
        except TryLater as exc:
            return self._postpone(exc)
        except Blocked as exc:
            self._ending.block(exc, self._seconds)
            return self._told("blocked", message=f"{exc.message} {exc.fix or ''}".strip(), problem=exc.problem)
        except Refused as exc:
            return self._refused(exc)
        except (LeaseLost, Unavailable):
            raise
        except Exception as exc:  # noqa: BLE001 - as above
            return self._stumble(exc)
        if account.nothing and account.later is not None:
            # who says when is not failing
            after = account.later.after
            return self._postpone(TryLater(account.later.reason, after=after), failed=after is None)
        return self._land(account, delivery, None if delivery.notices is None else tuple(one.message for one in notices))

    def _land(self, account: Account, delivery: Delivery, notices: tuple[str, ...] | None) -> Report:
        waited = self._office.waited.get(self.integration.integration_id, 0.0) + delivery.quota_wait_seconds
        counts, wait = self._ending.land(account, delivery, self._seconds, waited)
        self._office.waited.pop(self.integration.integration_id, None)
        return self._told(
            "delivered",
            delivered=counts.delivered,
            rejected=counts.dead_lettered,
            quarantined=counts.quarantined,
            behind=counts.behind,
            skipped=account.skipped,
            to_position=account.through,
            api_calls=delivery.api_calls,
            # What it waited before was told by the reports that postponed it.
            quota_wait_seconds=delivery.quota_wait_seconds,
            retry_in_seconds=wait,
            notices=notices,
        )

    def _postpone(self, error: TryLater, outcome: str | None = None, *, failed: bool = True, in_a_row: int | None = None) -> Report:
        quota_wait = self.plug.context.quota_wait_seconds
        waited = self._office.waited
        waited[self.integration.integration_id] = waited.get(self.integration.integration_id, 0.0) + quota_wait
        outcome = outcome or ("unknown" if error.unknown else "postponed")
        wait = self._ending.postpone(error, outcome, self._seconds, failed=failed, in_a_row=in_a_row)
        only_waited = error.quota_wait and not error.unknown
        return self._told("postponed", message=error.message, retry_in_seconds=wait, quota_wait_seconds=quota_wait, only_waited=only_waited)

    def _refused(self, error: Refused) -> Report:
        stored = self.attempt.stored
        # an earlier attempt may have been applied: in other pieces it would be applied twice, unless effects are keyed
        uncertain = stored.unknown and not self.destination.keyed
        if self.attempt.rows > 1 and not uncertain:
            return self._split(error.message, "refused")
        return self._park(error.message, unknown=uncertain, answered=True)

    def _stumble(self, error: Exception) -> Report:
        # Promise 10: the class only; its message may hold answers
        name, stored = type(error).__name__, self.attempt.stored
        log.error(
            "plugin_failed",
            integration=self.integration.name,
            kind=self.integration.kind,
            form=self.integration.form,
            batch_no=stored.batch_no,
            attempt=stored.attempts,
            **{"error.type": name, "error.stack": where_from(error)},
        )
        message = f"The plug-in {self.integration.kind} failed with {name}."
        times = stored.stumbles + 1
        # while something is being singled out, once is enough to look at the halves
        if self.destination.keyed and self.attempt.rows > 1 and times >= (STUMBLES if self.integration.batch_rows is None else 1):
            return self._split(message, "failed")
        if self.destination.keyed and self.attempt.rows == 1 and times >= SINGLE_STUMBLES:
            return self._park(message, unknown=True, answered=False)
        return self._postpone(TryLater(message, unknown=True), "failed", in_a_row=times)

    def _split(self, message: str, outcome: str) -> Report:
        self._ending.split(message, outcome, self._seconds)
        return self._told("split", message=message, retry_in_seconds=0.0)

    def _park(self, message: str, *, unknown: bool, answered: bool) -> Report:
        counts = self._ending.park(message, unknown=unknown, answered=answered, seconds=self._seconds)
        return self._told("parked", rejected=counts.dead_lettered, quarantined=counts.quarantined, message=message)

    @property
    def _ending(self) -> Ending:
        office = self._office
        return Ending(office.database, self.integration, self.destination, self.tenure.lease, self.attempt, office.odds)

    @property
    def _seconds(self) -> float:
        return self._office.clock() - self._started

    def _told(self, outcome: str, **values: object) -> Report:
        return replace(self._outline, outcome=outcome, seconds=self._seconds, **values)  # type: ignore[arg-type]


def _without_error(result: Result, rows: int) -> Delivery:
    if isinstance(result, Exception):
        raise result
    if len(result.outcomes) != rows:
        raise TryLater(f"The plug-in told {len(result.outcomes)} outcomes for {rows} rows.", unknown=True)
    return result


def _outlined(report: Report, attempt: Attempt) -> Report:
    return replace(
        report,
        purpose=attempt.stored.purpose,
        rows=attempt.rows,
        from_position=attempt.stored.from_position,
        to_position=attempt.stored.to_position,
        oldest_age_seconds=oldest_age_seconds(attempt.membership.entries) if attempt.stored.purpose == "live" else 0.0,
        full=attempt.full,
    )
