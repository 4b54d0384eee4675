"""What a check said, verified: a plug-in may return anything, and what it says is stored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

import orjson

from collect_pipelines.model import Finding, Severity

__all__ = ["CheckOutcome", "Nonsense", "OutcomeName", "outcome_of", "sound_findings", "sound_metadata"]

OutcomeName = Literal["passed", "flagged", "rejected", "error", "timeout", "skipped"]

MAX_FINDINGS = 100  # of one check for one response; a person reads fewer
MAX_FINDING_BYTES = 16 * 1024  # stored with the response and sent back to the collector
MAX_METADATA_BYTES = 16 * 1024  # facts about answers, not a second set of answers
MAX_CODE = 64


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
    """For `error` and `timeout`: what went wrong, in words fit for a log (no answers)."""


def outcome_of(findings: Sequence[Finding]) -> OutcomeName:
    """`rejected` when a finding rejects, else `flagged` when one flags; notes pass."""
    severities = {finding.severity for finding in findings}
    return "rejected" if "reject" in severities else "flagged" if "flag" in severities else "passed"


def sound_findings(result: Any) -> tuple[Finding, ...]:
    """The findings a check returned (a generator counts). Raises Nonsense saying what else it was."""
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
    if not isinstance(metadata, dict) or not all(isinstance(facts, dict) for facts in metadata.values()):
        raise Nonsense("left answer metadata that is not a mapping of question to facts")
    if metadata:
        _storable(metadata, MAX_METADATA_BYTES, "answer metadata")
    return metadata


def _storable(value: Any, most: int, what: str) -> None:
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError) as exc:
        raise Nonsense(f"returned {what} that is not JSON") from exc
    if len(text) > most:
        raise Nonsense(f"returned {what} of more than {most} bytes")
    if b"\\u0000" in text:
        raise Nonsense(f"returned {what} with the NUL character")
