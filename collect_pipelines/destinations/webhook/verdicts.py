"""What an answer means for the response that was sent. The table stands in docs/destinations/webhook.md."""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

from collect_pipelines.destinations.http.problems import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.http.reading import Answer

__all__ = ["Verdict", "of_answer", "of_failure", "retry_after"]

MOST_RETRY_AFTER_SECONDS = 86_400.0  # a day; more is a mistake, and the operator should see it tried

REFUSED = frozenset({400, 413, 415, 422})
"""The receiver does not take this body."""

LATER = frozenset({408, 409, 421, 423, 424, 425, 429, 499})
"""Told of this request only; as are all 5xx."""

WHOLE_RECEIVER = frozenset({429, 502, 503, 504})
"""Said by who stands for all requests: the next response would fare the same."""

BLOCKED = {
    401: "Correct the credentials in `headers`, or the signing secret.",
    403: "Correct the credentials in `headers`, or let the receiver allow this sender.",
    404: "Correct `url`.",
    405: "Give the `url` of a receiver that takes POST.",
    407: "Give an address that is reached without a proxy.",
    410: "The receiver wants nothing more from here: remove the integration, or correct `url`.",
}
OTHER_FIX = "Ask the operator of the receiver what this answer means, and correct the configuration."
REDIRECT_FIX = "redirects are not followed; set `url` to the final address"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about one request."""

    state: Literal["delivered", "refused", "later", "blocked"]
    reason: str = ""
    fix: str = ""
    """For `blocked`."""
    after: float | None = None
    """Seconds the receiver asked for."""
    whole: bool = False
    """It concerns the receiver, not this response: no other one needs to be tried now."""
    unknown: bool = False
    """It may have been applied."""

    @property
    def may_be_its_own(self) -> bool:
        """Whether this response can be why: a gateway says 502 too when what stands behind it broke over a body."""
        return self.state == "later" and (self.unknown or not self.whole)


def of_answer(answer: Answer, place: str, now: float) -> Verdict:
    """`place` is the receiver's host; `now` in seconds since the epoch. The receiver's words are not repeated: they may hold answers."""
    status = answer.status
    reason = f"{place} answered {status}{_phrase(status)}"
    if answer.ok:
        return Verdict("delivered")
    if status in REFUSED:
        return Verdict("refused", f"{reason}.")
    if 300 <= status < 400:
        return Verdict("later", f"{reason}: {REDIRECT_FIX}.", whole=True)
    if status in LATER or status >= 500:
        whole = status in WHOLE_RECEIVER or "retry-after" in answer.headers
        return Verdict("later", f"{reason}.", after=retry_after(answer.headers.get("retry-after"), now), whole=whole, unknown=status >= 500)
    return Verdict("blocked", f"{reason}.", fix=BLOCKED.get(status, OTHER_FIX), whole=True)


def of_failure(problem: NotSent | OutcomeUnclear) -> Verdict:
    """What became of a request without an answer."""
    if isinstance(problem, NotAllowed):
        return Verdict("blocked", problem.reason, fix=problem.fix or "", whole=True)
    if isinstance(problem, NotSent):
        return Verdict("later", problem.reason, whole=True)
    return Verdict("later", problem.reason, unknown=True)


def retry_after(text: str | None, now: float) -> float | None:
    """
    Seconds from a Retry-After header, which holds seconds or a date; None when it holds neither.

    >>> retry_after("120", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 50.0), retry_after("soon", 0.0)
    (120.0, 10.0, None)
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:12])
    else:
        try:
            moment = parsedate_to_datetime(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return min(max(seconds, 0.0), MOST_RETRY_AFTER_SECONDS)


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""
