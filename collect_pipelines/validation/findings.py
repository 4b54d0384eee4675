"""What is said about a response that breaks a rule of the form, in the form's first language."""

from collections.abc import Mapping
from typing import Any

from collect_pipelines.forms.definition import FormDefinition, FormRule, label_in
from collect_pipelines.model import Finding

__all__ = ["rule_finding"]

EARLIER = "Another response has the same answer to {labels}."
BROKEN = "The answers to {labels} break a rule of the form."
ERRED = "A rule of the form can't be judged for the answers to {labels}."


def rule_finding(definition: FormDefinition, rule: FormRule, questions: tuple[str, ...], *, erred: bool = False, **data: Any) -> Finding:
    """
    A finding `rule.<name>`, or `rule.error` when the rule could not be judged.

    questions: keys, first the one it is shown at. data: more facts for programs, never an answer.
    """
    language = definition.languages[0] if definition.languages else None
    labels = {key: label_in(_labels(definition).get(key, {}), language, key) for key in questions}
    told = ", ".join(f"“{label}”" for label in labels.values())
    sentence = ERRED if erred else EARLIER if rule.unique else BROKEN
    message = sentence.format(labels=told) if erred or not rule.message else label_in(rule.message, language)
    named = [{"question": key, "label": label} for key, label in labels.items()]
    first = next(iter(labels), None)
    code = "rule.error" if erred else f"rule.{rule.name}"
    return Finding(code, message, rule.severity, first, labels.get(first or ""), {"rule": rule.name, "questions": named, **data})


def _labels(definition: FormDefinition) -> Mapping[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    waiting = list(definition.questions)
    while waiting:
        question = waiting.pop()
        found[question.key] = question.label
        waiting += question.questions
    return found
