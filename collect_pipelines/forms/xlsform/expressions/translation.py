"""From the XPath of XLSForm to a tree of our rule language, where the two say the same."""

from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.xlsform.expressions.answers import Answer, Answers
from collect_pipelines.forms.xlsform.expressions.functions import CONDITIONS, VALUES
from collect_pipelines.forms.xlsform.expressions.operands import (
    Distance,
    Operand,
    alike,
    as_decimal,
    chosen_number,
    days,
    distance,
    joined,
    made,
    number_literal,
    number_of,
    numbers,
    numeric_if,
    only_choice,
    own_words,
    spelled,
    typed,
)
from collect_pipelines.forms.xlsform.expressions.xpath import (
    Binary,
    Expression,
    Func,
    Minus,
    Number,
    Ref,
    Self,
    Text,
    Untranslatable,
    chain,
)
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, field, literal
from collect_pipelines.rules.operations import MOMENTS

__all__ = ["Translator"]

COMPARISONS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDER = frozenset({"<", "<=", ">", ">="})


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
        if isinstance(node, Func) and node.name in CONDITIONS:
            return CONDITIONS[node.name](self, node)
        if isinstance(node, Ref | Self):
            return self._by_itself(node)
        raise Untranslatable(f"{spelled(node)} as a condition")

    def value(self, node: Expression) -> Node:
        """The expression as a number, text or moment."""
        return self.sure(self.operand(node))

    def operand(self, node: Expression) -> Operand:
        """The expression as one side of a comparison or calculation."""
        if isinstance(node, Text | Number):
            return node
        if isinstance(node, Minus):
            return self._minus(node)
        if isinstance(node, Ref | Self):
            return self.answer(node)
        if isinstance(node, Binary) and node.operator in ("+", "-", "*", "div", "mod"):
            return self._arithmetic(node)
        if isinstance(node, Func) and node.name in VALUES:
            return VALUES[node.name](self, node)
        if isinstance(node, Func) and node.name not in CONDITIONS:
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

    def answer(self, node: Ref | Self) -> Field:
        found = self.asked(node)
        kind = VALUE_TYPES.get(found.kind)
        if kind is None:
            raise Untranslatable(f"`{found.name}`, a {found.kind} without an answer")
        return field(found.key, kind)

    def _by_itself(self, node: Ref | Self) -> Node:
        found = self.answer(node)
        if found.type in ("integer", "decimal", "boolean"):
            raise Untranslatable(f"{spelled(node)} as a condition by itself")
        return call("answered", found)

    def _minus(self, node: Minus) -> Operand:
        inner = self.operand(node.of)
        if isinstance(inner, Number):
            return Number(f"-{inner.text}") if not inner.text.startswith("-") else Number(inner.text[1:])
        return made("neg", self.sure(inner))

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
                found = call("answered", self.answer(left.args[0]))
                return found if (operator, right.text) in some else call("!", found)
        if isinstance(right, Text) and not right.value and operator in ("==", "!=") and isinstance(left, Ref | Self):
            found = call("answered", self.answer(left))
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

    def sure(self, operand: Operand) -> Node:
        if isinstance(operand, Text):
            return literal(operand.value)
        if isinstance(operand, Number):
            return number_literal(operand)
        if isinstance(operand, Distance):
            raise Untranslatable("the days between two dates, other than compared with a number")
        return operand
