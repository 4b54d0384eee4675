"""From the text of an expression to its syntax tree, through Google's CEL parser; and the seal of Google's type checker."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from collect_pipelines.rules.operations import ValueType

__all__ = ["Fault", "Parsed", "google_type", "parsed"]


class Fault(Exception):
    """The text is no expression: `position` in code points, what is wrong, what to write instead."""

    def __init__(self, position: int, message: str, fix: str) -> None:
        self.position = position
        self.message = message
        self.fix = fix
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The syntax tree: messages of CEL's public schema (cel/expr/syntax.proto), and the position of each by its id."""

    root: Any
    positions: Mapping[int, int]


_TOO_DEEP = "shorten it, or split it into several rules"
_FAULT = re.compile(r"[A-Z_]+: ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*?)\n \| ", re.DOTALL)
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous) input '(.*)' expecting|no viable alternative at input '(.*)'", re.DOTALL)
_MISSING = re.compile(r"missing '(.*?)' at '(.*)'", re.DOTALL)
_UNREADABLE = re.compile(r"token recognition error at: '(.*)'", re.DOTALL)
_INSTEAD = {
    "and": "write `&&`",
    "or": "write `||`",
    "not": "write `!` before it",
    "=": "write `==` to compare",
    "<EOF>": "write what is missing at the end: a value, a parenthesis, or a quote",
    "div": "write `/`",
    "mod": "write `%`",
    "if": "write `condition ? one : other`",
    "$": "write the key alone: `age` instead of `${age}`",
    "{": "write the key alone: `age` instead of `${age}`",
}
_BEFORE = {"not": "write `!` instead of `not`", "if": "write `condition ? one : other`"}
_MACRO = re.compile(r"(has|all|exists|exists_one|map|filter)\(\) ")


def parsed(text: str) -> Parsed:
    """The syntax tree of the text. Raises Fault."""
    try:
        serialized: bytes = _bare_environment().compile(text, disable_check=True).serialize()
    except RuntimeError as exc:
        raise _fault(text, str(exc)) from None
    envelope, document = _messages()
    from google.protobuf.message import DecodeError

    try:
        tree = document.FromString(envelope.FromString(serialized).value)
    except DecodeError:
        raise Fault(0, "the expression is nested too deeply", _TOO_DEEP) from None
    return Parsed(tree.expr, dict(tree.source_info.positions))


def google_type(text: Callable[[Callable[[str], str]], str], variables: Mapping[str, ValueType]) -> str:
    """
    Google's own type of an expression (`BOOL`); raises Fault when its type checker refuses it.

    text: writes the expression, given what to call each variable: CEL gives some words (`int`, `type`) a meaning of their own.
    """
    counts: Counter[ValueType] = Counter()
    names: dict[str, str] = {}
    for name, kind in variables.items():
        names[name] = f"{kind}_{counts[kind]}"
        counts[kind] += 1
    try:
        return str(_environment(_seats(max(counts.values(), default=0))).compile(text(names.__getitem__)).return_type().name())
    except RuntimeError as exc:
        refusal = str(exc).partition("\n")[0]
        raise Fault(0, f"CEL's own type checker refuses it: {_short(refusal, 200)}", "say it in another way") from None


def _seats(most: int) -> int:
    """Variables of each type to declare: a power of two, so that a few environments serve every form; the first use of one takes 2 ms."""
    return max(32, 1 << most.bit_length())


@lru_cache(maxsize=8)
def _environment(seats: int) -> Any:
    from cel_expr_python import cel

    variables = {f"{kind}_{seat}": google for kind, google in _google_types().items() for seat in range(seats)}
    return cel.NewEnv(variables=variables, functions=_functions())


@lru_cache(maxsize=1)
def _bare_environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv()


@lru_cache(maxsize=1)
def _google_types() -> Mapping[str, Any]:
    from cel_expr_python import cel

    kind = cel.Type
    return {
        "text": kind.STRING, "time": kind.STRING, "integer": kind.INT, "decimal": kind.DOUBLE, "boolean": kind.BOOL,
        "date": kind.TIMESTAMP, "datetime": kind.TIMESTAMP, "texts": kind.List(kind.STRING),
        "rows": kind.List(kind.DYN), "opaque": kind.DYN,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _functions() -> list[Any]:
    from cel_expr_python import cel

    kind = cel.Type
    declared = {
        "answered": [([kind.DYN], kind.BOOL)],
        "date": [([kind.STRING], kind.TIMESTAMP)],
        "today": [([], kind.TIMESTAMP), ([kind.STRING], kind.TIMESTAMP)],
        "now": [([], kind.TIMESTAMP)],
        "round": [([kind.DOUBLE], kind.DOUBLE), ([kind.DOUBLE, kind.INT], kind.DOUBLE)],
    }
    return [
        cel.FunctionDecl(
            name,
            [
                cel.Overload(f"{name}_{place}", return_type=result, parameters=parameters)
                for place, (parameters, result) in enumerate(overloads)
            ],
        )
        for name, overloads in declared.items()
    ]


@lru_cache(maxsize=1)
def _messages() -> tuple[Any, Any]:
    """Classes for google.protobuf.Any and cel.expr.ParsedExpr: the package ships no descriptors, so the fields used are declared here."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.any_pb2 import Any as Envelope

    file = descriptor_pb2.FileDescriptorProto(name="collect/cel_syntax.proto", package="cel.expr", syntax="proto3")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, *more) in fields.items():
            added = message.field.add(name=field, number=number, label=3 if "repeated" in more else 1)
            if isinstance(kind, str):
                added.type, added.type_name = 11, f".cel.expr.{kind}"
            else:
                added.type = kind
            if "kind" in more:
                added.oneof_index = 0
        if any("kind" in more for _, _, *more in fields.values()):
            message.oneof_decl.add(name="kind")
    entry = file.message_type[list(_SCHEMA).index("SourceInfo")]
    nested = entry.nested_type.add(name="PositionsEntry")
    nested.options.map_entry = True
    nested.field.add(name="key", number=1, type=_INT64, label=1)
    nested.field.add(name="value", number=2, type=_INT32, label=1)
    entry.field.add(name="positions", number=4, type=11, label=3, type_name=".cel.expr.SourceInfo.PositionsEntry")
    pool = descriptor_pool.DescriptorPool()  # not the process-wide one: another package may register the full schema there
    pool.Add(file)
    return Envelope, message_factory.GetMessageClass(pool.FindMessageTypeByName("cel.expr.ParsedExpr"))


_DOUBLE, _INT64, _UINT64, _INT32, _BOOL, _STRING, _BYTES, _ENUM = 1, 3, 4, 5, 8, 9, 12, 5  # field types of descriptor.proto
_SCHEMA: dict[str, dict[str, tuple[Any, ...]]] = {
    "Constant": {
        "null_value": (1, _ENUM, "kind"), "bool_value": (2, _BOOL, "kind"), "int64_value": (3, _INT64, "kind"),
        "uint64_value": (4, _UINT64, "kind"), "double_value": (5, _DOUBLE, "kind"), "string_value": (6, _STRING, "kind"),
        "bytes_value": (7, _BYTES, "kind"),
    },
    "Ident": {"name": (1, _STRING)},
    "Select": {"operand": (1, "Expr"), "field": (2, _STRING), "test_only": (3, _BOOL)},
    "Call": {"target": (1, "Expr"), "function": (2, _STRING), "args": (3, "Expr", "repeated")},
    "CreateList": {"elements": (1, "Expr", "repeated")},
    "CreateStruct": {"message_name": (1, _STRING)},
    "Comprehension": {"iter_var": (1, _STRING)},
    "Expr": {
        "id": (2, _INT64), "const_expr": (3, "Constant", "kind"), "ident_expr": (4, "Ident", "kind"), "select_expr": (5, "Select", "kind"),
        "call_expr": (6, "Call", "kind"), "list_expr": (7, "CreateList", "kind"), "struct_expr": (8, "CreateStruct", "kind"),
        "comprehension_expr": (9, "Comprehension", "kind"),
    },
    "SourceInfo": {},
    "ParsedExpr": {"expr": (2, "Expr"), "source_info": (3, "SourceInfo")},
}  # fmt: skip


def _fault(text: str, message: str) -> Fault:
    """The first fault of the parser's own text: the later ones come from its guesses how to go on."""
    found = _FAULT.match(message)
    if found is None or int(found[1]) > text.count("\n") + 1:
        return Fault(0, "the expression is nested too deeply", _TOO_DEEP)
    lines = text.split("\n")[: int(found[1]) - 1]
    position = sum(len(line) + 1 for line in lines) + int(found[2]) - 1
    before = text[:position].split()[-1:]
    return _spelled(position, found[3], _BEFORE.get(before[0] if before else "", "check the operator or parenthesis before it"))


def _spelled(position: int, message: str, otherwise: str) -> Fault:
    unexpected = _UNEXPECTED.match(message)
    if unexpected:
        word = unexpected[1] if unexpected[1] is not None else unexpected[2]
        said = "the expression ends too early" if word == "<EOF>" else f"`{_short(word)}` is not expected here"
        return Fault(position, said, _INSTEAD.get(word, otherwise))
    missing = _MISSING.match(message)
    if missing:
        place = "at the end" if missing[2] == "<EOF>" else f"before `{_short(missing[2])}`"
        return Fault(position, f"a `{_short(missing[1])}` is missing {place}", "write it there")
    unreadable = _UNREADABLE.match(message)
    if unreadable:
        word = unreadable[1]
        if word.startswith(("'", '"')):
            return Fault(position, "a text is not closed", "put the same quote at its end")
        instead = _INSTEAD.get(word.strip()[:1], "leave it out, or put it in quotes if it is a text")
        return Fault(position, f"`{_short(word)}` is not part of the language", instead)
    if message.startswith("reserved identifier: "):
        word = message.removeprefix("reserved identifier: ")
        return Fault(position, f"`{_short(word)}` is a word of the language itself", "give the question another key to name it in a rule")
    if _MACRO.match(message):
        return Fault(position, "macros such as has() and all() are not supported", "write answered(key) to ask whether there is an answer")
    if message == "invalid int literal":
        return Fault(position, "the number is too large", "write an integer of at most 63 bits")
    return Fault(position, _short(message, 200), "correct it here")


def _short(text: str, most: int = 30) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= most else shown[:most] + "..."
