"""What one micro-batch came to; the numbers that become materializations, checks and progress lines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from collect_pipelines.model import Purpose

__all__ = ["CheckCount", "Outcome", "Report"]

Outcome = Literal["validated", "delivered", "postponed", "split", "blocked", "parked", "failed"]


@dataclass(frozen=True, slots=True)
class CheckCount:
    """Rows of one micro-batch that kept and broke one rule."""

    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Report:
    """
    One micro-batch of one lane. Holds numbers and names only, never an answer.

    `postponed`: tried again by itself. `split`: refused as a whole, it goes out in smaller batches so that the one that can't be taken
    is found. `blocked`: a person is needed, `message` says why and what to do. `parked`: given up, its rows are dead letters.
    `failed`: nothing changed, because Postgres was away or another worker took over.
    """

    lane: str
    form: str
    outcome: Outcome
    integration: str | None = None
    """None for validation."""
    rows: int = 0
    """Log entries looked at (validation) or rows handed to the destination (delivery)."""
    delivered: int = 0
    """Log entries whose effect is in the destination now; for validation, entries released."""
    rejected: int = 0
    """Log entries that became dead letters."""
    quarantined: int = 0
    behind: int = 0
    """Log entries that were set aside and are tried again by themselves."""
    skipped: int = 0
    """Rows that a rule of the destination left out."""
    purpose: Purpose = "live"
    seconds: float = 0.0
    api_calls: int = 0
    quota_wait_seconds: float = 0.0
    """Waited in this attempt; what earlier attempts of the batch waited is in their own reports."""
    only_waited: bool = False
    """Postponed for its turn under a quota alone: nothing was begun, and nothing failed."""
    oldest_age_seconds: float = 0.0
    """Age of the oldest entry when the micro-batch was begun."""
    from_position: int = 0
    to_position: int = 0
    message: str | None = None
    problem: str | None = None
    """Code of what it is blocked by, where that has a name."""
    notices: tuple[str, ...] | None = None
    """What the destination wants a person to know although it goes on; None: nothing was said."""
    checks: Mapping[str, CheckCount] = field(default_factory=dict)
    """For validation: expectation -> rows, or batches for a rule over batches."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """For validation: rule over batches that the newest batch breaks -> sentence. No response is held back for it."""
    retry_in_seconds: float | None = None
    """When postponed, or delivered in part: seconds until the next attempt."""
    full: bool = False
    """The batch was as large as it may be: there is a backlog."""
