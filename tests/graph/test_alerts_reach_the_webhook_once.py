"""Lateness, blocked integrations, quarantine and dead letters reach the operator's webhook: once, and once more when over."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from assets.alerts import alerts, alerts_every_minute, look
from collect_pipelines.errors import TryLater
from collect_pipelines.model import Ledger
from collect_pipelines.store.alerts import list_alerts
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import set_integration_state
from collect_pipelines.telemetry.alerts import evaluate, post
from resources.installation import Installation

if TYPE_CHECKING:
    from tests.graph.conftest import Household


class Receiver:
    """An operator's webhook."""

    def __init__(self) -> None:
        self.status = 204
        self.bodies: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("Location", receiver.url + "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *parts: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=s3cret"

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *parts: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def told(self) -> list[tuple[str, str, str]]:
        """(status, kind, subject) of everything posted, in order."""
        return [(each["status"], each["kind"], each["subject"]) for body in self.bodies for each in body["alerts"]]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as receiver:
        monkeypatch.setenv("COLLECT_ALERT_WEBHOOK_URL", receiver.url)
        yield receiver


def row(**changes: Any) -> Ledger:
    values: dict[str, Any] = {
        "form": "household", "integration": "sheet", "kind": "google_sheets", "state": "active", "accepted": 10, "delivered": 10,
        "filtered": 0, "quarantined": 0, "dead_lettered": 0, "erased": 0, "pending": 0, "oldest_pending_seconds": None,
    }  # fmt: skip
    return Ledger(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "held", "kinds"),
    [
        ({}, {}, []),
        ({"pending": 3, "oldest_pending_seconds": 299.0}, {}, []),
        ({"pending": 3, "oldest_pending_seconds": 301.0}, {}, ["late"]),
        ({"pending": 3, "oldest_pending_seconds": 301.0, "state": "paused"}, {}, []),
        ({"pending": 3, "oldest_pending_seconds": 301.0, "state": "blocked", "reason": "no access"}, {}, ["blocked"]),
        ({"dead_lettered": 2, "open_letters": 1}, {}, ["dead_letters"]),
        ({"dead_lettered": 2}, {}, []),  # somebody decided about them
        ({"pending": 2, "set_aside": 2}, {}, []),  # tried again by themselves
        ({"failures": 4}, {}, []),
        ({"failures": 5, "breaker": "open"}, {}, ["failing"]),
        ({"failures": 5, "breaker": "half_open", "state": "paused"}, {}, []),
        ({}, {"household": 2, "other": 0}, ["quarantine"]),
    ],
)
def test_each_rule_fires_on_what_it_names_and_on_nothing_else(changes: dict[str, Any], held: dict[str, int], kinds: list[str]) -> None:
    assert [alert.kind for alert in evaluate([row(**changes)], held, 300.0)] == kinds


def test_a_blocked_integration_is_told_with_its_reason_and_fix() -> None:
    (alert,) = evaluate([row(state="blocked", reason="The sheet is not shared.", fix="Share it with robot@example.org.")], {}, 300.0)

    assert alert.message == "sheet (google_sheets) of form household needs a person: The sheet is not shared."
    assert alert.fix == "Share it with robot@example.org."


def test_an_alert_is_posted_once_and_once_more_when_it_is_over(
    installation: Installation, household: "Household", database: Database, webhook: Receiver
) -> None:
    name, number = household.integration.name, household.integration.integration_id
    with database.begin() as connection:
        set_integration_state(connection, number, "blocked", "The disk is full.", "Make room.")
    look(installation)
    look(installation)
    with database.begin() as connection:
        set_integration_state(connection, number, "active")
    look(installation)
    look(installation)

    assert webhook.told() == [("fired", "blocked", name), ("resolved", "blocked", name)]
    assert webhook.bodies[0]["text"] == f"FIRED: {name} (warehouse) of form household needs a person: The disk is full."
    assert webhook.bodies[0]["alerts"][0]["fix"] == "Make room."
    with database.begin() as connection:
        (recorded,) = list_alerts(connection)
    assert recorded.notified_at is not None
    assert recorded.resolved_at is not None


def test_a_late_response_is_told_without_its_answers(
    installation: Installation, household: "Household", webhook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLECT_ALERT_LATE_SECONDS", "0")
    household.accept(3, name="canary-7f3a")

    look(installation)

    assert webhook.told() == [("fired", "late", household.integration.name)]
    assert "canary-7f3a" not in json.dumps(webhook.bodies)


def test_while_the_webhook_is_away_alerts_are_recorded_and_told_later(
    installation: Installation, household: "Household", database: Database, webhook: Receiver
) -> None:
    with database.begin() as connection:
        set_integration_state(connection, household.integration.integration_id, "blocked", "No access.", "Share it.")
    webhook.status = 503
    with pytest.raises(TryLater, match=r"^The alert webhook answered 503\.$"):
        look(installation)
    with database.begin() as connection:
        (recorded,) = list_alerts(connection)
    webhook.status = 200
    look(installation)

    assert recorded.notified_at is None
    assert len(webhook.told()) == 2


def test_a_redirect_is_not_followed_and_no_error_shows_the_url(webhook: Receiver) -> None:
    webhook.status = 302
    with pytest.raises(TryLater) as redirected:
        post(webhook.url, {"alerts": []})
    with pytest.raises(TryLater) as away:
        post("http://127.0.0.1:9/hook?token=s3cret", {})
    with pytest.raises(TryLater) as no_http:
        post("file:///etc/passwd", {})

    assert len(webhook.bodies) == 1
    for told in (redirected, away, no_http):
        assert "s3cret" not in str(told.value)
        assert "passwd" not in str(told.value)


def test_the_schedule_looks_in_its_tick_and_starts_no_run(
    instance: dg.DagsterInstance, installation: Installation, household: "Household", database: Database, webhook: Receiver
) -> None:
    with database.begin() as connection:
        set_integration_state(connection, household.integration.integration_id, "blocked", "No access.", "Share it.")

    result = alerts_every_minute(dg.build_schedule_context(instance=instance), installation=installation)

    assert result == dg.SkipReason("1 alerts are open, 1 of them new; 0 are over.")
    assert len(webhook.told()) == 1


def test_a_person_can_look_by_hand(instance: dg.DagsterInstance, installation: Installation, household: "Household") -> None:
    assert alerts.execute_in_process(instance=instance, resources={"installation": installation}).success
