"""The timeline says where a response really is: one that validation holds back went nowhere, whatever its batch did."""

from pathlib import Path

from collect_pipelines.store.database import Database
from tests.integration.ingest_server import client_of, ingest, make_key, publish, response
from tests.integration.sync_tools import validate

FORM = "/v1/forms/household"


def test_a_held_response_is_quarantined_and_never_landed(database: Database, database_url: str, tmp_path: Path) -> None:
    publish(database_url)
    with ingest(database_url, tmp_path) as running, client_of(running, make_key(database_url, "ingest", "read")) as client:
        receipt = client.post(f"{FORM}/responses", json=response()).json()
        shown = client.get(FORM).json()["entries"]
        validate(database, 1, held=[receipt["position"]])
        events = client.get(f"/v1/responses/{receipt['id']}/timeline").json()["events"]

    assert [event["event"] for event in events] == ["received", "quarantined"]
    assert events[1]["reasons"] == [{"rule": "test", "question": "name", "message": "Held by the test."}]
    assert shown == 1
