"""One configuration with its secrets read: what a delivery, or a test, sends with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from collect_pipelines.destinations.http.client import GuardedClient
from collect_pipelines.destinations.http.headers import check_header
from collect_pipelines.destinations.http.problems import NotSent, OutcomeUnclear
from collect_pipelines.destinations.http.urls import Target, target_of
from collect_pipelines.destinations.interface import Batch, Context, Delivery, ProbeReport
from collect_pipelines.destinations.webhook.config import WebhookConfig, is_reference
from collect_pipelines.destinations.webhook.envelope import Envelope, Message
from collect_pipelines.destinations.webhook.events import Event, events_of, ping
from collect_pipelines.destinations.webhook.sending import deliver_waves, in_batches, one_by_one
from collect_pipelines.destinations.webhook.signing import signed_headers, signing_key
from collect_pipelines.destinations.webhook.verdicts import Verdict, of_answer, of_failure
from collect_pipelines.errors import Blocked, ConfigInvalid, TryLater

__all__ = ["Session", "open_session"]

PING_REFUSED = "Let the receiver answer 2xx to the type test.ping; it may ignore it."


@dataclass
class Session:
    """Made for each delivery: a secret that was replaced is used from the next one on."""

    config: WebhookConfig
    context: Context
    client: GuardedClient
    clock: Callable[[], float]
    url: str
    target: Target
    headers: dict[str, str]
    keys: list[bytes]

    def deliver(self, batch: Batch) -> Delivery:
        """Sends an event per row; one outcome each."""
        events = list(events_of(batch))
        envelope = Envelope(self.config.format)
        sent: list[int] = []

        def send(places: Sequence[int]) -> Verdict:
            message = envelope.many([events[place] for place in places]) if self.config.batch else envelope.single(events[places[0]])
            sent.append(len(message.body))
            return self._send(message)

        planned = in_batches(events, envelope) if self.config.batch else one_by_one(events, self.config.parallel)
        delivery = deliver_waves(events, planned, send, self.context.guard, set_aside=batch.purpose == "retry")
        return Delivery(delivery.outcomes, api_calls=delivery.api_calls, sent_bytes=sum(sent))

    def probe(self, now: datetime, nonce: str) -> ProbeReport:
        """Sends an event of no response and judges the answer."""
        event = ping(self.context, now, nonce)
        started = self.clock()
        self.context.guard()
        verdict = self._send(self._message(event))
        if verdict.state == "blocked":
            raise Blocked(verdict.reason, fix=verdict.fix)
        if verdict.state == "refused":
            raise Blocked(f"The test message was refused: {verdict.reason}", fix=PING_REFUSED)
        if verdict.state == "later":
            raise TryLater(verdict.reason, after=verdict.after, unknown=verdict.unknown)
        milliseconds = round((self.clock() - started) * 1000)
        signed = f"signed with {len(self.keys)} secret{'s' if len(self.keys) > 1 else ''}" if self.keys else "not signed"
        return ProbeReport(
            f"{self.target} took a test.ping in {milliseconds} ms; {signed}.",
            {"receiver": str(self.target), "milliseconds": milliseconds, "signatures": len(self.keys), "webhook_id": event.id},
        )

    def _message(self, event: Event) -> Message:
        envelope = Envelope(self.config.format)
        return envelope.many([event]) if self.config.batch else envelope.single(event)

    def _send(self, message: Message) -> Verdict:
        signed = signed_headers(message.id, int(self.clock()), message.body, self.keys)
        headers = {**self.headers, "Content-Type": message.content_type, **signed}
        try:
            answer = self.client.request("POST", self.url, body=message.body, headers=headers)
        except (NotSent, OutcomeUnclear) as exc:
            return of_failure(exc)
        return of_answer(answer, str(self.target), self.clock())


def open_session(config: WebhookConfig, context: Context, client: GuardedClient, clock: Callable[[], float]) -> Session:
    """Reads the secrets. Raises Blocked naming the reference of one that is missing or can't be used. Sends nothing."""
    try:
        url = _revealed(config.url, context)
        target = target_of(url, allow_private=config.allow_private)
        headers = {name: _revealed(value, context) for name, value in config.headers.items()}
        for name, value in headers.items():
            check_header(name, value)
    except ConfigInvalid as exc:
        raise Blocked(exc.message, fix=exc.fix or "Correct the configuration.") from exc
    references = [reference for reference in (config.secret, config.previous_secret) if reference is not None]
    keys = [signing_key(context.secret(reference), reference) for reference in references]
    return Session(config, context, client, clock, url, target, headers, keys)


def _revealed(text: str, context: Context) -> str:
    return context.secret(text) if is_reference(text) else text
