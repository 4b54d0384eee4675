"""The Materialize button, a backfill and `dagster asset materialize --partition FORM`: the code of the lanes, for one form, here."""

import dagster as dg
import pytest

from assets.checks import ledger_checks
from assets.destinations import destination_asset
from assets.responses import responses
from assets.validated import validated
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.ledger import ledger
from resources.installation import Installation
from tests.graph.conftest import Household

warehouse = destination_asset("warehouse")


def materialize(instance: dg.DagsterInstance, installation: Installation, *selected: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("forms", ["household"])
    return dg.materialize(
        [responses, validated, warehouse],
        selection=list(selected),
        partition_key="household",
        instance=instance,
        resources={"installation": installation},
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey(asset)]
    assert event.partition == "household"
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_both_assets_validate_and_deliver_what_is_pending(
    instance: dg.DagsterInstance, installation: Installation, household: Household, database: Database
) -> None:
    household.accept(7)

    result = materialize(instance, installation, validated, warehouse)

    assert result.success
    assert metadata(result, "validated")["rows_new"] == 7
    assert metadata(result, "warehouse")["rows_delivered"] == 7
    with database.begin() as connection:
        (row,) = ledger(connection)
    assert (row.accepted, row.delivered, row.pending) == (7, 7, 0)


def test_the_check_of_the_form_holds_rows_back_with_a_warning_and_lets_the_others_through(
    instance: dg.DagsterInstance, installation: Installation, household: Household, database: Database
) -> None:
    household.accept(2)
    household.accept(1, people="four")

    result = materialize(instance, installation, validated, warehouse)

    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert (check.passed, check.severity, check.partition, check.blocking) == (False, dg.AssetCheckSeverity.WARN, "household", True)
    assert check.metadata["rows_quarantined"].value == 1
    with database.begin() as connection:
        (row,) = ledger(connection)
    assert (row.delivered, row.quarantined, row.pending) == (2, 1, 0)


def test_a_form_with_nothing_new_is_materialized_without_work(
    instance: dg.DagsterInstance, installation: Installation, household: Household
) -> None:
    household.accept(3)
    materialize(instance, installation, validated, warehouse)
    result = materialize(instance, installation, validated, warehouse)

    assert result.success
    for asset in ("validated", "warehouse"):
        told = metadata(result, asset)
        assert (told["through_position"], told["state"]) == (3, "idle")
        assert (told["rows_new"], told["rows_delivered"], told["batches"]) == (0, 0, 0)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_a_blocked_destination_fails_the_run_with_its_reason(
    instance: dg.DagsterInstance, installation: Installation, household: Household, tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("not-a-database")
    (folder / "warehouse.duckdb").write_text("this is no DuckDB file")
    monkeypatch.setenv("COLLECT_WAREHOUSE_PATH", str(folder / "warehouse.duckdb"))
    household.accept(1)

    result = materialize(instance, installation, validated, warehouse)

    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["warehouse"]


def test_one_form_leaves_the_others_alone(
    instance: dg.DagsterInstance, installation: Installation, household: Household, database: Database
) -> None:
    from collect_pipelines.forms.reading import read_form
    from collect_pipelines.store.forms import publish_form

    household.accept(1)
    with database.begin() as connection:
        publish_form(connection, "default", read_form("form: other\ntitle: Other\nquestions: [{key: a, type: text, label: A}]\n"))
        set_integration_state(connection, household.integration.integration_id, "paused")
    instance.add_dynamic_partitions("forms", ["other"])
    result = dg.materialize([responses, validated], partition_key="other", instance=instance, resources={"installation": installation})

    assert result.success
    with database.begin() as connection:
        assert find_form(connection, "household").validated_through == 0


def test_the_ledger_check_of_a_destination_warns_when_something_is_late(
    installation: Installation, household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    (check,) = [each for each in ledger_checks() if dg.AssetKey("warehouse") in {key.asset_key for key in each.check_keys}]
    household.accept(2)
    in_time = check(installation=installation)
    monkeypatch.setenv("COLLECT_ALERT_LATE_SECONDS", "0")
    late = check(installation=installation)

    assert isinstance(in_time, dg.AssetCheckResult)
    assert isinstance(late, dg.AssetCheckResult)
    assert in_time.passed
    assert (late.passed, late.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert {name: value.value for name, value in late.metadata.items()} == {
        "integrations": 1, "accepted": 2, "pending": 2, "late": "household-warehouse", "unbalanced": "none",
    }  # fmt: skip
