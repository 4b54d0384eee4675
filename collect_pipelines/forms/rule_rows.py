"""The values a rule of the form is judged with: those of the response, or of each row of its repeat with what is around it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.values import reader_of

__all__ = ["RowValues", "RuleRows"]

RowValues = tuple[Mapping[str, Any], tuple[str, ...]]
"""Values by question key, and what stands before the keys of each level: ``("", "members[2].")``."""


@dataclass(frozen=True, slots=True)
class _Level:
    """Where some rules read: the response, or the rows of one repeat."""

    repeat: str
    """Key of the repeat; empty for the response."""
    reads: tuple[tuple[str, Callable[[Any], Any]], ...]
    """Key of each question that is looked at here, and what makes a value of an answer to it."""

    def values(self, answers: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, Any]:
        values = dict(outer)
        for key, read in self.reads:
            answer = answers.get(key)
            values[key] = None if answer is None else read(answer)
        return values


class RuleRows:
    """Made once for the rules that look at the rows of the same repeats, then asked for each response."""

    def __init__(self, form: FormDefinition, repeats: Sequence[str], keys: Iterable[str]) -> None:
        """repeats: keys of the repeats, outermost first; none for rules of the response itself. keys: the questions looked at."""
        types, repeats_of, wanted = form.checked.types, form.checked.repeats, tuple(dict.fromkeys(keys))
        self._levels = tuple(
            _Level(repeat, tuple((key, reader_of(types[key], form.every[key].type)) for key in wanted if len(repeats_of[key]) == depth))
            for depth, repeat in enumerate(("", *repeats))
        )

    def of_response(self, answers: Mapping[str, Any]) -> Iterator[RowValues]:
        """The values of the response, or of each innermost row with those around it. answers: of the types their questions ask for."""
        values = self._levels[0].values(answers, {})
        if len(self._levels) == 1:
            yield values, ("",)
        else:
            yield from self.of_repeat(answers.get(self._levels[1].repeat), values)

    def of_repeat(self, rows: Any, around: Mapping[str, Any]) -> Iterator[RowValues]:
        """The same, from the answer to the outermost repeat and the values of the response. Whatever is no row is left out."""
        yield from _inside(self._levels[1:], rows, around, ("",))


def _inside(levels: Sequence[_Level], rows: Any, around: Mapping[str, Any], prefixes: tuple[str, ...]) -> Iterator[RowValues]:
    level, *deeper = levels
    for index, row in enumerate(rows if type(rows) is list else ()):
        if type(row) is dict:
            values = level.values(row, around)
            known = (*prefixes, f"{prefixes[-1]}{level.repeat}[{index}].")
            if deeper:
                yield from _inside(deeper, row.get(deeper[0].repeat), values, known)
            else:
                yield values, known
