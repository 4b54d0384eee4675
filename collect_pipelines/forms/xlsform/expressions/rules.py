"""The rules that the cells of a workbook become."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.errors import RuleInvalid
from collect_pipelines.forms.faults import MAX_RULE_MESSAGE, MAX_RULE_NAME, MAX_RULE_QUESTIONS, MAX_RULES
from collect_pipelines.forms.xlsform.expressions.answers import Answers
from collect_pipelines.forms.xlsform.expressions.xpath import Untranslatable
from collect_pipelines.forms.xlsform.findings import Findings
from collect_pipelines.forms.xlsform.sheets.survey import Item, Survey
from collect_pipelines.rules.nodes import Node, keys, unparse

__all__ = ["Rules", "rule_name"]

Document = dict[str, Any]


def rule_name(key: str, what: str) -> str:
    """The name of the rule that a cell of a question becomes."""
    name = f"{key}_{what}"
    if len(name) <= MAX_RULE_NAME:
        return name
    mark = hashlib.sha256(key.encode()).hexdigest()[:6]
    return f"{key[: MAX_RULE_NAME - len(what) - 8]}_{mark}_{what}"


@dataclass(slots=True)
class Rules:
    """All rules of one form so far."""

    survey: Survey
    answers: Answers
    findings: Findings
    found: list[Document] = field(default_factory=list)
    """As a form file has them."""

    def add(self, item: Item, what: str, root: Node, messages: Mapping[str, str]) -> None:
        """The cell of a row as a rule. Raises Untranslatable when a form can't have it."""
        if len(self.found) >= MAX_RULES:
            raise Untranslatable(f"one rule more than the {MAX_RULES} a form may have")
        rule: Document = {"name": rule_name(item.key, what), "expression": self.checked(root, item.repeats())}
        if messages:
            rule["message"] = dict(messages)
        named = keys(root)
        if named[:1] != (item.key,):
            rule["questions"] = [item.key, *(key for key in named if key != item.key)][:MAX_RULE_QUESTIONS]
        self.found.append(rule)

    def sayable(self, item: Item, column: str, messages: Mapping[str, str]) -> Mapping[str, str]:
        """The messages a rule can have."""
        if all(len(message) <= MAX_RULE_MESSAGE for message in messages.values()):
            return messages
        told = f"has more than {MAX_RULE_MESSAGE:,} characters, so the rule has a sentence of ours; shorten it"
        self.findings.note(self.survey.cell(item, column), told)
        return {}

    def checked(self, root: Node, around: tuple[str, ...]) -> str:
        """The text of a tree, for a place inside these repeats. Raises Untranslatable when our language can't say it."""
        from collect_pipelines.rules.language import check

        text = unparse(root)
        try:
            check(text, self.answers.types(around))
        except RuleInvalid as exc:
            raise Untranslatable(f"something a rule can't say ({exc.problems[0].message if exc.problems else exc.message})") from exc
        return text
