"""
The local Sheets server for tests: started in this process, with a hand on its clock, faults, accounts and people.

Credentials files of a data folder: `person.json` (an authorized user who may own spreadsheets: what a destination uses when
nothing else is configured) and `service-account.json` (may own nothing; spreadsheets are shared with it).
"""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from collect_pipelines.local.ports import free_port
from collect_pipelines.local.sheets.faults import Fault, Faults
from collect_pipelines.local.sheets.identity import Account, Identity
from collect_pipelines.local.sheets.library import Library
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.server import started
from collect_pipelines.local.sheets.service import CallRecord, Hook, Service

__all__ = [
    "Fault",
    "Limits",
    "RunningServer",
    "ServerProcess",
    "Switches",
    "google_credentials",
    "gspread_client",
    "running_server",
    "server_process",
]

START_SECONDS = 30.0  # for a process on a busy machine
LOOK_SECONDS = 0.05  # between two looks whether it answers
GOOGLE_HOSTS = ("https://sheets.googleapis.com", "https://www.googleapis.com")


@dataclass(frozen=True)
class RunningServer:
    """A running server and everything a test may do to it."""

    base_url: str
    """For the Sheets API, the Drive API and the pages alike."""
    service: Service
    data: Path

    @property
    def token_url(self) -> str:
        """The OAuth token endpoint."""
        return f"{self.base_url}/token"

    @property
    def person_credentials(self) -> Path:
        """Credentials file of the person who owns files."""
        return self.service.identity.person_path

    @property
    def service_account_credentials(self) -> Path:
        """Credentials file of the service account."""
        return self.service.identity.service_account_path

    @property
    def person_email(self) -> str:
        """Address of the person."""
        return self.account("person").email

    @property
    def service_account_email(self) -> str:
        """Address to share spreadsheets with."""
        return self.account("service-account").email

    @property
    def identity(self) -> Identity:
        """Accounts: add people and service accounts, revoke them."""
        return self.service.identity

    @property
    def library(self) -> Library:
        """Spreadsheets as they are stored."""
        return self.service.library

    @property
    def faults(self) -> Faults:
        """Failures to come."""
        return self.service.faults

    @property
    def limits(self) -> Limits:
        """Limits in force; may be changed while the server runs."""
        return self.service.limits

    @property
    def switches(self) -> Switches:
        """Behaviours in force; may be changed while the server runs (the clock's speed: `service.clock.run`)."""
        return self.service.switches

    @property
    def calls(self) -> list[CallRecord]:
        """API calls so far, oldest first."""
        return self.service.calls

    def people(self, spreadsheet_id: str, email: str | None = None) -> People:
        """A person at a spreadsheet, the owner unless another address is given: sorts, moves, deletes. Costs no quota."""
        return People(self.service, spreadsheet_id, email)

    def account(self, name: str) -> Account:
        """The account of a credentials file."""
        return self.service.identity.accounts[name]

    def count(self, *operations: str) -> int:
        """How many calls of these operations came so far, refused ones too; without names, all."""
        return sum(1 for call in self.calls if not operations or call.operation in operations)

    def values(self, spreadsheet_id: str, tab: str) -> list[list[Any]]:
        """All values of a tab, unformatted; costs no quota."""
        return self.people(spreadsheet_id).values(tab)

    def add_shared_drive(self, name: str, **roles: str) -> str:
        """A shared drive, as an administrator makes one; `roles` by name of account, e.g. `service_account="writer"`. Answers its id."""
        members = {self.account(account.replace("_", "-")).email: role for account, role in roles.items()}
        return self.service.drives.add(name, members).drive_id

    @contextmanager
    def meanwhile(self, act: Hook) -> Iterator[None]:
        """Lets `act` happen before each call that is carried out in the block; it is told the operation's name."""
        self.service.hooks.append(act)
        try:
            yield
        finally:
            self.service.hooks.remove(act)

    def land_held(self) -> int:
        """Carries out the calls that `Fault(applied="held")` kept, the oldest first; answers how many there were."""
        return len(self.service.land_held())

    def expire_tokens(self) -> None:
        """Every access token given so far answers 401 from now on."""
        self.service.tokens.expire_all()

    def revoke(self, email: str) -> None:
        """The account's refresh token or key answers invalid_grant from now on, its access tokens 401."""
        self.service.identity.revoke(email)


@contextmanager
def running_server(data: Path, *, limits: Limits | None = None, switches: Switches | None = None, port: int = 0) -> Iterator[RunningServer]:
    """A server over `data` in a thread of this process, on any free port unless one is given."""
    with started(data, port=port, limits=limits, switches=switches) as running:
        yield RunningServer(running.service.base_url, running.service, data)


@dataclass(frozen=True)
class ServerProcess:
    """A server in a process of its own, so that it can be killed."""

    base_url: str
    data: Path
    process: "subprocess.Popen[bytes]"

    @property
    def person_credentials(self) -> Path:
        """Credentials file of the person who owns files."""
        return self.data / "person.json"

    @property
    def service_account_credentials(self) -> Path:
        """Credentials file of the service account."""
        return self.data / "service-account.json"

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(START_SECONDS)


@contextmanager
def server_process(data: Path, *, port: int = 0) -> Iterator[ServerProcess]:
    """The server as a program over `data`; it answers when the block begins and is gone when it ends."""
    port = port or free_port()
    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "collect_pipelines.local.sheets", "--port", str(port), "--data", str(data)]
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own program, an argument list, no shell
    try:
        _wait_until_it_answers(process, port)
        yield ServerProcess(f"http://127.0.0.1:{port}", data, process)
    finally:
        process.kill()
        process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        try:
            connection.request("GET", "/static/icon.svg")
            connection.getresponse().read()
            return
        except (ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)
        finally:
            connection.close()
    raise RuntimeError(f"The local Sheets server ended at once with exit code {process.returncode}.")


def google_credentials(path: Path, scopes: tuple[str, ...] | None = None) -> Any:
    """google-auth credentials of a credentials file; the token endpoint named in the file is kept."""
    document: Mapping[str, Any] = orjson.loads(path.read_bytes())
    if document["type"] == "service_account":
        from google.oauth2 import service_account

        wanted = scopes or ("https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive")
        return service_account.Credentials.from_service_account_info(document, scopes=wanted)  # type: ignore[no-untyped-call]
    from google.oauth2.credentials import Credentials

    names = ("refresh_token", "token_uri", "client_id", "client_secret")
    return Credentials(None, scopes=scopes, **{name: document[name] for name in names})  # type: ignore[no-untyped-call]


def gspread_client(base_url: str, path: Path, scopes: tuple[str, ...] | None = None) -> Any:
    """A gspread client that speaks to a local server instead of Google."""
    import gspread
    from gspread.http_client import HTTPClient

    class Redirected(HTTPClient):
        """gspread's client with Google's hosts replaced."""

        def request(self, method: str, endpoint: str, *args: Any, **kwargs: Any) -> Any:
            """The only place where gspread touches the network."""
            for host in GOOGLE_HOSTS:
                if endpoint.startswith(host):
                    endpoint = base_url + endpoint[len(host) :]
            return super().request(method, endpoint, *args, **kwargs)

    return gspread.Client(google_credentials(path, scopes), http_client=Redirected)
