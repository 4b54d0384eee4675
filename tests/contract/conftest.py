"""A local Sheets server with generous limits for the tests of a file; a file that needs another one makes its own."""

from collections.abc import Iterator

import pytest

from collect_pipelines.local.sheets.testing import RunningServer, running_server
from tests.contract.local_sheets_tools import Api, generous, person


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Iterator[Api]:
    with person(server) as calling:
        yield calling


@pytest.fixture
def sheet(api: Api) -> str:
    return api.create()
