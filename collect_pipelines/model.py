"""The nouns of the product as frozen values. Standard library only; every room may import them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType

__all__ = [
    "RECONNECT_NEEDED",
    "Accepted",
    "BatchState",
    "BreakerState",
    "Earlier",
    "Finding",
    "Fingerprint",
    "FormState",
    "IntegrationState",
    "JsonValue",
    "Ledger",
    "Operation",
    "Position",
    "Purpose",
    "QuotaBucket",
    "Severity",
    "Submission",
]

JsonValue = None | bool | int | float | str | list[Any] | dict[str, Any]

Position = NewType("Position", int)
"""Place of an entry in its form's log: 1..N, dense, in commit order (promise 3)."""

Operation = Literal["create", "edit", "delete", "release"]
Severity = Literal["reject", "flag", "note"]
FormState = Literal["open", "closed", "archived"]
IntegrationState = Literal["active", "paused", "blocked"]
BatchState = Literal["planned", "sending", "landed", "parked", "replaced"]
BreakerState = Literal["closed", "open", "half_open"]
"""Whether the receiver of an integration is asked: yes; not yet, it failed again and again; the next attempt decides."""
Purpose = Literal["live", "retry", "backfill", "replay"]
"""Why a batch is sent: new entries, entries that were set aside, older entries a new integration has not had, entries once more."""


RECONNECT_NEEDED = "google_sheets.reconnect_needed"
"""Code of a block: Google no longer accepts the credentials. It ends by itself when the connection is made anew."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check or a rule says about one answer (or, with `question` None, about the response as a whole)."""

    code: str
    """Stable and dotted, e.g. `required`, `choice.unknown`, `phone.invalid`."""
    message: str
    """One sentence for the person who collects, in their language."""
    severity: Severity = "reject"
    question: str | None = None
    """Question key; inside a repeat `members[2].age`, counted from 0."""
    label: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The shape used in HTTP answers, flags and quarantine reasons."""
        document: dict[str, Any] = {"code": self.code, "severity": self.severity, "message": self.message}
        if self.question is not None:
            document["question"] = self.question
        if self.label is not None:
            document["label"] = self.label
        if self.data:
            document["data"] = dict(self.data)
        return document


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a response can be recognised by later, for so many seconds. Only a SHA-256 of `value`, form and name is ever stored."""

    name: str
    value: bytes
    within_seconds: int
    """How far back earlier responses count; also how long this one is remembered."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier response of the form that has the same fingerprint of this name. Never the response itself, nor a deleted one."""

    name: str
    response_id: str
    received_at: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One response on its way into the log: parsed, bounded and checked, not yet numbered."""

    form_id: int
    response_id: str
    operation: Operation
    version: int
    answers: Mapping[str, Any]
    content_hash: bytes
    """SHA-256 over the canonical content; equal hashes are the same submission (promise 2)."""
    answers_json: str
    replaces: int | None = None
    """For an edit or delete: the revision it replaces."""
    submitted_at: datetime | None = None
    source: str = "api"
    respondent: str | None = None
    unique_key: str | None = None
    """What the form's `unique_by` holds for this response; None when the form has none or the answer is missing."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    answer_metadata: Mapping[str, Any] = field(default_factory=dict)
    flags: Sequence[Mapping[str, Any]] = ()
    fingerprints: Sequence[Fingerprint] = ()
    """Stored with the response; their values are digests by now."""
    recognised: frozenset[str] = frozenset()
    """Names of the fingerprints of which its checks were told an earlier response, or need not be told."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one submission. `position` and `revision` are those of the stored entry."""

    outcome: Literal[
        "accepted", "replayed", "conflict", "revision_conflict", "not_unique", "erased", "unknown_response", "form_closed", "not_stored",
        "overtaken",
    ]  # fmt: skip
    """`overtaken`: not stored, because a response with one of its fingerprints came first, unknown to its checks: run them again."""
    response_id: str
    position: int | None = None
    revision: int | None = None
    received_at: datetime | None = None
    version: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """
    Where every log entry of a form stands for one integration (promise 4).

    `accepted = delivered + filtered + quarantined + dead_lettered + erased + pending`, always: the database refuses a row
    for which it does not hold. Counted in log entries, so an edit counts besides its original.
    """

    form: str
    integration: str
    kind: str
    state: IntegrationState
    accepted: int
    delivered: int
    filtered: int
    quarantined: int
    dead_lettered: int
    erased: int
    pending: int
    oldest_pending_seconds: float | None
    reason: str | None = None
    fix: str | None = None
    problem: str | None = None
    """Code of what it is blocked by, where that has a name."""
    notices: Sequence[Mapping[str, Any]] = ()
    """What a person should know although it goes on: `code`, `message`, `fix`, `since`."""
    set_aside: int = 0
    """Of the pending ones, those that are tried by themselves."""
    open_letters: int = 0
    """Of the dead-lettered ones, those about which nobody decided yet."""
    failures: int = 0
    """Attempts in a row that brought nothing forward."""
    breaker: BreakerState = "closed"


@dataclass(frozen=True, slots=True)
class QuotaBucket:
    """A token bucket shared by all processes through Postgres: what it lets through in t seconds is at most `burst + rate x t`."""

    key: str
    burst: float
    rate: float
    """Tokens per second."""
    per_minute: int | None = None
    """At most so many in any sixty seconds as well, however the receiver cuts its minutes; at least `burst`. None: no such bound."""
