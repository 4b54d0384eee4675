"""Numbers with bounded labels, and the sum over all workers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from collect_pipelines.telemetry.ingest_metrics import (
    INGEST_METRICS,
    MOST_SOURCES,
    MULTIPROCESS_VARIABLE,
    IngestMetrics,
    share_between_workers,
)

ROOT = Path(__file__).parents[2]

COUNT_ONE = """
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
metrics = IngestMetrics()
metrics.request("household", "api", "accepted", 0.004)
metrics.stored(1, 5)
metrics.stored(1, 2)
metrics.stored(2, 3)
print(metrics.exposition().decode())
"""


def test_a_request_is_counted_and_timed() -> None:
    metrics = IngestMetrics()

    metrics.request("household", "api", "accepted", 0.004)
    metrics.check("answers", "passed", 0.0002)

    text = metrics.exposition().decode()
    assert 'collect_ingest_requests_total{form="household",outcome="accepted",source="api"} 1.0' in text
    assert 'collect_ingest_request_duration_seconds_bucket{form="household",le="0.005"} 1.0' in text
    assert 'collect_check_outcomes_total{outcome="passed",plugin="answers"} 1.0' in text
    assert 'collect_build_info{version="' in text


def test_losses_are_told_as_none_before_the_first_one() -> None:
    assert 'collect_ingest_attempts_total{outcome="dropped"} 0.0' in IngestMetrics().exposition().decode()


def test_a_check_is_unusable_until_it_can_be_used() -> None:
    metrics = IngestMetrics()
    line = 'collect_ingest_check_unusable{form="household",plugin="words"}'

    metrics.check_unusable("words", "household", unusable=True)
    assert f"{line} 1.0" in metrics.exposition().decode()

    metrics.check_unusable("words", "household", unusable=False)
    assert f"{line} 0.0" in metrics.exposition().decode()


def test_sources_named_by_clients_are_bounded() -> None:
    metrics = IngestMetrics()

    for number in range(10 * MOST_SOURCES):
        metrics.responses("household", f"source-{number}", "accepted")

    text = metrics.exposition().decode()
    assert len(re.findall(r"^collect_ingest_responses_total\{", text, re.MULTILINE)) == MOST_SOURCES + 1
    assert f'source="other"}} {9 * MOST_SOURCES}.0' in text


def test_any_worker_tells_the_sum_of_all(tmp_path: Path) -> None:
    before = dict(os.environ)
    try:
        share_between_workers(tmp_path)
        environment = dict(os.environ)
    finally:
        os.environ.pop(MULTIPROCESS_VARIABLE, None)
        os.environ.update(before)

    for _ in range(2):
        told = subprocess.run(
            [sys.executable, "-c", COUNT_ONE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert 'collect_ingest_requests_total{form="household",outcome="accepted",source="api"} 2.0' in told
    assert "collect_ingest_group_size_sum 20.0" in told
    assert "collect_ingest_group_size_count 4.0" in told


def test_every_metric_of_alerts_and_dashboard_exists() -> None:
    dashboard = json.dumps(json.loads((ROOT / "deploy/grafana/collect.json").read_text("utf-8")))
    text = dashboard + (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8")
    used = set(re.findall(r"collect_(?:ingest|check)_[a-z_]+", text))

    assert used
    assert {re.sub(r"_bucket$", "", name) for name in used} <= set(INGEST_METRICS)
