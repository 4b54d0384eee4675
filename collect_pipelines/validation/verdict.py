"""What Great Expectations said about a batch, read back without losing an error: nothing passes that was not judged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.model import Finding, Severity

__all__ = ["BatchStatistic", "Statistic", "Subject", "Verdict", "verdict_of"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """How one expectation fared over a batch."""

    name: str
    """Name of the rule, e.g. `age.max` or `rule.savings_within_income`, or the type of a batch expectation."""
    passed: bool
    unexpected: int
    """Rows that break it."""
    severity: str


@dataclass(frozen=True, slots=True)
class BatchStatistic:
    """How the batch as a whole fared by one rule over batches."""

    name: str
    passed: bool
    severity: Severity
    """`flag` warns of a batch that does not pass, `note` only counts it."""
    sentence: str
    """What was found, with numbers over many responses."""


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
    of_batch: tuple[BatchStatistic, ...] = ()

    @property
    def success(self) -> bool:
        """Every row passes."""
        return self.error is None and not self.failures


@dataclass(frozen=True, slots=True)
class Subject:
    """What one named expectation is about."""

    name: str
    """In statistics and reports."""
    severity: Severity
    finding: Callable[[int], Finding] | None
    """What is said about a row that breaks it; None for an expectation about the batch as a whole."""


def verdict_of(results: Sequence[Any], subjects: Mapping[str, Subject], raised: Callable[[], str]) -> Verdict:
    """
    The verdict of a validation that was to judge these subjects (by name of the rule in Great Expectations).

    raised: type of the error when the rules themselves erred; the message may hold answers (promise 10).
    """
    unjudged = dict(subjects)
    statistics: list[Statistic] = []
    of_batch: list[BatchStatistic] = []
    reasons: dict[int, list[Finding]] = {}
    for result in results:
        broken = list(_broken(result, unjudged))
        fault = raised() if _raised(result.exception_info) else _fault(result, broken)
        if fault is not None:
            # an expectation that errs names no rows: taking it for "no bad rows" would let everything pass
            return Verdict([], (), error=f"Expectation {_name(result, subjects)} could not be judged ({fault}).")
        if not broken:
            statistics.append(Statistic(_name(result, subjects), True, 0, "reject"))
        for key, rows in broken:
            subject = unjudged.pop(key)
            if subject.finding is None:
                of_batch.append(BatchStatistic(subject.name, bool(result.success), subject.severity, result.result["details"]["sentence"]))
                continue
            statistics.append(Statistic(subject.name, not rows, len(rows), subject.severity))
            for row in rows:
                finding = subject.finding(row) if subject.severity == "reject" else None
                if finding is not None and finding.severity == "reject":
                    reasons.setdefault(row, []).append(finding)
    if unjudged:
        return Verdict([], (), error=f"Expectation {min(subject.name for subject in unjudged.values())} was not judged.")
    return Verdict([(row, tuple(reasons[row])) for row in sorted(reasons)], tuple(statistics), of_batch=tuple(of_batch))


def _rule(result: Any) -> str | None:
    rule = result.expectation_config.kwargs.get("rule")
    return None if rule is None else str(rule)


def _name(result: Any, subjects: Mapping[str, Subject]) -> str:
    rule = _rule(result)
    subject = subjects.get(rule or "")
    return subject.name if subject else rule or str(result.expectation_config.type)


def _broken(result: Any, subjects: Mapping[str, Subject]) -> Iterator[tuple[str, list[int]]]:
    """The subjects an expectation speaks for, with the rows that break them; none for an expectation about what was read."""
    rule = _rule(result)
    if result.expectation_config.type == "expect_form_rules":
        rows = (result.result.get("details") or {}).get("rules") or {}
        yield from ((key, rows[key]) for key in subjects if key in rows)
    elif rule is not None and rule in subjects:
        yield rule, result.result.get("unexpected_index_list") or []


def _fault(result: Any, broken: Sequence[tuple[str, list[int]]]) -> str | None:
    if result.success or result.expectation_config.type == "expect_batch_rule":
        return None
    if not broken:
        return "it does not hold for the batch"
    return None if any(rows for _, rows in broken) else "it failed without naming rows"


def _raised(info: Any) -> bool:
    """Whether GX caught an exception; it tells so per expectation, or per metric."""
    if not isinstance(info, dict):
        return False
    return bool(info.get("raised_exception")) or any(map(_raised, info.values()))
