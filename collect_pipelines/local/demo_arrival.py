"""Looks where a person would look: is a response in the spreadsheet, is it in the warehouse."""

import contextlib
import http.client
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

__all__ = ["SheetView", "in_warehouse"]

TIMEOUT_SECONDS = 10.0
# The Sheets API grants 60 reads a minute to one account, and the demo's deliveries read with the same account. Reads begin
# when the first spreadsheet exists, a second or two before the response is in it.
SECONDS_BETWEEN_LOOKS = 1.0
TYPE = "application/vnd.google-apps.spreadsheet"


class SheetView:
    """The spreadsheets of one account, read through the Sheets API of a base URL, sparingly."""

    def __init__(self, url: str, credentials: Path) -> None:
        """`credentials`: JSON file of an authorised user, as the local Sheets server writes it."""
        self._url = url
        self._credentials = credentials
        self._token = ""
        self._looked_at = 0.0

    def find(self, response_id: str) -> str | None:
        """Address of the page of the spreadsheet that shows the response; None while none does, or when it is too soon to look."""
        if time.monotonic() - self._looked_at < SECONDS_BETWEEN_LOOKS:
            return None
        self._looked_at = time.monotonic()
        query = urlencode({"q": f"mimeType = '{TYPE}' and trashed = false", "fields": "files(id)"})
        for file in self._get(f"/drive/v3/files?{query}").get("files", ()):
            if self._shows(file["id"], response_id):
                return f"{self._url}/spreadsheets/d/{file['id']}/edit"
        return None

    def _shows(self, file_id: str, response_id: str) -> bool:
        # One request for all rows of all tabs.
        fields = "sheets.data.rowData.values.formattedValue"
        sheets = self._get(f"/v4/spreadsheets/{file_id}?fields={fields}").get("sheets", ())
        rows = (row for sheet in sheets for data in sheet.get("data", ()) for row in data.get("rowData", ()))
        return any(cell.get("formattedValue") == response_id for row in rows for cell in row.get("values", ()))

    def _get(self, path: str) -> dict[str, Any]:
        """The JSON answer; empty while the server can't answer (not started, quota used up, no credentials yet)."""
        with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
            if not self._token:
                self._token = self._sign_in()
            status, document = _call(self._url, "GET", path, None, {"Authorization": f"Bearer {self._token}"})
            if status == 401:
                self._token = ""
            if status == 200:
                return document
        return {}

    def _sign_in(self) -> str:
        account = json.loads(self._credentials.read_text("utf-8"))
        form = {name: account[name] for name in ("client_id", "client_secret", "refresh_token")} | {"grant_type": "refresh_token"}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, document = _call(self._url, "POST", "/token", urlencode(form), headers)
        return str(document["access_token"])


def in_warehouse(warehouse: Path, form: str, response_id: str) -> bool:
    """True when the warehouse's copy for readers holds the response."""
    import duckdb

    from collect_pipelines.destinations.warehouse.database import open_readonly
    from collect_pipelines.destinations.warehouse.naming import table_name
    from collect_pipelines.errors import CollectError

    try:
        with contextlib.closing(open_readonly(warehouse)) as connection:
            # The name comes from table_name, which makes plain identifiers only.
            query = f"select count(*) from forms.{table_name(form)} where _response_id = ?"  # noqa: S608
            row = connection.execute(query, [response_id]).fetchone()
    except (duckdb.Error, CollectError, OSError):
        return False
    return bool(row and row[0])


def _call(url: str, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()
