"""What is said about a response that breaks a rule of the form, in the form's first language."""

from typing import Any

from collect_pipelines.forms.definition import FormDefinition, FormRule, label_in
from collect_pipelines.forms.messages import listed, say
from collect_pipelines.model import Finding

__all__ = ["rule_finding"]

MAX_LISTED = 5  # labels in one sentence; a reader loses track of more


def rule_finding(definition: FormDefinition, rule: FormRule, questions: tuple[str, ...], *, erred: bool = False, **data: Any) -> Finding:
    """
    A finding `rule.<name>`, or `rule.error` when the rule could not be judged, with the severity of the rule.

    questions: keys, first the one it is shown at. data: more facts for programs, never an answer.
    """
    language = definition.languages[0] if definition.languages else None
    labels = {key: label_in(definition.every[key].label, language, key) for key in questions}
    first = next(iter(labels), None)
    named = [{"question": key, "label": label} for key, label in labels.items()]
    code = "rule.error" if erred else f"rule.{rule.name}"
    message = _message(rule, list(labels.values()), language, erred=erred)
    return Finding(code, message, rule.severity, first, labels.get(first or ""), {"rule": rule.name, "questions": named, **data})


def _message(rule: FormRule, labels: list[str], language: str | None, *, erred: bool) -> str:
    if erred:
        return say("rule.error", language, {"label": labels[0], "rule": rule.name})
    if rule.message:
        return label_in(rule.message, language)
    told = listed(labels[:MAX_LISTED], language)
    if rule.unique:
        return say("rule.unique", language, {"label": told})
    return say("rule.broken.several", language, {"label": told}) if len(labels) > 1 else say("rule.broken", language, {"label": labels[0]})
