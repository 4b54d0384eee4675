"""Google ends an access: the backlog is kept, and drains by itself after the account is connected again. In a real browser, too."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import text

from collect_pipelines.cli.doctor_connections import connection_diagnoses
from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.local.sheets.testing import Fault, RunningServer
from collect_pipelines.store.connections import find_connection, is_refused, mark_refused
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.sync.deliver import Courier
from tests.contract.google_connect_tools import Browser, Installation, browser
from tests.contract.test_local_sheets_browser import ARGUMENTS, CHROMIUM
from tests.integration.ingest_server import ingest, wait_for
from tests.integration.sync_tools import Scene, scene

RECONNECT = "google_sheets.reconnect_needed"


@pytest.fixture
def it(database: Database, server: RunningServer, tmp_path: Path) -> Iterator[Installation]:
    yield Installation(database, server, tmp_path)
    grants = server.service.tokens.grants
    for grant in grants.of(server.person_email):
        grants.revoke(grant)


@pytest.fixture
def person(it: Installation) -> Iterator[Browser]:
    with browser(it) as opened:
        yield opened


@pytest.fixture
def page() -> Iterator[Page]:
    """A page whose every script error, refused load and console message fails the test."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = started.new_page()
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda message: problems.append(message.text))
        yield opened
        started.close()
    assert problems == []


def sheet(it: Installation, name: str = "field", slug: str = "household") -> Scene:
    """A form and its integration through a connection."""
    return scene(it.database, it.folder, slug=slug, kind="google_sheets", credentials=f"connection:{name}")


def create(form: Scene, *names: str) -> None:
    """In a thread of its own: the browser's driver has this one's event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(form.create, *names).result()


def delivered(worker: Courier, form: Scene) -> str:
    report = worker.deliver(form.integration_id)
    assert report is not None
    return report.outcome


def names(it: Installation, form: Scene) -> list[Any]:
    """The column Name of the sheet that the integration made."""
    with it.database.begin() as connection:
        query = text("select value ->> 'spreadsheet' from collect.integration_memory where integration_id = :id and value ? 'spreadsheet'")
        file = str(connection.execute(query, {"id": form.integration_id}).scalars().first())
    header, *rows = it.google.values(file, "Household")
    return [row[header.index("Name")] for row in rows]


def waiting_for_a_lock(it: Installation) -> bool:
    with it.database.begin() as connection:
        query = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        return bool(connection.execute(query).scalar())


def revoke(it: Installation) -> None:
    """The person withdraws the access at Google; tokens that are out end with it."""
    for grant in it.google.service.tokens.grants.of(it.google.person_email):
        it.google.service.tokens.grants.revoke(grant)


def test_in_a_browser_an_account_is_connected_revoked_and_connected_again_and_nothing_is_lost(it: Installation, page: Page) -> None:
    settings = {
        "sheets_base_url": it.google.base_url,
        "oauth_token_url": it.google.token_url,
        "oauth_authorize_url": f"{it.google.base_url}/o/oauth2/v2/auth",
        "google_oauth_client": f"file:{it.google.data / 'oauth-client.json'}",
    }
    with ingest(it.database.url, it.folder, **settings) as running:
        it.base = running.base_url
        it.google.service.tokens.grants.allow_redirect(f"{running.base_url}/google/callback")
        form, worker = sheet(it), it.courier()
        create(form, "Asha")
        before = delivered(worker, form)
        waiting = form.integration

        page.goto(it.link())
        expect(page.get_by_role("heading", level=1)).to_have_text("Connect a Google account")
        expect(page.get_by_role("listitem")).to_have_count(3)
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Continue to Google")).to_be_focused()
        page.keyboard.press("Enter")
        page.get_by_role("radio", name=it.google.person_email).check()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The Google account is connected")
        expect(page.get_by_text(f"What was waiting is sent now: {form.integration.name}.")).to_be_visible()
        first = delivered(worker, form)

        revoke(it)
        create(form, "Bina", "Chand")
        ended = delivered(worker, form)
        blocked = form.integration
        kept = form.accounted()
        link = it.link()
        page.goto(link)
        expect(page.get_by_text("The account connected now is")).to_contain_text(it.google.person_email)
        page.get_by_role("button", name="Continue to Google").click()
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nothing was connected")
        page.goto(link)
        page.get_by_role("button", name="Continue to Google").click()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("What was waiting is sent now")).to_be_visible()
        second = delivered(worker, form)
        worker.close()
        log = running.log_path.read_text()

    assert (before, waiting.problem) == ("blocked", "google_sheets.no_credentials")
    assert waiting.fix == "Connect it: collect connections add google field"
    assert (first, ended, second) == ("delivered", "blocked", "delivered")
    assert (blocked.state, blocked.problem) == ("blocked", RECONNECT)
    assert blocked.fix == "Connect again: collect connections add google field. Then it goes on by itself."
    assert kept == {"delivered": 1, "pending": 2}
    assert form.accounted() == {"delivered": 3}
    assert names(it, form) == ["Asha", "Bina", "Chand"]
    (grant,) = it.google.service.tokens.grants.of(it.google.person_email)
    secrets = [str(grant.refresh_token), it.google.service.tokens.grants.client.client_secret, link.partition("ticket=")[2], "state=", "4/"]
    assert [secret for secret in secrets if secret in log] == []


def test_the_other_integrations_of_a_dead_connection_are_told_without_asking_google(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    forms, worker = [sheet(it, slug=slug) for slug in ("first", "second")], it.courier()
    for form in forms:
        form.create("Asha")
    revoke(it)
    outcomes = [delivered(worker, forms[0])]
    it.google.service.forget_calls()
    it.google.faults.add(Fault(operations=frozenset({"token"}), shown="cut"))
    outcomes.append(delivered(worker, forms[1]))
    it.google.faults.clear()
    state = it.connection()
    person.connect(it.link())
    drained = [delivered(worker, form) for form in forms]
    worker.close()

    assert outcomes == ["blocked", "blocked"]
    assert state.state == "reconnect_needed" and "no longer accepts" in str(state.reason)
    assert drained == ["delivered", "delivered"]


def test_a_block_that_comes_after_the_account_was_connected_again_stops_nothing(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    form, worker = sheet(it), it.courier()
    form.create("Asha")
    revoke(it)
    asked = []

    def meanwhile(operation: str) -> None:
        asked.append(operation)

    taken = it.google.service.tokens.grant

    def grant(form_: Any) -> Any:
        if form_.get("grant_type") == "refresh_token" and not asked:
            asked.append("refresh")
            person.connect(it.link())  # while the worker waits for the answer about the old credentials
            form_ = dict(form_) | {"refresh_token": "1//dead"}
        return taken(form_)

    it.google.service.tokens.grant = grant  # type: ignore[method-assign]
    try:
        first = delivered(worker, form)
    finally:
        it.google.service.tokens.grant = taken  # type: ignore[method-assign]
    state = (it.connection().state, form.integration.state)
    second = delivered(worker, form)
    worker.close()

    assert (first, state, second) == ("blocked", ("connected", "active"), "delivered")


def test_a_block_and_a_new_consent_at_once_agree(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    form = sheet(it)
    link = it.link()
    with ThreadPoolExecutor(1) as thread:
        with it.database.begin() as connection:
            owner = organization_id_of(connection, "default")
            mark_refused(connection, owner, "field", it.connection().changed_at, "gone")
        with it.database.begin() as connection:
            refused = is_refused(connection, form.integration_id, "default", ["field"])
            again = thread.submit(person.connect, link)
            wait_for(lambda: waiting_for_a_lock(it), "the new consent did not wait")
            set_integration_state(connection, form.integration_id, "blocked", "gone", problem=RECONNECT)
        page = again.result()

    assert refused
    assert f"What was waiting is sent now: {form.integration.name}." in page.text
    assert form.integration.state == "active"


def test_an_oauth_client_that_google_does_not_take_is_no_reason_to_connect_again(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    client = it.folder / "client.json"
    known = it.google.service.tokens.grants.client.client_id
    client.write_text(json.dumps({"web": {"client_id": known, "client_secret": "old"}}))
    settings = it.settings(google_oauth_client=f"file:{client}")
    form, worker = sheet(it), Courier(it.database, settings, "worker", finder=lambda kind: GoogleSheets)
    form.create("Asha")
    outcome = delivered(worker, form)
    worker.close()

    assert outcome == "blocked"
    assert (form.integration.problem, it.connection().state) == ("google_sheets.no_credentials", "connected")
    assert "COLLECT_GOOGLE_OAUTH_CLIENT" in str(form.integration.fix)


def test_credentials_that_were_replaced_are_not_marked_as_refused(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    old = it.connection().changed_at
    person.connect(it.link())
    with it.database.begin() as connection:
        owner = organization_id_of(connection, "default")
        marked = mark_refused(connection, owner, "field", old, "too late")

    assert not marked
    assert it.connection().state == "connected"


def test_in_testing_an_access_ends_after_seven_days_and_says_so(it: Installation, person: Browser) -> None:
    it.google.service.tokens.grants.testing = True
    person.connect(it.link())
    it.google.service.tokens.grants.testing = False
    well = it.collect("connections", "test", "field")
    it.google.service.clock.advance(7 * 86_400)
    ended = it.collect("connections", "test", "field")

    assert (well.exit_code, well.stderr) == (0, f"Google accepts {it.google.person_email}.\n")
    assert ended.exit_code == 6 or ended.exit_code == 7
    assert "Next:  Connect again: collect connections add google field" in ended.stderr
    assert it.connection().state == "reconnect_needed"


def test_a_service_account_is_kept_shared_with_used_and_replaced(it: Installation) -> None:
    path = it.google.service_account_credentials
    told = it.collect("connections", "add", "google-service-account", "robot", "--file", str(path))
    address = it.google.service_account_email
    document = json.loads(path.read_text())
    file = _file(it)
    it.google.people(file).share(address, "writer")
    config = {"credentials": "connection:robot", "spreadsheet": file}
    form, worker = scene(it.database, it.folder, slug="robots", kind="google_sheets", **config), it.courier()
    form.create("Asha")
    outcome = delivered(worker, form)
    worker.close()
    shown = json.loads(it.collect("connections", "show", "robot", "--json").stdout)

    assert (told.exit_code, told.stdout) == (0, f"{address}\n")
    assert "Share: add this address as Editor" in told.stderr
    assert outcome == "delivered"
    assert (shown["share_with"], shown["used_by"], shown["state"]) == (address, ["robots-google_sheets"], "connected")
    assert document["private_key"][40:80] not in it.printed
    assert it.collect("connections", "add", "google", "robot").exit_code == 3


def test_commands_look_after_connections_and_show_no_secret(it: Installation, person: Browser) -> None:
    person.connect(it.link())
    form = sheet(it)
    listed = json.loads(it.collect("connections", "list", "--json").stdout)["connections"]
    refused = it.collect("connections", "remove", "field")
    kept_secret = it.collect("secrets", "remove", "connection.field")
    missing = list(connection_diagnoses(it.database, it.settings()))
    removed = it.collect("connections", "remove", "field", "--force", "--revoke")
    after = list(connection_diagnoses(it.database, it.settings()))

    assert [(one["name"], one["kind"], one["account"], one["used_by"]) for one in listed] == [
        ("field", "google", it.google.person_email, [form.integration.name])
    ]
    assert (refused.exit_code, kept_secret.exit_code) == (3, 3)
    assert [one.state for one in missing] == ["ok"]
    assert (removed.exit_code, it.google.service.tokens.grants.of(it.google.person_email)) == (0, [])
    assert [(one.check, one.state, one.fix) for one in after] == [
        (f"integration {form.integration.name}", "broken", "collect connections add google field")
    ]
    assert it.collect("connections", "show", "field").exit_code == 4
    assert "1//" not in it.printed


@pytest.mark.parametrize("content", ["", "{}", '{"type": "authorized_user"}', "x" * 70_000])
def test_what_is_no_key_of_a_service_account_is_refused_unseen(it: Installation, content: str) -> None:
    path = it.folder / "key.json"
    path.write_text(content)
    told = it.collect("connections", "add", "google-service-account", "robot", "--file", str(path))

    assert told.exit_code == 3
    assert told.stderr.startswith(f"Error: {path} is not the key of a service account.")


def test_a_person_is_told_when_another_account_takes_the_place(it: Installation, person: Browser) -> None:
    other = it.google.identity.by_email("other@sheets.local") or it.google.identity.add_person("other")
    person.connect(it.link())
    page = person.connect(it.link(), account=other.email)

    assert f"Before, <strong>{it.google.person_email}</strong> was connected." in page.text
    assert it.connection().account == other.email
    with it.database.begin() as connection:
        assert find_connection(connection, organization_id_of(connection, "default"), "field").scopes[0].endswith("/spreadsheets")


def _file(it: Installation) -> str:
    from tests.contract.local_sheets_tools import person as owner

    with owner(it.google) as calling:
        return calling.create()
