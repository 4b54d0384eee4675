"""Where a warehouse goes is one choice; what does not belong to it, or is no secret reference, is refused in words."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.destinations.warehouse import Warehouse, WarehouseConfig
from collect_pipelines.errors import Blocked
from tests.contract.warehouse_fakes import MemoryContext

SERVICE_ACCOUNT = '{"type": "service_account", "project_id": "p", "client_email": "a@p.example", "private_key": "canary"}'


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"to": "oracle"}, "duckdb"),
        ({"to": "postgres"}, "needs `credentials`"),
        ({"to": "bigquery"}, "needs `credentials`"),
        ({"to": "postgres", "credentials": "postgresql://u:canary@h/d"}, "env:NAME, file:PATH or stored:NAME"),
        ({"to": "postgres", "credentials": "env:PG", "path": "x.duckdb"}, "`path` means nothing to `to: postgres`; it belongs to duckdb"),
        ({"to": "postgres", "credentials": "env:PG", "read_copy": False}, "`read_copy` means nothing"),
        ({"folder": "out"}, "belongs to filesystem"),
        ({"to": "filesystem", "location": "EU"}, "belongs to bigquery"),
        ({"to": "filesystem", "folder": "s3://user:canary@host/forms"}, "`credentials`"),
        ({"to": "filesystem", "folder": "ftp://host/forms"}, "s3://"),
        ({"dataset": "Forms; drop"}, "dataset"),
        ({"on_delete": "delete"}, "on_delete"),
    ],
)
def test_a_configuration_that_can_not_work_is_refused_with_the_reason(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        WarehouseConfig.model_validate(config)

    text = "; ".join(f"{error['loc']} {error['msg']}" for error in raised.value.errors(include_input=False))
    assert told in text
    assert "canary" not in text


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"path": "x.duckdb", "read_copy": False},
        {"to": "postgres", "credentials": "stored:warehouse"},
        {"to": "filesystem"},
        {"to": "filesystem", "folder": "s3://bucket/forms", "credentials": "file:/etc/bucket.json"},
        {"to": "bigquery", "credentials": "env:BQ", "location": "EU"},
        {"to": "snowflake", "credentials": "env:SF"},
    ],
)
def test_these_configurations_are_read_and_survive_being_stored(config: dict[str, Any]) -> None:
    read = WarehouseConfig.model_validate(config)

    assert WarehouseConfig.model_validate(read.model_dump(mode="json", exclude_defaults=True)) == read


@pytest.mark.parametrize(
    ("to", "secret", "told", "fix"),
    [
        ("bigquery", "canary", "no JSON key of a Google service account", "Create a key of type JSON"),
        ("bigquery", '{"project_id": "p", "private_key": "canary"}', "lacks client_email", "Create a key of type JSON"),
        ("bigquery", SERVICE_ACCOUNT, "needs packages", 'pip install "dlt[bigquery]"'),
        ("snowflake", "canary", "lacks host, username, database, password", "snowflake://USER"),
        ("snowflake", "snowflake://u:canary@account", "lacks database", "snowflake://USER"),
        ("snowflake", '{"host": "a", "username": "u", "database": "d"}', "lacks password or private_key", "private_key"),
        ("snowflake", "snowflake://u:canary@account/db?warehouse=w", "needs packages", 'pip install "dlt[snowflake]"'),
        ("postgres", "canary", "no Postgres URL", "postgresql://USER"),
        ("postgres", "mysql://u:canary@host/db", "no Postgres URL", "postgresql://USER"),
        ("postgres", "postgresql://host", "no Postgres URL", "postgresql://USER"),
        ("postgres", "postgresql://canary@host/db", "no Postgres URL with user, password", "postgresql://USER"),
        ("postgres", "postgresql://u:canary@host:port/db", "no Postgres URL", "postgresql://USER"),
    ],
)
def test_credentials_and_packages_that_are_missing_are_told_in_words(tmp_path: Path, to: str, secret: str, told: str, fix: str) -> None:
    context = MemoryContext(tmp_path / "warehouse.duckdb")
    context.secrets["env:SECRET"] = secret
    destination = Warehouse(WarehouseConfig(to=to, credentials="env:SECRET"), context)  # type: ignore[arg-type]
    with pytest.raises(Blocked) as raised:
        destination.probe()

    assert told in raised.value.reason
    assert raised.value.fix is not None and fix in raised.value.fix
    assert "canary" not in raised.value.reason + raised.value.fix


@pytest.mark.parametrize(
    ("folder", "secret", "told"),
    [
        ("s3://bucket/forms", '{"aws_access_key_id": "a", "aws_secret_access_key": "canary"}', 'pip install "dlt[s3]"'),
        ("gs://bucket/forms", SERVICE_ACCOUNT, 'pip install "dlt[gs]"'),
        ("az://bucket/forms", '{"azure_storage_account_name": "a", "azure_storage_account_key": "canary"}', 'pip install "dlt[az]"'),
        ("s3://bucket/forms", "canary", "as JSON"),
    ],
)
def test_buckets_need_their_package_and_a_json_secret(tmp_path: Path, folder: str, secret: str, told: str) -> None:
    context = MemoryContext(tmp_path / "warehouse.duckdb")
    context.secrets["env:SECRET"] = secret
    with pytest.raises(Blocked) as raised:
        Warehouse(WarehouseConfig(to="filesystem", folder=folder, credentials="env:SECRET"), context).probe()

    assert raised.value.fix is not None and told in raised.value.fix
    assert "canary" not in raised.value.reason + raised.value.fix


def test_what_can_be_loaded_together_shares_a_name_without_any_secret(tmp_path: Path) -> None:
    def shares(form: str, **config: Any) -> str | None:
        return Warehouse(WarehouseConfig(**config), MemoryContext(tmp_path / "warehouse.duckdb", form)).shares()

    assert shares("a") == shares("b") == shares("c", path=tmp_path / "warehouse.duckdb")
    assert shares("a") != shares("a", dataset="others")
    assert shares("a") != shares("a", to="filesystem", folder=str(tmp_path / "warehouse.duckdb"))
    assert shares("a", to="postgres", credentials="env:PG") != shares("a", to="postgres", credentials="env:PG2")
