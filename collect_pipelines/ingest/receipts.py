"""What the writer says, told to a client: a receipt for what is stored, a problem for what is not."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Header
from collect_pipelines.model import Accepted

__all__ = ["REPLAYED", "STORED", "problem_of", "receipt", "receipt_headers"]

STORED = ("accepted", "replayed")
"""Outcomes that mean: it is in the log, durably."""

REPLAYED: Header = (b"idempotent-replayed", b"true")


def receipt(form: str, accepted: Accepted, checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The body of a 201, and byte for byte of every replay of it."""
    return {
        "id": accepted.response_id,
        "form": form,
        "position": accepted.position,
        "revision": accepted.revision,
        "version": accepted.version,
        "received_at": accepted.received_at,
        # Postgres gives members back in an order of its own: sorted, a replay is the same bytes.
        "checks": orjson.Fragment(orjson.dumps(checks, option=orjson.OPT_SORT_KEYS)),
    }


def receipt_headers(accepted: Accepted) -> list[Header]:
    """Location, the revision as ETag, and the mark of a replay."""
    headers = [(b"location", b"/v1/responses/" + accepted.response_id.encode()), (b"etag", b'"%d"' % (accepted.revision or 0))]
    if accepted.outcome == "replayed":
        headers.append(REPLAYED)
    return headers


def problem_of(accepted: Accepted, *, by_idempotency_key: bool = False) -> Problem:
    """The refusal behind an outcome that is not STORED. `by_idempotency_key`: the id was derived from the key."""
    match accepted.outcome:
        case "conflict" if by_idempotency_key:
            return Problem("idempotency-key-reused")
        case "conflict":
            return Problem("response-conflict", extra=_current(accepted))
        case "revision_conflict":
            return Problem("revision-conflict", extra=_current(accepted))
        case "not_unique":
            return Problem("not-unique")
        case "erased":
            return Problem("response-erased")
        case "unknown_response":
            return Problem("unknown-response")
        case "form_closed":
            return Problem("form-closed")
        case "not_stored":
            return Problem("not-storable")
        case "overtaken":
            return Problem("overloaded", "Responses that resemble this one keep arriving. Nothing was stored.")
        case "accepted" | "replayed":
            raise AssertionError("a stored response is not a problem")


def _current(accepted: Accepted) -> dict[str, Any]:
    return {} if accepted.revision is None else {"current_revision": accepted.revision}
