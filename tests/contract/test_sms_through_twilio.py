"""Whatever Twilio does, a receipt is sent once, or it is known that nobody knows; and what it says is read without trust."""

from collections.abc import Iterator
from typing import Any

import pytest

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.destinations.sms.sending import LOOK_UP_AFTER_SECONDS
from collect_pipelines.errors import Blocked
from tests.contract.sms_desk import ASHA, RAVI, Scene, row
from tests.contract.sms_twilio import ACCOUNT, TOKEN, Fault, TwilioStandIn, twilio

AFTER: tuple[Fault, ...] = ("hang after", "cut after", "500 after", "nonsense", "endless")
BEFORE: tuple[Fault, ...] = ("hang before", "500 before", "503 before")


@pytest.fixture
def server() -> Iterator[TwilioStandIn]:
    with twilio() as running:
        yield running


def scene(server: TwilioStandIn, **settings: Any) -> Scene:
    named = {"cooldown_seconds": 0, **settings}
    made = Scene({"provider": server.provider(), **named}, secrets={"env:SMS_TOKEN": TOKEN})
    server.clock = lambda: made.clock.now
    return made


def hanging(it: Scene, server: TwilioStandIn, fault: Fault, *rows: Any) -> tuple[Outcome, ...]:
    """A delivery whose first message meets the fault; when Twilio hangs, nobody waits long."""
    server.faults.appendleft(fault)
    hangs = fault in ("hang before", "hang after", "late")
    it.settings["provider"] = server.impatient() if hangs else server.provider()
    outcomes = it.deliver(*rows)
    if hangs:
        server.heard(1)
    it.settings["provider"] = server.provider()
    return outcomes


def states(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_a_message_is_sent_as_twilio_wants_it(server: TwilioStandIn) -> None:
    it = scene(server, public_url="https://collect.example.org")
    delivery = it.delivery(row("r1"), row("r2", RAVI, name="रवि"))

    assert states(delivery.outcomes) == ["delivered", "delivered"]
    assert [(one["to"], one["body"], one["from"]) for one in server.messages] == [
        (ASHA, "Thank you Asha", "+15005550006"),
        (RAVI, "Thank you रवि", "+15005550006"),
    ]
    assert server.messages[0]["callback"] == "https://collect.example.org/v1/callbacks/7/status/r1"
    line = it.context.lines["r1"]
    assert (line.state, line.reference) == ("sent", "SM" + "0" * 32)
    assert line.detail | {"digest": "x"} == {"revision": 1, "segments": 1, "encoding": "GSM-7", "language": "en", "digest": "x"}
    assert it.context.history[:2] == [("r1", "sending"), ("r1", "sent")], "noted before the call"
    assert (delivery.api_calls, delivery.sent_bytes) == (2, len("Thank you Asha") + len("Thank you रवि".encode()))


def test_a_messaging_service_takes_the_place_of_the_sender(server: TwilioStandIn) -> None:
    it = Scene({"provider": server.provider(sender=None, messaging_service_sid="MG" + "a" * 32)}, secrets={"env:SMS_TOKEN": TOKEN})
    it.deliver(row("r1"))

    assert (server.messages[0]["from"], server.messages[0]["messaging_service_sid"]) == (None, "MG" + "a" * 32)


def test_the_same_batch_again_sends_nothing_again(server: TwilioStandIn) -> None:
    it = scene(server)
    first = it.deliver(row("r1"), row("r2", RAVI))
    again = it.deliver(row("r1"), row("r2", RAVI))

    assert states(first) == states(again) == ["delivered", "delivered"]
    assert len(server.messages) == 2


@pytest.mark.parametrize("fault", AFTER)
def test_a_message_that_was_sent_without_an_answer_is_found_by_look_up(server: TwilioStandIn, fault: Fault) -> None:
    it = scene(server)
    (first,) = hanging(it, server, fault, row("r1"))
    server.released.set()
    it.clock.passes(LOOK_UP_AFTER_SECONDS[0])
    (second,) = it.deliver(row("r1"))

    assert (first.state, first.after) == ("unknown", LOOK_UP_AFTER_SECONDS[0])
    assert (second.state, it.states()["r1"]) == ("delivered", "sent")
    assert server.texts() == ["Thank you Asha"]


@pytest.mark.parametrize("fault", BEFORE)
def test_a_message_that_nobody_can_tell_of_is_left_to_a_person(server: TwilioStandIn, fault: Fault) -> None:
    it = scene(server)
    waits = [hanging(it, server, fault, row("r1"))[0].after]
    while waits[-1] is not None:
        it.clock.passes(waits[-1])
        (outcome,) = it.deliver(row("r1"))
        assert outcome.state == "unknown"
        waits.append(outcome.after)

    assert waits == [*LOOK_UP_AFTER_SECONDS, None]
    assert server.texts() == []
    assert server.posts == 1, "never sent again"
    assert it.context.lines["r1"].detail["look_ups"] == len(LOOK_UP_AFTER_SECONDS)


def test_a_message_that_arrives_late_is_found_by_a_later_look_up(server: TwilioStandIn) -> None:
    it = scene(server)
    hanging(it, server, "late", row("r1"))
    it.clock.passes(10)
    (meanwhile,) = it.deliver(row("r1"))
    server.arrive()
    it.clock.passes(60)
    (found,) = it.deliver(row("r1"))

    assert (meanwhile.state, found.state) == ("unknown", "delivered")
    assert server.texts() == ["Thank you Asha"]


def test_at_least_once_sends_again_what_twilio_does_not_know_after_a_while(server: TwilioStandIn) -> None:
    it = scene(server, policy="at_least_once")
    found = [hanging(it, server, "500 before", row("r1"))[0]]
    for wait in LOOK_UP_AFTER_SECONDS[:2]:
        it.clock.passes(wait)
        found += it.deliver(row("r1"))

    assert [one.state for one in found] == ["unknown", "unknown", "delivered"]
    assert server.texts() == ["Thank you Asha"]
    assert (it.worker().guarantee, type(it.worker()).guarantee) == ("at_least_once", "at_most_once")


def test_two_receipts_with_one_number_and_text_are_told_apart(server: TwilioStandIn) -> None:
    it = scene(server)
    server.faults.extend(["500 after", None, "500 before"])
    it.deliver(row("r1"))
    it.clock.passes(20)
    it.deliver(row("r2"))
    it.deliver(row("r3"))
    it.clock.passes(400)
    outcomes = it.deliver(row("r1"), row("r2"), row("r3"))

    assert states(outcomes) == ["delivered", "delivered", "unknown"]
    assert len(server.texts(ASHA)) == 2
    references = {it.context.lines[key].reference for key in ("r1", "r2")}
    assert references == {one["sid"] for one in server.messages}


def test_a_message_of_long_ago_is_not_taken_for_this_one(server: TwilioStandIn) -> None:
    it = scene(server)
    server.make({"To": ASHA, "Body": "Thank you Asha"})
    server.messages[0]["date_created"] = "Mon, 14 Jan 2030 12:00:00 +0000"
    hanging(it, server, "500 before", row("r1"))
    it.clock.passes(10)

    assert states(it.deliver(row("r1"))) == ["unknown"]


def test_a_changed_template_finds_the_message_as_it_was_sent(server: TwilioStandIn) -> None:
    it = scene(server)
    server.faults.append("cut after")
    it.deliver(row("r1"))
    it.settings["template"] = "Many thanks {name}"
    it.clock.passes(10)

    assert states(it.deliver(row("r1"))) == ["delivered"]
    assert server.texts() == ["Thank you Asha"]


def test_while_twilio_cannot_be_asked_the_message_stays_in_doubt(server: TwilioStandIn) -> None:
    it = scene(server)
    server.faults.append("cut after")
    it.deliver(row("r1"))
    it.clock.passes(10)
    server.deaf = True
    (asked,) = it.deliver(row("r1"))
    server.deaf = False
    it.clock.passes(asked.after or 0)

    assert asked.state == "unknown" and asked.after is not None
    assert states(it.deliver(row("r1"))) == ["delivered"]
    assert len(server.texts()) == 1


def test_after_an_unclear_answer_the_others_wait_instead_of_becoming_unclear_too(server: TwilioStandIn) -> None:
    it = scene(server)
    server.faults.extend(["500 after", "500 after"])
    outcomes = it.deliver(row("r1"), row("r2", RAVI), row("r3", RAVI))
    soon = it.deliver(row("r2", RAVI))
    it.clock.passes(15)
    later = it.deliver(row("r1"), row("r2", RAVI), row("r3", RAVI))
    it.clock.passes(60)
    last = it.deliver(row("r1"), row("r2", RAVI), row("r3", RAVI))

    assert states(outcomes) == ["unknown", "later", "later"]
    assert [one.after for one in outcomes] == [10.0, 15.0, 15.0]
    assert states(soon) == ["later"]
    assert states(later) == ["delivered", "unknown", "later"]
    assert later[2].after == 60.0, "longer every time"
    assert states(last) == ["delivered"] * 3
    assert len(server.messages) == 3


def test_too_many_requests_sends_nothing_and_waits_as_long_as_twilio_asks(server: TwilioStandIn) -> None:
    it = scene(server)
    server.faults.append("429")
    outcomes = it.deliver(row("r1"), row("r2", RAVI))
    again = it.deliver(row("r1"), row("r2", RAVI))

    assert [(one.state, one.after) for one in outcomes] == [("later", 7.0), ("later", 7.0)]
    assert it.context.history[1] == ("r1", "waiting")
    assert states(again) == ["delivered", "delivered"]
    assert len(server.messages) == 2


def test_a_twilio_that_is_not_there_got_nothing(server: TwilioStandIn) -> None:
    it = scene(server)
    it.settings["provider"] = server.provider(base_url="http://127.0.0.1:9")
    outcomes = it.deliver(row("r1"), row("r2", RAVI))

    assert states(outcomes) == ["later", "later"]
    assert it.states() == {"r1": "waiting"}


@pytest.mark.parametrize(
    ("code", "state", "noted"),
    [
        (21610, "skipped", "suppressed"), (21211, "refused", "refused"), (21614, "refused", "refused"), (21408, "refused", "refused"),
        (21612, "refused", "refused"), (21635, "refused", "refused"), (29999, "refused", "refused"), (20429, "later", "waiting"),
        (21611, "later", "waiting"), (63038, "later", "waiting"),
    ],
)  # fmt: skip
def test_codes_of_twilio_are_understood(server: TwilioStandIn, code: int, state: str, noted: str) -> None:
    it = scene(server)
    server.faults.append(code)
    (outcome,) = it.deliver(row("r1"))

    assert (outcome.state, it.states()["r1"]) == (state, noted)
    assert outcome.reason and ASHA not in outcome.reason
    assert ASHA not in str(it.context.lines) and "Thank you" not in str(it.context.lines)


@pytest.mark.parametrize("code", [21212, 21606, 21659, 21703])
def test_what_only_a_person_can_repair_blocks_and_loses_nothing(server: TwilioStandIn, code: int) -> None:
    it = scene(server)
    server.faults.extend([None, code])
    with pytest.raises(Blocked) as raised:
        it.deliver(row("r1"), row("r2", RAVI))
    again = it.deliver(row("r1"), row("r2", RAVI))

    assert f"Twilio code {code}" in raised.value.reason and raised.value.fix and "resume" in raised.value.fix
    assert states(again) == ["delivered", "delivered"]
    assert len(server.messages) == 2, "each once"


def test_a_wrong_token_blocks_and_is_not_shown(server: TwilioStandIn) -> None:
    it = scene(server)
    it.context.secrets["env:SMS_TOKEN"] = "another-token"
    with pytest.raises(Blocked) as delivering:
        it.deliver(row("r1"))
    with pytest.raises(Blocked) as probing:
        it.probe()

    for raised in (delivering, probing):
        assert "auth token" in raised.value.reason
        assert "another-token" not in str(raised.value) + repr(raised.value.__cause__)
    assert it.states() == {"r1": "waiting"}


def test_the_probe_uses_the_account_and_tells_what_texts_cost(server: TwilioStandIn) -> None:
    it = scene(server, template={"en": "Thank you {name}", "hi": "धन्यवाद {name}"}, public_url="https://collect.example.org/")
    report = it.probe()

    assert report.facts["account"] == ACCOUNT
    assert report.facts["text en"] == "1 segment (GSM-7, 9 used, 151 left), and what {name} add"
    assert report.facts["text hi"] == "1 segment (UCS-2, 7 used, 63 left), and what {name} add"
    assert report.facts["replies (STOP)"] == "https://collect.example.org/v1/callbacks/7/replies"
    assert server.messages == []
