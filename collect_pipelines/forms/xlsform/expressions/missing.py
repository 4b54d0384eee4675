"""What a rule can say when one of its answers is missing: constraints of XLSForm say nothing then, and so must the rules made of them."""

from collections.abc import Sequence

from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, keys

__all__ = ["may_break_without", "rests_without", "without_idle_guards"]

Outcome = bool | None
"""True, False, or None for undecidable because that answer is missing; the others are taken as there."""


def may_break_without(node: Node, key: str) -> bool:
    """Whether the rule can be false although the answer to this question is missing."""
    return False in _outcomes(node, key)


def rests_without(node: Node) -> tuple[str, ...]:
    """The questions without whose answer the rule can't be decided, in order."""
    return tuple(key for key in keys(node) if None in _outcomes(node, key))


def without_idle_guards(node: Node) -> Node:
    """
    The rule without `!answered(key) ||` where it can't be false without that answer anyway.

    A client takes a comparison with a missing answer for false, so a constraint has to say that it rests then; our rules do by themselves.
    """
    parts = alternatives(node)
    for part in tuple(parts):
        key = _guarded_key(part)
        rest = [one for one in parts if one is not part]
        if key is not None and rest and not may_break_without(any_of(rest), key):
            parts = rest
    return any_of(parts)


def alternatives(node: Node) -> list[Node]:
    """The operands of `a || b || c`, in order."""
    if isinstance(node, Call) and node.name == "||":
        return [*alternatives(node.args[0]), *alternatives(node.args[1])]
    return [node]


def any_of(parts: Sequence[Node]) -> Node:
    """The parts joined by ||, from the left."""
    found = parts[0]
    for part in parts[1:]:
        found = call("||", found, part)
    return found


def _guarded_key(node: Node) -> str | None:
    if isinstance(node, Call) and node.name == "!" and isinstance(node.args[0], Call) and node.args[0].name == "answered":
        subject = node.args[0].args[0]
        return subject.key if isinstance(subject, Field) else None
    return None


def _outcomes(node: Node, key: str) -> frozenset[Outcome]:
    if isinstance(node, Literal):
        return frozenset({bool(node.value)})
    if isinstance(node, Field):
        return frozenset({None}) if node.key == key else frozenset({True, False})
    args = node.args
    if node.name == "answered":
        return frozenset({False}) if args[0] == Field(key, args[0].type, args[0].position) else frozenset({True, False})
    if node.name == "!":
        return frozenset(None if one is None else not one for one in _outcomes(args[0], key))
    if node.name in ("&&", "||"):
        decisive = node.name == "||"
        pairs = [(one, other) for one in _outcomes(args[0], key) for other in _outcomes(args[1], key)]
        return frozenset(decisive if decisive in pair else None if None in pair else not decisive for pair in pairs)
    if node.name == "?:":
        return _of_choice(node, key)
    return frozenset({True, False}) if all(_may_be_there(arg, key) for arg in args) else frozenset({None})


def _of_choice(node: Call, key: str) -> frozenset[Outcome]:
    condition, one, other = node.args
    found: set[Outcome] = set()
    for outcome in _outcomes(condition, key):
        found |= {None} if outcome is None else _outcomes(one if outcome else other, key)
    return frozenset(found)


def _may_be_there(node: Node, key: str) -> bool:
    """Whether an operand can have a value although the answer is missing."""
    if isinstance(node, Field):
        return node.key != key
    if isinstance(node, Literal) or node.name == "answered":
        return True
    if node.name == "?:":
        return _outcomes(node.args[0], key) != {None} and any(_may_be_there(arg, key) for arg in node.args[1:])
    if node.type == "boolean":
        return bool(_outcomes(node, key) - {None})
    return all(_may_be_there(arg, key) for arg in node.args)
