"""Events as bytes: Standard Webhooks or CloudEvents, one or many."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from collect_pipelines.destinations.webhook.events import Event, message_id
from collect_pipelines.model import JsonValue

__all__ = ["Envelope", "Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """The body of one request and what stands for it in the headers."""

    id: str
    content_type: str
    body: bytes


class Envelope:
    """
    How events are wrapped.

    CloudEvents go out in structured mode: the signature covers the body, and in binary mode their attributes are headers.
    """

    def __init__(self, style: str) -> None:
        self._cloudevents = style == "cloudevents"

    def single(self, event: Event) -> Message:
        """One event."""
        content_type = "application/cloudevents+json; charset=utf-8" if self._cloudevents else "application/json"
        return Message(event.id, content_type, self.bytes_of(event))

    def many(self, events: Sequence[Event]) -> Message:
        """Several events in one body; its id follows from theirs."""
        items = [self._wrapped(event) for event in events]
        identity = message_id("batch", *(event.id for event in events))
        if self._cloudevents:
            return Message(identity, "application/cloudevents-batch+json; charset=utf-8", _bytes(items))
        body = {"id": identity, "type": "response.batch", "timestamp": events[-1].timestamp, "data": items}
        return Message(identity, "application/json", _bytes(body))

    def bytes_of(self, event: Event) -> bytes:
        """The event as it stands in a body."""
        return _bytes(self._wrapped(event))

    def _wrapped(self, event: Event) -> dict[str, JsonValue]:
        if not self._cloudevents:
            return {"id": event.id, "type": event.type, "timestamp": event.timestamp, "data": event.data}
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": f"/forms/{quote(event.form, safe='')}",
            "type": event.type,
            "subject": event.subject,
            "time": event.timestamp,
            "datacontenttype": "application/json",
            "data": event.data,
        }


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
