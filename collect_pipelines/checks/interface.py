"""The pre-collect plug-in interface. Entry-point group `collect_pipelines.checks`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Earlier, Finding, Fingerprint

__all__ = ["Check", "CheckConfig", "Draft", "Earlier", "Fingerprint", "References"]

References = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of reference lists by name of the list, e.g. `{"slang": [{"term": ..., "language": ...}]}`. Read only."""


class CheckConfig(BaseModel):
    """Base of every check's configuration: unknown keys are refused, field descriptions are the documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Draft:
    """The response a check sees: typed answers by question key, before it is stored. Read only."""

    response_id: str
    answers: Mapping[str, Any]
    respondent: str | None = None
    language: str | None = None
    """Language of the caller's `Accept-Language`, for messages."""
    answer_metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    """A check may add facts about an answer here under its question key, e.g. `{"phone": {"e164": "+91..."}}`."""
    earlier: tuple[Earlier, ...] = ()
    """What the check's own `fingerprints` found, oldest first; empty while `fingerprints` itself is called."""


class Check(ABC):
    """
    One rule a response must pass, answered in the same request.

    One instance per form version and process, made from the form's `config`; `check` is called by one thread at a time, once per
    submission. It must be pure, bounded in time, and keep nothing between calls: instances come and go, and so do processes. A
    check that raises or overruns its time is handled by the form's `on_error`.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[CheckConfig]] = CheckConfig
    bounded: ClassVar[bool] = False
    """
    Claims to be quick (well under a millisecond whatever the answers are) and safe on the event loop of ingest, where it then runs
    in line. The claim counts only for distributions that the operator trusts (setting `trusted_plugins`); every other check runs in
    a process of its kind.
    """
    references: ClassVar[tuple[str, ...]] = ()
    """Names of the organization's reference lists that `prepare` wants, e.g. `("slang",)`."""

    def __init__(self, config: CheckConfig) -> None:
        """`config` is an instance of the class's own `Config`. Cheap; what costs time belongs into `prepare`."""
        self.config = config

    def prepare(self, form: FormDefinition, references: References) -> None:  # noqa: B027 - most checks have nothing to prepare
        """
        Called once before the first response of a form version, and again when one of the `references` changed.

        May take seconds (responses meanwhile go by `on_error`, they don't wait for it); state set here is all a check may keep.
        A list that the organization does not have is an empty sequence. Raise errors.Invalid, with a `fix`, when the configuration
        does not fit the form, e.g. names a question that it does not have: operators are shown these words.
        """

    def fingerprints(self, response: Draft, form: FormDefinition) -> Sequence[Fingerprint]:
        """
        What earlier responses of the form are looked up by, and this one is stored with; called before `check`. Default: nothing.

        At most 16, names of at most 48 characters, values of at most 1,024 bytes. Checks don't see each other's fingerprints.
        """
        return ()

    @abstractmethod
    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """What is wrong or worth noting; an empty sequence means nothing is."""
