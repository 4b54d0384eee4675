"""What a rule can say when one of its answers is missing: constraints of XLSForm say nothing then, and so must the rules made of them."""

from collect_pipelines.rules.nodes import Call, Field, Literal, Node

__all__ = ["may_break_without"]

Outcome = bool | None
"""True, False, or None for undecidable."""


def may_break_without(node: Node, key: str) -> bool:
    """Whether the rule can be false although the answer to this question is missing."""
    return False in _outcomes(node, key)


def _outcomes(node: Node, key: str) -> frozenset[Outcome]:
    if isinstance(node, Literal):
        return frozenset({bool(node.value)})
    if isinstance(node, Field):
        return frozenset({None}) if node.key == key else frozenset({True, False, None})
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
    return frozenset({True, False, None}) if all(_may_be_there(arg, key) for arg in args) else frozenset({None})


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
