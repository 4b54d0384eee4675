"""A lane run's events: stored while it runs, few, with numbers that draw plots, and without an answer."""

import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest

from assets.coalescing import Coalescer
from assets.draining import Drain
from assets.lanes import lane_job
from collect_pipelines.sync.report import CheckCount, Report
from resources.installation import Installation

DELIVERED = Report("warehouse", "household", "delivered", integration="w", rows=3, delivered=3, seconds=0.5, api_calls=1, to_position=3)
VALIDATED = Report("validation", "household", "validated", rows=3, delivered=3, to_position=3, checks={"answers": CheckCount(3, 0)})


class Script:
    """A lane that does what a test wrote: yields reports, and calls what is callable."""

    def __init__(self, *steps: Report | Callable[[], object] | None) -> None:
        self.steps = steps
        self.stopped_early = False

    def run(self, stop: Callable[[], bool]) -> Iterator[Report | None]:
        for step in self.steps:
            if stop():
                self.stopped_early = True
                return
            if callable(step):
                step()
            else:
                yield step


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Script]:
    """Makes the installation hand out a script instead of a lane."""

    def use(*steps: Any) -> Script:
        script = Script(*steps)
        monkeypatch.setattr(Installation, "lane", lambda self, kind, owner: script)
        return script

    return use


def run(kind: str, instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    return lane_job(kind).execute_in_process(instance=instance, resources={"installation": Installation()}, **options)


def numbers(record: dg.EventLogRecord) -> dict[str, Any]:
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def newest(instance: dg.DagsterInstance, key: str) -> list[dg.EventLogRecord]:
    return list(instance.fetch_materializations(dg.AssetKey(key), limit=100).records)


def test_the_first_delivery_is_stored_while_the_run_goes_on(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    seen = threading.Event()

    def wait_for_the_event() -> None:
        for _ in range(500):
            if newest(instance, "warehouse"):
                seen.set()
                return
            threading.Event().wait(0.01)

    scripted(DELIVERED, wait_for_the_event)
    result = run("warehouse", instance)

    assert result.success
    assert seen.is_set()


def test_a_delivery_is_told_with_the_same_numbers_every_time(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    scripted(DELIVERED, DELIVERED, dataclasses.replace(DELIVERED, rejected=1, oldest_age_seconds=2.5))
    run("warehouse", instance)

    told = [numbers(record) for record in newest(instance, "warehouse")]
    totals = {key: sum(each[key] for each in told) for key in ("rows_new", "rows_delivered", "rows_rejected", "batches", "api_calls")}

    assert totals == {"rows_new": 9, "rows_delivered": 9, "rows_rejected": 1, "batches": 3, "api_calls": 3}
    for each in told:
        assert set(each) == {
            "rows_new", "rows_delivered", "rows_rejected", "rows_set_aside", "rows_skipped", "rows_quarantined", "batches", "batch_seconds",
            "api_calls", "quota_wait_seconds", "oldest_age_seconds", "through_position", "state",
        }  # fmt: skip


def test_a_backfill_is_told_without_a_position_of_the_log(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    scripted(dataclasses.replace(DELIVERED, purpose="backfill"))
    run("warehouse", instance)
    (told,) = map(numbers, newest(instance, "warehouse"))

    assert told["rows_delivered"] and "through_position" not in told


def test_the_form_becomes_a_partition_with_its_first_event(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    scripted(DELIVERED)
    run("warehouse", instance)

    assert instance.get_dynamic_partitions("forms") == ["household"]
    assert set(instance.get_materialized_partitions(dg.AssetKey("warehouse"))) == {"household"}


def test_validation_tells_the_log_the_validation_and_a_check_that_counts_as_current(
    instance: dg.DagsterInstance, scripted: Callable[..., Script]
) -> None:
    scripted(dataclasses.replace(VALIDATED, delivered=2, quarantined=1, checks={"people_in_range": CheckCount(2, 1)}))
    result = run("validation", instance)

    (responses,), (validated,) = newest(instance, "responses"), newest(instance, "validated")
    (evaluation,) = result.get_asset_check_evaluations()

    assert result.success
    assert numbers(responses)["rows_new"] == 3
    assert (evaluation.passed, evaluation.severity, evaluation.partition) == (False, dg.AssetCheckSeverity.WARN, "household")
    assert {name: value.value for name, value in evaluation.metadata.items()} == {"rows": 3, "rows_quarantined": 1, "people_in_range": 1}
    assert evaluation.target_materialization_data is not None
    assert evaluation.target_materialization_data.storage_id == validated.storage_id


def test_a_batch_that_breaks_a_rule_over_batches_is_a_warning_until_a_batch_keeps_it(
    instance: dg.DagsterInstance, scripted: Callable[..., Script]
) -> None:
    told = "The batch has 3 responses; at least 10 should come."
    warned = dataclasses.replace(VALIDATED, checks={"rule.many": CheckCount(0, 1)}, warnings={"rule.many": told}, message=told)
    scripted(warned)
    (first,) = run("validation", instance).get_asset_check_evaluations()
    scripted(dataclasses.replace(VALIDATED, checks={"rule.many": CheckCount(1, 0)}))
    (last,) = run("validation", instance).get_asset_check_evaluations()

    assert (first.passed, first.severity, first.blocking, first.description) == (False, dg.AssetCheckSeverity.WARN, False, told)
    assert (first.metadata["rules_warned"].value, first.metadata["rule.many"].value, first.metadata["rows_quarantined"].value) == (1, 1, 0)
    assert last.passed
    assert [numbers(record)["state"] for record in newest(instance, "validated")] == ["validated", "warned"]


def test_a_batch_that_could_not_be_judged_is_an_error_and_no_materialization(
    instance: dg.DagsterInstance, scripted: Callable[..., Script]
) -> None:
    scripted(Report("validation", "household", "blocked", message="An expectation of household can't be evaluated."))
    (evaluation,) = run("validation", instance).get_asset_check_evaluations()

    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert newest(instance, "validated") == []


def test_a_blocked_destination_is_observed_with_its_reason(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    scripted(Report("warehouse", "household", "blocked", integration="w", message="The disk is full. Make room."))
    run("warehouse", instance)

    (record,) = instance.fetch_observations(dg.AssetKey("warehouse"), limit=9).records

    assert record.event_log_entry.asset_observation is not None
    assert record.event_log_entry.asset_observation.metadata["message"].value == "The disk is full. Make room."


def test_what_was_done_before_an_error_is_still_told(instance: dg.DagsterInstance, scripted: Callable[..., Script]) -> None:
    def fail() -> None:
        raise RuntimeError("the lane broke")

    scripted(DELIVERED, DELIVERED, fail)
    result = run("warehouse", instance, raise_on_error=False)

    assert not result.success
    assert sum(numbers(record)["batches"] for record in newest(instance, "warehouse")) == 2


def test_a_lane_that_is_left_finishes_its_batch_and_ends() -> None:
    begun, finish = threading.Event(), threading.Event()

    def batch() -> None:
        begun.set()
        finish.wait(5)

    script = Script(batch, DELIVERED, DELIVERED)
    with Drain(script) as drain:
        begun.wait(5)
        threading.Timer(0.05, finish.set).start()
        left = drain.stop()

    assert script.stopped_early
    assert left in ([], [DELIVERED])


def test_hundreds_of_batches_make_few_events() -> None:
    coalescer = Coalescer()
    told = 0
    for second in range(60):
        for _ in range(10):
            coalescer.add(DELIVERED)
        told += len(coalescer.due(float(second)))
    rest = coalescer.rest()

    assert told == 4
    assert sum(totals.batches for totals in rest) == 600 - 10 - 3 * 150


def test_a_change_of_state_is_told_at_once_and_a_retry_is_no_change() -> None:
    coalescer = Coalescer()
    outcomes = ("delivered", "postponed", "delivered", "blocked", "blocked", "delivered")
    told = []
    for second, outcome in enumerate(outcomes):
        coalescer.add(dataclasses.replace(DELIVERED, outcome=outcome))
        told += [totals.state for totals in coalescer.due(float(second))]

    assert told == ["delivered", "blocked", "delivered"]


def test_when_very_many_forms_are_busy_each_is_told_less_often() -> None:
    coalescer = Coalescer()
    told = 0
    for second in range(240):
        for form in range(300):
            coalescer.add(dataclasses.replace(DELIVERED, form=f"form_{form}"))
        told += len(coalescer.due(float(second)))

    assert told <= 240 * 5 + 300
