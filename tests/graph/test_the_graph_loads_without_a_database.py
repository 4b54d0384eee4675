"""The definitions: what people see, and that loading them needs nothing but the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = ("email", "file", "google_sheets", "slack", "sms", "warehouse", "webhook")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from assets.definitions import defs

    return defs


def test_the_definitions_are_complete(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_the_asset_keys_are_the_log_its_validation_and_one_per_installed_destination(definitions: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}

    assert keys == {"responses", "validated", *BUILT_IN}


def test_the_jobs_are_a_lane_each_and_three_for_people(definitions: dg.Definitions) -> None:
    names = {job.name for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")}

    assert names == {"alerts", "reconcile", "retention", "validation_lane", *(f"{kind}_lane" for kind in BUILT_IN)}


def test_the_sensors_and_schedules_run_without_being_switched_on(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    sensors = {sensor.name: sensor.default_status for sensor in repository.sensor_defs}
    schedules = {schedule.name: schedule.default_status for schedule in repository.schedule_defs}

    assert set(sensors) == {"forms", "keep_validation_lane", *(f"keep_{kind}_lane" for kind in BUILT_IN)}
    assert set(sensors.values()) == {dg.DefaultSensorStatus.RUNNING}
    assert schedules == dict.fromkeys(("alerts_every_minute", "reconcile_nightly", "retention_daily"), dg.DefaultScheduleStatus.RUNNING)


def test_every_asset_is_partitioned_by_form_and_says_who_owns_it_and_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()

    for node in graph.asset_nodes:
        assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition), node.key
        assert node.partitions_def.name == "forms"
        assert node.owners == ["team:collect"]
        assert node.description
        assert node.group_name in ("responses", "destinations")
        assert node.kinds


def test_destinations_come_after_validation_which_has_a_blocking_check_per_form(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    spec = graph.get_check_spec(dg.AssetCheckKey(dg.AssetKey("validated"), "answers_hold"))

    assert graph.get(dg.AssetKey("warehouse")).parent_keys == {dg.AssetKey("validated")}
    assert checks == {("validated", "answers_hold"), *((kind, name) for kind in BUILT_IN for name in ("ledger", "reconciled"))}
    assert spec.blocking
    assert spec.partitions_def is not None


def test_lane_runs_are_tagged_for_the_limits_of_dagster_yaml_and_are_not_retried_by_dagster(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("warehouse_lane")

    assert job.run_tags["lane"] == "warehouse"
    assert job.run_tags["dagster/max_retries"] == "0"
    assert job.executor_def is dg.in_process_executor


def test_it_loads_from_any_folder_with_nothing_heavy_and_no_setting(tmp_path: Path) -> None:
    """As the code server does: by path. The stranger's `assets` in the current folder must not win."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "__init__.py").write_text("raise SystemExit('the stranger was imported')")
    script = (
        "import sys, runpy\n"
        f"runpy.run_path({str(ROOT / 'assets' / 'definitions.py')!r})\n"
        "heavy = {'great_expectations', 'dlt', 'gspread', 'polars', 'duckdb'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLLECT_")}
    environment["PYTHONPATH"] = str(tmp_path)

    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_dagster_yaml_keeps_psycopg2_and_the_schema_of_its_own(stored_instance: dg.DagsterInstance, database_url: str) -> None:
    """SQLAlchemy 2.1 would take psycopg 3, with which no event can be stored."""
    import psycopg

    stored_instance.report_runless_asset_event(dg.AssetMaterialization("responses", partition="household"))

    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select count(*) from dagster.event_logs").fetchone()
    assert rows == (1,)
