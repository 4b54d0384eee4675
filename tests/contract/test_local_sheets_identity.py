"""Who gets in: tokens, scopes, shares, and what a service account can't do."""

import time
from collections.abc import Iterator
from typing import Any

import gspread
import httpx
import pytest
from google.auth import crypt, jwt
from google.auth.exceptions import RefreshError

from collect_pipelines.local.sheets.testing import RunningServer, gspread_client, running_server
from tests.contract.local_sheets_tools import ALL_SCOPES, Api, append, error, generous, person

SHEETS, DRIVE = ALL_SCOPES
DRIVE_FILE = DRIVE + ".file"
NO_PERMISSION = (403, "The caller does not have permission")
NOT_FOUND = (404, "Requested entity was not found.")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Iterator[Api]:
    with person(server) as calling:
        yield calling


@pytest.fixture
def service_account(server: RunningServer) -> Iterator[Any]:
    client = gspread_client(server.base_url, server.service_account_credentials)
    yield client
    client.http_client.session.close()


def assertion(server: RunningServer, **changes: Any) -> dict[str, str]:
    """A token request of the service account, with claims changed."""
    account = server.account("service-account")
    now = int(time.time())
    claims = {"iss": account.email, "aud": server.token_url, "scope": SHEETS, "iat": now, "exp": now + 3600} | changes
    signer = crypt.RSASigner.from_string(account.private_key)
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": jwt.encode(signer, claims).decode()}


def test_credentials_are_there_on_the_first_start_and_readable_by_their_owner_only(server: RunningServer) -> None:
    for path in (server.person_credentials, server.service_account_credentials):
        assert path.stat().st_mode & 0o777 == 0o600
        assert server.token_url in path.read_text()


def test_a_call_without_a_valid_token_is_refused(server: RunningServer, api: Api) -> None:
    for token in ("", "Bearer nonsense", "Bearer local.e30.e30", "Basic x"):
        answer = httpx.get(f"{server.base_url}/v4/spreadsheets/x", headers={"Authorization": token})
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"
    assert httpx.get(f"{server.base_url}/drive/v3/files").json()["error"]["errors"][0]["reason"] == "authError"


def test_an_expired_access_token_is_renewed_by_google_auth_without_anyone_noticing(server: RunningServer) -> None:
    client = gspread_client(server.base_url, server.person_credentials)
    spreadsheet = client.create("Survey")

    server.service.clock.advance(3601)

    assert spreadsheet.sheet1.get_all_values() == [[]]
    assert [call.status for call in server.calls].count(401) == 1
    client.http_client.session.close()


def test_forced_expiry_answers_401_until_the_token_is_renewed(server: RunningServer, api: Api) -> None:
    sheet = api.create()

    server.expire_tokens()

    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 401
    api.sign_in()
    assert api.call("GET", f"/v4/spreadsheets/{sheet}").status_code == 200


def test_a_revoked_refresh_token_is_an_invalid_grant(server: RunningServer) -> None:
    client = gspread_client(server.base_url, server.person_credentials)
    server.revoke(server.person_email)

    with pytest.raises(RefreshError, match="invalid_grant"):
        client.create("Survey")
    client.http_client.session.close()


@pytest.mark.parametrize(
    ("changes", "error_word"),
    [
        ({"refresh_token": "1//wrong"}, "invalid_grant"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "https://www.googleapis.com/auth/gmail.readonly"}, "invalid_scope"),
    ],
)
def test_a_token_is_refused_for_wrong_secrets_grants_and_scopes(server: RunningServer, changes: dict[str, str], error_word: str) -> None:
    account = server.account("person")
    form = {"grant_type": "refresh_token", "client_id": account.client_id, "client_secret": account.client_secret}

    answer = httpx.post(server.token_url, data=form | {"refresh_token": account.refresh_token} | changes)

    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == error_word


def test_a_service_account_signs_for_its_token(server: RunningServer) -> None:
    answer = httpx.post(server.token_url, data=assertion(server))

    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 3600


def test_a_badly_signed_old_or_misdirected_assertion_is_an_invalid_grant(server: RunningServer) -> None:
    other = server.identity.add_service_account("other")
    now = int(time.time())
    forged = {"iss": other.email}
    for changes in (forged, {"aud": "https://elsewhere.example/token"}, {"iat": now - 7200, "exp": now - 3600}, {"exp": now + 86_400}):
        answer = httpx.post(server.token_url, data=assertion(server, **changes))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_service_account_can_create_no_file(service_account: Any, server: RunningServer) -> None:
    with pytest.raises(gspread.exceptions.APIError) as refused:
        service_account.create("Survey")

    body = refused.value.response.json()["error"]
    assert body["code"] == 403
    assert body["errors"][0] == {
        "message": "The user's Drive storage quota has been exceeded.",
        "domain": "usageLimits",
        "reason": "storageQuotaExceeded",
    }
    token = service_account.http_client.auth.token
    answer = httpx.post(f"{server.base_url}/v4/spreadsheets", json={}, headers={"Authorization": f"Bearer {token}"})
    assert error(answer) == NO_PERMISSION


def test_a_file_that_is_not_shared_is_forbidden_and_an_unknown_one_not_found(api: Api, server: RunningServer, service_account: Any) -> None:
    sheet = api.create()

    with pytest.raises(PermissionError):
        service_account.open_by_key(sheet)
    with pytest.raises(gspread.exceptions.SpreadsheetNotFound):
        service_account.open_by_key("nowhere")

    server.people(sheet).share(server.service_account_email)
    service_account.open_by_key(sheet).sheet1.append_row(["x"])
    server.people(sheet).unshare(server.service_account_email)
    with pytest.raises(PermissionError):
        service_account.open_by_key(sheet)


def test_a_reader_reads_and_can_not_write(api: Api, server: RunningServer, service_account: Any) -> None:
    sheet = api.create()
    server.people(sheet).share(server.service_account_email, "reader")

    tab = service_account.open_by_key(sheet).sheet1
    assert tab.get_all_values() == [[]]
    with pytest.raises(gspread.exceptions.APIError, match="does not have permission"):
        tab.append_row(["x"])


def test_scope_drive_file_sees_only_what_its_client_created(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.identity.add_person("picker", scopes=(DRIVE_FILE,))
    server.people(sheet).share("picker@sheets.local")

    with Api(server.base_url, server.identity.credentials_path("picker")) as picker:
        assert error(picker.call("GET", f"/v4/spreadsheets/{sheet}")) == NOT_FOUND
        assert picker.call("GET", f"/drive/v3/files/{sheet}").status_code == 404
        own = picker.create()
        picker.done(own, append(["x"]))
        assert [file["id"] for file in picker.call("GET", "/drive/v3/files").json()["files"]] == [own]


def test_a_read_only_scope_can_not_write(api: Api, server: RunningServer) -> None:
    sheet = api.create()

    with Api(server.base_url, server.person_credentials, SHEETS + ".readonly") as reader:
        assert reader.values(sheet) == []
        answer = reader.batch(sheet, append(["x"]))

    assert error(answer) == (403, "Request had insufficient authentication scopes.")
    assert answer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_files_are_listed_shared_renamed_trashed_and_deleted_through_drive(server: RunningServer) -> None:
    client = gspread_client(server.base_url, server.person_credentials)
    spreadsheet = client.create("Zebra")
    client.create("Apple's")

    assert [file["name"] for file in client.list_spreadsheet_files()] == ["Apple's", "Zebra"]
    assert client.open("Zebra").id == spreadsheet.id
    spreadsheet.share(server.service_account_email, "user", "reader")
    shares = spreadsheet.list_permissions()
    assert [one["role"] for one in shares] == ["owner", "reader"]
    spreadsheet.remove_permissions(server.service_account_email, "reader")
    assert len(spreadsheet.list_permissions()) == 1

    copy = client.copy(spreadsheet.id, title="Copy")
    assert copy.id != spreadsheet.id
    client.del_spreadsheet(spreadsheet.id)
    with pytest.raises(gspread.exceptions.SpreadsheetNotFound):
        client.open_by_key(spreadsheet.id)
    client.http_client.session.close()


def test_a_query_finds_files_by_title_trash_and_property(api: Api) -> None:
    kind = "application/vnd.google-apps.spreadsheet"
    tagged = api.call("POST", "/drive/v3/files", {"name": "O'Neil", "mimeType": kind, "appProperties": {"form": "f1"}}).json()["id"]
    other = api.create()

    def listed(query: str) -> list[str]:
        return [file["id"] for file in api.call("GET", "/drive/v3/files", q=query).json()["files"]]

    assert listed(r"name = 'O\'Neil' and mimeType='application/vnd.google-apps.spreadsheet'") == [tagged]
    assert listed("appProperties has { key='form' and value='f1' } and trashed = false") == [tagged]
    assert set(listed("mimeType != 'application/pdf'")) == {tagged, other}
    assert api.call("PATCH", f"/drive/v3/files/{tagged}", {"trashed": True}).status_code == 200
    assert listed("trashed = false") == [other]
    assert api.call("GET", "/drive/v3/files", q="title = 'x'").status_code == 400


def test_a_file_in_the_trash_still_answers_unless_a_test_wants_it_missing(api: Api, server: RunningServer) -> None:
    sheet = api.create()
    server.people(sheet).trash()

    assert api.batch(sheet, append(["x"])).status_code == 200
    assert api.call("GET", f"/drive/v3/files/{sheet}", fields="trashed").json() == {"trashed": True}
    server.switches.trashed_is_missing = True
    assert error(api.batch(sheet, append(["x"]))) == NOT_FOUND


def test_a_long_list_of_files_comes_in_pages(api: Api) -> None:
    made = {api.create() for _ in range(5)}

    first = api.call("GET", "/drive/v3/files", pageSize=3).json()
    rest = api.call("GET", "/drive/v3/files", pageSize=3, pageToken=first["nextPageToken"]).json()

    assert {file["id"] for file in first["files"] + rest["files"]} == made
    assert "nextPageToken" not in rest


def test_the_first_tab_is_exported_as_csv(server: RunningServer) -> None:
    client = gspread_client(server.base_url, server.person_credentials)
    spreadsheet = client.create("Survey")
    spreadsheet.sheet1.append_rows([["id", "height"], ["r-1", "6'3\""]])

    assert spreadsheet.export(gspread.utils.ExportFormat.CSV) == b'id,height\r\nr-1,"6\'3"""\r\n'
    client.http_client.session.close()
