"""The checked expression as a small frozen tree: what every execution of a rule works from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collect_pipelines.rules.operations import ValueType, result_of

__all__ = ["Call", "Field", "Literal", "Node", "ValueType", "call", "depth", "field", "keys", "literal", "unparse"]

LiteralValue = str | int | float | bool | datetime | timedelta


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the rule. Dates and datetimes are aware UTC datetimes, a date at its midnight."""

    value: LiteralValue
    type: ValueType
    position: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """The answer to a question."""

    key: str
    type: ValueType
    position: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """An operation. Besides CEL's own names there are `neg` (unary minus), `in` (text, texts) and `one_of` (value, literal, ...)."""

    name: str
    args: tuple["Node", ...]
    type: ValueType
    position: int = 0


Node = Literal | Field | Call
"""`position` counts code points from 0 in the text of the rule; it is 0 in a tree that was built without text."""

_TYPES: dict[type, ValueType] = {
    bool: "boolean",
    int: "integer",
    float: "decimal",
    str: "text",
    datetime: "datetime",
    timedelta: "duration",
}


def literal(value: LiteralValue, type_: ValueType | None = None) -> Literal:
    """A literal; its type follows from the value unless given (`date`, `time`)."""
    return Literal(value, type_ or _TYPES[type(value)])


def field(key: str, type_: ValueType) -> Field:
    """The answer to a question as an operand."""
    return Field(key, type_)


def call(name: str, *args: Node) -> Call:
    """An operation on operands of the right types; ValueError when there is none of that name for them."""
    result = result_of(name, tuple(arg.type for arg in args))
    if result is None:
        raise ValueError(f"no operation {name} for {', '.join(arg.type for arg in args)}")
    return Call(name, args, result)


def keys(node: Node) -> tuple[str, ...]:
    """Keys of the questions the tree names, each once, in order of appearance."""
    return tuple(dict.fromkeys(_keys(node)))


def _keys(node: Node) -> Iterator[str]:
    if isinstance(node, Field):
        yield node.key
    elif isinstance(node, Call):
        for arg in node.args:
            yield from _keys(arg)


def depth(node: Node) -> int:
    """How many operations lie above the deepest operand, plus one."""
    return 1 + max(map(depth, node.args), default=0) if isinstance(node, Call) else 1


_INFIX: dict[str, int] = {
    "?:": 1, "||": 2, "&&": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4, "one_of": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "!": 7, "neg": 7,
}  # fmt: skip
"""How tightly an operator binds; functions and operands bind tighter than all of them."""

_METHODS = frozenset({"startsWith", "endsWith", "contains", "matches"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def unparse(node: Node, name: Callable[[str], str] = str) -> str:
    """
    The tree as CEL text; reading it again gives the same tree.

    name: what to write for the key of a question.
    """
    if isinstance(node, Field):
        return name(node.key)
    if isinstance(node, Literal):
        return _spelled(node)
    args = node.args
    if node.name in ("!", "neg"):
        return ("!" if node.name == "!" else "-") + _operand(args[0], 8, name)
    if node.name == "?:":
        return f"{_operand(args[0], 2, name)} ? {_operand(args[1], 2, name)} : {_operand(args[2], 1, name)}"
    if node.name == "one_of":
        return f"{_operand(args[0], 4, name)} in [{', '.join(unparse(item, name) for item in args[1:])}]"
    if node.name in _INFIX:
        binds = _INFIX[node.name]
        # CEL's parser balances chains of && and ||, whatever the parentheses said.
        right = binds if node.name in ("&&", "||") else binds + 1
        return f"{_operand(args[0], binds, name)} {node.name} {_operand(args[1], right, name)}"
    if node.name in _METHODS:
        return f"{_operand(args[0], 9, name)}.{node.name}({unparse(args[1], name)})"
    return f"{node.name}({', '.join(unparse(arg, name) for arg in args)})"


def _operand(node: Node, least: int, name: Callable[[str], str]) -> str:
    text = unparse(node, name)
    binds = _INFIX.get(node.name, 9) if isinstance(node, Call) else 9
    # A leading minus would merge with the minus before it into nothing.
    loose = binds < least or (least == 8 and text.startswith(("-", "!")))
    return f"({text})" if loose else text


def _spelled(node: Literal) -> str:
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, timedelta):
        return f'duration("{_duration(value)}")'
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None)
        return f'date("{moment.date()}")' if node.type == "date" else f'timestamp("{moment.isoformat()}Z")'
    return repr(value)


def quoted(text: str) -> str:
    """The text as a CEL string literal."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'


def _duration(value: timedelta) -> str:
    micros = value // timedelta(microseconds=1)
    for unit, size in (("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros}us"
