"""The requests of a batch as text, for people who want to see before anything is sent."""

from collections.abc import Iterator

from collect_pipelines.destinations.http.urls import target_of
from collect_pipelines.destinations.interface import Batch
from collect_pipelines.destinations.webhook.config import WebhookConfig, is_reference
from collect_pipelines.destinations.webhook.envelope import Envelope, Message
from collect_pipelines.destinations.webhook.events import events_of
from collect_pipelines.destinations.webhook.sending import in_batches

__all__ = ["requests_of"]


def requests_of(batch: Batch, config: WebhookConfig) -> str:
    """Headers and exact body of every request; secrets are shown as where they are kept, the rest of the address not at all."""
    return "\n\n".join("\n".join([*_head(config, message), "", message.body.decode()]) for message in _messages(batch, config))


def _messages(batch: Batch, config: WebhookConfig) -> Iterator[Message]:
    envelope, events = Envelope(config.format), list(events_of(batch))
    if not config.batch:
        yield from map(envelope.single, events)
        return
    for wave in in_batches(events, envelope):
        yield from (envelope.many([events[place] for place in places]) for places in wave)


def _head(config: WebhookConfig, message: Message) -> Iterator[str]:
    where = config.url
    if not is_reference(where):
        # Promise 10: addresses of receivers often hold a token
        where = f"{(target := target_of(where, allow_private=config.allow_private)).scheme}://{target}/..."
    yield f"POST {where}"
    yield from (f"{name}: {value}" for name, value in config.headers.items())
    yield f"content-type: {message.content_type}"
    yield f"webhook-id: {message.id}"
    yield "webhook-timestamp: (seconds of the attempt)"
    if config.secret is not None:
        yield f"webhook-signature: {' '.join(['v1,...'] * (2 if config.previous_secret else 1))}"
