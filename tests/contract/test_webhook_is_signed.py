"""A receiver can tell with the reference library that a request is genuine, new, and one it has not had (promise 5)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.destinations.webhook.signing import signed_headers, signing_key
from collect_pipelines.errors import Blocked, TryLater
from tests.contract.http_stand_ins import HOST, Authority, Receiver, Request, receiving
from tests.contract.webhook_tools import Desk, batch, entry, rows, whsec


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def in_time(desk: Desk) -> None:
    """The reference library asks the real clock."""
    desk.now = datetime.now(UTC).timestamp()


def verified(request: Request, secret: str) -> Any:
    return Reference(secret).verify(request.body, request.headers)


def test_the_reference_library_accepts_what_is_sent(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        in_time(desk)
        desk.webhook.deliver(rows(2))

    for request in receiver.requests:
        event = verified(request, whsec("new"))
        assert event["type"] == "response.created"
        assert event["id"] == request.headers["webhook-id"]


def test_while_a_secret_is_replaced_either_one_verifies(receiver: Receiver) -> None:
    with Desk.at(receiver, previous_secret="env:BEFORE") as desk:
        in_time(desk)
        desk.webhook.deliver(rows(1))

    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 2
    assert verified(request, whsec("new")) == verified(request, whsec("old"))
    with pytest.raises(WebhookVerificationError):
        verified(request, whsec("another"))


def test_a_replaced_secret_is_used_from_the_next_batch_on(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        in_time(desk)
        desk.webhook.deliver(rows(1))
        desk.lent.secrets["env:SIGNING"] = whsec("newer")
        desk.webhook.deliver(rows(1))

    assert verified(receiver.requests[1], whsec("newer"))


@pytest.mark.parametrize("part", ["body", "webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_changed_request_is_not_genuine(receiver: Receiver, part: str) -> None:
    with Desk.at(receiver) as desk:
        in_time(desk)
        desk.webhook.deliver(rows(1))
    (request,) = receiver.requests
    if part == "body":
        forged = replace(request, body=request.body.replace(b"name 1", b"name 2"))
    elif part == "webhook-signature":
        forged = replace(request, headers=request.headers | {part: "v1," + "A" * 43 + "="})
    else:
        value = str(int(request.headers[part]) + 1) if part == "webhook-timestamp" else "msg_other"
        forged = replace(request, headers=request.headers | {part: value})

    with pytest.raises(WebhookVerificationError):
        verified(forged, whsec("new"))


def test_an_old_request_is_not_new(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        desk.now = (datetime.now(UTC) - timedelta(minutes=6)).timestamp()
        desk.webhook.deliver(rows(1))

    with pytest.raises(WebhookVerificationError, match="too old"):
        verified(receiver.requests[0], whsec("new"))


def test_every_attempt_has_the_same_id_and_body_and_a_time_of_its_own(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        for attempt in range(3):
            desk.webhook.deliver(replace(rows(1), attempt=attempt + 1, batch_no=attempt + 1))
            desk.now += 3600

    requests = receiver.requests
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in requests}) == 3
    assert len({request.headers["webhook-signature"] for request in requests}) == 3


def test_ids_differ_between_revisions_responses_and_integrations(receiver: Receiver) -> None:
    with Desk.at(receiver) as desk:
        desk.webhook.deliver(batch(entry("r1", 1, "a"), entry("r1", 2, "b", revision=2), entry("r11", 3, "c")))
        desk.webhook.deliver(replace(batch(entry("r1", 1, "a")), integration_id=2))

    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 4


def test_an_id_stays_what_it_is_over_releases() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "")]
    )

    # the example of the specification
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_over_tls_the_certificate_must_be_good_and_for_the_name(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    with receiving(tls=authority.server("127.0.0.1")) as good, receiving(tls=authority.server("other.example")) as bad:
        with Desk.at(good, url=good.url.replace(HOST, "127.0.0.1")) as desk:
            desk.webhook.tls = authority.trusted()
            assert desk.webhook.deliver(rows(1)).outcomes == (Outcome.delivered(),)
        with Desk.at(bad, url=bad.url.replace(HOST, "127.0.0.1")) as desk, pytest.raises(TryLater, match="certificate"):
            desk.webhook.tls = authority.trusted()
            desk.webhook.deliver(rows(1))

    assert (len(good.requests), len(bad.requests)) == (1, 0)


def test_without_a_secret_there_is_an_id_and_no_signature(receiver: Receiver) -> None:
    with Desk.at(receiver, secret=None) as desk:
        desk.webhook.deliver(rows(1))

    headers = receiver.requests[0].headers
    assert headers["webhook-id"].startswith("msg_")
    assert "webhook-signature" not in headers


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", whsec("x" * 65)])
def test_a_secret_that_is_none_blocks_with_how_to_make_one_and_does_not_show_it(receiver: Receiver, secret: str) -> None:
    with Desk.at(receiver) as desk, pytest.raises(Blocked) as blocked:
        desk.lent.secrets["env:SIGNING"] = secret
        desk.webhook.deliver(rows(1))

    assert "env:SIGNING" in blocked.value.reason
    assert blocked.value.fix and "openssl rand" in blocked.value.fix
    assert not secret or secret == "whsec_" or secret not in f"{blocked.value.reason} {blocked.value.fix}"
    assert receiver.requests == []


def test_the_receiver_in_the_docs_verifies_and_takes_each_event_once(tmp_path: Path, receiver: Receiver) -> None:
    page = (Path(__file__).parents[2] / "docs" / "destinations" / "webhook.md").read_text("utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 16
    with Desk.at(receiver) as desk:
        in_time(desk)
        desk.webhook.deliver(rows(1))
        desk.webhook.deliver(rows(1))
    first, again = ({"headers": request.headers, "body": request.body.decode()} for request in receiver.requests)
    forged = first | {"body": first["body"].replace("name 1", "name 2")}
    script = tmp_path / "receiver.py"
    script.write_text(
        f"{example}\nimport json, sys\n"
        "for one in json.load(sys.stdin):\n    print(receive(one['headers'], one['body'].encode()))\n"
        "print(len(seen))\n"
    )
    env = {"WEBHOOK_SECRET": whsec("new")}
    ran = subprocess.run(
        [sys.executable, script], input=json.dumps([first, again, forged]), capture_output=True, text=True, env=env, check=True
    )

    assert ran.stdout.split() == ["200", "200", "401", "1"]
