"""The gate every response passes between the log and a destination: Great Expectations decides, row by row, with reasons."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.nodes import unparse
from collect_pipelines.validation.batch_rules import Measure
from collect_pipelines.validation.compile import Rule, RuleSet, compile_rules
from collect_pipelines.validation.uniques import unique_rules
from collect_pipelines.validation.verdict import Statistic, Subject, Verdict, verdict_of
from collect_pipelines.validation.whole import Whole

if TYPE_CHECKING:
    import polars

    from collect_pipelines.validation.expectations import Workbench

__all__ = ["Gate", "Statistic", "Verdict", "shared_gate"]

MANY_RULES = 200  # each expectation costs GX about 1 ms per batch, whatever its size; beyond this one speaks for all
FEW_ROWS = 100  # below this as well: hundreds of forms with a few rows each are judged in the time of one suite of expectations
KEPT = 60_000  # rules and expectations, 3 KB each: of some 600 forms with 40 rules; making those of one again costs milliseconds
MAX_TEXT = 500  # characters of an expression in the description of an expectation: choices can make it very long

Value = TypeVar("Value")

SEVERITIES = {"reject": "critical", "flag": "warning", "note": "info"}


class Gate:
    """One per process (`shared_gate`): validations queue up behind a lock, suites are kept by the form version's content hash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workbench: Workbench | None = None
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._size = 0

    def warm_up(self) -> None:
        """Imports Great Expectations, which costs seconds; `validate` does it when this was not called."""
        with self._lock:
            self._bench()

    def validate(self, definition: FormDefinition, frame: "polars.DataFrame") -> Verdict:
        """
        Judges rows that all answered this form version, each by itself.

        `frame` holds `_position` and `_version`, and the answers as text under the column names of the definition's
        questions; a question that has no column counts as unanswered. `_received_at` is what rules call now().
        """
        with self._lock:
            rules = self._keep(definition.content_hash, lambda: compile_rules(definition))
            all_in_one = len(rules.rules) > MANY_RULES or frame.height < FEW_ROWS
            suite = self._keep((definition.content_hash, all_in_one), lambda: self._suite_of_rules(definition, rules, all_in_one))
            subjects = {rule.name: Subject(rule.name, rule.severity, rule.finding_at) for rule in rules.rules}
            return self._judge(suite, frame, subjects, failing=lambda: rules.violations(frame))

    def weigh(self, whole: Whole) -> Verdict:
        """Judges a micro-batch of all versions by the rules over many responses, after `validate` judged the rows by themselves."""
        with self._lock:
            uniques = unique_rules(whole.versions.values())
            name = (whole.newest.content_hash, *(unique.key for unique in uniques), *(rule.name for rule in whole.rules))
            suite = self._keep(name, lambda: self._suite_of_whole(whole, [unique.key for unique in uniques]))
            subjects = {unique.key: Subject(f"rule.{unique.name}", "reject", partial(whole.finding, unique.key)) for unique in uniques}
            subjects |= {rule.name: Subject(f"rule.{rule.name}", rule.severity, None) for rule in whole.rules}
            return self._judge(suite, whole.frame, subjects, failing=whole.failing, measures=whole.measures)

    def _judge(
        self,
        suite: Any,
        frame: "polars.DataFrame",
        subjects: Mapping[str, Subject],
        failing: Callable[[], Mapping[str, Sequence[int]]],
        measures: Callable[[], Mapping[str, Measure]] = dict,
    ) -> Verdict:
        judged = _Judged(failing, measures)
        rows = {"position": frame["_position"].to_list(), "version": frame["_version"].to_list()}
        return verdict_of(self._bench().judge(suite, rows, judged), subjects, lambda: judged.raised)

    def _bench(self) -> "Workbench":
        if self._workbench is None:
            from collect_pipelines.validation.expectations import Workbench

            self._workbench = Workbench()
        return self._workbench

    def _keep(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """What was made under this name before, or is made now."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        made = self._kept[name] = make()
        self._size += _size(made)
        while self._size > KEPT and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._size -= _size(oldest)
        return made

    def _suite_of_rules(self, definition: FormDefinition, rules: RuleSet, all_in_one: bool) -> Any:
        from collect_pipelines.validation.expectations import ExpectFormRules, batch_expectations, rule_expectation

        expectations = (
            [ExpectFormRules()]
            if all_in_one
            else [rule_expectation(rule.name, _described(rule), SEVERITIES[rule.severity]) for rule in rules.rules]
        )
        return self._bench().suite(_suite_name(definition), [*batch_expectations(), *expectations])

    def _suite_of_whole(self, whole: Whole, uniques: Sequence[str]) -> Any:
        from collect_pipelines.validation.expectations import batch_rule_expectation, rule_expectation

        named = [rule_expectation(key, f"No two responses share what {key} names.", SEVERITIES["reject"]) for key in uniques]
        named += [batch_rule_expectation(rule.name, f"The batch keeps the rule {rule.name}.") for rule in whole.rules]
        return self._bench().suite(f"{_suite_name(whole.newest)}:whole", named)


def _size(kept: Any) -> int:
    return len(kept.rules if isinstance(kept, RuleSet) else kept.expectations)


def _described(rule: Rule) -> str:
    """The sentence for people and what must be true."""
    text = "" if rule.node is None else unparse(rule.node)
    return f"{rule.message} [{text[:MAX_TEXT]}]" if text else rule.message


def _suite_name(definition: FormDefinition) -> str:
    return f"{definition.form}@{definition.content_hash[:12]}"


_shared = Gate()


def shared_gate() -> Gate:
    """The gate of this process."""
    return _shared


class _Judged:
    """What Great Expectations asks through its metrics. An error is told to it without its message, which can hold answers."""

    def __init__(self, failing: Callable[[], Mapping[str, Sequence[int]]], measures: Callable[[], Mapping[str, Measure]]) -> None:
        self._failing, self._measures = failing, measures
        self.raised = "Great Expectations raised an error"

    def failing(self) -> Mapping[str, Sequence[int]]:
        return self._told(self._failing)

    def measures(self) -> Mapping[str, Measure]:
        return self._told(self._measures)

    def _told(self, compute: Callable[[], Value]) -> Value:
        try:
            return compute()
        except Exception as exc:  # noqa: BLE001 - told without its message
            # Promise 10: GX keeps the message of what it catches, and that can hold answers
            self.raised = type(exc).__name__
            raise RuntimeError(self.raised) from None
