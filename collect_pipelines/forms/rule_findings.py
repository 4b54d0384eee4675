"""What is said about a response that does not keep a rule of the form: the same sentences to the collector and of the log."""

from collections.abc import Mapping, Sequence
from typing import Any

from collect_pipelines.forms.definition import FormDefinition, FormRule, label_in
from collect_pipelines.forms.messages import listed, say
from collect_pipelines.model import Finding, Severity
from collect_pipelines.rules.evaluate import Verdict

__all__ = ["rule_finding"]

MAX_LISTED = 5  # labels in one sentence; a reader loses track of more


def rule_finding(
    form: FormDefinition,
    rule: FormRule,
    questions: Sequence[str],
    language: str | None,
    *,
    verdict: Verdict = "broken",
    severity: Severity | None = None,
    places: Mapping[str, str] | None = None,
    longest: int | None = None,
    **data: Any,
) -> Finding:
    """
    A finding `rule.<name>`, or `rule.error` when the rule could not be judged.

    questions: keys, first the one it is shown at; for the verdict `missing`, those without an answer. severity: another than the
    rule's. places: where the answers stand, by key, when that is not the key alone. longest: characters of a label that are told.
    data: more facts for programs, never an answer.
    """
    at = places or {}
    labels = {key: label_in(form.every[key].label, language, key)[:longest] for key in questions}
    first = next(iter(labels), None)
    named = [{"question": at.get(key, key), "label": label} for key, label in labels.items()]
    return Finding(
        "rule.error" if verdict == "error" else f"rule.{rule.name}",
        _message(rule, list(labels.values()), language, verdict),
        severity or rule.severity,
        at.get(first, first) if first is not None else None,
        labels.get(first or ""),
        {"rule": rule.name, "questions": named, **data},
    )


def _message(rule: FormRule, labels: list[str], language: str | None, verdict: Verdict) -> str:
    if verdict == "error":
        return say("rule.error", language, {"label": labels[0], "rule": rule.name})
    if verdict == "missing":  # what the author says about wrong answers would puzzle somebody who gave none
        return say("rule.missing", language, {"label": labels[0]})
    if rule.message:
        return label_in(rule.message, language)
    told = listed(labels[:MAX_LISTED], language)
    if rule.unique:
        return say("rule.unique", language, {"label": told})
    return say("rule.broken.several", language, {"label": told}) if len(labels) > 1 else say("rule.broken", language, {"label": labels[0]})
