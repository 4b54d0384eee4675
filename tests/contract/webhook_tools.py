"""A webhook as the core makes it, with secrets in a dictionary and a clock of the test."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from collect_pipelines.destinations.webhook import Webhook, WebhookConfig
from collect_pipelines.errors import Blocked, LeaseLost
from tests.contract.http_stand_ins import Receiver, Reply, Request
from tests.contract.warehouse_fakes import batch, column, entry

__all__ = ["NOW", "Desk", "batch", "column", "entry", "replies", "rows", "whsec"]

NOW = 1_900_000_000.0


def whsec(seed: str) -> str:
    """A signing secret."""
    return "whsec_" + base64.b64encode(seed.encode().ljust(32, b".")).decode()


class Lent:
    """What the core lends, as far as a webhook asks for it."""

    integration_id, integration, form = 7, "household-webhook", "household"

    def __init__(self) -> None:
        self.secrets = {"env:SIGNING": whsec("new"), "env:BEFORE": whsec("old"), "env:TOKEN": "Bearer token-canary"}
        self.guards, self.lost = 0, False

    def secret(self, reference: str) -> str:
        if reference not in self.secrets:
            raise Blocked(f"The secret {reference} is missing.", fix="Set it.")
        return self.secrets[reference]

    def guard(self) -> None:
        self.guards += 1
        if self.lost:
            raise LeaseLost()


class Desk:
    """A webhook at a receiver."""

    def __init__(self, receiver: Receiver, **config: Any) -> None:
        self.receiver, self.lent, self.now = receiver, Lent(), NOW
        given = {"url": receiver.url, "secret": "env:SIGNING", "allow_private": True, "timeout_seconds": 2} | config
        self.webhook = Webhook(WebhookConfig.model_validate(given), self.lent)
        self.webhook.clock = lambda: self.now

    @classmethod
    @contextmanager
    def at(cls, receiver: Receiver, **config: Any) -> Iterator["Desk"]:
        desk = cls(receiver, **config)
        try:
            yield desk
        finally:
            desk.webhook.close()

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body) for request in self.receiver.requests]


def rows(number: int, **more: Any) -> Any:
    """A batch of so many responses r1, r2, ..."""
    return batch(*(entry(f"r{place}", place, f"name {place}", place) for place in range(1, number + 1)), **more)


def replies(**by_response: Reply) -> Any:
    """A receiver that answers each response in its own way, the others with 200."""

    def reply(request: Request) -> Reply:
        body = json.loads(request.body)
        items = body if isinstance(body, list) else body["data"] if isinstance(body["data"], list) else [body]
        found = [by_response[item["data"]["response_id"]] for item in items if item["data"].get("response_id") in by_response]
        return found[0] if found else Reply()

    return reply
