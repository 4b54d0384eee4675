"""
Every error of the product, sorted by what to do next:

* CollectError
  + Invalid            the input is wrong: correct it and send it again
    - FormInvalid      a form definition can't be read or breaks a rule of its own
    - RuleInvalid      a rule of a form can't be read, or does not fit the form's questions
    - ReferenceInvalid a reference list (a slang lexicon) can't be read
    - ConfigInvalid    a setting or a plug-in's configuration is wrong
    - ProjectInvalid   a project file (collect.yaml) can't be read, or can't be applied
  + Conflict           the input is well formed but contradicts what is stored
    - FormIncompatible a new form version re-types or re-uses a question key
  + NotFound           the thing named does not exist (or is not yours to see)
  + Unavailable        something this process needs is away; try again later
    - OutcomeUnknown   it is not known whether Postgres stored it; the same request again finds out
    - DurabilityOff    Postgres may lose what it acknowledges; nothing is accepted
    - PortTaken        a port the product needs is used by another process
  + PluginError        a plug-in can't be found, loaded or used
  + LeaseLost          another worker took over; stop working on this integration
  + DeliveryError      raised by a destination, about the whole batch
    - TryLater         not possible now; the same batch is sent again after a wait
    - Blocked          only a person can repair this; the backlog is kept
    - Refused          the receiver will never take this batch as it is

The docstring of an error is its default message.
"""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "Blocked",
    "CollectError",
    "ConfigInvalid",
    "Conflict",
    "DeliveryError",
    "DurabilityOff",
    "FormIncompatible",
    "FormInvalid",
    "Invalid",
    "LeaseLost",
    "NotFound",
    "OutcomeUnknown",
    "PluginError",
    "PortTaken",
    "ProjectInvalid",
    "ReferenceInvalid",
    "Refused",
    "RuleInvalid",
    "RuleProblem",
    "TryLater",
    "Unavailable",
]


class CollectError(Exception):
    """Something went wrong that the product has no better word for."""

    exit_code = 1

    def __init__(self, message: str | None = None, *, fix: str | None = None) -> None:
        """`message` says what is wrong and where; `fix` says what to do next."""
        self.message = message or (self.__doc__ or "").strip()
        self.fix = fix
        super().__init__(self.message)


class Invalid(CollectError):
    """The input is not valid."""

    exit_code = 3


class FormInvalid(Invalid):
    """The form definition is not valid."""

    def __init__(self, message: str | None = None, *, problems: Sequence[str] = (), fix: str | None = None) -> None:
        """`problems` lists every fault found, each with its place, so that one round of editing is enough."""
        self.problems = tuple(problems)
        super().__init__(message, fix=fix)


class RuleProblem(NamedTuple):
    """One thing wrong with a rule. `line` and `column` count from 1, columns in characters (code points)."""

    line: int
    column: int
    message: str
    fix: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}; {self.fix}"


class RuleInvalid(Invalid):
    """The rule is not valid."""

    def __init__(self, message: str | None = None, *, problems: Sequence[RuleProblem] = (), fix: str | None = None) -> None:
        """`problems` lists what is wrong, by place; without a `message` they are the message."""
        self.problems = tuple(problems)
        super().__init__(message or "\n".join(map(str, self.problems)), fix=fix or (self.problems[0].fix if self.problems else None))


class ReferenceInvalid(Invalid):
    """The reference list is not valid."""

    def __init__(self, message: str | None = None, *, problems: Sequence[str] = (), fix: str | None = None) -> None:
        """`problems` lists every fault found, each with file, line and column."""
        self.problems = tuple(problems)
        super().__init__(message, fix=fix)


class ConfigInvalid(Invalid):
    """A setting is not valid."""


class ProjectInvalid(Invalid):
    """The project file is not valid."""

    def __init__(self, message: str | None = None, *, problems: Sequence[str] = (), fix: str | None = None) -> None:
        """`problems` lists every fault found, each with its place, so that one round of editing is enough."""
        self.problems = tuple(problems)
        super().__init__(message, fix=fix)


class Conflict(CollectError):
    """This contradicts what is stored."""

    exit_code = 3


class FormIncompatible(Conflict):
    """The new version would change the meaning of answers already stored."""

    def __init__(self, message: str | None = None, *, problems: Sequence[str] = (), fix: str | None = None) -> None:
        """`problems` lists every incompatible change."""
        self.problems = tuple(problems)
        super().__init__(message, fix=fix)


class NotFound(CollectError):
    """There is no such thing."""

    exit_code = 4


class Unavailable(CollectError):
    """Something needed is not available now."""

    exit_code = 7
    overloaded = False
    """True when too much is waiting already: the same request fits in a moment later."""


class OutcomeUnknown(Unavailable):
    """The connection to Postgres was lost after the commit was sent."""


class DurabilityOff(Unavailable):
    """Postgres is set up so that it may lose what it acknowledges."""


class PortTaken(Unavailable):
    """The port is used by another process."""


class PluginError(CollectError):
    """The plug-in can't be used."""

    exit_code = 3


class LeaseLost(CollectError):
    """Another worker owns this integration now."""


class DeliveryError(CollectError):
    """The batch was not delivered."""


class TryLater(DeliveryError):
    """The destination can't take the batch now."""

    exit_code = 6

    def __init__(self, message: str | None = None, *, after: float | None = None, unknown: bool = False, quota_wait: bool = False) -> None:
        """
        after: seconds to wait before the same batch is sent again; None leaves it to the retry arithmetic.
        unknown: True when the batch may have been applied (timeout, 5xx, cut connection); False when it surely was not.
        quota_wait: True when nothing was begun, only the batch's turn under a quota was waited for: that counts as no attempt.
        """
        self.after = after
        self.quota_wait = quota_wait
        self.unknown = unknown
        super().__init__(message)


class Blocked(DeliveryError):
    """The destination needs a person."""

    exit_code = 7

    def __init__(self, reason: str, *, fix: str, problem: str | None = None) -> None:
        """
        `reason` and `fix` are shown to operators as they are: plain words, no secrets, no answers.

        problem: a stable code for machines and documentation, e.g. `google_sheets.not_shared`.
        """
        self.reason = reason
        self.problem = problem
        super().__init__(reason, fix=fix)


class Refused(DeliveryError):
    """The destination will never take this batch as it is."""

    exit_code = 6
