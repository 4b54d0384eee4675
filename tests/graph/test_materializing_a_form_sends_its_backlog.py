"""`dagster asset materialize --partition FORM` and a UI backfill do what the lanes do, also about what is behind the live responses."""

import dagster as dg
from sqlalchemy import text

from assets.destinations import destination_asset
from assets.responses import responses
from assets.validated import validated
from collect_pipelines.store.backfill_records import list_backfills
from collect_pipelines.store.backfills import begin_backfill
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import due_integrations
from collect_pipelines.store.ledger import ledger
from resources.installation import Installation
from tests.graph.conftest import Household

LATE = """
update collect.integration set cursor = 5, start_position = 5, filtered = 5 where integration_id = :integration
"""


def materialize(instance: dg.DagsterInstance, installation: Installation) -> dg.ExecuteInProcessResult:
    instance.add_dynamic_partitions("forms", ["household"])
    return dg.materialize(
        [responses, validated, destination_asset("warehouse")],
        partition_key="household",
        instance=instance,
        resources={"installation": installation},
        raise_on_error=False,
    )


def test_a_backfill_under_way_is_sent_when_the_form_is_materialized(
    instance: dg.DagsterInstance, installation: Installation, household: Household, database: Database
) -> None:
    household.accept(5)
    with database.begin() as connection:
        # as if it had been added now, after the first five
        connection.execute(text(LATE), {"integration": household.integration.integration_id})
    household.accept(2)
    with database.begin() as connection:
        begin_backfill(connection, household.integration.integration_id)

    result = materialize(instance, installation)

    assert result.success
    (event,) = [one for one in result.get_asset_materialization_events() if one.asset_key == dg.AssetKey("warehouse")]
    assert event.materialization.metadata["rows_delivered"].value == 7
    with database.begin() as connection:
        (row,) = ledger(connection)
        (done,) = list_backfills(connection)
        due = due_integrations(connection, "warehouse")
    assert (row.accepted, row.delivered, row.filtered, row.pending) == (7, 7, 0, 0)
    assert (done.state, done.delivered) == ("done", 5)
    assert due == []  # the sensors have nothing left to do


def test_the_sensors_see_a_backfill_as_work(household: Household, database: Database) -> None:
    household.accept(5)
    with database.begin() as connection:
        connection.execute(text(LATE), {"integration": household.integration.integration_id})
        connection.execute(text("update collect.form set validated_through = 5"))
        before = due_integrations(connection, "warehouse")
        begin_backfill(connection, household.integration.integration_id)
        after = [one.name for one in due_integrations(connection, "warehouse")]

    assert (before, after) == ([], ["household-warehouse"])
