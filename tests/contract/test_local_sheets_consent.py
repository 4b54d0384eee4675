"""The consent page, codes, refresh tokens and the revoke endpoint of the local Google: what Google refuses, this refuses."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from collect_pipelines.local.sheets.grants import DEFAULT_REDIRECT, MOST_TOKENS, Grants, register_redirect
from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.google_connect_tools import query

SHEETS = "https://www.googleapis.com/auth/spreadsheets"
FILES = "https://www.googleapis.com/auth/drive.file"
VERIFIER = "v" * 43
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"


class App:
    """An app that asks for access with the server's own client."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.grants = server.service.tokens.grants
        self.http = httpx.Client(base_url=server.base_url, timeout=20)

    def asked(self, **changes: str | None) -> dict[str, str]:
        usual = {
            "client_id": self.grants.client.client_id,
            "redirect_uri": DEFAULT_REDIRECT,
            "response_type": "code",
            "scope": f"{SHEETS} {FILES} openid email",
            "access_type": "offline",
            "prompt": "consent",
            "state": "s-1",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def page(self, **changes: str | None) -> httpx.Response:
        return self.http.get(f"/o/oauth2/v2/auth?{urlencode(self.asked(**changes))}")

    def decide(self, *left_out: str, decision: str = "allow", email: str | None = None, **changes: str | None) -> dict[str, str]:
        page = self.page(**changes)
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        form = {"decision": decision, "account": email or self.server.person_email}
        form |= {name: "on" for name in re.findall(r'name="(grant:[^"]+)"', page.text) if name not in left_out}
        answer = self.http.post(unescape(action[1]), data=form)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(self.asked(**changes)["redirect_uri"])
        return query(answer.headers["location"])

    def token(self, **form: str) -> tuple[int, dict[str, Any]]:
        client = {"client_id": self.grants.client.client_id, "client_secret": self.grants.client.client_secret}
        answer = self.http.post("/token", data=client | form)
        return answer.status_code, answer.json()

    def exchange(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        return self.token(**{"grant_type": "authorization_code", "code": code, "redirect_uri": DEFAULT_REDIRECT} | changes)

    def refresh(self, token: str, **changes: str) -> tuple[int, dict[str, Any]]:
        return self.token(**{"grant_type": "refresh_token", "refresh_token": token} | changes)

    def granted(self, *left_out: str, **changes: str | None) -> dict[str, Any]:
        status, answer = self.exchange(self.decide(*left_out, **changes)["code"])
        assert status == 200, answer
        return answer


@pytest.fixture
def app(server: RunningServer) -> Iterator[App]:
    made = App(server)
    yield made
    made.http.close()
    made.grants.testing = False
    for grant in made.grants.of(server.person_email):
        made.grants.revoke(grant)


def refusal(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str]:
    return answer[0], answer[1]["error"], answer[1]["error_description"]


def test_a_grant_gives_tokens_that_work_until_it_is_revoked(app: App) -> None:
    back = app.decide()
    status, given = app.exchange(back["code"])
    files = app.http.get("/drive/v3/files", headers={"Authorization": f"Bearer {given['access_token']}"})
    again = app.refresh(given["refresh_token"])
    revoked = app.http.post("/revoke", data={"token": again[1]["access_token"]})
    after = app.http.get("/drive/v3/files", headers={"Authorization": f"Bearer {given['access_token']}"})

    assert (back["state"], set(back)) == ("s-1", {"state", "code", "scope", "authuser"})
    assert (status, given["token_type"], files.status_code, again[0]) == (200, "Bearer", 200, 200)
    assert set(given["scope"].split()) == {SHEETS, FILES, "openid", "https://www.googleapis.com/auth/userinfo.email"}
    assert given["id_token"].count(".") == 2
    assert (revoked.status_code, after.status_code) == (200, 401)
    assert refusal(app.refresh(given["refresh_token"])) == (400, "invalid_grant", "Token has been expired or revoked.")
    assert app.http.post("/revoke", data={"token": given["refresh_token"]}).json()["error"] == "invalid_token"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"redirect_uri": f"{DEFAULT_REDIRECT}/"}, "Error 400: redirect_uri_mismatch"),
        ({"redirect_uri": "https://evil.test/google/callback"}, "Error 400: redirect_uri_mismatch"),
        ({"client_id": "nobody"}, "Error 401: invalid_client. The OAuth client was not found."),
        ({"response_type": None}, "Error 400: invalid_request. Required parameter is missing: response_type"),
        ({"scope": "https://www.googleapis.com/auth/everything"}, "Error 400: invalid_scope"),
        ({"code_challenge": "x", "code_challenge_method": "S512"}, "Error 400: invalid_request"),
    ],
)
def test_a_wrong_question_is_shown_and_redirects_nobody(app: App, changes: dict[str, str | None], said: str) -> None:
    page = app.page(**changes)

    assert page.status_code in (400, 401)
    assert said in page.text
    assert "location" not in page.headers


def test_no_is_told_to_the_app(app: App) -> None:
    assert app.decide(decision="deny") == {"state": "s-1", "error": "access_denied"}


def test_a_right_can_be_left_out(app: App) -> None:
    given = app.granted("grant:spreadsheets")

    assert SHEETS not in given["scope"]
    assert FILES in given["scope"]


def test_a_code_counts_once_and_a_second_use_ends_what_the_first_gave(app: App) -> None:
    code = app.decide()["code"]
    given = app.exchange(code)[1]

    assert refusal(app.exchange(code)) == (400, "invalid_grant", "Bad Request")
    assert app.refresh(given["refresh_token"])[0] == 400
    assert refusal(app.exchange("4/other")) == (400, "invalid_grant", "Malformed auth code.")


def test_a_code_is_bound_to_its_address_verifier_client_and_time(app: App) -> None:
    code = app.decide(code_challenge=CHALLENGE, code_challenge_method="S256")["code"]

    assert refusal(app.exchange(code, redirect_uri="https://evil.test"))[1] == "redirect_uri_mismatch"
    assert refusal(app.exchange(code))[2] == "Missing code verifier."
    assert refusal(app.exchange(code, code_verifier="w" * 43))[2] == "Invalid code verifier."
    assert refusal(app.exchange(code, client_secret="wrong")) == (401, "invalid_client", "The provided client secret is invalid.")
    assert app.exchange(code, code_verifier=VERIFIER)[0] == 200
    late = app.decide()["code"]
    app.server.service.clock.advance(601)
    assert refusal(app.exchange(late)) == (400, "invalid_grant", "Bad Request")


def test_a_refresh_token_comes_with_offline_access_and_consent_only(app: App) -> None:
    assert "refresh_token" not in app.granted(access_type=None)
    assert "refresh_token" in app.granted()
    assert "refresh_token" not in app.granted(prompt=None)


def test_in_testing_a_refresh_token_ends_after_seven_days_whatever_is_published_since(app: App) -> None:
    app.grants.testing = True
    given, sign_in = app.granted(), app.granted(scope="openid email")
    app.grants.testing = False
    lasting = app.granted()
    app.server.service.clock.advance(7 * 86_400)

    assert given["refresh_token_expires_in"] == 604_799
    assert "refresh_token_expires_in" not in sign_in
    assert [app.refresh(one["refresh_token"])[0] for one in (given, sign_in, lasting)] == [400, 200, 200]


def test_a_refresh_token_that_is_not_used_for_six_months_ends(app: App) -> None:
    used, unused = app.granted()["refresh_token"], app.granted()["refresh_token"]
    app.server.service.clock.advance(100 * 86_400)
    first = app.refresh(used)[0]
    app.server.service.clock.advance(100 * 86_400)

    assert (first, app.refresh(used)[0], app.refresh(unused)[0]) == (200, 200, 400)


def test_an_account_has_a_hundred_tokens_of_a_client_and_the_oldest_goes(app: App) -> None:
    oldest = app.granted()["refresh_token"]
    (one,) = app.grants.of(app.server.person_email)
    # the way through the page a hundred times would take seconds
    app.grants._grants += [replace(one, grant_id=f"g{n}", refresh_token=f"1//{n}") for n in range(MOST_TOKENS - 1)]
    before = app.refresh(oldest)[0]
    newest = app.granted()["refresh_token"]

    assert [before, app.refresh(oldest)[0], app.refresh("1//0")[0], app.refresh(newest)[0]] == [200, 400, 200, 200]


def test_files_that_another_client_made_are_not_seen_with_drive_file_alone(app: App) -> None:
    given = app.granted("grant:spreadsheets")
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    document = httpx.post(f"{app.server.base_url}/token", data=_person(app.server)).json()
    theirs = app.http.post("/v4/spreadsheets", json={}, headers={"Authorization": f"Bearer {document['access_token']}"}).json()
    mine = app.http.post("/v4/spreadsheets", json={}, headers=headers).json()

    assert app.http.get(f"/v4/spreadsheets/{theirs['spreadsheetId']}", headers=headers).status_code == 404
    assert app.http.get(f"/v4/spreadsheets/{mine['spreadsheetId']}", headers=headers).status_code == 200


def test_grants_and_the_client_outlive_a_restart(tmp_path: Path) -> None:
    register_redirect(tmp_path, "https://collect.example.org/google/callback")
    first = Grants(tmp_path, lambda: 0.0, "http://127.0.0.1:8090")
    again = Grants(tmp_path, lambda: 0.0, "http://127.0.0.1:8091")

    assert first.client == again.client
    assert again.client.redirect_uris == (DEFAULT_REDIRECT, "https://collect.example.org/google/callback")
    assert (tmp_path / "oauth-client.json").stat().st_mode & 0o077 == 0


def _person(server: RunningServer) -> dict[str, str]:
    account = server.account("person")
    names = ("client_id", "client_secret", "refresh_token")
    return {name: getattr(account, name) for name in names} | {"grant_type": "refresh_token"}
