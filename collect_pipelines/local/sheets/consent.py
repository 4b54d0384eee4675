"""The consent page of the local Google: choose an account, choose what is granted, allow or cancel. And the revoke endpoint."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from collect_pipelines.local.sheets.call import Answer, Request, error_answer, json_answer
from collect_pipelines.local.sheets.errors import ApiError
from collect_pipelines.local.sheets.grants import CODE_SECONDS, Code
from collect_pipelines.local.sheets.identity import Account
from collect_pipelines.local.sheets.page_html import message_page

if TYPE_CHECKING:
    from collect_pipelines.local.sheets.service import Service

__all__ = ["AUTHORIZE", "REVOKE", "Consent"]

AUTHORIZE = "/o/oauth2/v2/auth"
REVOKE = "/revoke"
HTML = "text/html; charset=utf-8"
PREFIX = "https://www.googleapis.com/auth/"
SHORT = {"email": "userinfo.email", "profile": "userinfo.profile"}
SIGN_IN = ("openid", "userinfo.email", "userinfo.profile")
# What each scope lets an app do, as developers.google.com/identity/protocols/oauth2/scopes describes them.
KNOWN_SCOPES = {
    "openid": "Associate you with your personal info on Google",
    "userinfo.email": "See your primary Google Account email address",
    "userinfo.profile": "See your personal info, including any personal info you've made publicly available",
    "spreadsheets": "See, edit, create, and delete all your Google Sheets spreadsheets",
    "spreadsheets.readonly": "See all your Google Sheets spreadsheets",
    "drive": "See, edit, create, and delete all of your Google Drive files",
    "drive.readonly": "See and download all your Google Drive files",
    "drive.file": "See, edit, create, and delete only the specific Google Drive files you use with this app",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Choose an account - local Google</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/grid.css"></head>
<body class="message"><header class="bar"><h1>Local Google: sign in</h1></header>
<main class="sheet-list"><form method="post" action="{action}">
<p>An app with the client id <strong>{client}</strong> wants access to an account. It will be told at <strong>{place}</strong>.</p>
<fieldset><legend>Choose an account</legend>{accounts}</fieldset>
<fieldset><legend>Select what the app can access</legend>{scopes}</fieldset>
<p><button name="decision" value="allow">Continue</button> <button name="decision" value="deny">Cancel</button></p>
</form></main></body></html>
"""


class _Wrong(Exception):
    """The request is shown to the person as wrong, and nobody is redirected: where to can't be trusted."""

    def __init__(self, status: int, error: str, text: str) -> None:
        self.status, self.error, self.text = status, error, text
        super().__init__(error)


class Consent:
    """
    Both endpoints, for the client of `service.tokens.grants`.

    Parameters and errors: developers.google.com/identity/protocols/oauth2/web-server, "Redirect to Google's OAuth 2.0 server" and
    "Errors"; the errors there are shown on the page and never sent to the redirect URI, but for access_denied.
    """

    def __init__(self, service: "Service", headers: tuple[tuple[str, str], ...], policy: str) -> None:
        """headers: of every page; policy: the page's Content-Security-Policy, whose form-action is replaced."""
        self._service = service
        self._headers = tuple(one for one in headers if one[0] != "content-security-policy")
        self._policy = policy

    def concerns(self, request: Request) -> bool:
        """Whether the request is for one of the two."""
        return request.path in (AUTHORIZE, REVOKE)

    def answer(self, request: Request) -> Answer:
        """The page, the redirect after the decision, or what became of a token."""
        if request.path == REVOKE:
            return self._revoke(request)
        asked = dict(parse_qsl(request.query, keep_blank_values=True))
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) if request.method == "POST" else {}
        try:
            scopes = self._checked(asked)
            if request.method == "POST":
                return self._decided(asked, form, [name for name in scopes if name in SIGN_IN or f"grant:{name}" in form])
        except _Wrong as exc:
            page = message_page("Access blocked: Authorization Error", f"Error {exc.status}: {exc.error}. {exc.text}")
            return self._page(exc.status, page, "'none'")
        return self._page(200, self._asking(asked, scopes, request.query), f"'self' {_origin(asked['redirect_uri'])}")

    def _checked(self, asked: Mapping[str, str]) -> list[str]:
        client = self._service.tokens.grants.client
        for name in ("client_id", "redirect_uri", "response_type", "scope"):
            if not asked.get(name):
                raise _Wrong(400, "invalid_request", f"Required parameter is missing: {name}")
        if asked["client_id"] != client.client_id:
            raise _Wrong(401, "invalid_client", "The OAuth client was not found.")
        # "The value must exactly match one of the authorized redirect URIs": scheme, case and trailing slash
        if asked["redirect_uri"] not in client.redirect_uris:
            raise _Wrong(400, "redirect_uri_mismatch", "The redirect URI in the request does not match one of the client's.")
        if asked["response_type"] != "code":
            raise _Wrong(400, "unsupported_response_type", "Only `code` is offered here.")
        if asked.get("code_challenge_method", "plain") not in ("S256", "plain"):
            raise _Wrong(400, "invalid_request", "Invalid parameter value for code_challenge_method")
        scopes = list(dict.fromkeys(_short(scope) for scope in asked["scope"].split()))
        unknown = [scope for scope in scopes if scope not in KNOWN_SCOPES]
        if unknown:
            raise _Wrong(400, "invalid_scope", f"Some requested scopes were invalid: {', '.join(unknown)}")
        return scopes

    def _asking(self, asked: Mapping[str, str], scopes: list[str], query: str) -> str:
        people = [one for one in self._service.identity.accounts.values() if one.kind == "person" and not one.revoked]
        hinted = asked.get("login_hint")
        first = next((one for one in people if one.email == hinted), people[0] if people else None)
        return _PAGE.format(
            action=escape(f"{AUTHORIZE}?{query}"),
            client=escape(asked["client_id"]),
            place=escape(_origin(asked["redirect_uri"])),
            accounts="".join(_account(one, checked=one is first) for one in people) or "<p>Nobody can sign in here.</p>",
            scopes="".join(_scope(name) for name in scopes),
        )

    def _decided(self, asked: Mapping[str, str], form: Mapping[str, str], granted: list[str]) -> Answer:
        told = {"state": asked["state"]} if "state" in asked else {}
        account = self._service.identity.by_email(form.get("account", ""))
        if form.get("decision") != "allow" or account is None or account.kind != "person" or account.revoked:
            return self._redirect(asked["redirect_uri"], told | {"error": "access_denied"})
        grants, now = self._service.tokens.grants, self._service.clock.now()
        earlier = grants.of(account.email)
        if asked.get("include_granted_scopes") == "true":
            granted = list(dict.fromkeys([*granted, *(scope for one in earlier for scope in one.scopes)]))
        # a refresh token comes with the first consent only, unless consent is asked for again (same page: `prompt`, `access_type`)
        offline = asked.get("access_type") == "offline" and ("consent" in asked.get("prompt", "").split() or not earlier)
        challenge, method = asked.get("code_challenge"), asked.get("code_challenge_method", "plain")
        code = Code(account.email, granted, asked["redirect_uri"], challenge, method, offline, now + CODE_SECONDS)
        scope = " ".join(name if name == "openid" else PREFIX + name for name in granted)
        return self._redirect(asked["redirect_uri"], told | {"code": grants.give_code(code), "scope": scope, "authuser": "0"})

    def _revoke(self, request: Request) -> Answer:
        given = dict(parse_qsl(request.query)) | dict(parse_qsl(request.body.decode("utf-8", "replace")))
        try:
            self._service.tokens.revoke(given.get("token", ""))
        except ApiError as exc:
            return error_answer(exc)
        return json_answer(200, {})

    def _redirect(self, uri: str, told: Mapping[str, str]) -> Answer:
        location = f"{uri}{'&' if urlsplit(uri).query else '?'}{urlencode(told)}"
        return Answer(302, b"", HTML, (("location", location), *self._headers))

    def _page(self, status: int, text: str, form_action: str) -> Answer:
        policy = self._policy.replace("form-action 'none'", f"form-action {form_action}")
        return Answer(status, text.encode(), HTML, (("content-security-policy", policy), *self._headers))


def _short(scope: str) -> str:
    name = scope.removeprefix(PREFIX)
    return SHORT.get(name, name)


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _account(account: Account, *, checked: bool) -> str:
    mark = " checked" if checked else ""
    return f'<p><label><input type="radio" name="account" value="{escape(account.email)}"{mark}> {escape(account.email)}</label></p>'


def _scope(name: str) -> str:
    """Each right can be left out, but for those of signing in: granular consent, same source."""
    if name in SIGN_IN:
        return f"<p>{escape(KNOWN_SCOPES[name])}</p>"
    return f'<p><label><input type="checkbox" name="grant:{name}" checked> {escape(KNOWN_SCOPES[name])}</label></p>'
