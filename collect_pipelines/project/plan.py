"""What would change, as values: printed, compared and carried out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Action", "Change", "Part", "Plan"]

Part = Literal["form", "integration", "key"]
Action = Literal["add", "change", "pause"]

SIGNS: Mapping[Action, str] = {"add": "+", "change": "~", "pause": "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that `apply` would do."""

    part: Part
    name: str
    action: Action
    summary: str
    """In a few words, e.g. `warehouse of household`."""
    lines: tuple[str, ...] = ()
    """Everything that it means, one sentence each."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs: counts, columns, fields."""

    @property
    def sign(self) -> str:
        """`+`, `~` or `-`."""
        return SIGNS[self.action]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that `apply` would do, in its order."""

    organization: str
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    """Why it can't be done; then nothing is done."""
    notices: tuple[str, ...] = ()
    """What a person should know."""

    def of(self, part: Part) -> dict[str, Change]:
        """The changes of forms, integrations or keys, by name."""
        return {change.name: change for change in self.changes if change.part == part}

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        changes = [
            {"part": one.part, "name": one.name, "action": one.action, "summary": one.summary, "lines": list(one.lines), **one.facts}
            for one in self.changes
        ]
        return {
            "organization": self.organization, "changes": changes, "problems": list(self.problems), "notices": list(self.notices),
        }  # fmt: skip
