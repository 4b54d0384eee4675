"""The answers an expression can speak of: by name in the workbook, by key here, with their types."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.rules.nodes import unparse
from collect_pipelines.rules.operations import ValueType

__all__ = ["Answer", "Answers"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One question as expressions see it."""

    name: str
    key: str
    kind: str
    repeats: tuple[str, ...] = ()
    """Keys of the repeats around it, outermost first."""
    codes: tuple[str, ...] = ()
    other: bool = False
    truth: str = "true"
    """What a client stores for a boolean that is true: `OK` for acknowledge."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All questions of a form."""

    by_name: Mapping[str, Answer] = field(default_factory=dict)
    """Names used twice are left out: nothing can refer to them."""
    by_key: Mapping[str, Answer] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Iterable[Answer]) -> "Answers":
        """The answers, each under its name and its key."""
        every = list(found)
        names = [one.name for one in every]
        twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        return cls({one.name: one for one in every if one.name not in twice}, {one.key: one for one in every})

    def types(self, around: tuple[str, ...]) -> dict[str, ValueType]:
        """Value types by key of what can be named inside these repeats."""
        return {
            key: kind
            for key, one in self.by_key.items()
            if (kind := VALUE_TYPES.get(one.kind)) and one.repeats == around[: len(one.repeats)]
        }

    def plain(self, expression: str) -> str:
        """The expression as it is written from its tree; itself when it fits no question."""
        from collect_pipelines.rules.language import check

        try:
            return unparse(check(expression, {key: VALUE_TYPES[one.kind] for key, one in self.by_key.items()}).root)
        except RuleInvalid:
            return expression
