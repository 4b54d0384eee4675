"""A person connects a Google account: once, in one browser, for one organization, and never by accident."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Blocked
from collect_pipelines.ingest.google_connect.desk import PER_MINUTE, GoogleDesk
from collect_pipelines.ingest.google_connect.steps import show_invitation
from collect_pipelines.ingest.request import Request
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.local.sheets.testing import RunningServer
from collect_pipelines.store.connection_requests import MOST_OPEN
from collect_pipelines.store.database import Database
from collect_pipelines.store.secret_texts import secret_text
from tests.contract.google_connect_tools import BASE, Browser, Installation, browser, heading, inputs, query


@pytest.fixture
def it(database: Database, server: RunningServer, tmp_path: Path) -> Iterator[Installation]:
    yield Installation(database, server, tmp_path)
    server.service.tokens.grants.testing = False


@pytest.fixture
def person(it: Installation) -> Iterator[Browser]:
    with browser(it) as opened:
        yield opened


def test_a_link_leads_to_google_and_back_to_a_connected_account(it: Installation, person: Browser) -> None:
    asked = person.get(it.link())
    led = person.press(asked)
    address = led.headers["location"]
    done = person.get(person.decide(address))

    assert heading(asked) == "Connect a Google account"
    assert "<strong>default</strong>" in asked.text and "<strong>field</strong>" in asked.text
    assert query(address) | {"state": "", "code_challenge": ""} == {
        "client_id": it.google.service.tokens.grants.client.client_id,
        "redirect_uri": f"{BASE}/google/callback",
        "response_type": "code",
        "scope": "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.file openid email",
        "access_type": "offline",
        "prompt": "consent",
        "include_granted_scopes": "false",
        "code_challenge_method": "S256",
        "state": "",
        "code_challenge": "",
    }
    assert (done.status_code, heading(done)) == (200, "The Google account is connected")
    assert it.google.person_email in done.text
    kept = it.connection()
    assert (kept.kind, kept.account, kept.state) == ("google_user", it.google.person_email, "connected")
    (grant,) = it.google.service.tokens.grants.of(it.google.person_email)
    assert grant.refresh_token is not None
    with it.database.begin() as connection:
        dump = str(connection.execute(text("select * from collect.secret, collect.connection, collect.connection_request")).all())
        audited = connection.execute(text("select action, detail ->> 'account' from collect.audit order by audit_id")).all()
    assert grant.refresh_token not in dump
    assert [tuple(row) for row in audited] == [("connection.invite", None), ("connection.connect", it.google.person_email)]
    it.google.service.tokens.grants.revoke(grant)


def test_pages_are_for_this_browser_only_and_run_nothing(it: Installation, person: Browser) -> None:
    link = it.link()
    page = person.get(link)

    policy = page.headers["content-security-policy"]
    assert "script" not in page.text and "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert policy.endswith(f"form-action 'self' {it.google.base_url}")
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    cookie = page.headers["set-cookie"]
    assert re.fullmatch(r"collect_google=[\w-]{43}; Path=/google; Max-Age=3600; HttpOnly; SameSite=Lax", cookie)
    with browser(Installation(it.database, it.google, it.folder, base="https://x.test/collect")) as afar:
        assert (
            afar.get(link.replace(BASE, "https://x.test/collect"))
            .headers["set-cookie"]
            .endswith("; Path=/collect/google; Max-Age=3600; HttpOnly; SameSite=Lax; Secure")
        )


def test_a_link_works_once_and_looking_at_it_uses_nothing_up(it: Installation, person: Browser) -> None:
    link = it.link()
    assert [person.get(link, method).status_code for method in ("GET", "HEAD", "GET")] == [200, 200, 200]
    assert person.connect(link).status_code == 200

    again = person.get(link)
    pressed = person.post(f"{BASE}/google/connect", {"ticket": query(link)["ticket"], "page": "x"})

    assert (again.status_code, heading(again)) == (410, "This link was used already")
    assert pressed.status_code == 403


def test_what_is_no_link_is_told(it: Installation, person: Browser) -> None:
    given = {"": (404, "incomplete"), "short": (404, "incomplete"), "A" * 43: (404, "not known"), "A" * 5000: (414, "too long")}
    for ticket, (status, said) in given.items():
        page = person.get(f"{BASE}/google/connect?ticket={ticket}")

        assert page.status_code == status
        assert said in heading(page)


def test_a_link_expires_and_a_newer_one_ends_it(it: Installation, person: Browser) -> None:
    earlier, link = it.link(), it.link()
    address = person.consent(link)
    back = person.decide(address)
    with it.database.begin() as connection:
        connection.execute(text("update collect.connection_request set expires_at = clock_timestamp()"))

    assert heading(person.get(earlier)) == heading(person.get(link)) == "This link has expired"
    assert heading(person.get(back)) == "This link has expired"
    assert it.collect("connections", "show", "field").exit_code == 4


def test_another_browser_can_not_finish_and_the_first_one_still_can(it: Installation, person: Browser) -> None:
    back = person.decide(person.consent(it.link()))
    with browser(it) as stranger:
        bare = stranger.get(back)
        stranger.get(it.link("other"))
        refused = stranger.get(back)
    done = person.get(back)

    assert heading(bare) == heading(refused) == "This is another browser"
    assert done.status_code == 200


def test_googles_answer_counts_once_and_a_look_uses_nothing_up(it: Installation, person: Browser) -> None:
    link = it.link()
    first = person.decide(person.consent(link))
    second = person.decide(person.consent(link))
    outdated = person.get(first)
    looked = person.get(second, "HEAD")
    kept = person.cookies.get("collect_google")
    done = person.get(second)
    person.cookies.set("collect_google", kept or "")
    again = person.get(second)

    assert heading(outdated) == "This answer of Google's was used already"
    assert looked.status_code == 405
    assert done.status_code == 200
    assert (again.status_code, heading(again)) == (410, "This answer of Google's was used already")


def test_who_says_no_can_say_yes_with_the_same_link(it: Installation, person: Browser) -> None:
    link = it.link()
    no = person.connect(link, decision="deny")

    assert (no.status_code, heading(no)) == (200, "Nothing was connected")
    assert person.connect(link).status_code == 200


def test_rights_that_were_left_out_are_named(it: Installation, person: Browser) -> None:
    link = it.link()
    page = person.connect(link, without="drive.file")

    assert page.status_code == 409
    assert "Not everything that is needed was granted. Left out: Create files in Google Drive" in page.text
    assert it.collect("connections", "list").stdout == ""


def test_a_consent_without_lasting_access_connects_nothing(it: Installation, person: Browser) -> None:
    address = person.consent(it.link()).replace("access_type=offline", "access_type=online")
    page = person.get(person.decide(address))

    assert page.status_code == 409
    assert "Google gave no lasting access" in page.text


def test_a_code_that_is_not_for_this_browser_is_not_taken(it: Installation, person: Browser) -> None:
    mine = person.decide(person.consent(it.link()))
    with browser(it) as other:
        theirs = other.decide(other.consent(it.link("other")))
    page = person.get(mine.replace(query(mine)["code"].replace("/", "%2F"), query(theirs)["code"].replace("/", "%2F")))

    assert page.status_code == 409  # the PKCE verifier is another one
    assert "has expired, or was used before" in page.text


def test_another_site_can_not_press_the_button(it: Installation, person: Browser) -> None:
    link = it.link()
    page = person.get(link)
    form = inputs(page)
    with browser(it) as victim:
        without_page = victim.post(f"{BASE}/google/connect", {"ticket": form["ticket"]})
        victim.get(it.link("other"))
        forged = victim.post(f"{BASE}/google/connect", form)
    crossed = person.post(f"{BASE}/google/connect", form, headers={"sec-fetch-site": "cross-site"})

    assert {heading(one) for one in (without_page, forged, crossed)} == {"This did not come from our page"}
    assert {one.status_code for one in (without_page, forged, crossed)} == {403}


def test_nobody_is_sent_anywhere_but_to_google(it: Installation, person: Browser) -> None:
    link = it.link()
    page = person.get(f"{link}&redirect_uri=https://evil.test&next=//evil.test")
    led = person.post(f"{BASE}/google/connect?next=https://evil.test", inputs(page) | {"redirect_uri": "https://evil.test"})

    assert led.headers["location"].startswith(f"{it.google.base_url}/o/oauth2/v2/auth?")
    assert "evil" not in page.text + led.headers["location"]


def test_what_is_too_large_is_refused(it: Installation, person: Browser) -> None:
    page = person.get(it.link())

    assert person.post(f"{BASE}/google/connect", inputs(page) | {"more": "x" * 5000}).status_code == 413
    assert person.get(f"{BASE}/google/callback?state={'A' * 43}&code={'x' * 5000}").status_code == 414
    assert heading(person.get(f"{BASE}/google/callback?state=short&code=x")) == "Nothing to connect here"


def test_more_people_than_there_are_wait_a_minute(it: Installation, person: Browser) -> None:
    now = 0.0
    threads = StoreThreads(it.database.url)
    desk = GoogleDesk(threads, it.settings(), lambda: now)
    services, request = SimpleNamespace(google=desk), _request(it.link())

    async def statuses(count: int) -> list[int]:
        return [(await show_invitation(services, request)).status for _ in range(count)]

    first = asyncio.run(statuses(PER_MINUTE + 1))
    now = 61.0
    later = asyncio.run(statuses(1))
    threads.close()

    assert first == [200] * PER_MINUTE + [429]
    assert later == [200]


def test_a_database_that_is_away_is_told_in_words(it: Installation) -> None:
    threads = StoreThreads("postgresql://nobody@127.0.0.1:1/none")
    services = SimpleNamespace(google=GoogleDesk(threads, it.settings()))
    page = asyncio.run(show_invitation(services, _request(f"{BASE}/google/connect?ticket={'A' * 43}")))
    threads.close()

    assert page.status == 503
    assert b"The database or Google can&#x27;t be reached. Nothing was changed." in page.body


def test_an_installation_without_a_client_says_so_before_anybody_is_invited(it: Installation) -> None:
    missing = it.folder / "none.json"
    told = CliAt(it, google_oauth_client=f"file:{missing}")("connections", "add", "google", "field")

    assert told == (7, f"Error: The secret file:{missing} is missing or can't be read.")


def test_out_of_the_box_the_local_servers_own_client_is_used(it: Installation) -> None:
    words = ("connections", "add", "google", "field")
    bare = {"sheets_base_url": None, "oauth_token_url": None, "google_oauth_client": None}
    before = CliAt(it, **bare)(*words)
    (it.folder / "sheets").mkdir()
    (it.folder / "sheets" / "oauth-client.json").write_bytes((it.google.data / "oauth-client.json").read_bytes())

    assert before[0] == 7
    assert before[1].startswith("Error: The local Sheets server has no OAuth client yet")
    assert CliAt(it, **bare)(*words)[0] == 0
    assert CliAt(it, google_oauth_client=None)(*words)[1] == "Error: This installation has no OAuth client for Google."


def test_a_script_gone_wrong_gets_no_more_links(it: Installation) -> None:
    with it.database.begin() as connection:
        owner = text("insert into collect.organization (slug, title) values ('default', 'x') returning organization_id")
        number = connection.execute(owner).scalar_one()
        many = text(
            "insert into collect.connection_request (ticket, organization_id, name, created_by, expires_at) select sha256(n::text::bytea), "
            ":owner, 'c' || n, 'test', clock_timestamp() + interval '1 minute' from generate_series(1, :most) n"
        )
        connection.execute(many, {"owner": number, "most": MOST_OPEN})

    told = it.collect("connections", "add", "google", "field")

    assert told.exit_code == 3
    assert "open invitations" in told.stderr


def test_an_account_is_its_organizations_own(it: Installation, person: Browser) -> None:
    assert person.connect(it.link("field", "--organization", "north")).status_code == 200
    with it.database.begin() as connection:
        connection.execute(text("insert into collect.organization (slug, title) values ('south', 'South')"))

    assert "refresh_token" in secret_text(it.database.begin, it.settings(), "north", "connection:field")
    with pytest.raises(Blocked) as refused:
        secret_text(it.database.begin, it.settings(), "south", "connection:field")
    assert refused.value.problem == "google_sheets.no_credentials"
    assert refused.value.fix == "Connect it: collect connections add google field --organization south"


def test_what_a_person_granted_is_read_as_a_connection_only(it: Installation, person: Browser) -> None:
    assert person.connect(it.link()).status_code == 200

    with pytest.raises(Blocked) as refused:
        secret_text(it.database.begin, it.settings(), "default", "stored:connection.field")
    assert refused.value.fix == "Write connection:field where an account is meant."


def test_a_changed_client_secret_counts_for_accounts_that_are_connected(it: Installation, person: Browser) -> None:
    assert person.connect(it.link()).status_code == 200
    client = it.folder / "client.json"
    before = it.google.service.tokens.grants.client
    client.write_text(f'{{"web": {{"client_id": "{before.client_id}", "client_secret": "new-one"}}}}')

    assert "new-one" in secret_text(it.database.begin, it.settings(google_oauth_client=f"file:{client}"), "default", "connection:field")
    assert before.client_secret in secret_text(
        it.database.begin, it.settings(google_oauth_client="env:NOWHERE"), "default", "connection:field"
    )


def _request(link: str) -> Request:
    scope = {"method": "GET", "path": "/google/connect", "query_string": link.partition("?")[2].encode(), "headers": []}
    return Request(scope, cast(Any, None))


class CliAt:
    """The command line under other settings: exit code and first line."""

    def __init__(self, it: Installation, **settings: str | None) -> None:
        self._it, self._settings = it, settings

    def __call__(self, *words: str) -> tuple[int, str]:
        from click.testing import CliRunner

        from collect_pipelines.cli.root import collect

        environment = self._it.settings(**self._settings).as_environment() | {"COLLECT_DATABASE_URL": self._it.database.url}
        told = CliRunner().invoke(collect, words, env=environment)
        return told.exit_code, told.stderr.splitlines()[0]
