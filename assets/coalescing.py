"""
Many reports of a lane, few events: sums per form until it is worth telling. No Dagster in here.

An event costs about as much as delivering a small batch, so a form is told about at its first batch, when its state changes,
and otherwise at most every 15 seconds, or less often when very many forms are active.
"""

from dataclasses import dataclass, field

from collect_pipelines.sync.report import Report

__all__ = ["Coalescer", "Totals"]

LEAST_INTERVAL_SECONDS = 15.0
EVENTS_PER_SECOND = 5.0  # 300 busy forms are then told about once a minute, for about 5 % of a core
SLICE = 20  # events written in one go, so that a lane's page stays current while hundreds of forms are told about

LANDED = ("validated", "delivered", "parked")
TRANSIENT = ("postponed", "split", "failed")  # tried again by itself: no news


@dataclass(slots=True)
class Totals:
    """What happened to one form in one lane since it was last told. Numbers only, no answers (Promise 10)."""

    lane: str
    form: str
    batches: int = 0
    rows: int = 0
    delivered: int = 0
    rejected: int = 0
    set_aside: int = 0
    skipped: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    api_calls: int = 0
    quota_wait_seconds: float = 0.0
    oldest_age_seconds: float = 0.0
    through_position: int = 0
    outcome: str = ""
    message: str | None = None
    problem: str | None = None
    notices: tuple[str, ...] = ()
    checks: dict[str, int] = field(default_factory=dict)
    """Rows that failed, by expectation; batches, for a rule over batches."""
    warnings: dict[str, str] = field(default_factory=dict)
    """Rules over batches that the newest batch breaks, each with a sentence."""

    @property
    def state(self) -> str:
        """
        The outcome, or a nearer word: a change is told at once.

        `quarantined`: validation held rows back. `warned`: it did not, but a batch breaks a rule over batches. `idle`: nothing to do.
        """
        if self.outcome != "validated":
            return self.outcome or "idle"
        return "quarantined" if self.quarantined else "warned" if self.warnings else self.outcome

    def add(self, report: Report) -> None:
        """Counts one more report."""
        landed = report.outcome in LANDED
        self.batches += landed
        self.rows += report.rows if landed else 0
        self.delivered += report.delivered
        self.rejected += report.rejected
        self.set_aside += report.behind
        self.skipped += report.skipped
        self.quarantined += report.quarantined
        self.seconds += report.seconds
        self.api_calls += report.api_calls
        self.quota_wait_seconds += report.quota_wait_seconds
        self.oldest_age_seconds = max(self.oldest_age_seconds, report.oldest_age_seconds)
        if report.purpose == "live":  # what was set aside, or is backfilled, lies behind
            self.through_position = max(self.through_position, report.to_position if landed else report.from_position - 1)
        self.outcome, self.message, self.problem = report.outcome, report.message, report.problem
        if report.notices is not None:
            self.notices = report.notices
        if landed:
            self.warnings = dict(report.warnings)
        for name, count in report.checks.items():
            self.checks[name] = self.checks.get(name, 0) + count.failed


class Coalescer:
    """Collects reports and says which forms are due. One per lane run, used by one thread."""

    def __init__(self) -> None:
        self._waiting: dict[str, Totals] = {}
        self._told: dict[str, tuple[float, str]] = {}
        """Form -> when it was last told about (monotonic seconds), and the state told."""

    def add(self, report: Report) -> None:
        """Counts the report with what is waiting for its form."""
        totals = self._waiting.setdefault(report.form, Totals(report.lane, report.form))
        totals.add(report)

    def due(self, now: float) -> list[Totals]:
        """The forms to tell about now, oldest news first, at most a slice of them; `now` in monotonic seconds."""
        interval = max(LEAST_INTERVAL_SECONDS, len(self._told) / EVENTS_PER_SECOND)
        ready = [totals for totals in self._waiting.values() if self._is_due(totals, now, interval)]
        return [self._take(totals, now) for totals in ready[:SLICE]]

    def rest(self) -> list[Totals]:
        """Everything that was not told yet: for the end of a run."""
        return [self._take(totals, 0.0) for totals in list(self._waiting.values())]

    def _is_due(self, totals: Totals, now: float, interval: float) -> bool:
        if totals.form not in self._told:
            return True
        at, state = self._told[totals.form]
        return now - at >= interval or totals.state not in (state, *TRANSIENT)

    def _take(self, totals: Totals, now: float) -> Totals:
        del self._waiting[totals.form]
        self._told[totals.form] = (now, totals.state)
        return totals
