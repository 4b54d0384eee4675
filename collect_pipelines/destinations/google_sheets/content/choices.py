"""A question that takes several choices: one cell with all of them, a column per choice, or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from collect_pipelines.destinations.google_sheets.content.cells import Cell
from collect_pipelines.forms.definition import Question, label_in

__all__ = ["OWN_WORDS", "ChoiceMode", "Choices"]

ChoiceMode = Literal["joined", "columns", "both"]

SEPARATOR = "; "  # as everywhere people read several choices: a comma occurs in labels
OWN_WORDS = "other: "  # before own words in the frame; no code holds a space
CHOSEN = 1  # what stands in the column of a choice; nothing otherwise, so that a sum counts the answers


@dataclass(frozen=True)
class Choices:
    """How the answers of one question are shown."""

    question: Question
    language: str | None
    labels: bool = True
    """Else codes."""

    def name(self, code: str) -> str:
        """What people read for a code."""
        known = next((one for one in self.question.choices if one.code == code), None)
        return code if known is None or not self.labels else label_in(known.label, self.language, code)

    def joined(self, codes: Sequence[str]) -> str:
        """All of them in one text, in the order chosen."""
        return SEPARATOR.join(one.removeprefix(OWN_WORDS) if one.startswith(OWN_WORDS) else self.name(one) for one in codes)

    def marks(self, codes: Sequence[str]) -> list[Cell]:
        """A cell per choice of the question, and one for what is none of them."""
        known = [one.code for one in self.question.choices]
        rest = [one.removeprefix(OWN_WORDS) for one in codes if one not in known]
        return [*(CHOSEN if code in codes else None for code in known), SEPARATOR.join(rest) or None]
