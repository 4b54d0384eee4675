"""The functions of XLSForm that have a counterpart, each as a part of our tree."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from collect_pipelines.forms.xlsform.expressions.bounds import whole_match
from collect_pipelines.forms.xlsform.expressions.operands import (
    Distance,
    Operand,
    arity,
    as_decimal,
    branches,
    made,
    moment_literal,
    own_words,
)
from collect_pipelines.forms.xlsform.expressions.xpath import (
    Func,
    Number,
    Ref,
    Self,
    Text,
    Untranslatable,
)
from collect_pipelines.rules.nodes import Node, call, literal
from collect_pipelines.rules.operations import MOMENTS

if TYPE_CHECKING:
    from collect_pipelines.forms.xlsform.expressions.translation import Translator

__all__ = ["CONDITIONS", "VALUES"]

_SIZED = {"text": "text", "texts": "select_multiple", "rows": "repeat"}


def _not(translator: "Translator", node: Func) -> Node:
    arity(node, 1)
    return call("!", translator.condition(node.args[0]))


def _selected(translator: "Translator", node: Func) -> Node:
    arity(node, 2)
    asked, wanted = translator.asked(node.args[0]), node.args[1]
    found = translator.answer(node.args[0])  # type: ignore[arg-type]
    code = translator.sure(translator.operand(wanted)) if not isinstance(wanted, Number) else literal(wanted.text)
    if asked.other and isinstance(wanted, Text) and wanted.value == "other":
        return own_words("==", found)
    if found.type == "text":
        return made("==", found, code)
    return made("in", code, found)


def _regex(translator: "Translator", node: Func) -> Node:
    arity(node, 2)
    pattern = node.args[1]
    if not isinstance(pattern, Text):
        raise Untranslatable("regex() with a pattern that is not written out")
    subject = translator.value(node.args[0])
    if subject.type == "decimal":
        raise Untranslatable("regex() of a number with decimals")
    return made("matches", made("string", subject) if subject.type == "integer" else subject, literal(whole_match(pattern.value)))


def _text_test(translator: "Translator", node: Func) -> Node:
    arity(node, 2)
    name = {"starts-with": "startsWith", "ends-with": "endsWith", "contains": "contains"}[node.name]
    return made(name, translator.value(node.args[0]), translator.value(node.args[1]))


def _constant(translator: "Translator", node: Func) -> Node:
    arity(node, 0)
    return literal(node.name == "true")


def _choice_of_conditions(translator: "Translator", node: Func) -> Node:
    arity(node, 3)
    return call("?:", *(translator.condition(arg) for arg in node.args))


def _choice(translator: "Translator", node: Func) -> Operand:
    arity(node, 3)
    condition, one, other = translator.condition(node.args[0]), translator.operand(node.args[1]), translator.operand(node.args[2])
    return made("?:", condition, *branches(one, other))


def _coalesce(translator: "Translator", node: Func) -> Operand:
    arity(node, 2)
    first = node.args[0]
    if not isinstance(first, Ref | Self):
        raise Untranslatable("coalesce() of something that is not one answer")
    one = translator.answer(first)
    return made("?:", call("answered", one), *branches(one, translator.operand(node.args[1])))


def _length(translator: "Translator", node: Func) -> Operand:
    arity(node, 1)
    wanted = {"string-length": "text", "count-selected": "texts", "count": "rows"}[node.name]
    found = translator.answer(node.args[0]) if isinstance(node.args[0], Ref | Self) else None
    if found is not None and found.type == "integer" and wanted == "text":
        return made("size", made("string", found))
    if found is None or found.type != wanted:
        raise Untranslatable(f"{node.name}() of something else than a {_SIZED[wanted]}")
    return made("size", found)


def _int(translator: "Translator", node: Func) -> Operand:
    arity(node, 1)
    of = translator.operand(node.args[0])
    if isinstance(of, Distance):
        return Distance(of.node, of.unit, whole=True)
    found = translator.sure(of)
    return found if found.type == "integer" else made("int", made("double", found) if found.type == "text" else found)


def _number_of(translator: "Translator", node: Func) -> Operand:
    arity(node, 1)
    of = translator.operand(node.args[0])
    if isinstance(of, Number | Distance):
        return of
    found = translator.sure(of)
    return found if found.type in ("integer", "decimal") else made("double", found)


def _string_of(translator: "Translator", node: Func) -> Operand:
    arity(node, 1)
    found = translator.value(node.args[0])
    return found if found.type == "text" else made("string", found)


def _round(translator: "Translator", node: Func) -> Operand:
    if len(node.args) not in (1, 2):
        raise Untranslatable("round() without one or two numbers")
    found = translator.value(node.args[0])
    places = [translator.value(arg) for arg in node.args[1:]]
    return found if found.type == "integer" and not places else made("round", as_decimal(found), *places)


def _moment_now(translator: "Translator", node: Func) -> Operand:
    arity(node, 0)
    return call(node.name)


def _moment_of(translator: "Translator", node: Func) -> Operand:
    arity(node, 1)
    arg = node.args[0]
    if isinstance(arg, Text):
        return moment_literal(arg.value)
    found = translator.value(arg)
    if found.type not in MOMENTS or (node.name == "date" and found.type != "date"):
        raise Untranslatable(f"{node.name}() of something that is not written as a date")
    return found


CONDITIONS: dict[str, Callable[["Translator", Func], Node]] = {
    "not": _not,
    "selected": _selected,
    "regex": _regex,
    "contains": _text_test,
    "starts-with": _text_test,
    "ends-with": _text_test,
    "true": _constant,
    "false": _constant,
    "if": _choice_of_conditions,
}
VALUES: dict[str, Callable[["Translator", Func], Operand]] = {
    "if": _choice,
    "coalesce": _coalesce,
    "string-length": _length,
    "count-selected": _length,
    "count": _length,
    "int": _int,
    "number": _number_of,
    "string": _string_of,
    "round": _round,
    "today": _moment_now,
    "now": _moment_now,
    "date": _moment_of,
    "date-time": _moment_of,
    "decimal-date-time": _moment_of,
}
