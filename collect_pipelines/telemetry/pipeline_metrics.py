"""
The pipeline's metrics, computed from Postgres at each scrape: one exporter tells the truth about all workers, also the dead.

Everything is a plain number of the ledger (promise 4): per integration,
`accepted = delivered + filtered + quarantined + dead letters + erased + undelivered`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collect_pipelines.errors import Unavailable
from collect_pipelines.model import IntegrationState, Ledger

__all__ = [
    "BATCH_COUNTERS",
    "LEDGER_GAUGES",
    "PIPELINE_UP",
    "STANDING_GAUGES",
    "BatchTotals",
    "ComparedRows",
    "PipelineCollector",
    "QuotaLevel",
    "RuleCount",
]

PIPELINE_UP = "collect_pipeline_up"
INTEGRATION_STATE = "collect_integration_state"
INTEGRATION_PROBLEM = "collect_integration_problem"
INTEGRATION_NOTICE = "collect_integration_notice"
BREAKER_OPEN = "collect_integration_breaker_open"
OLDEST_UNDELIVERED = "collect_oldest_undelivered_age_seconds"
QUOTA_WAITING = "collect_quota_waiting"
HELD_BY_RULE = "collect_held_by_rule"
RECONCILIATION_DIFFERENCES = "collect_reconciliation_differences"
RECONCILIATION_FAILED = "collect_reconciliation_failed"
RECONCILIATION_FINISHED = "collect_reconciliation_finished_timestamp_seconds"
BATCH_RULE_BROKEN = "collect_batch_rule_broken"

INTEGRATION_LABELS = ("form", "integration", "kind")
UNNAMED = "unnamed"  # of a problem without a code

LEDGER_GAUGES = {
    "collect_accepted_responses": ("accepted", "Log entries accepted for the form."),
    "collect_delivered_responses": ("delivered", "Log entries whose effect is in the destination."),
    "collect_filtered_responses": ("filtered", "Log entries the integration's filter leaves out."),
    "collect_quarantined_responses": ("quarantined", "Log entries held back by validation."),
    "collect_dead_letters": ("dead_lettered", "Log entries the receiver refused for good, those somebody decided about included."),
    "collect_erased_responses": ("erased", "Log entries erased before they were delivered."),
    "collect_undelivered_responses": ("pending", "Log entries still to be delivered."),
}
"""Metric -> field of Ledger and help text."""

STANDING_GAUGES = {
    "collect_open_dead_letters": ("open_letters", "Log entries the receiver refused and nobody decided about yet."),
    "collect_set_aside_responses": ("set_aside", "Log entries that are set aside and tried by themselves; they count as undelivered."),
    "collect_integration_failures": ("failures", "Attempts in a row that brought nothing forward."),
}
"""Metric -> field of Ledger and help text; no part of the sum."""

BATCH_COUNTERS = {
    "collect_batches_total": ("batches", "Batches landed."),
    "collect_batches_parked_total": ("parked", "Batches given up after many attempts, their responses being dead letters."),
    "collect_batch_retries_total": ("retries", "Attempts beyond the first one of a batch; waiting for quota is none."),
    "collect_batch_rows_total": ("rows", "Rows in landed batches."),
    "collect_batch_seconds_total": ("seconds", "Seconds spent in deliveries."),
    "collect_batch_api_calls_total": ("api_calls", "Calls to the receiver's interface."),
    "collect_quota_wait_seconds_total": ("quota_wait_seconds", "Seconds a batch waited for its share of the receiver's quota."),
}
"""Metric -> field of BatchTotals and help text."""

QUOTA_GAUGES = {
    "collect_quota_remaining_ratio": ("remaining_ratio", "Share of the quota that is left."),
    "collect_quota_used": ("used_last_minute", "Calls of the last minute."),
    "collect_quota_allowed": ("per_minute", "Calls that a minute may see."),
}
"""Metric -> field of QuotaLevel and help text."""

QUOTA_COUNTERS = {
    "collect_quota_taken_total": ("taken", "Calls that were paid from the quota."),
    "collect_quota_refused_total": ("refused", "Calls that the receiver refused because of its quota all the same."),
}
"""Metric -> field of QuotaLevel and help text."""


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """Sums over all batches of one integration since it was made."""

    form: str
    integration: str
    kind: str
    batches: int = 0
    parked: int = 0
    retries: int = 0
    rows: int = 0
    seconds: float = 0.0
    api_calls: int = 0
    quota_wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class QuotaLevel:
    """How full a bucket is: 1.0 is untouched, 0.0 makes everybody wait."""

    quota: str
    remaining_ratio: float
    used_last_minute: int = 0
    per_minute: int | None = None
    """Most that a minute may see; None where the receiver counts no minutes."""
    waiting: int = 0
    """Integrations that wait for it with new entries."""
    waiting_background: int = 0
    taken: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What a rule of validation does to a form now."""

    form: str
    rule: str
    held: int | None = None
    """Log entries it holds back; an entry that breaks two rules counts for both. None: it judges whole batches and holds nothing."""


@dataclass(frozen=True, slots=True)
class ComparedRows:
    """What the newest comparison of an integration with its destination found."""

    form: str
    integration: str
    kind: str
    finished_at: float
    """Seconds since the epoch."""
    differences: Mapping[str, int] | None
    """Rows by what is wrong: `missing`, `respected` (missing, left to people), `duplicated`, `strange`, `stale`; None: it failed."""


class PipelineCollector(Collector):
    """
    Register it with a Prometheus registry; every scrape calls the functions it was given once.

    They raise Unavailable while Postgres is away: then only `collect_pipeline_up 0` is told, and no old number is.
    """

    def __init__(
        self,
        ledger: Callable[[], Iterable[Ledger]],
        batches: Callable[[], Iterable[BatchTotals]] = tuple,
        quotas: Callable[[], Iterable[QuotaLevel]] = tuple,
        rules: Callable[[], Iterable[RuleCount]] = tuple,
        comparisons: Callable[[], Iterable[ComparedRows]] = tuple,
    ) -> None:
        """rules: those that hold entries back, and those over batches that the newest batch breaks."""
        self._ledger, self._batches, self._quotas, self._rules, self._comparisons = ledger, batches, quotas, rules, comparisons

    def collect(self) -> Iterator[Metric]:
        """All families of one moment."""
        try:
            ledger, batches, quotas, rules = list(self._ledger()), list(self._batches()), list(self._quotas()), list(self._rules())
            comparisons = list(self._comparisons())
        except Unavailable:
            yield _up(0)
            return
        yield _up(1)
        yield from _ledger_families(ledger)
        yield from _batch_families(batches)
        yield from _quota_families(quotas)
        yield from _rule_families(rules)
        yield from _comparison_families(comparisons)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: registering must not wait for Postgres."""
        return ()


def _up(value: int) -> Metric:
    return GaugeMetricFamily(PIPELINE_UP, "1 while the exporter can read the ledger.", value=value)


def _quota_families(quotas: list[QuotaLevel]) -> Iterator[Metric]:
    for name, (field, text) in QUOTA_GAUGES.items():
        gauge = GaugeMetricFamily(name, text, labels=["quota"])
        for level in quotas:
            if getattr(level, field) is not None:
                gauge.add_metric([level.quota], getattr(level, field))
        yield gauge
    waiting = GaugeMetricFamily(QUOTA_WAITING, "Integrations that wait for their turn.", labels=["quota", "entries"])
    for level in quotas:
        waiting.add_metric([level.quota, "new"], level.waiting)
        waiting.add_metric([level.quota, "older"], level.waiting_background)
    yield waiting
    for name, (field, text) in QUOTA_COUNTERS.items():
        counter = CounterMetricFamily(name, text, labels=["quota"])
        for level in quotas:
            counter.add_metric([level.quota], getattr(level, field))
        yield counter


def _ledger_families(ledger: list[Ledger]) -> Iterator[Metric]:
    for name, (field, text) in (LEDGER_GAUGES | STANDING_GAUGES).items():
        gauge = GaugeMetricFamily(name, text, labels=INTEGRATION_LABELS)
        for row in ledger:
            gauge.add_metric([row.form, row.integration, row.kind], getattr(row, field))
        yield gauge
    oldest = GaugeMetricFamily(OLDEST_UNDELIVERED, "Age of the oldest undelivered entry, 0 without one.", labels=INTEGRATION_LABELS)
    breakers = GaugeMetricFamily(
        BREAKER_OPEN, "1 while attempt after attempt brought nothing forward and the next one is waited for.", labels=INTEGRATION_LABELS
    )
    states = GaugeMetricFamily(INTEGRATION_STATE, "1 for the state the integration is in.", labels=[*INTEGRATION_LABELS, "state"])
    # a code is one of the few a kind names, never a text about one case
    problems = GaugeMetricFamily(
        INTEGRATION_PROBLEM, "1 for the problem the integration is blocked by.", labels=[*INTEGRATION_LABELS, "problem"]
    )
    notices = GaugeMetricFamily(
        INTEGRATION_NOTICE, "How often the integration goes on although a person should know.", labels=[*INTEGRATION_LABELS, "notice"]
    )
    for row in ledger:
        names = [row.form, row.integration, row.kind]
        if row.state == "blocked":
            problems.add_metric([*names, row.problem or UNNAMED], 1.0)
        for code, count in Counter(str(one["code"]) for one in row.notices).items():
            notices.add_metric([*names, code], count)
        oldest.add_metric(names, row.oldest_pending_seconds or 0.0)
        breakers.add_metric(names, float(row.breaker != "closed"))
        for state in get_args(IntegrationState):
            states.add_metric([*names, state], float(row.state == state))
    yield oldest
    yield breakers
    yield states
    yield problems
    yield notices


def _batch_families(batches: list[BatchTotals]) -> Iterator[Metric]:
    for name, (field, text) in BATCH_COUNTERS.items():
        counter = CounterMetricFamily(name, text, labels=INTEGRATION_LABELS)
        for row in batches:
            counter.add_metric([row.form, row.integration, row.kind], getattr(row, field))
        yield counter


def _rule_families(rules: list[RuleCount]) -> Iterator[Metric]:
    held = GaugeMetricFamily(HELD_BY_RULE, "Log entries that a rule of validation holds back.", labels=("form", "rule"))
    broken = GaugeMetricFamily(
        BATCH_RULE_BROKEN, "1 for a rule over batches that the newest batch of the form breaks.", labels=("form", "rule")
    )
    for one in rules:
        if one.held is None:
            broken.add_metric([one.form, one.rule], 1.0)
        else:
            held.add_metric([one.form, one.rule], one.held)
    yield held
    yield broken


def _comparison_families(comparisons: list[ComparedRows]) -> Iterator[Metric]:
    differences = GaugeMetricFamily(
        RECONCILIATION_DIFFERENCES, "Rows the newest comparison found wrong in the destination.", labels=[*INTEGRATION_LABELS, "difference"]
    )
    failed = GaugeMetricFamily(RECONCILIATION_FAILED, "1 when the newest comparison could not be made.", labels=INTEGRATION_LABELS)
    finished = GaugeMetricFamily(RECONCILIATION_FINISHED, "When the newest comparison ended.", labels=INTEGRATION_LABELS)
    for one in comparisons:
        names = [one.form, one.integration, one.kind]
        failed.add_metric(names, float(one.differences is None))
        finished.add_metric(names, one.finished_at)
        for name, rows in (one.differences or {}).items():
            differences.add_metric([*names, name], rows)
    yield differences
    yield failed
    yield finished
