"""How we write the expressions of a question into the cells of its row; import compares, export writes."""

from collections.abc import Container, Mapping
from typing import Any

from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.xlsform.expressions.answers import Answer, Answers
from collect_pipelines.forms.xlsform.expressions.bounds import constraint_of
from collect_pipelines.forms.xlsform.expressions.missing import rests_without
from collect_pipelines.forms.xlsform.expressions.writing import xpath_of
from collect_pipelines.forms.xlsform.expressions.xpath import Untranslatable
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, unparse

__all__ = ["constraint_cell", "count_cell", "filter_cell", "negated", "required_condition", "unguarded"]


def constraint_cell(
    fields: Mapping[str, Any], kind: str, rule: Node | None, answers: Answers, key: str, sure: Container[str] = frozenset()
) -> str:
    """
    Bounds and rule of a question as one condition. Raises Untranslatable when XPath can't say the rule.

    sure: keys of the questions that always have an answer. For all others the condition says that it rests without.
    """
    parts = constraint_of(fields, kind)
    if rule is not None:
        body = unguarded(rule, key)
        resting = [one for one in rests_without(body) if one != key and one not in sure]
        said = [xpath_of(call("!", call("answered", answer(one, answers))), answers, key) for one in resting]
        whole = " or ".join([*said, xpath_of(body, answers, key)])
        is_choice = bool(said) or (isinstance(body, Call) and body.name == "||")
        parts.append(f"({whole})" if parts and is_choice else whole)
    return " and ".join(parts)


def answer(key: str, answers: Answers) -> Field:
    """The answer to a question as an operand. Raises Untranslatable when it is not asked any more."""
    found = answers.by_key.get(key)
    if found is None:
        raise Untranslatable(f"the question `{key}`, which is not asked any more")
    return Field(key, VALUE_TYPES[found.kind])


def filter_cell(choices_by: Mapping[str, str], answers: Answers) -> str | None:
    """The filter of a cascading select; None when a question it names has no name of its own."""
    pairs = [(column, answers.by_key.get(key)) for column, key in choices_by.items()]
    if any(one is None or answers.by_name.get(one.name) is not one for _, one in pairs):
        return None
    return " and ".join(_equality(column, one) for column, one in pairs if one is not None)


def _equality(column: str, chooser: Answer) -> str:
    return f"selected(${{{chooser.name}}}, {column})" if chooser.kind == "select_multiple" else f"{column} = ${{{chooser.name}}}"


def count_cell(rule: Node | None, low: Any, high: Any, answers: Answers, key: str) -> str:
    """How many rows a repeat has: a number, or what its rule compares it with; blank when nothing fixes it."""
    if rule is not None and isinstance(rule, Call) and rule.name == "==" and unparse(rule.args[0]) == f"size({key})":
        return xpath_of(rule.args[1], answers, None)
    return str(low) if low is not None and low == high else ""


def required_condition(rule: Node, key: str, relevance: list[Node]) -> Node | None:
    """The condition under which a rule wants an answer to the question; None when that is not what the rule says."""
    if not isinstance(rule, Call) or rule.name != "||":
        return None
    parts: list[Node] = []
    node: Node = rule
    while isinstance(node, Call) and node.name == "||":
        parts.insert(0, node.args[1])
        node = node.args[0]
    parts.insert(0, node)
    last = parts.pop()
    if not (isinstance(last, Call) and last.name == "answered" and isinstance(last.args[0], Field) and last.args[0].key == key):
        return None
    wanted = [unparse(negated(node)) for node in relevance]
    return negated(parts[-1]) if [unparse(part) for part in parts[:-1]] in (wanted, []) else None


def unguarded(rule: Node, key: str) -> Node:
    """The rule without the words that let it rest when the question has no answer: a client does not ask then anyway."""
    if isinstance(rule, Call) and rule.name == "||":
        first = rule.args[0]
        if isinstance(first, Call) and first.name == "!" and isinstance(first.args[0], Call) and first.args[0].name == "answered":
            subject = first.args[0].args[0]
            if isinstance(subject, Field) and subject.key == key:
                return rule.args[1]
    return rule


def negated(node: Node) -> Node:
    """The opposite, without two negations in a row."""
    return call("!", node) if isinstance(node, Field | Literal) or node.name != "!" else node.args[0]
