"""What ingest and a process of checks say to each other: JSON documents, four bytes of length before each. Never pickles."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.verdict import MAX_FINDINGS, MAX_FINGERPRINTS, Nonsense
from collect_pipelines.model import Earlier, Finding, Fingerprint

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_REQUEST_BYTES",
    "Frames",
    "draft_document",
    "draft_of",
    "findings_document",
    "findings_of",
    "fingerprints_document",
    "fingerprints_of",
    "frame",
    "reason_of",
]

MAX_ANSWER_BYTES = 2 * 1024 * 1024  # 100 findings of 16 KiB and the metadata fit
MAX_REQUEST_BYTES = 256 * 1024 * 1024  # a form with the longest reference lists
MAX_REASON = 200  # characters; a reason is a few words
LENGTH_BYTES = 4


def frame(document: Any) -> bytes:
    """The document ready to be sent. Raises TypeError for what is not JSON."""
    text = orjson.dumps(document)
    return len(text).to_bytes(LENGTH_BYTES, "big") + text


class Frames:
    """Puts the documents back together from what a socket delivers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Every document that is complete by now. Raises Nonsense for one that is too long or not JSON."""
        self._received += data
        while len(self._received) >= LENGTH_BYTES:
            length = int.from_bytes(self._received[:LENGTH_BYTES], "big")
            if length > self._most:
                raise Nonsense(f"sent more than {self._most} bytes at once")
            end = LENGTH_BYTES + length
            if len(self._received) < end:
                return
            text = bytes(self._received[LENGTH_BYTES:end])
            del self._received[:end]
            try:
                document = orjson.loads(text)
            except orjson.JSONDecodeError as exc:
                raise Nonsense("sent something that is not JSON") from exc
            yield document


def draft_document(draft: Draft, earlier: tuple[Earlier, ...] = ()) -> dict[str, Any]:
    """The draft as JSON; facts that other checks noted are not part of it."""
    return {
        "response_id": draft.response_id,
        "answers": dict(draft.answers),
        "respondent": draft.respondent,
        "language": draft.language,
        "earlier": [(one.name, one.response_id, one.received_at.isoformat()) for one in earlier],
    }


def draft_of(document: Mapping[str, Any]) -> Draft:
    """The draft again, with answers of its own."""
    earlier = tuple(Earlier(name, response_id, datetime.fromisoformat(at)) for name, response_id, at in document["earlier"])
    return Draft(document["response_id"], MappingProxyType(document["answers"]), document["respondent"], document["language"], {}, earlier)


def findings_document(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Findings as JSON."""
    return [finding.as_json() for finding in findings]


def findings_of(document: Any) -> list[Finding]:
    """The findings again; what they hold is still to be verified (verdict.sound_findings). Raises Nonsense."""
    if not isinstance(document, list) or len(document) > MAX_FINDINGS or not all(isinstance(item, dict) for item in document):
        raise Nonsense(f"sent something that is not a list of at most {MAX_FINDINGS} findings")
    return [
        Finding(
            item.get("code", ""),
            item.get("message", ""),
            item.get("severity", ""),
            item.get("question"),
            item.get("label"),
            item.get("data", {}),
        )
        for item in document
    ]


def fingerprints_document(fingerprints: tuple[Fingerprint, ...]) -> list[tuple[str, str, int]]:
    """Fingerprints as JSON."""
    return [(one.name, one.value.hex(), one.within_seconds) for one in fingerprints]


def fingerprints_of(document: Any) -> list[Fingerprint]:
    """The fingerprints again, still to be verified (verdict.sound_fingerprints). Raises Nonsense."""
    if not isinstance(document, list) or len(document) > MAX_FINGERPRINTS:
        raise Nonsense(f"sent something that is not a list of at most {MAX_FINGERPRINTS} fingerprints")
    try:
        return [Fingerprint(name, bytes.fromhex(value), within) for name, value, within in document]
    except (TypeError, ValueError) as exc:
        raise Nonsense("sent something that is not a list of fingerprints") from exc


def reason_of(document: Any) -> str:
    """The reason a process gives, made fit for a log: short and printable, whoever wrote it."""
    text = document if isinstance(document, str) else "gave no reason"
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text[:MAX_REASON])
