"""The calls to Sheets and Drive this destination makes: through gspread, with quota, timeouts and every outcome told apart."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import requests
from google.auth import exceptions as auth
from gspread.client import Client
from gspread.http_client import HTTPClient
from gspread.urls import DRIVE_FILES_API_V3_URL, SPREADSHEET_BATCH_UPDATE_URL, SPREADSHEET_URL
from urllib3.exceptions import NewConnectionError

from collect_pipelines.destinations.google_sheets.account.credentials import Account
from collect_pipelines.destinations.google_sheets.wire.problems import CallKind, Explainer
from collect_pipelines.destinations.google_sheets.wire.quota import Tokens
from collect_pipelines.errors import TryLater

__all__ = ["Api", "SheetsHTTP", "about_client", "connect"]

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 200.0  # longer than Google's own limit of 180 s: a timeout then usually means lost, not still running
MOST_ANSWER_BYTES = 16_000_000  # the answer to a write of 1.9 MB tells where it went; no other needs as much
MOST_VALUES_BYTES = 400_000_000  # the ids of the 10 million cells a spreadsheet may have
PART_BYTES = 65_536
LONGEST_ASKED_SECONDS = 3600.0  # that Google may ask us to wait
SHEETS_HOST = "https://sheets.googleapis.com"
DRIVE_HOST = "https://www.googleapis.com"
SPREADSHEET_TYPE = "application/vnd.google-apps.spreadsheet"
READING_POSTS = (":search", ":getByDataFilter", ":batchGetByDataFilter")
"""Google counts these as reads although they are POSTs."""
READING_VALUES = ":batchGetByDataFilter"

Json = dict[str, Any]


class SheetsHTTP(HTTPClient):
    """gspread's HTTP client, with the one place that touches the network made safe."""

    def __init__(
        self, auth: Any, session: Any, bases: Mapping[str, str], tokens: Tokens, doors: Sequence["Door"], guard: Callable[[], None]
    ) -> None:
        """`bases` maps Google's hosts to where they are; `guard` is called right before every write. doors: the accounts `tokens` knows."""
        super().__init__(auth, session)
        self.set_timeout((CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS))
        self.doors = doors
        self.explain = doors[0].explain
        self.tokens = tokens
        self.calls = 0
        self.sent_bytes = 0
        self._bases = bases
        self._guard = guard

    def request(
        self,
        method: str,
        endpoint: str,
        params: MutableMapping[str, Any] | None = None,
        data: bytes | None = None,
        json: Mapping[str, Any] | None = None,
        files: Any = None,
        headers: MutableMapping[str, str] | None = None,
    ) -> requests.Response:
        """One call, never repeated. Raises what `deliver` may raise: TryLater (unknown or not), Blocked, Refused."""
        kind = call_kind(method, endpoint)
        # files belong to the first account, whichever writes into them
        door = self.doors[0 if kind == "drive" else self.tokens.take(kind)]
        if kind == "write":
            self._guard()
        if json is not None:
            data, json, headers = orjson.dumps(json), None, {"Content-Type": "application/json"}
        self.calls += 1
        self.sent_bytes += len(data or b"")
        try:
            # not gspread's own: it follows redirects, reads answers of any size and stumbles over errors that are not Google's
            response: requests.Response = door.session.request(
                method, self._located(endpoint), params=params, data=data, files=files, headers=headers, timeout=self.timeout,
                allow_redirects=False, stream=True, hooks={"response": self._reader(kind, endpoint)},
            )  # fmt: skip
        except (requests.RequestException, auth.GoogleAuthError) as exc:
            # `from None`: the chain would carry the request, and with it its body and token (promise 10)
            raise _failure(exc, kind, door.explain) from None
        if not 200 <= response.status_code < 300:
            raise self._refusal(response, kind, door)
        if kind == "read":
            door.could_read = True
        return response

    def _reader(self, kind: CallKind, endpoint: str) -> Callable[..., None]:
        """Reads each answer, also one that only asks for a new token, into `response.content`, up to a bound; else raises TryLater."""
        most_bytes = MOST_VALUES_BYTES if endpoint.endswith(READING_VALUES) else MOST_ANSWER_BYTES

        def read(response: requests.Response, **_: Any) -> None:
            parts: list[bytes] = []
            size = 0
            with response:
                for part in response.iter_content(PART_BYTES):
                    size += len(part)
                    if size > most_bytes:
                        raise self.explain.garbled(kind)
                    parts.append(part)
            response._content = b"".join(parts)

        return read

    def ask(self, method: str, endpoint: str, body: Json | None = None, **params: Any) -> Json:
        """The call's JSON answer."""
        response = self.request(method, endpoint, params=params or None, json=body)
        try:
            document = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise self.explain.garbled(call_kind(method, endpoint)) from None
        if not isinstance(document, dict):
            raise self.explain.garbled(call_kind(method, endpoint))
        return document

    def close(self) -> None:
        """Closes the connections."""
        for door in self.doors:
            door.session.close()

    def _located(self, endpoint: str) -> str:
        for host, base in self._bases.items():
            if endpoint.startswith(host):
                return base.rstrip("/") + endpoint[len(host) :]
        return endpoint

    def _refusal(self, response: requests.Response, kind: CallKind, door: "Door") -> Exception:
        try:
            document = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            document = None
        if response.status_code == 429 and kind != "drive":
            minute = self.tokens.refused(kind, whole_project=not _each_user(document))
            return TryLater("Google's quota is used up for this minute.", after=max(minute, _asked_seconds(response)))
        problem = door.explain.answer(response.status_code, document, kind, could_read=door.could_read)
        if isinstance(problem, TryLater) and problem.after is None:
            problem.after = _asked_seconds(response) or None
        return problem


@dataclass
class Door:
    """One account's way to Google."""

    session: Any
    explain: Explainer
    could_read: bool = False
    """A read of it succeeded."""


def call_kind(method: str, endpoint: str) -> CallKind:
    """What a call is counted as."""
    if endpoint.startswith(DRIVE_HOST):
        return "drive"
    return "read" if method.lower() == "get" or endpoint.endswith(READING_POSTS) else "write"


@dataclass(frozen=True)
class Api:
    """The calls we use, each named after what it answers."""

    http: SheetsHTTP

    def spreadsheet(self, spreadsheet: str, fields: str) -> Json:
        """The parts of a spreadsheet named by `fields`."""
        return self.http.ask("get", SPREADSHEET_URL % spreadsheet, fields=fields)

    def update(self, spreadsheet: str, requests: Sequence[Json]) -> list[Json]:
        """Carries out all requests or none; one reply per request."""
        answer = self.http.ask("post", SPREADSHEET_BATCH_UPDATE_URL % spreadsheet, {"requests": list(requests)})
        replies: list[Json] = answer.get("replies", [])
        return replies

    def metadata(self, spreadsheet: str, number: int) -> Json:
        """The developer metadata of an id."""
        return self.http.ask("get", f"{SPREADSHEET_URL % spreadsheet}/developerMetadata/{number}")

    def search(self, spreadsheet: str, *filters: Json) -> list[Json]:
        """All developer metadata any of the filters matches."""
        answer = self.http.ask("post", f"{SPREADSHEET_URL % spreadsheet}/developerMetadata:search", {"dataFilters": list(filters)})
        return [one["developerMetadata"] for one in answer.get("matchedDeveloperMetadata", [])]

    def values(self, spreadsheet: str, filters: Sequence[Json], *, by: str = "ROWS") -> list[Json]:
        """The plain values of everything the filters match: `{"valueRange": ..., "dataFilters": [...]}` each."""
        body = {"dataFilters": list(filters), "majorDimension": by, "valueRenderOption": "UNFORMATTED_VALUE"}
        answer = self.http.ask("post", f"{SPREADSHEET_URL % spreadsheet}/values:batchGetByDataFilter", body)
        found: list[Json] = answer.get("valueRanges", [])
        return found

    def write_values(self, spreadsheet: str, data: Sequence[Json]) -> int:
        """Writes values, never parsed, into what each filter matches; returns how many ranges were found and written."""
        # Promise 8: RAW, so that an answer is never executed as a formula
        body = {"valueInputOption": "RAW", "data": list(data)}
        answer = self.http.ask("post", f"{SPREADSHEET_URL % spreadsheet}/values:batchUpdateByDataFilter", body)
        return len(answer.get("responses", []))

    def files(self, query: str) -> list[Json]:
        """The account's files a Drive query matches, oldest first."""
        everywhere: Json = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
        answer = self.http.ask("get", DRIVE_FILES_API_V3_URL, q=query, fields="files(id,name,createdTime)", pageSize=10, **everywhere)
        return sorted(answer.get("files", []), key=lambda one: str(one.get("createdTime")))

    def create_file(self, title: str, properties: Mapping[str, str], *, folder: str | None = None) -> str:
        """Creates an empty spreadsheet with properties only this app sees, in a folder if one is named; returns its id."""
        body: Json = {"name": title, "mimeType": SPREADSHEET_TYPE, "appProperties": dict(properties)}
        if folder is not None:
            body["parents"] = [folder]
        return str(self.http.ask("post", DRIVE_FILES_API_V3_URL, body, fields="id", supportsAllDrives="true")["id"])


def connect(
    accounts: Sequence[tuple[Account, Explainer]], *, sheets_url: str, drive_url: str, tokens: Tokens, guard: Callable[[], None]
) -> Api:
    """The calls of the accounts that `tokens` chooses from, in the same order; nothing is sent yet."""
    bases = {SHEETS_HOST: sheets_url, DRIVE_HOST: drive_url}
    doors: list[Door] = []
    made: list[SheetsHTTP] = []

    def http_client(credentials: Any, session: Any) -> SheetsHTTP:
        client = SheetsHTTP(credentials, session, bases, tokens, doors, guard)
        made.append(client)
        return client

    for account, explain in accounts:
        doors.append(Door(None, explain))
        Client(auth=account.credentials, http_client=http_client)  # type: ignore[arg-type]  # a factory will do as well as a class
        doors[-1].session = made[-1].session
    return Api(made[0])


def _failure(error: Exception, kind: CallKind, explain: Explainer) -> Exception:
    if isinstance(error, auth.RefreshError):
        # asking for a token comes before the call, or after a 401: the call was not applied
        if error.retryable:
            return TryLater("Google's sign-in failed for the moment.")
        return explain.client_refused() if about_client(error) else explain.reconnect()
    if isinstance(error, auth.GoogleAuthError):
        return explain.unreachable(kind, sent=False)
    return explain.unreachable(kind, sent=not _never_sent(error))


def about_client(error: auth.RefreshError) -> bool:
    """RFC 6749 5.2: the client is not known, or its secret is another. google-auth hands the JSON of the answer on."""
    told = error.args[1] if len(error.args) > 1 else None
    return isinstance(told, Mapping) and told.get("error") in ("invalid_client", "unauthorized_client", "deleted_client")


def _each_user(document: Any) -> bool:
    """Whether a 429 says that it is about the account that called, and not about its whole project."""
    error = document.get("error") if isinstance(document, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    told = [one.get("metadata") for one in details if isinstance(one, Mapping)] if isinstance(details, list) else []
    return any("{user}" in str(one.get("quota_unit")) for one in told if isinstance(one, Mapping))


def _asked_seconds(response: requests.Response) -> float:
    """What `Retry-After` asks for; 0 when it asks for nothing that can be read."""
    told = response.headers.get("Retry-After", "")
    return min(float(told), LONGEST_ASKED_SECONDS) if told.isascii() and told.isdecimal() else 0.0


def _never_sent(error: Exception) -> bool:
    """True when no connection was made, so that Google can't have seen the call."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    inner = error.args[0] if error.args else None
    return isinstance(getattr(inner, "reason", None), NewConnectionError)
