"""A receiver that is down for hours gets everything afterwards, in order per response, and is left in peace meanwhile (promises 4-7)."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collect_pipelines.destinations.webhook import Webhook
from collect_pipelines.errors import TryLater
from collect_pipelines.store.database import Database
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.retry import ATTEMPTS, SCHEDULE_SECONDS, next_wait
from tests.contract.http_stand_ins import Receiver, Reply, Request, receiving
from tests.integration.sync_tools import Scene, one_database, scene, submission

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

HOUR = 3600.0
DOWN_SECONDS = 6 * HOUR
MOST_ROUNDS = 100
SCALE = 1e-6  # an hour is four thousandths of a second: every wait is over when the loop comes round


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


class Endpoint:
    """A receiver with a clock of its own, which goes on by what the core waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.requests_while_down = 0
        self.taken: dict[str, list[tuple[int, str]]] = defaultdict(list)
        """Revision and id, by response, as they came."""
        self.bodies: dict[str, set[bytes]] = defaultdict(set)
        self.poison: str | None = None

    def answer(self, request: Request) -> Reply:
        event = json.loads(request.body)
        self.bodies[request.headers["webhook-id"]].add(request.body)
        if self.now < DOWN_SECONDS:
            self.requests_while_down += 1
            return Reply(503) if self.now < DOWN_SECONDS / 2 else Reply(cut=True)
        data = event["data"]
        if data["response_id"] == self.poison:
            return Reply(500)
        self.taken[data["response_id"]].append((data["revision"], request.headers["webhook-id"]))
        return Reply(204, b"")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def receiver(endpoint: Endpoint) -> Iterator[Receiver]:
    with receiving(endpoint.answer) as running:
        yield running


def connected(database: Database, folder: Path, receiver: Receiver, **config: Any) -> Scene:
    return scene(database, folder, kind="webhook", url=receiver.url, allow_private=True, **config)


def drain(courier: Courier, it: Scene) -> None:
    """Until nothing is left to send."""
    for _ in range(MOST_ROUNDS):
        if courier.deliver(it.integration_id) is None:
            return
    raise AssertionError("it never ended")


def test_everything_arrives_after_hours_in_order_and_the_attempts_keep_to_the_schedule(
    database: Database, tmp_path: Path, endpoint: Endpoint, receiver: Receiver
) -> None:
    it = connected(database, tmp_path, receiver)
    it.create("edited", "gone", "r0")
    courier = it.courier(Webhook, dice=lambda: 1.0, wait_scale=SCALE)
    attempts: list[float] = []
    for number in range(1, MOST_ROUNDS):
        report = courier.deliver(it.integration_id)
        if endpoint.now >= DOWN_SECONDS:
            break
        assert report is not None and report.outcome in ("postponed", "split")
        attempts.append(endpoint.now)
        endpoint.now += (report.retry_in_seconds or 0.0) / SCALE
        # life goes on meanwhile
        newer = submission(it.form_id, "edited", {"name": f"name {number}"}, "edit", number)
        it.accept(newer, submission(it.form_id, f"r{number}", {"name": f"name {number}"}))
        it.validate()
        assert it.accounted() == {"pending": 3 + 2 * number}
    drain(courier, it)
    it.accept(submission(it.form_id, "gone", {}, "delete", 1))
    it.validate()
    drain(courier, it)
    courier.close()

    expected = [0.0]
    while expected[-1] < DOWN_SECONDS:
        expected.append(expected[-1] + next_wait(len(expected), TryLater(unknown=True), lambda: 1.0, HOUR))
    assert attempts == pytest.approx(expected[:-1], rel=0.1)
    assert len(attempts) > 13
    newest = len(attempts) + 1
    # none lost, none twice under another id, and never an older revision after a newer one
    assert set(endpoint.taken) == {"edited", "gone", *(f"r{place}" for place in range(newest))}
    assert endpoint.taken["edited"][-1][0] == newest
    for came in endpoint.taken.values():
        revisions = [one for one, _ in came]
        assert revisions == sorted(revisions)
        assert len({identity for _, identity in came}) == len(set(revisions))
    assert [one for one, _ in endpoint.taken["gone"]] == [1, 2]
    assert all(len(bodies) == 1 for bodies in endpoint.bodies.values())
    assert it.accounted() == {"delivered": it.ledger.accepted}
    assert endpoint.requests_while_down <= 4 * len(attempts)


def test_one_response_that_is_never_taken_stops_nobody_and_waits_for_a_person_after_days(
    database: Database, tmp_path: Path, endpoint: Endpoint, receiver: Receiver
) -> None:
    endpoint.now, endpoint.poison = DOWN_SECONDS, "bad"
    it = connected(database, tmp_path, receiver)
    it.create("a", "bad", "b", "c")
    courier = it.courier(Webhook, dice=lambda: 0.5, wait_scale=SCALE)
    first = courier.deliver(it.integration_id)
    assert first is not None and (first.delivered, first.behind) == (3, 1)
    assert it.accounted() == {"delivered": 3, "pending": 1}
    for _ in range(MOST_ROUNDS):
        if "dead_lettered" in it.accounted():
            break
        courier.deliver(it.integration_id)

    assert it.accounted() == {"delivered": 3, "dead_lettered": 1}
    bad = [request for request in receiver.requests if b'"response_id":"bad"' in request.body]
    assert len(bad) == ATTEMPTS == len(SCHEDULE_SECONDS) + 1
    assert len({request.headers["webhook-id"] for request in bad}) == 1
    assert courier.deliver(it.integration_id) is None
    courier.close()


@pytest.mark.parametrize("batch", [False, True])
def test_a_response_that_is_refused_is_found_and_the_others_arrive(
    database: Database, tmp_path: Path, endpoint: Endpoint, batch: bool
) -> None:
    def answer(request: Request) -> Reply:
        return Reply(422 if b'"response_id":"bad"' in request.body else 200)

    with receiving(answer) as receiver:
        it = connected(database, tmp_path, receiver, batch=batch)
        it.create(*(f"r{number}" for number in range(10)), "bad", *(f"s{number}" for number in range(10)))
        courier = it.courier(Webhook, wait_scale=SCALE)
        drain(courier, it)
        courier.close()

    assert it.accounted() == {"delivered": 20, "dead_lettered": 1}


def test_a_receiver_that_wants_nothing_more_blocks_the_integration_at_once_and_keeps_the_backlog(
    database: Database, tmp_path: Path
) -> None:
    with receiving(lambda request: Reply(410)) as receiver:
        it = connected(database, tmp_path, receiver)
        it.create("a", "b")
        courier = it.courier(Webhook)
        report = courier.deliver(it.integration_id)
        assert courier.deliver(it.integration_id) is None
        courier.close()

    assert report is not None and report.outcome == "blocked"
    assert it.integration.state == "blocked"
    assert it.accounted() == {"pending": 2}
    assert len(receiver.requests) <= 2
