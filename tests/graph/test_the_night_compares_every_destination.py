"""The nightly job: what each comparison found becomes an observation, a check, metrics and an alert; one that fails stops no other."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from prometheus_client import CollectorRegistry

from assets.alerts import look
from assets.reconciling import reconcile, reconciled_checks
from collect_pipelines import plugins
from collect_pipelines.cli.exporter import collector
from collect_pipelines.store.alerts import open_alerts
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import set_integration_state
from resources.installation import Installation
from tests.integration.reconcile_tools import Board, deliver, scribble, visits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.sync_tools import Scene

LABELS = ("form", "integration", "kind")


class Broken(Board):
    """A plug-in that can't be used."""

    kind = "broken"

    def read_back(self) -> Any:
        raise RuntimeError("secret")


@pytest.fixture
def boards(database: Database, tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> "dict[str, Scene]":
    """Four boards: one as it should be, one with a row too few, one that fails, one that is paused."""
    known = {"board": Board, "broken": Broken}
    real = plugins.load
    monkeypatch.setattr(plugins, "load", lambda group, kind: known[kind] if kind in known else real(group, kind))
    made = {name: visits(database, tmp_path, "a", "b") for name in ("broken", "right", "wrong", "paused")}
    scribble(made["wrong"], "delete from rows where response = 'a'")
    scribble(made["paused"], "delete from rows")
    with database.begin() as connection:
        set_integration_state(connection, made["paused"].integration_id, "paused")
        connection.exec_driver_sql(f"update collect.integration set kind = 'broken' where integration_id = {made['broken'].integration_id}")
    return made


def test_each_is_told_and_one_that_fails_stops_no_other(
    instance: dg.DagsterInstance, installation: Installation, database: Database, boards: "dict[str, Scene]"
) -> None:
    result = reconcile.execute_in_process(instance=instance, resources={"installation": installation})
    observed = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
    told = {str(one.metadata["integration"].value): {name: each.value for name, each in one.metadata.items()} for one in observed}
    checks = {one.asset_key.to_user_string(): one for one in result.get_asset_check_evaluations()}
    names = {name: it.integration.name for name, it in boards.items()}

    assert result.success
    assert set(told) == {names["right"], names["wrong"], names["broken"]}
    assert {one.partition for one in observed} == {boards[name].integration.form for name in ("right", "wrong", "broken")}
    assert (told[names["right"]]["state"], told[names["right"]]["rows_expected"], told[names["right"]]["rows_missing"]) == ("equal", 2, 0)
    assert (told[names["wrong"]]["state"], told[names["wrong"]]["rows_missing"]) == ("different", 1)
    assert told[names["broken"]]["message"] == "The plug-in broken failed with RuntimeError."
    assert {kind: (one.passed, one.check_name) for kind, one in checks.items()} == {
        "board": (False, "reconciled"),
        "broken": (False, "reconciled"),
    }
    assert checks["board"].metadata["different"].value == names["wrong"]

    look(installation)
    registry = CollectorRegistry()
    registry.register(collector(database))
    values = (boards["wrong"].integration.form, names["wrong"], "board")
    labels = dict(zip(LABELS, values, strict=True))
    with database.begin() as connection:
        alerts = {(one.kind, one.subject) for one in open_alerts(connection)}

    assert {("different", names["wrong"]), ("unproven", names["broken"])} <= alerts
    assert registry.get_sample_value("collect_reconciliation_differences", labels | {"difference": "missing"}) == 1
    assert registry.get_sample_value("collect_reconciliation_failed", labels) == 0


def test_the_check_of_a_kind_passes_without_any_comparison(instance: dg.DagsterInstance, installation: Installation) -> None:
    (check,) = [one for one in reconciled_checks() if one.check_key.asset_key == dg.AssetKey("google_sheets")]
    result = dg.materialize([check], instance=instance, resources={"installation": installation}, selection=dg.AssetSelection.checks(check))
    (told,) = result.get_asset_check_evaluations()

    assert (told.passed, told.metadata["integrations"].value) == (True, 0)


def test_an_alert_is_over_when_the_next_comparison_finds_nothing(
    instance: dg.DagsterInstance, installation: Installation, database: Database, boards: "dict[str, Scene]"
) -> None:
    run = {"instance": instance, "resources": {"installation": installation}}
    reconcile.execute_in_process(**run)
    look(installation)
    scribble(boards["wrong"], "insert into rows values ('a', 1, 'create', '')")
    deliver(boards["wrong"])
    reconcile.execute_in_process(**run)
    look(installation)
    with database.begin() as connection:
        kinds = {one.kind for one in open_alerts(connection)}

    assert kinds == {"unproven"}
