"""The check that judges the form's own rules: what answers must keep among themselves, told to the collector with the labels."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from collect_pipelines.checks.interface import Check, CheckConfig, Draft, References
from collect_pipelines.forms.definition import RULES_CHECK, FormDefinition
from collect_pipelines.forms.rule_findings import rule_finding
from collect_pipelines.forms.rule_judge import Judged, RuleJudge
from collect_pipelines.model import Finding

__all__ = ["RulesCheck"]

BUDGET_SECONDS = 0.05  # the event loop serves nobody else meanwhile; five rules take some 10 us
MAX_FINDINGS = 100  # of one check for one response
MAX_LABEL = 100  # characters of a label: twenty of them, in any script, fit into one finding


class RulesCheck(Check):
    """
    Judges every rule of the form with an `expression` and `placement: ingest`; a form that has one need not name this check.

    Codes: `rule.<name>`, with the severity of the rule, and `rule.error` (always a flag) when a rule can't be judged although every
    answer is there, e.g. because it divides by zero. `data` names the rule and all questions concerned, with their places and labels.
    """

    kind: ClassVar[str] = RULES_CHECK
    bounded: ClassVar[bool] = True

    def __init__(self, config: CheckConfig) -> None:
        """Compiles nothing yet; see `prepare`."""
        super().__init__(config)
        self._judges: dict[str, RuleJudge] = {}

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Compiles the rules."""
        self._judge(form)

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """One finding per rule, and for rules of a repeat per row; raises TimeoutError when the rows are too many to judge them all."""
        found: list[Judged] = []
        rejected = 0
        for one in self._judge(form).judged(response.answers, datetime.now(UTC), time.perf_counter() + BUDGET_SECONDS):
            found.append(one)
            rejected += one.verdict != "error" and one.checked.rule.severity == "reject"
            if rejected > MAX_FINDINGS:
                break
        return _findings(found, form, response.language) if found else ()

    def _judge(self, form: FormDefinition) -> RuleJudge:
        judge = self._judges.get(form.content_hash)
        if judge is None:
            judge = RuleJudge(form)
            self._judges = {form.content_hash: judge}
        return judge


def _findings(found: Sequence[Judged], form: FormDefinition, language: str | None) -> list[Finding]:
    """In the order of the form; when they are too many, rejections first: one is never crowded out."""
    order = {rule.name: place for place, rule in enumerate(form.rules)}
    findings = [_finding(one, form, language) for one in sorted(found, key=lambda one: order[one.checked.rule.name])]
    if len(findings) > MAX_FINDINGS:
        findings = sorted(findings, key=lambda finding: finding.severity != "reject")[:MAX_FINDINGS]
    return findings


def _finding(judged: Judged, form: FormDefinition, language: str | None) -> Finding:
    checked, verdict = judged.checked, judged.verdict
    return rule_finding(
        form,
        checked.rule,
        judged.missing or checked.questions,
        language,
        verdict=verdict,
        severity="flag" if verdict == "error" else None,  # the response may be all right
        places=judged.places,
        longest=MAX_LABEL,
    )
