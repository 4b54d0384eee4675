"""The webhook keeps what every destination promises, one by one and in batches."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from collect_pipelines.destinations.webhook import Webhook
from collect_pipelines.testing import DestinationConformance, Effect, World


class WebhookSuite(DestinationConformance):
    destination = Webhook
    effects_are = "events"
    gives_up_seconds = 8.0

    def config(self, world: World) -> Mapping[str, Any]:
        return {
            "url": f"{world.address}/hook",
            "secret": world.secret("signing", "whsec_" + base64.b64encode(bytes(range(32))).decode()),
            "headers": {"Authorization": world.secret("token")},
            "timeout_seconds": 1,
            "allow_private": True,
        }

    def effects(self, world: World) -> Iterator[Effect]:
        for request in world.stand_in.applied:
            body = request.json()
            for event in self.events(body):
                if event["type"] != "test.ping":
                    data = event["data"]
                    yield Effect(data, data["response_id"], data["revision"], event["type"] == "response.deleted", event["id"])

    def events(self, body: Any) -> list[Any]:
        return [body]


class TestOneByOne(WebhookSuite):
    most_interruptions = 15
    most_faults = 4


@pytest.mark.slow  # test_webhook_bodies.py has what differs from one by one
class TestBatchesOfCloudEvents(WebhookSuite):
    most_interruptions = 10  # a delivery is one request
    most_faults = 3

    def config(self, world: World) -> Mapping[str, Any]:
        return {**super().config(world), "batch": True, "format": "cloudevents"}

    def events(self, body: Any) -> list[Any]:
        return list(body)


del WebhookSuite, DestinationConformance
