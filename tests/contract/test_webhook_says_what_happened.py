"""Each answer of a receiver has one meaning, a receiver that is down is not flooded, and the operator reads what to do."""

import re
import threading
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from collect_pipelines.destinations.http.problems import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.http.reading import Answer
from collect_pipelines.destinations.interface import Delivery
from collect_pipelines.destinations.webhook import sending
from collect_pipelines.destinations.webhook.events import Event
from collect_pipelines.destinations.webhook.sending import deliver_waves, one_by_one
from collect_pipelines.destinations.webhook.verdicts import LATER, REFUSED, Verdict, of_answer, of_failure, retry_after
from collect_pipelines.errors import Blocked, LeaseLost, Refused, TryLater
from tests.contract.http_stand_ins import Reply, Request, raw_server, receiving
from tests.contract.webhook_tools import NOW, Desk, batch, entry, replies, rows

DOCS = (Path(__file__).parents[2] / "docs" / "destinations" / "webhook.md").read_text("utf-8")


def states(delivery: Delivery) -> list[str]:
    return [outcome.state for outcome in delivery.outcomes]


def test_every_status_has_the_meaning_the_table_gives_it() -> None:
    for status in range(200, 600):
        verdict = of_answer(Answer(status), "hooks.example.org", NOW)
        expected = (
            "delivered" if status < 300
            else "refused" if status in (400, 413, 415, 422)
            else "later" if status < 400 or status >= 500 or status in (408, 409, 421, 423, 424, 425, 429, 499)
            else "blocked"
        )  # fmt: skip

        assert verdict.state == expected, status
        assert bool(verdict.fix) == (expected == "blocked"), status
        assert verdict.whole == (expected == "blocked" or 300 <= status < 400 or status in (429, 502, 503, 504)), status


def test_the_table_in_the_docs_names_the_same_statuses() -> None:
    lines = [line for line in DOCS.partition("## What an answer means")[2].splitlines() if line.startswith("| ")]
    named = [{int(number) for number in re.findall(r"\b\d{3}\b", line.split("|")[1])} for line in lines]

    assert set(REFUSED) in named
    assert set(LATER) in named


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("0", 0.0), (" 30 ", 30.0), ("86400", 86_400.0), ("9" * 400, 86_400.0), ("-5", None), ("1.5", None), ("soon", None),
        ("", None), ("٣", None), (formatdate(NOW + 90, usegmt=True), 90.0), (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0), ("Fri, 99 Foo 2030 25:61:61 GMT", None), ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_a_date_within_bounds(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


def test_what_got_no_answer_is_later_and_what_the_guard_refuses_is_for_a_person() -> None:
    assert of_failure(NotSent("no")) == Verdict("later", "no", whole=True)
    assert of_failure(OutcomeUnclear("cut")) == Verdict("later", "cut", unknown=True)
    assert of_failure(NotAllowed("private", fix="do")) == Verdict("blocked", "private", fix="do", whole=True)


def test_one_refused_response_stops_nobody() -> None:
    with receiving(replies(r2=Reply(422))) as receiver, Desk.at(receiver) as desk:
        delivery = desk.webhook.deliver(rows(6))

    assert states(delivery) == ["delivered", "refused", *["delivered"] * 4]
    assert delivery.outcomes[1].reason == f"127.0.0.1:{receiver.port} answered 422 (Unprocessable Entity)."


def test_one_response_that_fails_is_left_for_later_and_the_others_pass() -> None:
    with receiving(replies(r2=Reply(500))) as receiver, Desk.at(receiver) as desk:
        delivery = desk.webhook.deliver(rows(6))

    assert states(delivery) == ["delivered", "later", *["delivered"] * 4]
    assert delivery.outcomes[1].after is None


@pytest.mark.parametrize(("parallel", "asked"), [(1, 3), (4, 4)])
def test_three_failures_in_a_row_end_it(parallel: int, asked: int) -> None:
    with (
        receiving(lambda request: Reply(500)) as receiver,
        Desk.at(receiver, parallel=parallel) as desk,
        pytest.raises(TryLater) as later,
    ):
        desk.webhook.deliver(rows(50))

    assert (later.value.after, later.value.unknown) == (None, True)
    assert len(receiver.requests) == asked


def test_a_receiver_that_is_busy_is_asked_once_and_then_when_it_said() -> None:
    with (
        receiving(lambda request: Reply(429, b"", {"Retry-After": "120"})) as receiver,
        Desk.at(receiver, parallel=1) as desk,
        pytest.raises(TryLater) as later,
    ):
        desk.webhook.deliver(rows(50))

    assert (later.value.after, later.value.unknown) == (120.0, False)
    assert len(receiver.requests) == 1


def test_what_was_delivered_before_a_receiver_went_down_counts() -> None:
    busy = Reply(503, b"", {"Retry-After": formatdate(NOW + 60, usegmt=True)})
    with receiving(replies(r3=busy)) as receiver, Desk.at(receiver, parallel=1) as desk:
        delivery = desk.webhook.deliver(rows(5))

    assert states(delivery) == ["delivered", "delivered", "later", "later", "later"]
    assert {outcome.after for outcome in delivery.outcomes[2:]} == {60.0}
    assert len(receiver.requests) == 3


def test_nobody_listening_ends_it_with_the_first_request() -> None:
    with receiving() as receiver:
        desk = Desk(receiver, parallel=1)
    with pytest.raises(TryLater) as later:
        desk.webhook.deliver(rows(5))

    assert not later.value.unknown
    assert "refused" in later.value.message


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 410, 418])
def test_an_answer_for_a_person_blocks_at_once_with_a_fix(status: int) -> None:
    with receiving(lambda request: Reply(status)) as receiver, Desk.at(receiver, parallel=1) as desk, pytest.raises(Blocked) as blocked:
        desk.webhook.deliver(rows(5))

    assert str(status) in blocked.value.reason
    assert blocked.value.fix
    assert len(receiver.requests) == 1


def test_gone_in_the_middle_leaves_the_rest_for_a_batch_that_begins_with_it() -> None:
    with receiving(replies(r3=Reply(410))) as receiver, Desk.at(receiver, parallel=1) as desk:
        delivery = desk.webhook.deliver(rows(5))
        with pytest.raises(Blocked):
            desk.webhook.deliver(batch(entry("r3", 3, "c"), entry("r4", 4, "d")))

    assert states(delivery) == ["delivered", "delivered", "later", "later", "later"]
    assert delivery.outcomes[2].after == 0.0
    assert len(receiver.requests) == 4


def test_a_redirect_is_not_followed_and_the_hint_says_so() -> None:
    with (
        receiving() as target,
        receiving(lambda request: Reply(307, b"", {"Location": target.url})) as receiver,
        Desk.at(receiver) as desk,
        pytest.raises(TryLater, match="redirects are not followed"),
    ):
        desk.webhook.deliver(rows(1))

    assert target.connections == 0


def test_a_refused_batch_is_handed_back_to_be_singled_out() -> None:
    with receiving(replies(r2=Reply(422))) as receiver, Desk.at(receiver, batch=True) as desk:
        with pytest.raises(Refused):
            desk.webhook.deliver(rows(3))
        alone = desk.webhook.deliver(batch(entry("r2", 2, "b")))

    assert states(alone) == ["refused"]


def test_a_part_refused_after_others_were_taken_comes_first_in_the_next_batch() -> None:
    large = batch(*(entry(f"r{place}", place, "x" * 400_000) for place in range(1, 5)))
    with receiving(replies(r4=Reply(400))) as receiver, Desk.at(receiver, batch=True) as desk:
        delivery = desk.webhook.deliver(large)

    assert states(delivery) == ["delivered", "delivered", "later", "later"]
    assert {outcome.after for outcome in delivery.outcomes[2:]} == {0.0}


def test_nothing_newer_of_a_response_overtakes_what_is_to_be_sent_first() -> None:
    revisions = [entry("r1", 1, "a"), entry("r2", 2, "b"), entry("r1", 3, "c", revision=2), entry("r3", 4, "d")]
    with receiving(replies(r1=Reply(500))) as receiver, Desk.at(receiver) as desk:
        delivery = desk.webhook.deliver(batch(*revisions))
        sent = [body["data"]["revision"] for body in desk.bodies if body["data"]["response_id"] == "r1"]

    assert states(delivery) == ["later", "delivered", "later", "delivered"]
    assert sent == [1]


def test_revisions_of_one_response_are_never_under_way_together() -> None:
    under_way, most, lock = set[str](), [0], threading.Lock()

    def event(place: int) -> Event:
        return Event(f"msg_{place}", "response.updated", "", "household", f"r{place % 3}", {})

    events = [event(place) for place in range(30)]

    def send(places: list[int]) -> Verdict:
        subject = events[places[0]].subject
        with lock:
            assert subject not in under_way
            under_way.add(subject)
            most[0] = max(most[0], len(under_way))
        with lock:
            under_way.discard(subject)
        return Verdict("delivered")

    delivery = deliver_waves(events, one_by_one(events, 8), send, lambda: None)

    assert states(delivery) == ["delivered"] * 30
    assert delivery.api_calls == 30


def test_requests_are_sent_side_by_side() -> None:
    meeting = threading.Barrier(4, timeout=10)
    events = [Event(f"msg_{place}", "response.created", "", "household", f"r{place}", {}) for place in range(4)]

    def send(places: list[int]) -> Verdict:
        meeting.wait()  # nobody passes before all four are here
        return Verdict("delivered")

    assert states(deliver_waves(events, one_by_one(events, 4), send, lambda: None)) == ["delivered"] * 4


def test_a_slow_receiver_gives_way_to_others_after_a_while() -> None:
    now = [0.0]
    events = [Event(f"msg_{place}", "response.created", "", "household", f"r{place}", {}) for place in range(50)]

    def send(places: list[int]) -> Verdict:
        now[0] += 14.0
        return Verdict("delivered")

    delivery = deliver_waves(events, one_by_one(events, 1), send, lambda: None, clock=lambda: now[0])

    assert states(delivery) == ["delivered"] * 5 + ["later"] * 45
    assert delivery.outcomes[-1].after == 0.0
    assert now[0] <= sending.BUDGET_SECONDS + 14


@pytest.mark.parametrize(("reply", "counts"), [(Reply(500), True), (Reply(502), True), (Reply(cut=True), True), (Reply(429), False)])
def test_what_was_set_aside_and_fails_again_counts_for_itself_unless_it_is_surely_the_receiver(reply: Reply, counts: bool) -> None:
    again = replace(rows(2), purpose="retry")
    with receiving(lambda request: reply) as receiver, Desk.at(receiver) as desk:
        if counts:
            assert states(desk.webhook.deliver(again)) == ["later", "later"]
        else:
            with pytest.raises(TryLater):
                desk.webhook.deliver(again)


def test_a_worker_that_lost_its_lease_sends_nothing_more() -> None:
    def reply(request: Request) -> Reply:
        desk.lent.lost = True
        return Reply()

    with receiving(reply) as receiver, Desk.at(receiver, parallel=2) as desk, pytest.raises(LeaseLost):
        desk.webhook.deliver(rows(6))

    assert len(receiver.requests) == 2


def test_a_receiver_that_says_nothing_is_later_and_may_have_had_it() -> None:
    with (
        raw_server(lambda connection: connection.recv(1) and connection.recv(1_000_000) and connection.recv(1)) as url,
        receiving() as other,
        Desk.at(other, url=url, timeout_seconds=0.2, parallel=1) as desk,
        pytest.raises(TryLater) as later,
    ):
        desk.webhook.deliver(rows(2))

    assert later.value.unknown


def test_the_test_of_an_integration_sends_a_ping_and_tells_what_it_found() -> None:
    with receiving() as receiver, Desk.at(receiver, previous_secret="env:BEFORE") as desk:
        report = desk.webhook.probe()
        (body,) = desk.bodies

    assert (body["type"], body["data"]) == ("test.ping", {"form": "household", "integration": "household-webhook"})
    assert report.summary == f"127.0.0.1:{receiver.port} took a test.ping in 0 ms; signed with 2 secrets."
    assert report.facts["webhook_id"] == receiver.requests[0].headers["webhook-id"]


@pytest.mark.parametrize(("status", "fix"), [(404, "Correct `url`."), (422, "2xx to the type test.ping"), (410, "remove the integration")])
def test_a_ping_that_is_not_taken_says_what_to_do(status: int, fix: str) -> None:
    with receiving(lambda request: Reply(status)) as receiver, Desk.at(receiver) as desk, pytest.raises(Blocked) as blocked:
        desk.webhook.probe()

    assert blocked.value.fix and fix in blocked.value.fix


def test_a_receiver_that_is_down_during_the_test_is_to_be_tried_later() -> None:
    with receiving(lambda request: Reply(503)) as receiver, Desk.at(receiver) as desk, pytest.raises(TryLater, match="503"):
        desk.webhook.probe()


@pytest.mark.parametrize("echo", [422, 500, 404])
def test_nothing_the_receiver_says_is_repeated(echo: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    def reply(request: Request) -> Reply:
        return Reply(echo, request.body + str(request.headers).encode(), {"X-Said": "said-canary"})

    with receiving(reply) as receiver, Desk.at(receiver, headers={"Authorization": "env:TOKEN"}) as desk:
        try:
            told = str(desk.webhook.deliver(batch(entry("r1", 1, "answer-canary"))))
        except (Blocked, TryLater) as exc:
            told = f"{exc} {exc.fix}"

    # Promise 10
    assert not any(word in told + caplog.text for word in ("canary", "s3cret", "whsec_", "hook?"))


def test_an_address_that_is_a_secret_is_read_where_it_is_kept_and_judged_then() -> None:
    with receiving() as receiver, Desk.at(receiver, url="stored:HOOK") as desk:
        desk.lent.secrets["stored:HOOK"] = receiver.url
        desk.webhook.deliver(rows(1))
        desk.lent.secrets["stored:HOOK"] = "https://169.254.169.254/s3cret"
        with pytest.raises(Blocked) as blocked:
            desk.webhook.deliver(rows(1))
        shown = desk.webhook.preview(rows(1))

    assert len(receiver.requests) == 1
    assert "s3cret" not in blocked.value.reason
    assert shown.startswith("POST stored:HOOK\n")
