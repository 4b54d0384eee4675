"""Any gateway, described by the configuration: what is sent to it, what its answers mean, and how it is asked."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.destinations.sms import SmsConfig
from collect_pipelines.errors import Blocked
from collect_pipelines.testing.destinations.faults import Answered
from collect_pipelines.testing.destinations.stand_in import Reply, Request, StandIn
from tests.contract.sms_desk import ASHA, RAVI, Scene, row


class Gateway:
    """Takes messages by POST /sms and tells of them by GET /sms/REFERENCE."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.refuse: Reply | None = None
        self.server = StandIn(self.answer)

    def answer(self, request: Request) -> Reply:
        if request.method == "GET":
            known = self.taken.get(request.path.removeprefix("/sms/").replace("%40", "@"))
            return Reply(200, {"message": {"id": 7}}) if known else Reply(404)
        if self.refuse is not None:
            return self.refuse
        reference = request.json()["ref"]
        self.taken[reference] = self.taken.get(reference, 0) + 1
        return Reply(200, {"messages": [{"id": 7}]})

    @property
    def posts(self) -> list[Request]:
        return [one for one in self.server.seen if one.method == "POST"]

    def config(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "gateway",
            "url": f"{self.server.address}/sms",
            "headers": {"Authorization": "Bearer env:KEY", "X-Plain": "yes"},
            "body": {"to": "{to}", "msg": "{text}", "ref": "{reference}", "dlt": {"pe": "{entity_id}", "te": ["{template_id}"]}, "n": 1},
            "id": "messages.0.id",
            "look_up": {"url": f"{self.server.address}/sms/{{reference}}", "id": "message.id"},
            "allow_private": True,
            **more,
        }

    def scene(self, **settings: Any) -> Scene:
        provider = {"provider": self.config(**settings.pop("provider", {}))}
        return Scene({**provider, "cooldown_seconds": 0, **settings}, secrets={"env:KEY": "the-key"})


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.server.close()


def states(outcomes: tuple[Outcome, ...]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_the_body_is_filled_in_and_the_id_is_read(gateway: Gateway) -> None:
    provider = {"entity_id": "1101", "template_id": {"en": "1207", "hi": "1208"}, "sender": "COLLCT"}
    it = gateway.scene(provider=provider, language_from="speaks")
    outcomes = it.deliver(row("r1", name="{to}"), row("r2", RAVI, speaks="hi"))
    first, second = gateway.posts

    assert states(outcomes) == ["delivered", "delivered"]
    assert first.json() == {"to": ASHA, "msg": "Thank you {to}", "ref": "r1", "dlt": {"pe": "1101", "te": ["1207"]}, "n": 1}
    assert second.json()["dlt"]["te"] == ["1208"]
    assert (first.headers["authorization"], first.headers["x-plain"]) == ("Bearer the-key", "yes")
    assert it.context.lines["r1"].reference == "7"


def test_an_answer_that_was_lost_is_looked_up_by_our_reference(gateway: Gateway) -> None:
    it = gateway.scene(on_edit="send")
    gateway.server.fail(1, Answered(503, True))
    first = it.deliver(row("r1"))
    it.clock.passes(20)
    second = it.deliver(row("r1"))
    it.deliver(row("r1", revision=2))

    assert (states(first), states(second)) == (["unknown"], ["delivered"])
    assert gateway.taken == {"r1": 1, "r1@2": 1}


def test_without_look_up_a_person_decides_at_once(gateway: Gateway) -> None:
    it = gateway.scene(provider={"look_up": None})
    gateway.server.fail(1, Answered(503, True))
    (outcome,) = it.deliver(row("r1"))
    it.clock.passes(1000)
    (again,) = it.deliver(row("r1"))

    assert (outcome.state, outcome.after) == (again.state, again.after) == ("unknown", None)
    assert gateway.taken == {"r1": 1}


def test_without_look_up_at_least_once_sends_again(gateway: Gateway) -> None:
    it = gateway.scene(provider={"look_up": None}, policy="at_least_once")
    gateway.server.fail(1, Answered(503, True))
    (first,) = it.deliver(row("r1"))
    it.clock.passes(60)

    assert (first.state, first.after) == ("unknown", 10.0)
    assert states(it.deliver(row("r1"))) == ["delivered"]
    assert gateway.taken == {"r1": 2}


def test_a_gateway_that_knows_references_is_simply_asked_again(gateway: Gateway) -> None:
    it = gateway.scene(provider={"look_up": None, "idempotent": True})
    gateway.server.fail(1, Answered(503, False))
    it.deliver(row("r1"))
    it.clock.passes(60)

    assert states(it.deliver(row("r1"))) == ["delivered"]
    assert [one.json()["ref"] for one in gateway.posts] == ["r1", "r1"]


@pytest.mark.parametrize(
    ("status", "state"),
    [(400, "refused"), (422, "refused"), (429, "later"), (409, "unknown"), (500, "unknown"), (503, "unknown"), (408, "unknown")],
)
def test_statuses_mean_what_the_page_says(gateway: Gateway, status: int, state: str) -> None:
    gateway.refuse = Reply(status, {"error": ASHA}, {"Retry-After": "9"})
    it = gateway.scene()
    (outcome,) = it.deliver(row("r1"))

    assert outcome.state == state
    assert ASHA not in (outcome.reason or "")
    assert outcome.after == {"later": 9.0, "unknown": 10.0}.get(state)


@pytest.mark.parametrize("status", [301, 401, 402, 403, 404, 410])
def test_a_gateway_that_takes_nothing_blocks(gateway: Gateway, status: int) -> None:
    gateway.refuse = Reply(status, {}, {"Location": "/other"} if status == 301 else {})
    it = gateway.scene()
    with pytest.raises(Blocked):
        it.deliver(row("r1"))

    assert (it.states(), len(gateway.posts)) == ({"r1": "waiting"}, 1)


def test_an_answer_without_the_id_is_no_proof(gateway: Gateway) -> None:
    gateway.refuse = Reply(200, {"error": "no credit"})
    it = gateway.scene()

    assert states(it.deliver(row("r1"))) == ["unknown"]
    assert states(gateway.scene(provider={"id": None}).deliver(row("r2"))) == ["delivered"]


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ({"url": "http://example.org/sms", "allow_private": False}, "not encrypted"),
        ({"url": "https://127.0.0.1/sms", "allow_private": False}, "127.0.0.1"),
        ({"headers": {"Host": "other"}}, "Host"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "line end"),
        ({"look_up": {"url": "https://example.org/sms"}}, "{reference}"),
        ({"callback_secret": "plain-text-secret"}, "pattern"),
    ],
)
def test_configurations_that_cannot_work_are_refused_without_showing_a_secret(
    gateway: Gateway, provider: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        SmsConfig.model_validate({"provider": gateway.config(**provider), "to": "phone", "template": "x"})

    told = "; ".join(error["msg"] for error in raised.value.errors(include_input=False))
    assert said in told
    assert "plain-text-secret" not in told


def test_callbacks_of_a_gateway_need_a_secret(gateway: Gateway) -> None:
    with pytest.raises(ValidationError, match="callback_secret"):
        SmsConfig.model_validate({"provider": gateway.config(), "to": "phone", "template": "x", "public_url": "https://c.example.org"})


def test_a_configuration_is_the_same_after_it_was_stored(gateway: Gateway) -> None:
    given = SmsConfig.model_validate({"provider": gateway.config(), "to": "phone", "template": "Thank you", "quiet_hours": "21:00-08:00"})
    stored = given.model_dump(mode="json", exclude_defaults=True)

    assert SmsConfig.model_validate(stored) == given
    assert SmsConfig.model_validate(SmsConfig(provider="log", to="a", template="b").model_dump(mode="json", exclude_defaults=True))  # type: ignore[arg-type]


def test_what_is_sent_again_keeps_to_opt_outs_and_quiet_hours_too(gateway: Gateway) -> None:
    it = gateway.scene(provider={"look_up": None}, policy="at_least_once", quiet_hours="22:00-23:00")
    gateway.server.fail(1, Answered(503, False))
    it.deliver(row("r1"))
    it.clock.passes(4.6 * 3600)  # 22:06 in India
    (asleep,) = it.deliver(row("r1"))
    it.clock.passes(3600)
    it.context.opted.add(ASHA)
    (opted_out,) = it.deliver(row("r1"))

    assert (asleep.state, asleep.after) == ("unknown", 54 * 60)
    assert opted_out.state == "unknown"
    assert gateway.taken == {}
