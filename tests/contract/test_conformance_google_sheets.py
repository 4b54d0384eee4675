"""The Google Sheets destination keeps what every destination promises, at a local Sheets server that a stand-in passes requests on to."""

import http.client
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.google_sheets.wire import calls
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.testing import DestinationConformance, Effect, Reply, Request, World
from tests.contract.google_sheets_fakes import generous

READ_TIMEOUT_SECONDS = 0.7  # in place of the minutes that Google may take


class TestGoogleSheets(DestinationConformance):
    destination = GoogleSheets
    longest_text = 40_000
    most_interruptions = 8
    most_faults = 3
    gives_up_seconds = 5.0
    server: ClassVar[RunningServer]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
            cls.server = running
            yield

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calls, "READ_TIMEOUT_SECONDS", READ_TIMEOUT_SECONDS)

    def config(self, world: World) -> Mapping[str, Any]:
        return {"tab": "Answers"}

    def settings(self, world: World) -> Mapping[str, str]:
        credentials = str(self.server.person_credentials)
        plenty = {"sheets_writes_per_minute": "6000", "sheets_project_writes_per_minute": "6000"}
        return {
            "sheets_base_url": world.address,
            "drive_base_url": world.address,
            "oauth_token_url": self.server.token_url,
            "local_sheets_credentials": credentials,
            **plenty,
            "sheets_cells_per_spreadsheet": "10000000",
        }

    def answer(self, world: World, request: Request) -> Reply:
        there = urlsplit(self.server.base_url)
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "connection", "accept-encoding")}
        try:
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read(), {})
        finally:
            connection.close()

    def effects(self, world: World) -> Iterator[Effect]:
        created = world.core().read("memory", "created spreadsheet")
        if not isinstance(created, dict) or "spreadsheet" not in created:
            return
        header, *rows = self.server.values(str(created["spreadsheet"]), "Answers") or [[]]
        for row in rows:
            cells = dict(zip(header, row, strict=False))
            if cells.get("_id"):
                revision, _, deleted = str(cells["_revision"]).partition(" ")
                yield Effect(cells, cells["_id"], int(float(revision)), removed=bool(deleted))

    def writes(self, request: Request) -> bool:
        return request.method != "GET" and not request.path.partition("?")[0].endswith(
            (":search", ":getByDataFilter", ":batchGetByDataFilter")
        )


del DestinationConformance
