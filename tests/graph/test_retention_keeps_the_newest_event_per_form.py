"""Old runs, events and compute logs go; what the web page needs to know that a form was delivered stays."""

import time
from pathlib import Path

import dagster as dg
import pytest

from assets.maintenance import retention
from assets.retention import remove_old_runs
from resources.installation import Installation

LATER = 15 * 86_400.0  # one day more than COLLECT_DAGSTER_KEEP_DAYS


@dg.op(out=dg.Out(dg.Nothing, is_required=False))
def deliver(context: dg.OpExecutionContext):
    """Tells two forms, the second with a check."""
    for form in ("household", "school"):
        yield dg.AssetMaterialization("warehouse", partition=form, metadata={"rows_delivered": 1})
    yield dg.AssetCheckEvaluation(dg.AssetKey("validated"), "answers_hold", True, partition="school")


@dg.job(executor_def=dg.in_process_executor)
def delivery() -> None:
    """A lane run in small."""
    deliver()


def materialized(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey("warehouse")))


def test_only_the_newest_events_and_their_run_stay(stored_instance: dg.DagsterInstance) -> None:
    runs = [delivery.execute_in_process(instance=stored_instance).run_id for _ in range(3)]

    removed = remove_old_runs(stored_instance, time.time() + 1.0)

    assert removed.runs == 2
    assert [run.run_id for run in stored_instance.get_runs()] == runs[-1:]
    assert materialized(stored_instance) == {"household", "school"}
    newest = stored_instance.fetch_materializations(dg.AssetKey("warehouse"), limit=10).records
    assert {record.run_id for record in newest} == {runs[-1]}
    assert stored_instance.all_logs(runs[0]) == []


def test_nothing_young_is_touched(stored_instance: dg.DagsterInstance) -> None:
    run_id = delivery.execute_in_process(instance=stored_instance).run_id
    events = len(stored_instance.all_logs(run_id))

    removed = remove_old_runs(stored_instance, time.time() - LATER)

    assert (removed.runs, removed.events, removed.emptied) == (0, 0, [])
    assert len(stored_instance.all_logs(run_id)) == events


def test_compute_logs_of_old_runs_go_too(stored_instance: dg.DagsterInstance) -> None:
    run_id = delivery.execute_in_process(instance=stored_instance).run_id
    folder = Path(stored_instance.storage_directory(), run_id)
    (folder / "compute_logs").mkdir(parents=True, exist_ok=True)
    (folder / "compute_logs" / "deliver.out").write_text("anything")

    remove_old_runs(stored_instance, time.time() + 1.0)

    assert not folder.exists()


def test_a_second_clean_up_finds_nothing_more(stored_instance: dg.DagsterInstance) -> None:
    delivery.execute_in_process(instance=stored_instance)
    delivery.execute_in_process(instance=stored_instance)
    remove_old_runs(stored_instance, time.time() + 1.0)

    again = remove_old_runs(stored_instance, time.time() + 1.0)

    assert (again.runs, again.events) == (0, 0)


def test_the_job_takes_the_number_of_days_from_the_settings(
    stored_instance: dg.DagsterInstance, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = delivery.execute_in_process(instance=stored_instance).run_id
    delivery.execute_in_process(instance=stored_instance)
    kept = retention.execute_in_process(instance=stored_instance, resources={"installation": installation})
    still = stored_instance.get_run_by_id(first)
    monkeypatch.setenv("COLLECT_DAGSTER_KEEP_DAYS", "0")
    removed = retention.execute_in_process(instance=stored_instance, resources={"installation": installation})

    assert kept.success
    assert still is not None
    assert removed.success
    assert stored_instance.get_run_by_id(first) is None


def test_storage_that_is_not_postgres_is_named_with_what_to_do(instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.Failure, match="not Postgres"):
        remove_old_runs(instance, time.time())
