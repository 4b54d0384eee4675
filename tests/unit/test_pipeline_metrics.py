"""The exporter tells the ledger as it stands at the scrape, and says so when it can't."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from collect_pipelines.errors import Unavailable
from collect_pipelines.model import IntegrationState, Ledger
from collect_pipelines.telemetry.pipeline_metrics import (
    BATCH_COUNTERS,
    LEDGER_GAUGES,
    BatchTotals,
    PipelineCollector,
    QuotaLevel,
    RuleCount,
)

ROW = Ledger(
    form="household", integration="sheet", kind="google_sheets", state="active",
    accepted=21, delivered=1, filtered=2, quarantined=3, dead_lettered=4, erased=5, pending=6, oldest_pending_seconds=12.5,
)  # fmt: skip
LABELS = {"form": "household", "integration": "sheet", "kind": "google_sheets"}


def registry(*rows: Ledger, batches: tuple[BatchTotals, ...] = (), quotas: tuple[QuotaLevel, ...] = ()) -> CollectorRegistry:
    every = CollectorRegistry()
    every.register(PipelineCollector(lambda: rows, lambda: batches, lambda: quotas))
    return every


def test_the_numbers_are_those_of_the_ledger_and_add_up() -> None:
    every = registry(ROW)
    values = {name: every.get_sample_value(name, LABELS) or 0 for name in LEDGER_GAUGES}

    assert values == {
        "collect_accepted_responses": 21,
        "collect_delivered_responses": 1,
        "collect_filtered_responses": 2,
        "collect_quarantined_responses": 3,
        "collect_dead_letters": 4,
        "collect_erased_responses": 5,
        "collect_undelivered_responses": 6,
    }
    assert values.pop("collect_accepted_responses") == sum(values.values())
    assert every.get_sample_value("collect_oldest_undelivered_age_seconds", LABELS) == 12.5


def test_what_needs_attention_is_told_besides() -> None:
    every = registry(replace(ROW, open_letters=2, set_aside=3, failures=7, breaker="open"))
    names = ("collect_open_dead_letters", "collect_set_aside_responses", "collect_integration_failures", "collect_integration_breaker_open")

    assert [every.get_sample_value(name, LABELS) for name in names] == [2, 3, 7, 1]
    assert registry(ROW).get_sample_value("collect_integration_breaker_open", LABELS) == 0


def test_a_problem_and_notices_are_told_by_their_codes_alone() -> None:
    notices = [{"code": "sheet.cut", "message": "One.", "fix": None}, {"code": "sheet.cut", "message": "Two.", "fix": None}]
    blocked = registry(replace(ROW, state="blocked", reason="Not shared with ada@example.org.", problem="sheet.not_shared"))
    going_on = registry(replace(ROW, notices=notices))

    assert blocked.get_sample_value("collect_integration_problem", LABELS | {"problem": "sheet.not_shared"}) == 1
    assert going_on.get_sample_value("collect_integration_notice", LABELS | {"notice": "sheet.cut"}) == 2
    assert registry(replace(ROW, state="blocked")).get_sample_value("collect_integration_problem", LABELS | {"problem": "unnamed"}) == 1
    assert b"ada@" not in generate_latest(blocked)


def test_nothing_undelivered_is_an_age_of_zero_not_a_gap() -> None:
    every = registry(replace(ROW, oldest_pending_seconds=None))

    assert every.get_sample_value("collect_oldest_undelivered_age_seconds", LABELS) == 0.0


@pytest.mark.parametrize("state", ["active", "paused", "blocked"])
def test_exactly_one_state_is_one(state: IntegrationState) -> None:
    every = registry(replace(ROW, state=state))
    told = {name: every.get_sample_value("collect_integration_state", LABELS | {"state": name}) for name in ("active", "paused", "blocked")}

    assert told == {name: float(name == state) for name in told}


def test_batches_and_quotas_are_told() -> None:
    totals = BatchTotals(**LABELS, batches=3, parked=1, retries=2, rows=500, seconds=1.5, api_calls=4, quota_wait_seconds=0.5)
    every = registry(ROW, batches=(totals,), quotas=(QuotaLevel("sheets:project", 0.25),))
    values = [every.get_sample_value(name, LABELS) for name in BATCH_COUNTERS]

    assert values == [3, 1, 2, 500, 1.5, 4, 0.5]
    assert every.get_sample_value("collect_quota_remaining_ratio", {"quota": "sheets:project"}) == 0.25


def test_rules_that_hold_entries_back_and_rules_over_batches_are_told() -> None:
    every = CollectorRegistry()
    found = (RuleCount("household", "age.max", 3), RuleCount("household", "enough"))
    every.register(PipelineCollector(lambda: (), rules=lambda: found))

    assert every.get_sample_value("collect_held_by_rule", {"form": "household", "rule": "age.max"}) == 3
    assert every.get_sample_value("collect_held_by_rule", {"form": "household", "rule": "enough"}) is None
    assert every.get_sample_value("collect_batch_rule_broken", {"form": "household", "rule": "enough"}) == 1


def test_while_postgres_is_away_the_exporter_says_so_and_tells_no_old_number() -> None:
    def away() -> tuple[Ledger, ...]:
        raise Unavailable("Postgres is away.")

    every = CollectorRegistry()
    every.register(PipelineCollector(away))

    assert [line for line in generate_latest(every).decode().splitlines() if not line.startswith("#")] == ["collect_pipeline_up 0.0"]


def test_registering_asks_nothing_of_postgres() -> None:
    CollectorRegistry().register(PipelineCollector(lambda: pytest.fail("asked too early")))
