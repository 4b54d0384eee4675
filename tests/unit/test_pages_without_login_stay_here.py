"""What has no login is reachable from this machine only, whatever address the ingest endpoint is given."""

from pathlib import Path

import pytest

from collect_pipelines.local.application import Application
from collect_pipelines.local.services import services, urls
from collect_pipelines.settings import Settings

OPEN = Settings(host="0.0.0.0")


@pytest.mark.parametrize("name", ["sheets", "dagster-webserver", "code-server"])
def test_it_binds_to_loopback_though_the_endpoint_is_open_to_all(name: str) -> None:
    arguments = {service.name: service.arguments for service in services(OPEN, Application(Path()), Path("workspace.yaml"))}[name]

    assert "127.0.0.1" in arguments
    assert OPEN.host not in arguments


def test_its_address_is_told_as_loopback() -> None:
    told = urls(OPEN)

    assert told["sheets"] == OPEN.local_sheets_url == "http://127.0.0.1:8090"
    assert told["dagster"] == "http://127.0.0.1:3000"
