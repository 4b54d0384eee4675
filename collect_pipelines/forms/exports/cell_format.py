"""How the cells of one column are written when it is not the plain way: what `metadata.format` of a question says, both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.forms.definition import Question
from collect_pipelines.forms.exports.moment_format import MomentFormat
from collect_pipelines.forms.exports.number_format import NumberFormat

__all__ = ["BooleanFormat", "CellFormat", "ListFormat", "format_of"]


@dataclass(frozen=True, slots=True)
class BooleanFormat:
    """A word for true and one for false."""

    true: str
    false: str

    def read(self, text: str) -> bool | None:
        """True or false; None for any other word. Upper and lower case are alike."""
        words = {self.true.casefold(): True, self.false.casefold(): False}
        return words.get(text.strip().casefold())

    def write(self, answer: bool) -> str:
        """The word."""
        return self.true if answer else self.false

    def as_metadata(self) -> dict[str, Any]:
        """Both words."""
        return {"true": self.true, "false": self.false}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "BooleanFormat":
        """The format of a question's metadata. Raises ValueError when it is none."""
        if facts.keys() != {"true", "false"} or not all(isinstance(word, str) and word for word in facts.values()):
            raise ValueError("a format of booleans has the texts `true` and `false`")
        return cls(facts["true"], facts["false"])


@dataclass(frozen=True, slots=True)
class ListFormat:
    """Several labels in one cell with the same text between them."""

    separator: str
    closed: bool = False
    """The separator stands after the last one, too."""

    def parts(self, text: str) -> list[str]:
        """The labels in the cell, verbatim."""
        end = self.separator if self.closed else ""
        return (text.removesuffix(end) if end else text).split(self.separator)

    def joined(self, labels: Sequence[str]) -> str:
        """The cell."""
        return self.separator.join(labels) + (self.separator if self.closed else "")

    def as_metadata(self) -> dict[str, Any]:
        """The separator and whether it closes the list."""
        return {"separator": self.separator, **({"closed": True} if self.closed else {})}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "ListFormat":
        """The format of a question's metadata. Raises ValueError when it is none."""
        separator, closed = facts.get("separator"), facts.get("closed", False)
        if not facts.keys() <= {"separator", "closed"} or not isinstance(separator, str) or not separator or type(closed) is not bool:
            raise ValueError("a format of lists has the text `separator`, and may have `closed: true`")
        return cls(separator, closed)


CellFormat = NumberFormat | MomentFormat | BooleanFormat | ListFormat


def format_of(question: Question) -> CellFormat | None:
    """What `metadata.format` says; None when it says nothing, or nothing for this type. Raises ValueError saying what is wrong with it."""
    facts = question.metadata.get("format")
    if not isinstance(facts, Mapping):
        return None
    if question.type in ("integer", "decimal", "rating"):
        return NumberFormat.of(facts)
    if question.type == "date" or question.type == "time" or question.type == "datetime":
        return MomentFormat.of(question.type, facts)
    if question.type == "boolean":
        return BooleanFormat.of(facts)
    return ListFormat.of(facts) if question.type == "select_multiple" else None
