"""What a check said, verified: a plug-in may return anything, and what it says is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import orjson

from collect_pipelines.model import Finding, Fingerprint, Severity

__all__ = [
    "MAX_FINDINGS",
    "MAX_FINGERPRINTS",
    "CheckOutcome",
    "Nonsense",
    "OutcomeName",
    "outcome_of",
    "sound_findings",
    "sound_fingerprints",
    "sound_metadata",
]

OutcomeName = Literal["passed", "flagged", "rejected", "error", "timeout", "skipped"]

MAX_FINDINGS = 100  # of one check for one response; a person reads fewer
MAX_FINDING_BYTES = 16 * 1024  # stored with the response and sent back to the collector
MAX_METADATA_BYTES = 16 * 1024  # facts about answers, not a second set of answers
MAX_CODE = 64
MAX_FINGERPRINTS = 16  # of one check for one response; each is a look-up and a stored row
MAX_FINGERPRINT_NAME = 48
MAX_FINGERPRINT_BYTES = 1024  # it is hashed once more before it is stored; a whole document should be hashed by the check
MAX_WITHIN_SECONDS = 10 * 366 * 86_400


class Nonsense(Exception):
    """The check raised, or returned something that is not a sequence of findings. The text holds no answer."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """How one check went for one response. It rejects the response when `outcome` is `rejected`, and never otherwise."""

    check: str
    outcome: OutcomeName
    findings: tuple[Finding, ...]
    duration_ms: float
    reason: str | None = None
    """When the check itself failed: what went wrong, in words fit for a log (no answers)."""
    failure: OutcomeName | None = None
    """When the check itself failed: `error` or `timeout`, also where `on_error: reject` makes the outcome `rejected`."""

    @property
    def counted_as(self) -> OutcomeName:
        """What metrics and log call it: a response sent back because the check broke is no fault of its sender."""
        return self.failure or self.outcome


def outcome_of(findings: Sequence[Finding]) -> OutcomeName:
    """`rejected` when a finding rejects, else `flagged` when one flags; notes pass."""
    if not findings:
        return "passed"
    severities = {finding.severity for finding in findings}
    return "rejected" if "reject" in severities else "flagged" if "flag" in severities else "passed"


def sound_findings(result: Any) -> tuple[Finding, ...]:
    """The findings a check returned (a generator counts). Raises Nonsense saying what else it was."""
    if type(result) in (list, tuple) and not result:  # as nearly always
        return ()
    if isinstance(result, str | bytes | Mapping) or not isinstance(result, Iterable):
        raise Nonsense(f"returned {type(result).__name__} instead of a sequence of findings")
    findings = tuple(islice(result, MAX_FINDINGS + 1))
    if len(findings) > MAX_FINDINGS:
        raise Nonsense(f"returned more than {MAX_FINDINGS} findings")
    for finding in findings:
        _verify(finding)
    return findings


def _verify(finding: Any) -> None:
    if not isinstance(finding, Finding):
        raise Nonsense(f"returned {type(finding).__name__} among its findings")
    if finding.severity not in get_args(Severity):
        raise Nonsense("returned a finding whose severity is none of reject, flag, note")
    texts = (finding.code, finding.message, finding.question or "", finding.label or "")
    if not all(isinstance(text, str) for text in texts) or not finding.code or len(finding.code) > MAX_CODE:
        raise Nonsense("returned a finding whose code, message, question or label is not text")
    if not isinstance(finding.data, Mapping):
        raise Nonsense("returned a finding whose data is not a mapping")
    _storable(finding.as_json(), MAX_FINDING_BYTES, "a finding")


def sound_metadata(metadata: Any) -> dict[str, dict[str, Any]]:
    """What a check noted about answers, by question. Raises Nonsense when it can't be stored."""
    if type(metadata) is dict and not metadata:
        return metadata
    if not isinstance(metadata, dict) or not all(isinstance(facts, dict) for facts in metadata.values()):
        raise Nonsense("left answer metadata that is not a mapping of question to facts")
    _storable(metadata, MAX_METADATA_BYTES, "answer metadata")
    return metadata


def sound_fingerprints(result: Any) -> tuple[Fingerprint, ...]:
    """The fingerprints a check returned. Raises Nonsense saying what is wrong with them."""
    if isinstance(result, str | bytes | Mapping) or not isinstance(result, Iterable):
        raise Nonsense(f"returned {type(result).__name__} instead of a sequence of fingerprints")
    fingerprints = tuple(islice(result, MAX_FINGERPRINTS + 1))
    if len(fingerprints) > MAX_FINGERPRINTS:
        raise Nonsense(f"returned more than {MAX_FINGERPRINTS} fingerprints")
    for one in fingerprints:
        if not isinstance(one, Fingerprint):
            raise Nonsense(f"returned {type(one).__name__} among its fingerprints")
        if not isinstance(one.name, str) or not 0 < len(one.name) <= MAX_FINGERPRINT_NAME or not one.name.isprintable():
            raise Nonsense(f"returned a fingerprint whose name is not text of 1 to {MAX_FINGERPRINT_NAME} characters")
        if not isinstance(one.value, bytes) or len(one.value) > MAX_FINGERPRINT_BYTES:
            raise Nonsense(f"returned a fingerprint whose value is not bytes, {MAX_FINGERPRINT_BYTES} at most")
        if type(one.within_seconds) is not int or not 0 < one.within_seconds <= MAX_WITHIN_SECONDS:
            raise Nonsense("returned a fingerprint whose window is not a number of seconds up to ten years")
    return fingerprints


def _storable(value: Any, most: int, what: str) -> None:
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError) as exc:
        raise Nonsense(f"returned {what} that is not JSON") from exc
    if len(text) > most:
        raise Nonsense(f"returned {what} of more than {most} bytes")
    if b"\\u0000" in text:
        raise Nonsense(f"returned {what} with the NUL character")
