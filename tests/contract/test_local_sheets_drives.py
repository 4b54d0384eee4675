"""Shared drives, full storage and APIs that are switched off."""

from collections.abc import Iterator
from typing import Any

import gspread
import pytest

from collect_pipelines.local.sheets.testing import RunningServer, gspread_client
from tests.contract.local_sheets_tools import Api, append, error

SPREADSHEET = "application/vnd.google-apps.spreadsheet"


@pytest.fixture(scope="module")
def service_account(server: RunningServer) -> Iterator[Any]:
    client = gspread_client(server.base_url, server.service_account_credentials)
    yield client
    client.http_client.session.close()


def created(api: Api, parent: str, **parameters: str) -> Any:
    """files.create in a parent."""
    return api.call("POST", "/drive/v3/files", {"name": "Survey", "mimeType": SPREADSHEET, "parents": [parent]}, **parameters)


def test_a_service_account_may_create_in_a_shared_drive_and_nowhere_else(server: RunningServer, service_account: Any, api: Api) -> None:
    drive = server.add_shared_drive("Field work", service_account="fileOrganizer", person="organizer")
    body = {"name": "Survey", "mimeType": SPREADSHEET, "parents": [drive]}

    made = service_account.http_client.request(
        "post", "https://www.googleapis.com/drive/v3/files", json=body, params={"supportsAllDrives": True}
    )

    book = service_account.open_by_key(made.json()["id"])
    book.sheet1.append_row(["landed"])
    assert api.values(book.id) == [["landed"]]
    shown = api.call("GET", f"/drive/v3/files/{book.id}", supportsAllDrives="true", fields="driveId,parents,ownedByMe").json()
    assert shown == {"driveId": drive, "parents": [drive], "ownedByMe": False}
    with pytest.raises(gspread.exceptions.APIError, match="storage quota"):
        service_account.create("In its own Drive")


def test_shared_drives_exist_only_for_clients_that_say_they_support_them(server: RunningServer, api: Api) -> None:
    drive = server.add_shared_drive("Field work", person="writer")

    assert error(created(api, drive)) == (404, f"File not found: {drive}.")
    file_id = created(api, drive, supportsAllDrives="true").json()["id"]
    assert api.call("GET", f"/drive/v3/files/{file_id}").status_code == 404
    listed = {"q": "name = 'Survey'", "supportsAllDrives": "true"}
    assert file_id not in str(api.call("GET", "/drive/v3/files", **listed).json())
    assert file_id in str(api.call("GET", "/drive/v3/files", **listed, includeItemsFromAllDrives="true").json())
    assert drive in str(api.call("GET", "/drive/v3/drives").json())
    assert api.call("GET", f"/drive/v3/drives/{drive}").json()["name"] == "Field work"


def test_roles_in_a_shared_drive_say_who_creates_and_who_removes(server: RunningServer, api: Api) -> None:
    reading = server.add_shared_drive("Archive", person="reader")
    writing = server.add_shared_drive("Desk", person="writer")
    strange = server.add_shared_drive("Strangers", service_account="organizer")

    assert created(api, reading, supportsAllDrives="true").status_code == 403
    assert created(api, strange, supportsAllDrives="true").status_code == 404
    file_id = created(api, writing, supportsAllDrives="true").json()["id"]
    assert api.call("PATCH", f"/drive/v3/files/{file_id}", {"trashed": True}, supportsAllDrives="true").status_code == 403
    api.done(file_id, append(["a contributor writes"]))


def test_a_person_makes_a_shared_drive_and_a_service_account_can_not(api: Api, service_account: Any) -> None:
    assert api.call("POST", "/drive/v3/drives", {"name": "Mine"}).status_code == 400
    drive = api.call("POST", "/drive/v3/drives", {"name": "Mine"}, requestId="r-1").json()["id"]

    assert created(api, drive, supportsAllDrives="true").status_code == 200
    with pytest.raises(gspread.exceptions.APIError):
        service_account.http_client.request(
            "post", "https://www.googleapis.com/drive/v3/drives", json={"name": "No"}, params={"requestId": "r"}
        )


def test_a_full_drive_takes_no_new_file_and_old_ones_go_on(server: RunningServer, api: Api, sheet: str) -> None:
    server.switches.storage_full = True
    try:
        refused = api.call("POST", "/drive/v3/files", {"name": "x", "mimeType": SPREADSHEET})
        assert refused.json()["error"]["errors"][0]["reason"] == "storageQuotaExceeded"
        assert error(api.call("POST", "/v4/spreadsheets", {})) == (403, "The caller does not have permission")
        assert api.call("POST", f"/drive/v3/files/{sheet}/copy", {}).status_code == 403
        api.done(sheet, append(["still lands"]))
    finally:
        server.switches.storage_full = False


def test_an_api_that_is_switched_off_says_where_to_switch_it_on(server: RunningServer, api: Api, sheet: str) -> None:
    server.switches.disabled_apis = frozenset({"sheets", "drive"})
    try:
        sheets = api.batch(sheet, append(["x"])).json()["error"]
        drive = api.call("GET", "/drive/v3/files").json()["error"]
    finally:
        server.switches.disabled_apis = frozenset()

    number = server.account("person").project_number
    place = f"https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project={number}"
    assert (sheets["code"], sheets["status"]) == (403, "PERMISSION_DENIED")
    assert sheets["message"].startswith(f"Google Sheets API has not been used in project {number} before or it is disabled. ")
    links, info = sheets["details"]
    assert (links["links"][0]["url"], info["reason"]) == (place, "SERVICE_DISABLED")
    assert info["metadata"] == {"consumer": f"projects/{number}", "service": "sheets.googleapis.com"}
    assert (drive["errors"][0]["reason"], drive["errors"][0]["domain"]) == ("accessNotConfigured", "usageLimits")
    assert "errors" not in sheets
