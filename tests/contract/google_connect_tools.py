"""A local Google, an installation with its connect pages, and a browser made of an HTTP client: people click through without a screen."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
from click.testing import CliRunner, Result

from collect_pipelines.cli.root import collect
from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.ingest.app import IngestApp, make_services
from collect_pipelines.local.sheets.testing import RunningServer
from collect_pipelines.settings import Settings
from collect_pipelines.store.connections import ConnectedAccount, find_connection
from collect_pipelines.store.database import Database
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.sync.deliver import Courier
from tests.unit.ingest_fakes import FakeWriter

BASE = "http://127.0.0.1:8080"
"""Where the pages say they are; the client below brings requests for it into this process."""


@dataclass
class Installation:
    """One installation that uses a local Google."""

    database: Database
    google: RunningServer
    folder: Path
    base: str = BASE
    printed: str = ""

    def settings(self, **more: Any) -> Settings:
        """As its environment says."""
        google = {"sheets_base_url": self.google.base_url, "drive_base_url": self.google.base_url, "oauth_token_url": self.google.token_url}
        consent = {"oauth_authorize_url": f"{self.google.base_url}/o/oauth2/v2/auth", "public_url": self.base}
        client = {"google_oauth_client": f"file:{self.google.data / 'oauth-client.json'}"}
        many = {"sheets_writes_per_minute": 10**6, "sheets_project_writes_per_minute": 10**6}
        return Settings(data_dir=self.folder, **{**google, **consent, **client, **many, **more})

    def collect(self, *words: str) -> Result:
        """One command line; whatever it prints is noted."""
        environment = self.settings().as_environment() | {"COLLECT_DATABASE_URL": self.database.url}
        told = CliRunner().invoke(collect, words, env=environment)
        self.printed += told.stdout + told.stderr
        return told

    def link(self, name: str = "field", *words: str) -> str:
        """A new invitation."""
        told = self.collect("connections", "add", "google", name, *words)
        assert told.exit_code == 0, told.stderr
        return told.stdout.strip()

    def connection(self, name: str = "field", organization: str = "default") -> ConnectedAccount:
        """As the database has it."""
        with self.database.begin() as connection:
            return find_connection(connection, ensure_organization(connection, organization), name)

    def courier(self) -> Courier:
        """A worker."""
        return Courier(self.database, self.settings(), "worker", finder=lambda kind: GoogleSheets)


@dataclass
class Browser:
    """Keeps cookies, follows nothing by itself."""

    it: Installation
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20, verify=False))  # no TLS here; making a context takes 30 ms
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def get(self, url: str, method: str = "GET", **more: Any) -> httpx.Response:
        """A page of the installation, or of Google."""
        return self._ask(method, url, **more)

    def post(self, url: str, form: Mapping[str, str], **more: Any) -> httpx.Response:
        """A form is sent."""
        return self._ask("POST", url, data=dict(form), **more)

    def press(self, page: httpx.Response) -> httpx.Response:
        """The button of a page of ours: where it leads."""
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        return self.post(self.it.base.removesuffix(urlsplit(self.it.base).path) + action[1], inputs(page))

    def consent(self, link: str) -> str:
        """From the link to the address of Google's page."""
        led = self.press(self.get(link))
        assert led.status_code == 303, led.text
        return led.headers["location"]

    def decide(self, address: str, decision: str = "allow", account: str | None = None, without: str = "nothing") -> str:
        """What a person says at Google; the address they are sent back to. without: a right they leave out."""
        page = self.get(address)
        assert page.status_code == 200, page.text
        granted = {name: "on" for name in re.findall(r'name="(grant:[^"]+)"', page.text) if without not in name}
        form = {"account": account or self.it.google.person_email, "decision": decision} | granted
        return self.post(self.it.google.base_url + _attribute(page.text, "action"), form).headers["location"]

    def connect(self, link: str, **decision: Any) -> httpx.Response:
        """All of it."""
        return self.get(self.decide(self.consent(link), **decision))

    def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        if not url.startswith(self.it.base):
            return self.http.request(method, url, **more)
        return asyncio.run(self._inside(method, url, **more))

    async def _inside(self, method: str, url: str, **more: Any) -> httpx.Response:
        path = urlsplit(self.it.base).path
        services = make_services(self.it.database.url, cast(Any, FakeWriter()), settings=self.it.settings(**self.settings))
        app = IngestApp(services)
        prefix = url.replace(self.it.base, self.it.base.removesuffix(path), 1)  # a gateway takes the prefix away
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                cookie = "; ".join(f"{one.name}={one.value}" for one in self.cookies.jar)
                headers = ({"cookie": cookie} if cookie else {}) | more.pop("headers", {})
                answer = await client.request(method, prefix, headers=headers, **more)
        finally:
            services.google.close()
            services.threads.close()
        for one in answer.headers.get_list("set-cookie"):
            name, _, value = one.partition(";")[0].partition("=")
            if name in self.cookies:
                self.cookies.delete(name)
            if value:
                self.cookies.set(name, value)
        return answer


@contextmanager
def browser(it: Installation, **settings: Any) -> Iterator[Browser]:
    """A browser without cookies, at an installation with these settings."""
    opened = Browser(it, settings=settings)
    try:
        yield opened
    finally:
        opened.http.close()


def inputs(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)}


def heading(page: httpx.Response) -> str:
    """What a page says first."""
    found = re.search(r"<h1>(.*?)</h1>", page.text)
    assert found, page.text
    return unescape(found[1])


def query(address: str) -> dict[str, str]:
    """Parameters of an address."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}


def _attribute(text: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]+)"', text)
    assert found, text
    return unescape(found[1])
