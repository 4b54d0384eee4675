"""What checks found out about other responses: stored with the response, and told only to keys that may read responses."""

from collections.abc import Mapping, Sequence
from typing import Any

from collect_pipelines.ingest.problems import Problem
from collect_pipelines.store.keys import ApiKey

__all__ = ["checks_for", "findings_for", "problem_for"]

OF_OTHERS = "earlier"
"""The member of a finding's `data` that tells of other responses, with their ids."""


def findings_for(key: ApiKey, findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The findings as this key may know them."""
    if "read" in key.scopes:
        return list(findings)
    return [_discreet(finding) for finding in findings]


def checks_for(key: ApiKey, checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The `checks` of a reply as this key may know them."""
    return [{**check, "findings": findings_for(key, check["findings"])} for check in checks]


def problem_for(key: ApiKey, problem: Problem) -> Problem:
    """The same problem, its `checks` as this key may know them."""
    if "checks" in problem.extra:
        problem.extra = {**problem.extra, "checks": checks_for(key, problem.extra["checks"])}
    return problem


def _discreet(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    data = finding.get("data")
    if not isinstance(data, Mapping) or OF_OTHERS not in data:
        return finding
    kept = {name: value for name, value in data.items() if name != OF_OTHERS}
    rest = {name: value for name, value in finding.items() if name != "data"}
    return {**rest, "data": kept} if kept else rest
