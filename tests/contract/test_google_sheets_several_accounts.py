"""Several accounts write into one spreadsheet: each within its own quota, any of them the next call, all of them editors."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.errors import Blocked
from collect_pipelines.local.sheets.testing import Limits, RunningServer, gspread_client, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from tests.contract.google_sheets_fakes import Desk, people
from tests.integration.sync_tools import scene

GRANTED = 120  # a minute and account: a new tab takes more calls at once than a tenth of Google's sixty


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running_server(tmp_path / "sheets", limits=Limits(writes_per_user=GRANTED, reads_per_user=GRANTED)) as running:
        yield running


def robots(server: RunningServer) -> tuple[list[str], list[str]]:
    """References and addresses of two service accounts."""
    second = server.identity.add_service_account("second")
    paths = [server.service_account_credentials, server.identity.credentials_path("second")]
    return [f"file:{path}" for path in paths], [server.service_account_email, second.email]


def test_every_account_must_be_an_editor_and_the_one_that_is_not_is_named(server: RunningServer) -> None:
    desk = Desk(server)
    desk.deliver(*people("Asha"))
    references, addresses = robots(server)
    desk.people.share(addresses[0])
    shared = Desk(server, integration_id=2, title="Second", config={"spreadsheet": desk.spreadsheet, "credentials": references})
    with pytest.raises(Blocked, match=addresses[1]):
        shared.worker().probe()
    desk.people.share(addresses[1])

    assert shared.worker().probe().summary
    shared.close()
    desk.close()


def test_two_accounts_carry_more_batches_in_a_minute_than_one_and_none_is_refused(
    server: RunningServer, database: Database, tmp_path: Path
) -> None:
    references, addresses = robots(server)
    book = gspread_client(server.base_url, server.person_credentials).create("Clinic")
    for address in addresses:
        server.people(book.id).share(address)
    server.service.forget_calls()
    it = scene(database, tmp_path, slug="clinic", kind="google_sheets", spreadsheet=book.id, credentials=references)
    urls: dict[str, Any] = {"sheets_base_url": server.base_url, "drive_base_url": server.base_url, "oauth_token_url": server.token_url}
    worker = Courier(
        database, Settings(data_dir=tmp_path, sheets_writes_per_minute=GRANTED, **urls), "worker", finder=lambda kind: GoogleSheets
    )
    delivered = 0
    while delivered < 40:
        it.create(f"r{delivered}")
        report = worker.deliver(it.integration_id)
        assert report is not None
        if report.outcome != "delivered":
            break
        delivered += 1
    worker.close()
    writes = Counter(call.account for call in server.calls if call.operation == "spreadsheets.batchUpdate" and call.status == 200)

    assert 429 not in {call.status for call in server.calls}
    assert set(writes) == set(addresses), "both of them"
    assert min(writes.values()) >= 3
    assert delivered > 0.1 * GRANTED, "more than one account may write at once"
