"""The ingest endpoint's metrics: Prometheus names, base units, bounded labels, right also with several worker processes."""

import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["INGEST_METRICS", "MULTIPROCESS_VARIABLE", "IngestMetrics", "forget_worker", "share_between_workers"]

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is imported: workers then keep their numbers in files there, and any of them tells the sum."""

INGEST_METRICS = {
    "collect_ingest_requests_total": "Requests by outcome: accepted, duplicate, rejected (4xx), error (5xx), served (reads).",
    "collect_ingest_responses_total": "Responses by form, source and outcome; each item of a batch counts.",
    "collect_ingest_request_duration_seconds": "Seconds from the request's headers to its reply.",
    "collect_ingest_group_size": "Responses stored by one commit.",
    "collect_check_duration_seconds": "Seconds a check took.",
    "collect_check_outcomes_total": "Check runs by outcome: passed, flagged, rejected, skipped; error and timeout whatever on_error says.",
    "collect_ingest_check_restarts_total": "Processes of checks that were lost and replaced, by reason: overrun, crash, memory, start.",
    "collect_ingest_check_breaker_open": "Checks of form versions that are left alone now, because they hung or crashed again and again.",
    "collect_ingest_check_unusable": "1 for a check of an open form that can't be used: not installed, or its configuration is not valid.",
    "collect_ingest_attempts_total": "Attempts that were sent back, by what became of their record: recorded, dropped (too many waited).",
    "collect_build_info": "1, labelled with the version that runs.",
}
"""Every metric of this endpoint with its help text."""

# OpenTelemetry's advice for HTTP request durations.
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
CHECK_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.3, 0.8, 2.5)
GROUP_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MOST_SOURCES = 20  # clients name their source freely; beyond so many per process they are counted as `other`
OTHER = "other"


class IngestMetrics:
    """One per process. Label values are remembered, because looking them up costs more than counting."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._sources: set[str] = set()
        self._commit: object = None
        self._group_size = 0
        names = ("form", "source", "outcome")
        self._requests = self._counter("collect_ingest_requests_total", *names)
        self._responses = self._counter("collect_ingest_responses_total", *names)
        self._durations = self._histogram("collect_ingest_request_duration_seconds", REQUEST_BUCKETS, "form")
        self._groups = self._histogram("collect_ingest_group_size", GROUP_BUCKETS)
        self._check_durations = self._histogram("collect_check_duration_seconds", CHECK_BUCKETS, "plugin")
        self._check_outcomes = self._counter("collect_check_outcomes_total", "plugin", "outcome")
        self._attempts = self._counter("collect_ingest_attempts_total", "outcome")
        self._restarts = self._counter("collect_ingest_check_restarts_total", "plugin", "reason")
        name = "collect_ingest_check_breaker_open"
        self._breakers = Gauge(name, INGEST_METRICS[name], ["plugin", "form"], registry=self._registry, multiprocess_mode="livesum")
        name = "collect_ingest_check_unusable"
        self._unusable = Gauge(name, INGEST_METRICS[name], ["plugin", "form"], registry=self._registry, multiprocess_mode="livemax")
        self._attempts.labels("dropped")  # told as 0 from the start: a counter that appears with its first loss hides that loss
        build = Gauge(
            "collect_build_info",
            INGEST_METRICS["collect_build_info"],
            ["version"],
            registry=self._registry,
            multiprocess_mode="max",
        )
        build.labels(_version()).set(1)
        self._request_children = lru_cache(maxsize=4096)(self._requests.labels)
        self._response_children = lru_cache(maxsize=4096)(self._responses.labels)
        self._duration_children = lru_cache(maxsize=4096)(self._durations.labels)
        self._check_duration_children = lru_cache(maxsize=512)(self._check_durations.labels)
        self._check_outcome_children = lru_cache(maxsize=512)(self._check_outcomes.labels)

    def request(self, form: str | None, source: str | None, outcome: str, seconds: float) -> None:
        """One request answered. `form` only when it exists, so that made-up names make no series."""
        known = form or ""
        self._request_children(known, self._bounded(source), outcome).inc()
        self._duration_children(known).observe(seconds)

    def responses(self, form: str, source: str, outcome: str, count: int = 1) -> None:
        """So many responses ended like this."""
        self._response_children(form, self._bounded(source), outcome).inc(count)

    def check(self, plugin: str, outcome: str, seconds: float) -> None:
        """One check ran on one response."""
        self._check_duration_children(plugin).observe(seconds)
        self._check_outcome_children(plugin, outcome).inc()

    def check_restarted(self, plugin: str, reason: str) -> None:
        """A process of checks was lost."""
        self._restarts.labels(plugin, reason).inc()

    def check_breaker(self, plugin: str, form: str, opened: bool) -> None:
        """A check of a form version is left alone from now on, or is no longer."""
        self._breakers.labels(plugin, form).inc(1 if opened else -1)

    def check_unusable(self, plugin: str, form: str, unusable: bool) -> None:
        """A check of a form can't be used from now on, or can again."""
        self._unusable.labels(plugin, form).set(int(unusable))

    def attempts(self, outcome: str, count: int = 1) -> None:
        """So many attempts that were sent back are `recorded`, or `dropped`."""
        self._attempts.labels(outcome).inc(count)

    def stored(self, committed: object, count: int = 1) -> None:
        """So many responses were stored by the commit that `committed` (its time) stands for; those of one commit come together."""
        if committed != self._commit:
            self._end_group()
            self._commit = committed
        self._group_size += count

    def exposition(self) -> bytes:
        """All numbers as Prometheus text; with several workers those of all of them, also of workers that ended."""
        self._end_group()
        if MULTIPROCESS_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)

    def _end_group(self) -> None:
        if self._group_size:
            self._groups.observe(self._group_size)
        self._commit, self._group_size = None, 0

    def _bounded(self, source: str | None) -> str:
        if source is None:
            return ""
        if source not in self._sources:
            if len(self._sources) >= MOST_SOURCES:
                return OTHER
            self._sources.add(source)
        return source

    def _counter(self, name: str, *labels: str) -> Counter:
        return Counter(name, INGEST_METRICS[name], labels, registry=self._registry)

    def _histogram(self, name: str, buckets: tuple[float, ...], *labels: str) -> Any:
        return Histogram(name, INGEST_METRICS[name], labels, registry=self._registry, buckets=buckets)


def share_between_workers(folder: Path) -> None:
    """Called by the parent before it starts workers: their numbers live in `folder`, which is emptied first."""
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("*.db"):
        left_over.unlink()
    os.environ[MULTIPROCESS_VARIABLE] = str(folder)


def forget_worker(process_id: int) -> None:
    """Called by the parent when a worker ended: its counts stay, its live gauges go."""
    mark_process_dead(process_id)  # type: ignore[no-untyped-call]


def _version() -> str:
    try:
        return version("collect-pipelines")
    except PackageNotFoundError:  # run from a plain checkout
        return "0"
