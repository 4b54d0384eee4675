"""What the destination asks of a provider, and what it is told."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from collect_pipelines.model import JsonValue

__all__ = ["Found", "Message", "Provider", "Result", "Same"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way. Its number and text are for the provider alone (promise 10)."""

    reference: str
    """Ours, the same for every attempt of this message."""
    to: str
    """E.164."""
    text: str
    language: str
    callback_url: str | None = None
    """Where the provider may report what becomes of it."""

    def __repr__(self) -> str:
        # Promise 10: tracebacks show arguments
        return f"Message({self.reference!r})"


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt to send ended."""

    state: Literal["sent", "refused", "opted_out", "busy", "unclear"]
    """
    sent: the provider took it. refused: not this message, and nothing was sent. opted_out: the recipient wants none. busy: nothing
    was sent, another time. unclear: it may have been sent.
    """
    id: str | None = None
    """The provider's own name for it."""
    reason: str = ""
    """For operators: no number, no text."""
    code: str | None = None
    """The provider's own word for the reason."""
    after: float | None = None
    """For busy: seconds the provider asks to wait."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look-up found."""

    id: str
    state: Literal["sent", "delivered", "undelivered", "failed"] = "sent"


Same = Callable[[str], bool]


class Provider(ABC):
    """Sends one message at a time. Raises Blocked for what only a person can repair; everything else is a Result."""

    looks_up: bool = False
    """Whether `candidates` can tell what became of a message."""
    idempotent: bool = False
    """Whether the same reference has one effect however often it is sent."""
    ambiguous: bool = False
    """Whether `candidates` may hold messages of other receipts: then ids must be claimed."""

    @abstractmethod
    def send(self, message: Message) -> Result:
        """Sends it, once."""

    def candidates(self, message: Message, since: datetime, same: Same) -> list[Found]:
        """
        Messages at the provider, newest first, that may be this one, sent at `since` or later.

        same: whether a text is the one that was sent, for a provider that does not know our reference. Raises TryLater when it can't be
        asked, Blocked when it refuses to be.
        """
        raise AssertionError("asked only of a provider that looks up")

    @abstractmethod
    def probe(self) -> dict[str, JsonValue]:
        """Proves access by using it; facts for an operator. Raises Blocked, or TryLater while the provider is away."""
