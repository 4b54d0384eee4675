"""The pre-collect plug-in interface. Entry-point group `collect_pipelines.checks`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding

__all__ = ["Check", "CheckConfig", "Draft"]


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


class Check(ABC):
    """
    One rule a response must pass, answered in the same request.

    `check` is called once per submission, possibly by several threads at a time; it must be pure, bounded in time, and must
    keep nothing between calls. A check that raises or overruns its time is handled by the form's `on_error`.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[CheckConfig]] = CheckConfig

    def __init__(self, config: CheckConfig) -> None:
        self.config = config

    @abstractmethod
    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """What is wrong or worth noting; an empty sequence means nothing is."""
