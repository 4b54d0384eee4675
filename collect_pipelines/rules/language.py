"""Whether a text is a rule: parsed, held to the subset, and type-checked against the questions of a form version."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from collect_pipelines.errors import RuleInvalid, RuleProblem
from collect_pipelines.rules.nodes import Node, ValueType, depth, keys, unparse
from collect_pipelines.rules.resolve import Resolver
from collect_pipelines.rules.syntax import Fault, google_type, parsed
from collect_pipelines.rules.zones import UTC

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "Checked", "ValueType", "check"]

MAX_CHARACTERS = 4_000  # longer ones are generated; several rules say it with better messages
MAX_DEPTH = 24  # operations inside one another; Google's parser ends at 32

MAX_PROBLEMS = 20  # nobody reads more at once


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule that fits its form."""

    text: str
    root: Node
    keys: tuple[str, ...]
    """The questions it names, each once, in order of appearance."""


def check(text: str, fields: Mapping[str, ValueType], zone: str = UTC) -> Checked:
    """
    The expression as a checked tree that answers true or false.

    fields: what may be named, with its type. zone: the time zone whose day `today()` is, unless the rule names one.
    Raises RuleInvalid with every problem found, each with line, column and what to do.
    """
    try:
        root = _root(text, fields, zone)
    except Fault as fault:
        raise RuleInvalid(problems=[_problem(text, fault)]) from None
    return Checked(text, root, keys(root))


def _root(text: str, fields: Mapping[str, ValueType], zone: str) -> Node:
    _refuse_unreadable(text)
    tree = parsed(text)
    resolver = Resolver(text, tree.positions, fields, zone)
    root = resolver.resolve(tree.root)
    if resolver.faults or root is None:
        told = sorted(resolver.faults, key=lambda fault: fault.position)[:MAX_PROBLEMS]
        raise RuleInvalid(problems=[_problem(text, fault) for fault in told])
    if root.type != "boolean":
        raise Fault(0, f"the rule gives {root.type}, not true or false", "compare it with something, e.g. `... <= 10`")
    if depth(root) > MAX_DEPTH:
        raise Fault(root.position, f"operations are nested more than {MAX_DEPTH} deep", "split it into several rules")
    _seal(root, fields)
    return root


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise Fault(MAX_CHARACTERS, f"the rule is longer than {MAX_CHARACTERS} characters", "split it into several rules")
    if not text.strip():
        raise Fault(0, "the rule is empty", "write what must be true, e.g. `savings <= income`")
    for position, character in enumerate(text):
        if (character < " " and character not in "\t\n\r") or "\ud800" <= character <= "\udfff":
            raise Fault(position, "a control character or half of a character is not allowed", "remove it")


def _seal(root: Node, fields: Mapping[str, ValueType]) -> None:
    """Google's type checker must agree with ours."""
    kind = google_type(partial(unparse, root), {key: fields[key] for key in keys(root)})
    if kind != "BOOL":
        raise Fault(root.position, f"the rule gives {kind}, not true or false", "compare it with something")


def _problem(text: str, fault: Fault) -> RuleProblem:
    before = text[: fault.position]
    return RuleProblem(before.count("\n") + 1, len(before) - before.rfind("\n"), fault.message, fault.fix)
