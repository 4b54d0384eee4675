"""Names of journal lines, and the states a receipt goes through."""

from typing import Literal

__all__ = ["CHANNEL", "DONE", "IN_DOUBT", "LIVE", "PENDING", "State", "claim_key", "receipt_key", "replaced_by", "response_of"]

CHANNEL = "sms"
"""Of the opt-out list."""

State = Literal["sending", "unknown", "sent", "delivered", "undelivered", "failed", "refused", "suppressed", "waiting", "claimed"]
"""
sending: noted before the call. unknown: it may have been sent. sent, delivered, undelivered, failed: the provider took it, and what it
says became of it. refused: the provider did not take it. suppressed: not sent by a rule. waiting: not sent yet. claimed: a message id
that belongs to a receipt.
"""

IN_DOUBT = ("sending", "unknown")
DONE = ("sent", "delivered", "undelivered", "failed")
PENDING = ("suppressed", "refused", "waiting")
"""Surely not sent: it may be tried afresh."""
LIVE = (*IN_DOUBT, *DONE)
"""What counts against limits: it was sent, or may have been."""


def receipt_key(response_id: str, revision: int | None = None) -> str:
    """
    The key of a response's receipt, or of that of one revision.

    Ids of responses hold neither `@` nor `/`, so keys never meet.
    """
    return response_id if revision is None else f"{response_id}@{revision}"


def claim_key(message_id: str) -> str:
    """The key that says that a message at the provider belongs to a receipt."""
    return f"message/{message_id}"


def response_of(key: str) -> str | None:
    """The response a key is about; None for a claim."""
    return None if "/" in key else key.partition("@")[0]


def replaced_by(state: str) -> tuple[str, ...]:
    """
    The states that a report of this state may replace: what is final stays.

    A report also corrects a line that said that nothing was sent, so that nothing is sent again.
    """
    before = (*IN_DOUBT, *PENDING)
    return before if state == "sent" else (*before, "sent")
