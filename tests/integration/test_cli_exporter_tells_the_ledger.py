"""`collect serve metrics`: the ledger as numbers, and only the word "down" while Postgres is away."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from collect_pipelines.cli.exporter import collector
from collect_pipelines.forms.reading import read_form
from collect_pipelines.local.ports import free_port
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.organizations import ensure_organization

FORM = "form: visit\ntitle: Visit\nquestions:\n  - {key: place, type: text, label: Where?}\n"


def exposition(database: Database) -> list[str]:
    registry = CollectorRegistry()
    registry.register(collector(database))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


@pytest.fixture
def away() -> Iterator[Database]:
    database = Database(f"postgresql://collect@127.0.0.1:{free_port()}/none", pool_size=1)
    yield database
    database.dispose()


def test_every_integration_has_its_ledger_line_by_line(database: Database) -> None:
    with database.begin() as connection:
        ensure_organization(connection, "default")
        published = publish_form(connection, "default", read_form(FORM))
        add_integration(connection, published.form_id, "visit-warehouse", "warehouse", {})
    told = exposition(database)

    labels = '{form="visit",integration="visit-warehouse",kind="warehouse"}'
    assert told[0] == "collect_pipeline_up 1.0"
    assert f"collect_undelivered_responses{labels} 0.0" in told
    assert f"collect_oldest_undelivered_age_seconds{labels} 0.0" in told


def test_no_old_number_is_told_while_postgres_is_away(away: Database) -> None:
    assert exposition(away) == ["collect_pipeline_up 0.0"]
