"""From the XPath of XLSForm to a tree of our rule language, where the two say the same."""

from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.xlsform.anchors import whole_match
from collect_pipelines.forms.xlsform.answers import Answer, Answers
from collect_pipelines.forms.xlsform.operands import (
    Distance,
    Operand,
    alike,
    arity,
    as_decimal,
    branches,
    chosen_number,
    days,
    distance,
    joined,
    made,
    moment_literal,
    number_literal,
    number_of,
    numbers,
    numeric_if,
    only_choice,
    own_words,
    spelled,
    typed,
)
from collect_pipelines.forms.xlsform.xpath import Binary, Expression, Func, Minus, Number, Ref, Self, Text, Untranslatable, chain
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, field, literal
from collect_pipelines.rules.operations import MOMENTS

__all__ = ["Translator"]

COMPARISONS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDER = frozenset({"<", "<=", ">", ">="})
_SIZED = {"text": "text", "texts": "select_multiple", "rows": "repeat"}


class Translator:
    """Translates the expressions of one question."""

    def __init__(self, answers: Answers, own: Answer | None, around: tuple[str, ...]) -> None:
        """own: what `.` means. around: keys of the repeats the expression stands in."""
        self.answers, self.own, self.around = answers, own, around

    def condition(self, node: Expression) -> Node:
        """The expression as something true or false. Raises Untranslatable naming the part that has no counterpart."""
        if isinstance(node, Binary):
            if node.operator in ("and", "or"):
                return joined("&&" if node.operator == "and" else "||", [self.condition(part) for part in chain(node, node.operator)])
            if node.operator in COMPARISONS:
                return self._comparison(COMPARISONS[node.operator], node.left, node.right)
        if isinstance(node, Func) and node.name in _CONDITIONS:
            return _CONDITIONS[node.name](self, node)
        if isinstance(node, Ref | Self):
            return self._by_itself(node)
        raise Untranslatable(f"{spelled(node)} as a condition")

    def value(self, node: Expression) -> Node:
        """The expression as a number, text or moment."""
        return self._sure(self.operand(node))

    def operand(self, node: Expression) -> Operand:
        """The expression as one side of a comparison or calculation."""
        if isinstance(node, Text | Number):
            return node
        if isinstance(node, Minus):
            return self._minus(node)
        if isinstance(node, Ref | Self):
            return self._answer(node)
        if isinstance(node, Binary) and node.operator in ("+", "-", "*", "div", "mod"):
            return self._arithmetic(node)
        if isinstance(node, Func) and node.name in _VALUES:
            return _VALUES[node.name](self, node)
        if isinstance(node, Func) and node.name not in _CONDITIONS:
            raise Untranslatable(f"{node.name}()")
        return self.condition(node)

    def asked(self, node: Expression) -> Answer:
        """The question that `.` or `${name}` means."""
        if isinstance(node, Self):
            if self.own is None:
                raise Untranslatable("`.` where there is no answer")
            return self.own
        if not isinstance(node, Ref):
            raise Untranslatable(f"{spelled(node)} where a question is needed")
        found = self.answers.by_name.get(node.name)
        if found is None:
            raise Untranslatable(f"`${{{node.name}}}`, which is no question with an answer")
        if found.repeats != self.around[: len(found.repeats)]:
            raise Untranslatable(f"`${{{node.name}}}`, which is asked in another repeat")
        return found

    def _answer(self, node: Ref | Self) -> Field:
        found = self.asked(node)
        kind = VALUE_TYPES.get(found.kind)
        if kind is None:
            raise Untranslatable(f"`{found.name}`, a {found.kind} without an answer")
        return field(found.key, kind)

    def _by_itself(self, node: Ref | Self) -> Node:
        found = self._answer(node)
        if found.type in ("integer", "decimal", "boolean"):
            raise Untranslatable(f"{spelled(node)} as a condition by itself")
        return call("answered", found)

    def _minus(self, node: Minus) -> Operand:
        inner = self.operand(node.of)
        if isinstance(inner, Number):
            return Number(f"-{inner.text}") if not inner.text.startswith("-") else Number(inner.text[1:])
        return made("neg", self._sure(inner))

    def _comparison(self, operator: str, left: Expression, right: Expression) -> Node:
        if isinstance(left, Text | Number):
            left, right, operator = right, left, _FLIPPED[operator]
        emptiness = self._emptiness(operator, left, right)
        if emptiness is not None:
            return emptiness
        one, other = self.operand(left), self.operand(right)
        if isinstance(one, Distance):
            return distance(operator, one, other)
        if isinstance(other, Distance):
            return distance(_FLIPPED[operator], other, one)
        if isinstance(one, Text | Number):
            raise Untranslatable("a comparison of two constants")
        if one.type == "texts":
            return only_choice(operator, one, other)
        asked = self.asked(left) if isinstance(left, Ref | Self) else None
        if asked and asked.other and isinstance(other, Text) and other.value == "other" and operator in ("==", "!="):
            return own_words(operator, one)
        return self._compared(operator, one, other, asked)

    def _emptiness(self, operator: str, left: Expression, right: Expression) -> Node | None:
        """`${x} = ''`, `string-length(${x}) > 0`, `count-selected(.) = 0`: whether there is an answer."""
        counted = isinstance(left, Func) and left.name in ("string-length", "count-selected", "count") and len(left.args) == 1
        if counted and isinstance(left, Func) and isinstance(right, Number) and isinstance(left.args[0], Ref | Self):
            some = {("!=", "0"), (">", "0"), (">=", "1")}
            none = {("==", "0"), ("<", "1"), ("<=", "0")}
            if (operator, right.text) in some | none:
                found = call("answered", self._answer(left.args[0]))
                return found if (operator, right.text) in some else call("!", found)
        if isinstance(right, Text) and not right.value and operator in ("==", "!=") and isinstance(left, Ref | Self):
            found = call("answered", self._answer(left))
            return found if operator == "!=" else call("!", found)
        return None

    def _compared(self, operator: str, one: Node, other: Operand, asked: Answer | None) -> Node:
        if isinstance(other, Number) and asked and asked.kind == "select_one":
            one, other = chosen_number(operator, one, other, asked)
        if isinstance(other, Text | Number):
            other, one = typed(other, one), numeric_if(isinstance(other, Number), one)
        assert not isinstance(other, Distance)
        if operator in _ORDER and one.type == other.type == "text":
            one, other = made("double", one), made("double", other)
        one, other = alike(one, other)
        return made(operator, one, other)

    def _arithmetic(self, node: Binary) -> Operand:
        left, right = self.operand(node.left), self.operand(node.right)
        if isinstance(left, Distance):
            if node.operator == "div" and isinstance(right, Number) and number_of(right) > 0:
                return Distance(left.node, left.unit * number_of(right))
            raise Untranslatable("a calculation with the days between two dates")
        if isinstance(right, Distance):
            raise Untranslatable("a calculation with the days between two dates")
        if isinstance(left, Call | Field) and left.type in MOMENTS and node.operator in ("+", "-"):
            return self._moment(node.operator, left, right)
        one, other = numbers(left, right)
        if node.operator == "div":
            return made("/", as_decimal(one), as_decimal(other))
        if node.operator == "mod" and not one.type == other.type == "integer":
            raise Untranslatable("mod of numbers with decimals")
        return made("%" if node.operator == "mod" else node.operator, one, other)

    def _moment(self, operator: str, left: Node, right: Operand) -> Operand:
        if isinstance(right, Number):
            return made(operator, left, literal(days(number_of(right))))
        if isinstance(right, Call | Field | Literal) and right.type in MOMENTS and operator == "-":
            return Distance(made("-", left, right))
        raise Untranslatable("a date with a number of days that is not written as a number")

    def _sure(self, operand: Operand) -> Node:
        if isinstance(operand, Text):
            return literal(operand.value)
        if isinstance(operand, Number):
            return number_literal(operand)
        if isinstance(operand, Distance):
            raise Untranslatable("the days between two dates, other than compared with a number")
        return operand

    def _not(self, node: Func) -> Node:
        arity(node, 1)
        return call("!", self.condition(node.args[0]))

    def _selected(self, node: Func) -> Node:
        arity(node, 2)
        asked, wanted = self.asked(node.args[0]), node.args[1]
        found = self._answer(node.args[0])  # type: ignore[arg-type]
        code = self._sure(self.operand(wanted)) if not isinstance(wanted, Number) else literal(wanted.text)
        if asked.other and isinstance(wanted, Text) and wanted.value == "other":
            return own_words("==", found)
        if found.type == "text":
            return made("==", found, code)
        return made("in", code, found)

    def _regex(self, node: Func) -> Node:
        arity(node, 2)
        pattern = node.args[1]
        if not isinstance(pattern, Text):
            raise Untranslatable("regex() with a pattern that is not written out")
        subject = self.value(node.args[0])
        if subject.type in ("integer", "decimal"):
            raise Untranslatable("regex() of a number")
        return made("matches", subject, literal(whole_match(pattern.value)))

    def _text_test(self, node: Func) -> Node:
        arity(node, 2)
        name = {"starts-with": "startsWith", "ends-with": "endsWith", "contains": "contains"}[node.name]
        return made(name, self.value(node.args[0]), self.value(node.args[1]))

    def _constant(self, node: Func) -> Node:
        arity(node, 0)
        return literal(node.name == "true")

    def _choice_of_conditions(self, node: Func) -> Node:
        arity(node, 3)
        return call("?:", *(self.condition(arg) for arg in node.args))

    def _choice(self, node: Func) -> Operand:
        arity(node, 3)
        condition, one, other = self.condition(node.args[0]), self.operand(node.args[1]), self.operand(node.args[2])
        return made("?:", condition, *branches(one, other))

    def _coalesce(self, node: Func) -> Operand:
        arity(node, 2)
        first = node.args[0]
        if not isinstance(first, Ref | Self):
            raise Untranslatable("coalesce() of something that is not one answer")
        one = self._answer(first)
        return made("?:", call("answered", one), *branches(one, self.operand(node.args[1])))

    def _length(self, node: Func) -> Operand:
        arity(node, 1)
        wanted = {"string-length": "text", "count-selected": "texts", "count": "rows"}[node.name]
        found = self._answer(node.args[0]) if isinstance(node.args[0], Ref | Self) else None
        if found is None or found.type != wanted:
            raise Untranslatable(f"{node.name}() of something else than a {_SIZED[wanted]}")
        return made("size", found)

    def _int(self, node: Func) -> Operand:
        arity(node, 1)
        of = self.operand(node.args[0])
        if isinstance(of, Distance):
            return Distance(of.node, of.unit, whole=True)
        found = self._sure(of)
        return found if found.type == "integer" else made("int", made("double", found) if found.type == "text" else found)

    def _number_of(self, node: Func) -> Operand:
        arity(node, 1)
        of = self.operand(node.args[0])
        if isinstance(of, Number | Distance):
            return of
        found = self._sure(of)
        return found if found.type in ("integer", "decimal") else made("double", found)

    def _string_of(self, node: Func) -> Operand:
        arity(node, 1)
        found = self.value(node.args[0])
        return found if found.type == "text" else made("string", found)

    def _round(self, node: Func) -> Operand:
        if len(node.args) not in (1, 2):
            raise Untranslatable("round() without one or two numbers")
        found = self.value(node.args[0])
        places = [self.value(arg) for arg in node.args[1:]]
        return found if found.type == "integer" and not places else made("round", as_decimal(found), *places)

    def _moment_now(self, node: Func) -> Operand:
        arity(node, 0)
        return call(node.name)

    def _moment_of(self, node: Func) -> Operand:
        arity(node, 1)
        arg = node.args[0]
        if isinstance(arg, Text):
            return moment_literal(arg.value)
        found = self.value(arg)
        if found.type not in MOMENTS or (node.name == "date" and found.type != "date"):
            raise Untranslatable(f"{node.name}() of something that is not written as a date")
        return found


_CONDITIONS = {
    "not": Translator._not,
    "selected": Translator._selected,
    "regex": Translator._regex,
    "contains": Translator._text_test,
    "starts-with": Translator._text_test,
    "ends-with": Translator._text_test,
    "true": Translator._constant,
    "false": Translator._constant,
    "if": Translator._choice_of_conditions,
}
_VALUES = {
    "if": Translator._choice,
    "coalesce": Translator._coalesce,
    "string-length": Translator._length,
    "count-selected": Translator._length,
    "count": Translator._length,
    "int": Translator._int,
    "number": Translator._number_of,
    "string": Translator._string_of,
    "round": Translator._round,
    "today": Translator._moment_now,
    "now": Translator._moment_now,
    "date": Translator._moment_of,
    "date-time": Translator._moment_of,
    "decimal-date-time": Translator._moment_of,
}
