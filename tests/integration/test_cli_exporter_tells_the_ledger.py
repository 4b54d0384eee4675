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
from collect_pipelines.store.leases import take_lease
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.profiles import WARNINGS, StoredProfile, keep_profile
from collect_pipelines.store.validation import QuarantineEntry, discard, settle_validation
from tests.integration.store_filling import fill

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


def test_rules_are_told_that_hold_entries_back_and_that_the_newest_batch_breaks(database: Database) -> None:
    with database.begin() as connection:
        published = publish_form(connection, "default", read_form(f"{FORM}rules: [{{name: many, volume: {{min: 9}}}}]\n"))
        fill(connection, published.form_id, 3)
        lease = take_lease(connection, f"validation:{published.form_id}", "test", 60)
        assert lease is not None
        reasons = [{"rule": "place.required", "message": "Missing."}, {"rule": "rule.enough", "message": "Too few."}]
        held = [QuarantineEntry(1, "r-1", 1, reasons), QuarantineEntry(3, "r-3", 1, reasons[:1] * 2)]
        settle_validation(connection, published.form_id, 3, held, lease)
        broken = StoredProfile(3, 3, {WARNINGS: {"rule.many": "Fewer than usual."}})
        keep_profile(connection, published.form_id, broken, instead_of=None, keep=10)
    told = exposition(database)

    assert 'collect_held_by_rule{form="visit",rule="place.required"} 2.0' in told
    assert 'collect_held_by_rule{form="visit",rule="rule.enough"} 1.0' in told
    assert 'collect_batch_rule_broken{form="visit",rule="rule.many"} 1.0' in told

    with database.begin() as connection:
        discard(connection, published.form_id, 1, "test")
        keep_profile(connection, published.form_id, StoredProfile(4, 1, {}), instead_of=None, keep=10)
    told = exposition(database)

    assert 'collect_held_by_rule{form="visit",rule="place.required"} 1.0' in told
    assert not any(line.startswith(("collect_batch_rule_broken", 'collect_held_by_rule{form="visit",rule="rule.')) for line in told)


def test_no_old_number_is_told_while_postgres_is_away(away: Database) -> None:
    assert exposition(away) == ["collect_pipeline_up 0.0"]
