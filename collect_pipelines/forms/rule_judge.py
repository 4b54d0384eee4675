"""The rules of a form over the answers of one response, each once or once per row of its repeat. Compiled once per form version."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.expressions import CheckedRule
from collect_pipelines.forms.rule_rows import RuleRows
from collect_pipelines.rules.evaluate import Verdict, compiled

__all__ = ["Judged", "RuleJudge"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule that is not kept, where it is not kept."""

    checked: CheckedRule
    verdict: Verdict
    """broken; missing, when the rule must not go unjudged; or error."""
    places: Mapping[str, str]
    """Where the answers stand, by question key: `income`, or `members[2].age`."""
    missing: tuple[str, ...] = ()
    """For missing: keys of the questions without an answer."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    checked: CheckedRule
    judge: Callable[[Mapping[str, Any], datetime], Verdict]


class RuleJudge:
    """Made once per form version, then used for every response."""

    def __init__(self, form: FormDefinition) -> None:
        """The rules with an expression and `placement: ingest`."""
        self._repeats = form.checked.repeats
        groups: dict[tuple[str, ...], list[CheckedRule]] = {}
        for checked in form.checked.rules:
            if checked.root is not None and checked.rule.placement == "ingest":
                groups.setdefault(checked.repeats, []).append(checked)
        self._groups = tuple((_rows(form, repeats, rules), _compiled(rules)) for repeats, rules in groups.items())

    def judged(self, answers: Mapping[str, Any], now: datetime, until: float) -> Iterator[Judged]:
        """
        Every rule that is not kept, in no particular order. answers: of the types their questions ask for.

        now: the moment of acceptance. until: on `time.perf_counter`; raises TimeoutError when it is passed, as a long form with many rows
        can ask for more than a collector should wait for.
        """
        for rows, rules in self._groups:
            for values, prefixes in rows.of_response(answers):
                for one in rules:
                    verdict = one.judge(values, now)
                    if verdict != "kept" and (verdict != "missing" or one.checked.rule.on_missing == "fail"):
                        yield self._judged(one.checked, verdict, values, prefixes)
                    if time.perf_counter() > until:
                        raise TimeoutError

    def _judged(self, checked: CheckedRule, verdict: Verdict, values: Mapping[str, Any], prefixes: Sequence[str]) -> Judged:
        named = (*checked.questions, *checked.keys)
        places = {key: prefixes[len(self._repeats[key])] + key for key in named}
        missing = tuple(key for key in checked.keys if values.get(key) is None) if verdict == "missing" else ()
        return Judged(checked, verdict, places, missing)


def _compiled(rules: Sequence[CheckedRule]) -> tuple[_Compiled, ...]:
    return tuple(_Compiled(checked, compiled(checked.root)) for checked in rules if checked.root is not None)


def _rows(form: FormDefinition, repeats: Sequence[str], rules: Sequence[CheckedRule]) -> RuleRows:
    return RuleRows(form, repeats, (key for checked in rules for key in checked.keys))
