"""Events: what is told of one response, with an id that never changes and a body that never changes either."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collect_pipelines.destinations.interface import Batch, Context
from collect_pipelines.destinations.webhook.answers import Answers, moment
from collect_pipelines.model import JsonValue

__all__ = ["Event", "events_of", "message_id", "ping"]

ID_CHARACTERS = 26  # 130 bits


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to one response."""

    id: str
    type: str
    timestamp: str
    """When it happened, not when it is sent: the body is the same at every attempt."""
    form: str
    subject: str
    """Id of the response."""
    data: dict[str, JsonValue]


def message_id(*parts: object) -> str:
    """
    A stable id for what the parts say, e.g. `msg_qkzd5c5w6wq7xu2m2m6g5cw5pe`.

    Promise 5: a receiver that remembers the ids it has seen has every revision once.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return "msg_" + base64.b32encode(digest).decode().lower()[:ID_CHARACTERS]


def events_of(batch: Batch) -> Iterator[Event]:
    """One per row, in order. The same row gives the same event, whatever batch it comes in."""
    answers = Answers(batch)
    for row in batch.frame.iter_rows(named=True):
        deleted = row["_operation"] == "delete"
        data: dict[str, JsonValue] = _facts(batch, row) | ({} if deleted else {"answers": answers.of(row)})
        yield Event(
            id=message_id("response", batch.integration_id, row["_response_id"], row["_revision"]),
            type=_type(row),
            timestamp=moment(row["_received_at"]),
            form=batch.form,
            subject=row["_response_id"],
            data=data,
        )


def ping(context: Context, now: datetime, nonce: str) -> Event:
    """What `collect integrations test` sends: an event of no response."""
    data: dict[str, JsonValue] = {"form": context.form, "integration": context.integration}
    identity = message_id("ping", context.integration_id, nonce)
    return Event(identity, "test.ping", moment(now), context.form, context.integration, data)


def _type(row: dict[str, Any]) -> str:
    if row["_operation"] == "delete":
        return "response.deleted"
    return "response.created" if row["_revision"] == 1 else "response.updated"


def _facts(batch: Batch, row: dict[str, Any]) -> dict[str, JsonValue]:
    submitted, received = row["_submitted_at"], row["_received_at"]
    return {
        "form": batch.form,
        "form_title": batch.form_title,
        "version": row["_version"],
        "response_id": row["_response_id"],
        "revision": row["_revision"],
        "position": row["_position"],
        "submitted_at": None if submitted is None else moment(submitted),
        "received_at": moment(received),
        "source": row["_source"],
        "respondent": row["_respondent"],
        "language": batch.language,
    }
