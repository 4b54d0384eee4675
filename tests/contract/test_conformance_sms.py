"""SMS receipts keep what every destination promises: through a gateway that can be asked, through Twilio, and into a file."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from collect_pipelines.destinations.sms import Sms
from collect_pipelines.destinations.sms.segments import printable
from collect_pipelines.destinations.sms.wording import defused
from collect_pipelines.testing import DestinationConformance, Effect, Reply, Request, World

ACCOUNT = "AC" + "0" * 32
LIMITS = {"to": "a_phone", "template": "{a_text}", "cooldown_seconds": 0, "most_per_number": 100_000, "most_per_day": 100_000}


class SmsSuite(DestinationConformance):
    destination = Sms
    effects_are = "events"
    shows_every_answer = False
    longest_text = 60
    gives_up_seconds = 10.0

    def provider(self, world: World) -> Any:
        return "log"

    def arrives(self, sent: str, found: str) -> bool:
        return defused(printable(sent)) in found

    def config(self, world: World) -> Mapping[str, Any]:
        return {**LIMITS, "on_edit": "send", "region": "IN", "within_hours": 8760, "provider": self.provider(world)}


class TestGateway(SmsSuite):
    most_interruptions = 10  # tests/integration/test_sms_receipts_are_sent_once.py dies at every moment by name
    most_faults = 4

    def provider(self, world: World) -> Any:
        return {
            "kind": "gateway",
            "url": f"{world.address}/messages",
            "headers": {"Authorization": "Bearer " + world.secret("token")},
            "look_up": {"url": f"{world.address}/messages/{{reference}}"},
            "allow_private": True,
            "timeout_seconds": 1,
        }

    def answer(self, world: World, request: Request) -> Reply:
        messages = world.state.setdefault("messages", {})
        if request.method == "GET":
            known = messages.get(request.path.rpartition("/")[2].replace("%40", "@"))
            return Reply(200, {"id": known}) if known else Reply(404)
        reference = request.json()["reference"]
        messages[reference] = f"m{len(messages)}"
        return Reply(202, {"id": messages[reference]})

    def effects(self, world: World) -> Iterator[Effect]:
        for request in world.stand_in.applied:
            if request.method == "POST":
                yield Effect(request.json()["text"])


@pytest.mark.slow  # test_sms_through_twilio.py has what differs from the gateway
class TestTwilio(SmsSuite):
    most_interruptions = 4  # the steps are those of the gateway
    most_faults = 2

    def provider(self, world: World) -> Any:
        return {
            "kind": "twilio",
            "account_sid": ACCOUNT,
            "auth_token": world.secret("token"),
            "sender": "+15005550006",
            "base_url": world.address,
            "allow_private": True,
            "timeout_seconds": 1,
        }

    def answer(self, world: World, request: Request) -> Reply:
        messages = world.state.setdefault("messages", [])
        target = urlsplit(request.path)
        if request.method == "GET" and target.path.endswith("/Messages.json"):
            to = parse_qs(target.query)["To"][0]
            return Reply(200, {"messages": [one for one in reversed(messages) if one["to"] == to]})
        if request.method == "GET":
            return Reply(200, {"sid": ACCOUNT, "status": "active"})
        form = dict(parse_qsl(request.text))
        made = {"sid": f"SM{len(messages):032x}", "to": form["To"], "body": form["Body"], "status": "queued", "direction": "outbound-api"}
        messages.append(made | {"date_created": format_datetime(datetime.now(UTC)), "date_sent": None})
        return Reply(201, made)

    def effects(self, world: World) -> Iterator[Effect]:
        for request in world.stand_in.applied:
            if request.method == "POST":
                yield Effect(dict(parse_qsl(request.text))["Body"])


@pytest.mark.slow  # the steps are those of the gateway, without a network
class TestFile(SmsSuite):
    most_interruptions = 4
    most_faults = 2

    def provider(self, world: World) -> Any:
        return {"kind": "file", "path": str(world.folder / "sms.ndjson")}

    def effects(self, world: World) -> Iterator[Effect]:
        path = Path(world.folder / "sms.ndjson")
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            yield Effect(json.loads(line)["text"])


del SmsSuite, DestinationConformance
