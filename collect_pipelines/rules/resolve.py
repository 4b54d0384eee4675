"""From CEL's syntax tree to checked nodes: names and types resolved, number literals fitted, everything else refused with its place."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from collect_pipelines.rules.advice import mismatch, operand_fault
from collect_pipelines.rules.literals import fitted, moment_literal, time_fault
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, ValueType
from collect_pipelines.rules.operations import FUNCTIONS, result_of
from collect_pipelines.rules.syntax import Fault
from collect_pipelines.rules.zones import UTC

__all__ = ["Resolver"]

MAX_SUGGESTIONS = 5  # looking for a similar key costs milliseconds in a large form

_OPERATORS = {
    "_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=", "_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/",
    "_%_": "%", "-_": "neg", "_&&_": "&&", "_||_": "||", "!_": "!", "_?_:_": "?:",
}  # fmt: skip
_METHODS = frozenset({"contains", "endsWith", "matches", "size", "startsWith"})
_WORDS = {"True": "true", "False": "false", "and": "&&", "or": "||"}
_INSTEAD = {
    "None": "write answered(key) to ask whether there is an answer",
    "len": "write size(x)",
    "length": "write size(x)",
    "selected": 'write `"code" in key`',
    "regex": 'write `key.matches("^...$")`',
    "not": "write `!` before it",
    "has": "write answered(key)",
    "float": "write double(x)",
    "str": "write string(x)",
    "bool": "compare with == instead",
}


class Resolver:
    """Turns one syntax tree into nodes; what can't be turned is collected in `faults`, so that one round of editing is enough."""

    def __init__(self, text: str, positions: Mapping[int, int], fields: Mapping[str, ValueType], zone: str = UTC) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._positions = positions
        self._fields = fields
        self._zone = zone

    def resolve(self, expression: Any) -> Node | None:
        """The node of an expression; None when there is a fault in it."""
        kind = expression.WhichOneof("kind")
        position = self._positions.get(expression.id, 0)
        if kind == "const_expr":
            return self._constant(expression.const_expr, position)
        if kind == "ident_expr":
            return self._field(expression.ident_expr.name, position)
        if kind == "call_expr":
            return self._call(expression.call_expr, position)
        if kind == "list_expr":
            return self._fault(position, "a list is only possible after `in`", 'write `key in ["a", "b"]`')
        if kind == "select_expr":
            if expression.select_expr.test_only:
                return self._fault(position, "has() is not supported", "write answered(key)")
            return self._fault(position, "answers have no fields", "name each question by its own key, also inside a group or repeat")
        return self._fault(position, "macros, maps and messages are not supported", "write a comparison of answers")

    def _fault(self, position: int, message: str, fix: str) -> Node | None:
        """Collects the fault and stands for the node that can't be made of it."""
        self.faults.append(Fault(position, message, fix))
        return None

    def _constant(self, constant: Any, position: int) -> Node | None:
        kind = constant.WhichOneof("kind")
        if kind == "string_value" and "\0" in constant.string_value:
            return self._fault(position, "no answer holds a NUL character", "remove it")
        if kind == "string_value":
            return Literal(constant.string_value, "text", position)
        if kind == "bool_value":
            return Literal(constant.bool_value, "boolean", position)
        if kind == "int64_value":
            return Literal(constant.int64_value, "integer", position)
        if kind == "double_value" and math.isfinite(constant.double_value):
            return Literal(constant.double_value, "decimal", position)
        if kind == "double_value":
            return self._fault(position, "the number is too large", "write one below 1.8e308")
        if kind == "null_value":
            return self._fault(
                position, "there is no null", "write answered(key) to ask whether there is an answer, !answered(key) for none"
            )
        if kind == "uint64_value":
            return self._fault(position, "unsigned numbers are not supported", "write the number without u")
        return self._fault(position, "bytes are not supported", "write a text without b before its quote")

    def _field(self, name: str, position: int) -> Node | None:
        kind = self._fields.get(name)
        if kind is not None:
            return Field(name, kind, position)
        if name in _WORDS:
            return self._fault(position, f"`{name}` is no question", f"write `{_WORDS[name]}`")
        if name in _INSTEAD and name not in FUNCTIONS:
            return self._fault(position, f"`{name}` is no question", _INSTEAD[name])
        close = get_close_matches(name[:64].lstrip("."), self._fields, n=1) if len(self.faults) < MAX_SUGGESTIONS else None
        fix = f"did you mean `{close[0]}`?" if close else "use the key of a question of this form"
        return self._fault(position, f"there is no question `{name[:64]}`", fix)

    def _call(self, expression: Any, position: int) -> Node | None:
        function = expression.function
        if function == "@in":
            return self._membership(expression.args, position)
        if function in _OPERATORS:
            return self._operation(_OPERATORS[function], [self.resolve(arg) for arg in expression.args], position)
        position = self._name_start(function, position)
        args = ([expression.target] if expression.HasField("target") else []) + list(expression.args)
        return self._function(function, args, position, method=expression.HasField("target"))

    def _name_start(self, function: str, position: int) -> int:
        """CEL places a call at its parenthesis; people look at the name."""
        start = self._text.rfind(function, 0, position)
        return start if start >= 0 and not self._text[start + len(function) : position].strip() else position

    def _function(self, name: str, args: Sequence[Any], position: int, *, method: bool) -> Node | None:
        if name not in FUNCTIONS:
            return self._unknown(name, position)
        if method and name not in _METHODS:
            return self._fault(position, f"{name} is no method", f"write {name}(...)")
        if name == "answered":
            return self._answered(args, position)
        nodes = [self.resolve(arg) for arg in args]
        if name == "today" and not nodes and self._zone != UTC:
            nodes = [Literal(self._zone, "text", position)]
        if name in ("date", "timestamp", "duration"):
            return self._moment(name, nodes, position)
        return self._operation(name, nodes, position)

    def _unknown(self, name: str, position: int) -> Node | None:
        if name == "_[_]":
            return self._fault(position, "an answer has no parts to pick", 'ask size(key), or `"code" in key`')
        close = get_close_matches(name[:64], FUNCTIONS, n=1) if len(self.faults) < MAX_SUGGESTIONS else None
        fix = _INSTEAD.get(name) or (f"did you mean {close[0]}?" if close else f"there are {', '.join(FUNCTIONS)}")
        return self._fault(position, f"there is no function {name[:64]}", fix)

    def _answered(self, args: Sequence[Any], position: int) -> Node | None:
        if len(args) != 1 or args[0].WhichOneof("kind") != "ident_expr":
            return self._fault(position, "answered() takes the key of one question", "write answered(key)")
        operand = self.resolve(args[0])
        return None if operand is None else Call("answered", (operand,), "boolean", position)

    def _moment(self, name: str, nodes: Sequence[Node | None], position: int) -> Node | None:
        if None in nodes:
            return None
        if len(nodes) != 1 or not isinstance(nodes[0], Literal) or not isinstance(nodes[0].value, str):
            return self._fault(position, f"{name}() takes one text in quotes", "write the value itself; answers need no conversion")
        try:
            return moment_literal(name, nodes[0].value, position)
        except ValueError as exc:
            message, fix = exc.args
            return self._fault(nodes[0].position, message, fix)

    def _membership(self, args: Sequence[Any], position: int) -> Node | None:
        item = self.resolve(args[0])
        if args[1].WhichOneof("kind") != "list_expr":
            return self._operation("in", [item, self.resolve(args[1])], position)
        elements = [self.resolve(element) for element in args[1].list_expr.elements]
        if item is None or None in elements:
            return None
        if not elements:
            return self._fault(position, "the list is empty", "write at least one value into it")
        for element in elements:
            if not isinstance(element, Literal):
                return self._fault(
                    element.position if element else position, "a list holds values only", "compare with == and join with ||"
                )
        return self._operation("one_of", [item, *elements], position)

    def _operation(self, name: str, nodes: Sequence[Node | None], position: int) -> Node | None:
        found = [node for node in nodes if node is not None]
        if len(found) < len(nodes):
            return None  # its own fault is told already
        args = self._fitted(name, found)
        if args is None:
            return None
        result = result_of(name, tuple(arg.type for arg in args))
        if result is None:
            return self._fault(position, *mismatch(name, args))
        if name == "neg" and isinstance(args[0], Literal):
            return self._negated(args[0], position)
        fault = operand_fault(name, args)
        if fault is not None:
            return self._fault(*fault)
        return Call(name, args, result, position)

    def _negated(self, operand: Literal, position: int) -> Node | None:
        assert isinstance(operand.value, int | float)
        if operand.value == -(2**63):
            return self._fault(position, "the number is too large", "write an integer of at most 63 bits")
        return Literal(-operand.value, operand.type, position)

    def _fitted(self, name: str, nodes: list[Node]) -> tuple[Node, ...] | None:
        """The operands with literals turned into the type they are used with; None when one can't be."""
        first = 1 if name == "?:" else 0
        together = nodes[first:]
        if name in ("round", "double") and together:
            wanted: ValueType | None = "decimal" if name == "round" else None
            together = [fitted(together[0], wanted) if wanted else together[0], *together[1:]]
        elif name in ("==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "one_of", "?:"):
            kinds = {node.type for node in together}
            goal = next((kind for kind in ("decimal", "time") if kind in kinds), None)
            together = [fitted(node, goal) for node in together] if goal else together
        for node in together:
            fault = time_fault(node)
            if fault is not None:
                self._fault(node.position, *fault)
                return None
        return (*nodes[:first], *together)
