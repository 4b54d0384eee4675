"""Plain HTTP against the local Sheets server: calls as a stranger to any client library would make them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from collect_pipelines.local.sheets.testing import Limits, RunningServer

# Contract tests send more calls a minute than Google's quota allows.
GENEROUS = {"writes_per_user": 10**6, "reads_per_user": 10**6, "writes_per_project": 10**6, "reads_per_project": 10**6}
ALL_SCOPES = ("https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive")
MARKER_EXISTS = (
    "Invalid requests[0].createDeveloperMetadata: Cannot add developer metadata with ID [{}] "
    "because developer metadata with that ID already exists."
)


def generous(**limits: int) -> Limits:
    """Limits without a quota that a test would meet by accident."""
    return Limits(**(GENEROUS | limits))


@dataclass
class Api:
    """One account calling one server."""

    base_url: str
    credentials: Path
    scope: str | None = None
    http: httpx.Client = field(init=False)
    token: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.base_url, timeout=20)
        self.sign_in()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def sign_in(self) -> None:
        """Takes an access token with the account's refresh token."""
        document = orjson.loads(self.credentials.read_bytes())
        form = {name: document[name] for name in ("client_id", "client_secret", "refresh_token")} | {"grant_type": "refresh_token"}
        answer = self.http.post("/token", data=form | ({"scope": self.scope} if self.scope else {}))
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["access_token"]

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> httpx.Response:
        """Any call."""
        content = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        return self.http.request(method, path, content=content, params=parameters, headers={"Authorization": f"Bearer {self.token}"})

    def create(self, **properties: Any) -> str:
        """A new spreadsheet with these Spreadsheet fields; answers its id."""
        answer = self.call("POST", "/v4/spreadsheets", properties or {"properties": {"title": "Survey"}})
        assert answer.status_code == 200, answer.text
        return answer.json()["spreadsheetId"]

    def batch(self, spreadsheet: str, *requests: dict[str, Any], **extra: Any) -> httpx.Response:
        """spreadsheets.batchUpdate."""
        return self.call("POST", f"/v4/spreadsheets/{spreadsheet}:batchUpdate", {"requests": list(requests), **extra})

    def done(self, spreadsheet: str, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        """spreadsheets.batchUpdate that must succeed; answers the replies."""
        answer = self.batch(spreadsheet, *requests)
        assert answer.status_code == 200, answer.text
        return answer.json()["replies"]

    def values(self, spreadsheet: str, place: str = "Sheet1", **parameters: Any) -> list[list[Any]]:
        """spreadsheets.values.get, unformatted unless said otherwise."""
        parameters = {"valueRenderOption": "UNFORMATTED_VALUE"} | parameters
        answer = self.call("GET", f"/v4/spreadsheets/{spreadsheet}/values/{place}", **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json().get("values", [])

    def put(self, spreadsheet: str, place: str, values: list[list[Any]], option: str | None = "RAW") -> httpx.Response:
        """spreadsheets.values.update."""
        parameters = {"valueInputOption": option} if option else {}
        return self.call("PUT", f"/v4/spreadsheets/{spreadsheet}/values/{place}", {"values": values}, **parameters)


def person(server: RunningServer) -> Api:
    """The person who owns files."""
    return Api(server.base_url, server.person_credentials)


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and message of a refusal."""
    return answer.status_code, answer.json()["error"]["message"]


def rows_of(*rows: list[Any]) -> list[dict[str, Any]]:
    """RowData of texts, numbers and booleans; None is an empty CellData."""
    return [{"values": [_cell(value) for value in row]} for row in rows]


def _cell(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"userEnteredValue": {"boolValue": value}}
    return {"userEnteredValue": {"stringValue": value} if isinstance(value, str) else {"numberValue": value}}


def append(*rows: list[Any], tab: int = 0) -> dict[str, Any]:
    """An appendCells request."""
    return {"appendCells": {"sheetId": tab, "rows": rows_of(*rows), "fields": "userEnteredValue"}}


def marker(number: int, value: str = "1:2:abcdef", *, location: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
    """A createDeveloperMetadata request."""
    entry = {"metadataId": number, "metadataKey": "fp", "metadataValue": value, "visibility": "DOCUMENT"}
    return {"createDeveloperMetadata": {"developerMetadata": entry | {"location": location or {"sheetId": 0}} | extra}}


def row_location(index: int, tab: int = 0) -> dict[str, Any]:
    """The location of metadata on one row."""
    return {"dimensionRange": {"sheetId": tab, "dimension": "ROWS", "startIndex": index, "endIndex": index + 1}}


def column_location(index: int, tab: int = 0) -> dict[str, Any]:
    """The location of metadata on one column."""
    return {"dimensionRange": {"sheetId": tab, "dimension": "COLUMNS", "startIndex": index, "endIndex": index + 1}}
