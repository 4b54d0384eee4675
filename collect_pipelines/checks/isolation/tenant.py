"""The check of one form version as the processes of its kind know it, and what they are asked about it."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from collect_pipelines.checks.breaker import Breaker
from collect_pipelines.checks.isolation.child import Message
from collect_pipelines.checks.isolation.member import Member

__all__ = ["QUICK_SECONDS", "Crashed", "Landlord", "NotReady", "Overran", "Preparation", "Request", "Tenant", "Unheeded", "end_with"]

PREPARE_SECONDS = 10.0  # for making one form version's check ready
QUICK_SECONDS = 0.002  # checks that take less are handed over several at a time


class Overran(Exception):
    """The check took longer than it may; its process was ended."""


class Crashed(Exception):
    """The process of the check ended, ran out of memory or talked nonsense; the text says which."""


class NotReady(Exception):
    """The check can't be asked (now); the text says why."""


class Unheeded(Exception):
    """Given up before its turn came."""


class Landlord(Protocol):
    """The pool of processes, as requests see it."""

    def heard(self, request: "Request", message: Message, seconds: float) -> None:
        """The answer to a request, from the process that was at it."""

    def prepared(self, preparation: "Preparation", message: Message) -> None:
        """A process has made a tenant ready, or could not."""


@dataclass(slots=True, eq=False)
class Tenant:
    """The check of one form version, as the processes of its kind know it."""

    key: int
    name: str
    """Of the form, for the log."""
    form: bytes
    """The definition as JSON; empty until it is admitted."""
    config: Mapping[str, Any]
    breaker: Breaker
    limit_seconds: float
    """How long it may work on one request."""
    references: bytes | None = None
    """JSON of the lists that the plug-in wants; None until they were read."""
    generation: int = 0
    """Counts changes of `references`; each has to be prepared anew."""
    problem: str | None = None
    """Why it can't be used."""
    waiting: deque["Request"] = field(default_factory=deque)
    preparing: bool = False
    lost_preparing: int = 0
    """Processes that were lost while they made it ready, since one did."""
    used_at: float = 0.0
    seconds: float = QUICK_SECONDS
    """About how long one request takes."""

    @property
    def preparable(self) -> bool:
        """Whether there is all that making it ready takes, and no reason against it."""
        return self.references is not None and self.problem is None


@dataclass(slots=True, eq=False)
class Request:
    """One request about one response."""

    pool: "Landlord"
    tenant: Tenant
    number: int
    do: Literal["fingerprints", "check"]
    draft: Mapping[str, Any]
    answer: "asyncio.Future[Message]"

    @property
    def limit_seconds(self) -> float:
        return self.tenant.limit_seconds

    def meant(self, message: Message) -> bool:
        return message.get("id") == self.number

    def answered(self, message: Message, seconds: float) -> None:
        self.pool.heard(self, message, seconds)


@dataclass(slots=True, eq=False)
class Preparation:
    """Making a tenant ready in one process."""

    pool: "Landlord"
    tenant: Tenant
    member: Member
    generation: int

    @property
    def limit_seconds(self) -> float:
        return PREPARE_SECONDS

    def meant(self, message: Message) -> bool:
        return message.get("key") == self.tenant.key and "problem" in message

    def answered(self, message: Message, seconds: float) -> None:
        self.pool.prepared(self, message)


def end_with(future: "asyncio.Future[Message]", result: Message | Exception) -> None:
    """Ends a request, unless whoever asked has gone."""
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
