"""The gate every response passes between the log and a destination: Great Expectations decides, row by row, with reasons."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding
from collect_pipelines.validation.compile import Rule, RuleSet, compile_rules

if TYPE_CHECKING:
    import polars

    from collect_pipelines.validation.expectations import Workbench

__all__ = ["Gate", "Statistic", "Verdict", "shared_gate"]

MANY_RULES = 200  # each expectation costs GX about 1 ms per batch, whatever its size; beyond this one speaks for all
KEPT_SUITES = 256  # form versions in use at a time; building one again costs milliseconds


@dataclass(frozen=True, slots=True)
class Statistic:
    """How one expectation fared over a batch."""

    name: str
    """Name of the rule, e.g. `age.max`, or the type of a batch expectation."""
    passed: bool
    unexpected: int
    """Rows that break it."""
    severity: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the gate says about a batch.

    With `error` set nothing was judged: no row may pass and none may be quarantined.
    """

    failures: list[tuple[int, tuple[Finding, ...]]]
    """Number of the row in the frame and every reason it must not pass, in row order."""
    statistics: tuple[Statistic, ...]
    error: str | None = None
    """What went wrong inside the gate, without values."""

    @property
    def success(self) -> bool:
        """Every row passes."""
        return self.error is None and not self.failures


class Gate:
    """One per process (`shared_gate`): validations queue up behind a lock, suites are kept by the form version's content hash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workbench: Workbench | None = None
        self._suites: OrderedDict[str, tuple[RuleSet, Any]] = OrderedDict()

    def warm_up(self) -> None:
        """Imports Great Expectations, which costs seconds; `validate` does it when this was not called."""
        with self._lock:
            self._bench()

    def validate(self, definition: FormDefinition, frame: "polars.DataFrame") -> Verdict:
        """
        Judges rows that all answered this form version.

        `frame` holds `_position` and `_version`, and the answers as text under the physical names of the definition's
        questions; a question that has no column counts as unanswered.
        """
        with self._lock:
            bench = self._bench()
            rules, suite = self._suite(definition)
            judged = _Judged(rules, frame)
            rows = {"position": frame["_position"].to_list(), "version": frame["_version"].to_list()}
            return _verdict(judged, bench.judge(suite, rows, judged))

    def _bench(self) -> "Workbench":
        if self._workbench is None:
            from collect_pipelines.validation.expectations import Workbench

            self._workbench = Workbench()
        return self._workbench

    def _suite(self, definition: FormDefinition) -> tuple[RuleSet, Any]:
        known = self._suites.pop(definition.content_hash, None) or self._build(definition)
        self._suites[definition.content_hash] = known
        if len(self._suites) > KEPT_SUITES:
            self._suites.popitem(last=False)
        return known

    def _build(self, definition: FormDefinition) -> tuple[RuleSet, Any]:
        from collect_pipelines.validation.expectations import ExpectFormRules, batch_expectations, rule_expectation

        rules = compile_rules(definition)
        severities = {"reject": "critical", "flag": "warning"}
        if len(rules.rules) > MANY_RULES:
            expectations = [ExpectFormRules()]
        else:
            expectations = [rule_expectation(rule.name, rule.message, severities[rule.severity]) for rule in rules.rules]
        return rules, self._bench().suite(f"{definition.form}@{definition.content_hash[:12]}", [*batch_expectations(), *expectations])


_shared = Gate()


def shared_gate() -> Gate:
    """The gate of this process."""
    return _shared


class _Judged:
    def __init__(self, rules: RuleSet, frame: "polars.DataFrame") -> None:
        self.rules, self._frame = rules, frame
        self.raised = "Great Expectations raised an error"

    def failing(self) -> Mapping[str, Sequence[int]]:
        try:
            return self.rules.violations(self._frame)
        except Exception as exc:  # noqa: BLE001 - told without its message
            # Promise 10: GX keeps the message of what it catches, and that can hold answers
            self.raised = type(exc).__name__
            raise RuntimeError(self.raised) from None


def _verdict(judged: _Judged, results: Sequence[Any]) -> Verdict:
    unjudged = {rule.name: rule for rule in judged.rules.rules}
    statistics: list[Statistic] = []
    reasons: dict[int, list[Finding]] = {}
    for result in results:
        broken = _broken(result, unjudged)
        name = _name(result)
        fault = judged.raised if _raised(result.exception_info) else _fault(result, broken is not None)
        if fault is not None:
            # an expectation that errs names no rows: taking it for "no bad rows" would let everything pass
            return Verdict([], (), error=f"Expectation {name} could not be judged ({fault}).")
        if broken is None:
            statistics.append(Statistic(name, True, 0, "reject"))
        for rule, rows in broken or ():
            unjudged.pop(rule.name)
            statistics.append(Statistic(rule.name, not rows, len(rows), rule.severity))
            for row in rows if rule.severity == "reject" else ():
                reasons.setdefault(row, []).append(rule.finding())
    if unjudged:
        return Verdict([], (), error=f"Expectation {min(unjudged)} was not judged.")
    return Verdict([(row, tuple(reasons[row])) for row in sorted(reasons)], tuple(statistics))


def _name(result: Any) -> str:
    return str(result.expectation_config.kwargs.get("rule") or result.expectation_config.type)


def _broken(result: Any, rules: Mapping[str, Rule]) -> list[tuple[Rule, list[int]]] | None:
    """The rules an expectation speaks for, with the rows that break them; None for an expectation about the batch."""
    if result.expectation_config.type == "expect_form_rules":
        rows = (result.result.get("details") or {}).get("rules") or {}
        return [(rule, rows.get(name, [])) for name, rule in rules.items()]
    rule = rules.get(_name(result))
    return None if rule is None else [(rule, result.result.get("unexpected_index_list") or [])]


def _fault(result: Any, about_rows: bool) -> str | None:
    if result.success:
        return None
    if not about_rows:
        return "it does not hold for the batch"
    return None if result.result.get("unexpected_index_list") else "it failed without naming rows"


def _raised(info: Any) -> bool:
    """Whether GX caught an exception; it tells so per expectation, or per metric."""
    if not isinstance(info, dict):
        return False
    return bool(info.get("raised_exception")) or any(map(_raised, info.values()))
