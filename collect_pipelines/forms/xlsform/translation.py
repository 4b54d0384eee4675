"""From the XPath of XLSForm to a tree of our rule language, where the two say the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.xlsform.answers import Answer, Answers
from collect_pipelines.forms.xlsform.xpath import Binary, Expression, Func, Minus, Number, Ref, Self, Text, Untranslatable, chain
from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, field, literal
from collect_pipelines.rules.operations import MOMENTS

__all__ = ["Translator", "joined", "whole_match"]

COMPARISONS = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDER = frozenset({"<", "<=", ">", ">="})
_TRUE, _FALSE = frozenset({"true", "yes", "ok", "1"}), frozenset({"false", "no", "0"})
_DAY = timedelta(days=1)
_SIZED = {"text": "text", "texts": "select_multiple", "rows": "repeat"}
LONG_CHAIN = 12  # operands of `and` or `or` from which they are nested by halves, to stay below the depth a rule may have


class Distance:
    """Days between two moments, as XPath counts them: a number; here a duration to be compared with one."""

    def __init__(self, node: Node, unit: Decimal = Decimal(1), *, whole: bool = False) -> None:
        """unit: days that count as one, after a division. whole: rounded down."""
        self.node, self.unit, self.whole = node, unit, whole


Operand = Node | Text | Number | Distance
"""Literals stay as written until the other side tells their type."""


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
        raise Untranslatable(f"{_spelled(node)} as a condition")

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
            raise Untranslatable(f"{_spelled(node)} where a question is needed")
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
            raise Untranslatable(f"{_spelled(node)} as a condition by itself")
        return call("answered", found)

    def _minus(self, node: Minus) -> Operand:
        inner = self.operand(node.of)
        if isinstance(inner, Number):
            return Number(f"-{inner.text}") if not inner.text.startswith("-") else Number(inner.text[1:])
        return _made("neg", self._sure(inner))

    def _comparison(self, operator: str, left: Expression, right: Expression) -> Node:
        if isinstance(left, Text | Number):
            left, right, operator = right, left, _FLIPPED[operator]
        emptiness = self._emptiness(operator, left, right)
        if emptiness is not None:
            return emptiness
        one, other = self.operand(left), self.operand(right)
        if isinstance(one, Distance):
            return _distance(operator, one, other)
        if isinstance(other, Distance):
            return _distance(_FLIPPED[operator], other, one)
        if isinstance(one, Text | Number):
            raise Untranslatable("a comparison of two constants")
        if one.type == "texts":
            return _only_choice(operator, one, other)
        asked = self.asked(left) if isinstance(left, Ref | Self) else None
        if asked and asked.other and isinstance(other, Text) and other.value == "other" and operator in ("==", "!="):
            return _own_words(operator, one)
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
            one, other = _chosen_number(operator, one, other, asked)
        if isinstance(other, Text | Number):
            other, one = _typed(other, one), _numeric_if(isinstance(other, Number), one)
        assert not isinstance(other, Distance)
        if operator in _ORDER and one.type == other.type == "text":
            one, other = _made("double", one), _made("double", other)
        one, other = _same(one, other)
        return _made(operator, one, other)

    def _arithmetic(self, node: Binary) -> Operand:
        left, right = self.operand(node.left), self.operand(node.right)
        if isinstance(left, Distance):
            if node.operator == "div" and isinstance(right, Number) and _number(right) > 0:
                return Distance(left.node, left.unit * _number(right))
            raise Untranslatable("a calculation with the days between two dates")
        if isinstance(right, Distance):
            raise Untranslatable("a calculation with the days between two dates")
        if isinstance(left, Call | Field) and left.type in MOMENTS and node.operator in ("+", "-"):
            return self._moment(node.operator, left, right)
        one, other = _numbers(left, right)
        if node.operator == "div":
            return _made("/", _decimal(one), _decimal(other))
        if node.operator == "mod" and not one.type == other.type == "integer":
            raise Untranslatable("mod of numbers with decimals")
        return _made("%" if node.operator == "mod" else node.operator, one, other)

    def _moment(self, operator: str, left: Node, right: Operand) -> Operand:
        if isinstance(right, Number):
            return _made(operator, left, literal(_days(_number(right))))
        if isinstance(right, Call | Field | Literal) and right.type in MOMENTS and operator == "-":
            return Distance(_made("-", left, right))
        raise Untranslatable("a date with a number of days that is not written as a number")

    def _sure(self, operand: Operand) -> Node:
        if isinstance(operand, Text):
            return literal(operand.value)
        if isinstance(operand, Number):
            return _number_literal(operand)
        if isinstance(operand, Distance):
            raise Untranslatable("the days between two dates, other than compared with a number")
        return operand

    def _not(self, node: Func) -> Node:
        _arity(node, 1)
        return call("!", self.condition(node.args[0]))

    def _selected(self, node: Func) -> Node:
        _arity(node, 2)
        asked, wanted = self.asked(node.args[0]), node.args[1]
        found = self._answer(node.args[0])  # type: ignore[arg-type]
        code = self._sure(self.operand(wanted)) if not isinstance(wanted, Number) else literal(wanted.text)
        if asked.other and isinstance(wanted, Text) and wanted.value == "other":
            return _own_words("==", found)
        if found.type == "text":
            return _made("==", found, code)
        return _made("in", code, found)

    def _regex(self, node: Func) -> Node:
        _arity(node, 2)
        pattern = node.args[1]
        if not isinstance(pattern, Text):
            raise Untranslatable("regex() with a pattern that is not written out")
        subject = self.value(node.args[0])
        if subject.type in ("integer", "decimal"):
            raise Untranslatable("regex() of a number")
        return _made("matches", subject, literal(whole_match(pattern.value)))

    def _text_test(self, node: Func) -> Node:
        _arity(node, 2)
        name = {"starts-with": "startsWith", "ends-with": "endsWith", "contains": "contains"}[node.name]
        return _made(name, self.value(node.args[0]), self.value(node.args[1]))

    def _constant(self, node: Func) -> Node:
        _arity(node, 0)
        return literal(node.name == "true")

    def _choice_of_conditions(self, node: Func) -> Node:
        _arity(node, 3)
        return call("?:", *(self.condition(arg) for arg in node.args))

    def _choice(self, node: Func) -> Operand:
        _arity(node, 3)
        condition, one, other = self.condition(node.args[0]), self.operand(node.args[1]), self.operand(node.args[2])
        return _made("?:", condition, *_branches(one, other))

    def _coalesce(self, node: Func) -> Operand:
        _arity(node, 2)
        first = node.args[0]
        if not isinstance(first, Ref | Self):
            raise Untranslatable("coalesce() of something that is not one answer")
        one = self._answer(first)
        return _made("?:", call("answered", one), *_branches(one, self.operand(node.args[1])))

    def _length(self, node: Func) -> Operand:
        _arity(node, 1)
        wanted = {"string-length": "text", "count-selected": "texts", "count": "rows"}[node.name]
        found = self._answer(node.args[0]) if isinstance(node.args[0], Ref | Self) else None
        if found is None or found.type != wanted:
            raise Untranslatable(f"{node.name}() of something else than a {_SIZED[wanted]}")
        return _made("size", found)

    def _int(self, node: Func) -> Operand:
        _arity(node, 1)
        of = self.operand(node.args[0])
        if isinstance(of, Distance):
            return Distance(of.node, of.unit, whole=True)
        found = self._sure(of)
        return found if found.type == "integer" else _made("int", _made("double", found) if found.type == "text" else found)

    def _number_of(self, node: Func) -> Operand:
        _arity(node, 1)
        of = self.operand(node.args[0])
        if isinstance(of, Number | Distance):
            return of
        found = self._sure(of)
        return found if found.type in ("integer", "decimal") else _made("double", found)

    def _string_of(self, node: Func) -> Operand:
        _arity(node, 1)
        found = self.value(node.args[0])
        return found if found.type == "text" else _made("string", found)

    def _round(self, node: Func) -> Operand:
        if len(node.args) not in (1, 2):
            raise Untranslatable("round() without one or two numbers")
        found = self.value(node.args[0])
        places = [self.value(arg) for arg in node.args[1:]]
        return found if found.type == "integer" and not places else _made("round", _decimal(found), *places)

    def _moment_now(self, node: Func) -> Operand:
        _arity(node, 0)
        return call(node.name)

    def _moment_of(self, node: Func) -> Operand:
        _arity(node, 1)
        arg = node.args[0]
        if isinstance(arg, Text):
            return _moment_literal(arg.value)
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


def joined(operator: str, parts: Sequence[Node]) -> Node:
    """The parts joined by && or ||, from the left; very many by halves, so that the tree stays flat."""
    if len(parts) > LONG_CHAIN:
        middle = len(parts) // 2
        return call(operator, joined(operator, parts[:middle]), joined(operator, parts[middle:]))
    found = parts[0]
    for part in parts[1:]:
        found = call(operator, found, part)
    return found


def whole_match(pattern: str) -> str:
    """The pattern so that it has to match the whole text wherever it is run, as regex() of XLSForm does."""
    bare = without_anchors(pattern)
    return f"^(?:{bare})$" if "|" in bare else f"^{bare}$"


def without_anchors(pattern: str) -> str:
    """The pattern without ^ at its start and $ at its end, which say nothing where the whole text has to match."""
    bare = pattern[1:] if pattern.startswith("^") else pattern
    slashes = len(bare[:-1]) - len(bare[:-1].rstrip("\\"))
    return bare[:-1] if bare.endswith("$") and slashes % 2 == 0 else bare


def _made(name: str, *args: Node) -> Node:
    try:
        return call(name, *args)
    except ValueError as exc:
        raise Untranslatable(f"`{name}` between {' and '.join(arg.type for arg in args)}") from exc


def _spelled(node: Expression) -> str:
    if isinstance(node, Ref):
        return f"`${{{node.name}}}`"
    if isinstance(node, Func):
        return f"{node.name}()"
    if isinstance(node, Self):
        return "`.`"
    return f"`{node.value if isinstance(node, Text) else node.text}`" if isinstance(node, Text | Number) else "a calculation"


def _arity(node: Func, wanted: int) -> None:
    if len(node.args) != wanted:
        raise Untranslatable(f"{node.name}() with {len(node.args)} arguments")


def _number(number: Number) -> Decimal:
    return Decimal(number.text)


def _number_literal(number: Number) -> Literal:
    if "." in number.text:
        return literal(float(number.text))
    if len(number.text) > 18:
        raise Untranslatable("a number of more than 18 digits")
    return literal(int(number.text))


def _days(count: Decimal) -> timedelta:
    if abs(count) > 1_000_000:
        raise Untranslatable("a distance of more than a million days")
    micros = count * 86_400_000_000
    if micros != micros.to_integral_value():
        raise Untranslatable("a part of a day that is no whole number of microseconds")
    return timedelta(microseconds=int(micros))


def _moment_literal(text: str) -> Literal:
    day = read_date(text)
    if day is not None:
        return literal(datetime(day.year, day.month, day.day, tzinfo=UTC), "date")
    moment = read_datetime(text)
    if moment is None:
        raise Untranslatable(f"`{text[:40]}` as a date")
    return literal(moment.astimezone(UTC), "datetime")


def _typed(written: Text | Number, beside: Node) -> Node:
    """A literal as the type of what it is compared with."""
    if beside.type == "boolean":
        word = (written.value if isinstance(written, Text) else written.text).lower()
        if word not in _TRUE | _FALSE:
            raise Untranslatable(f"`{word[:40]}` as yes or no")
        return literal(word in _TRUE)
    if isinstance(written, Number):
        if beside.type not in ("integer", "decimal", "text"):
            raise Untranslatable(f"a number compared with a {beside.type}")
        return _number_literal(written)
    if beside.type in MOMENTS:
        return _moment_literal(written.value)
    if beside.type == "time":
        return _time_literal(written.value)
    if beside.type in ("integer", "decimal"):
        try:
            return _number_literal(Number(str(Decimal(written.value))))
        except (ArithmeticError, ValueError) as exc:
            raise Untranslatable(f"`{written.value[:40]}` as a number") from exc
    return literal(written.value)


def _time_literal(text: str) -> Literal:
    found = read_time(text)
    if found is None or found.microsecond:
        raise Untranslatable(f"`{text[:40]}` as a time of day")
    return literal(found.isoformat(), "time")


def _numeric_if(number: bool, node: Node) -> Node:
    """A text that is compared with a number is read as a number."""
    return _made("double", node) if number and node.type == "text" else node


def _decimal(node: Node) -> Node:
    if node.type == "decimal":
        return node
    if isinstance(node, Literal) and isinstance(node.value, int):
        return literal(float(node.value))
    return _made("double", node)


def _same(one: Node, other: Node) -> tuple[Node, Node]:
    """Both sides as numbers of one type, when they are numbers or texts beside numbers."""
    kinds = {one.type, other.type}
    if kinds == {"integer", "decimal"}:
        return _decimal(one), _decimal(other)
    if "text" in kinds and kinds & {"integer", "decimal"}:
        return _decimal(one), _decimal(other)
    return one, other


def _numbers(left: Operand, right: Operand) -> tuple[Node, Node]:
    found = []
    for one in (left, right):
        node = _number_literal(one) if isinstance(one, Number) else literal(one.value) if isinstance(one, Text) else one
        assert not isinstance(node, Distance)
        if node.type not in ("integer", "decimal", "text"):
            raise Untranslatable(f"a calculation with a {node.type}")
        found.append(_decimal(node) if node.type == "text" else node)
    return _same(found[0], found[1])


def _branches(one: Operand, other: Operand) -> tuple[Node, Node]:
    """Both results of if() or coalesce(), as one type."""
    if isinstance(one, Distance) or isinstance(other, Distance):
        raise Untranslatable("the days between two dates, other than compared with a number")
    if isinstance(one, Text | Number) and isinstance(other, Text | Number):
        pair = (
            _number_literal(one) if isinstance(one, Number) else literal(one.value),
            _number_literal(other) if isinstance(other, Number) else literal(other.value),
        )
        return _same(*pair)
    if isinstance(one, Text | Number):
        assert not isinstance(other, Text | Number)
        return _same(_typed(one, other), other)
    if isinstance(other, Text | Number):
        return _same(one, _typed(other, one))
    return _same(one, other)


def _only_choice(operator: str, one: Node, other: Operand) -> Node:
    """`${many} = 'a'`: a is chosen and nothing else, as the text of all choices is compared."""
    if not isinstance(other, Text) or operator not in ("==", "!=") or not other.value or " " in other.value:
        raise Untranslatable("a select_multiple compared with something else than one choice; write selected()")
    only = call("&&", call("in", literal(other.value), one), call("==", call("size", one), literal(1)))
    return only if operator == "==" else call("!", only)


def _own_words(operator: str, one: Node) -> Node:
    """The choice `other` of or_other: here the answer is in the respondent's own words."""
    if one.type != "text":
        raise Untranslatable("the choice `other` of a select_multiple with or_other")
    found = call("startsWith", one, literal("other: "))
    return found if operator == "==" else call("!", found)


def _chosen_number(operator: str, one: Node, other: Number, asked: Answer) -> tuple[Node, Operand]:
    """A choice compared with a number: its code when it is one, or the codes as numbers when all are."""
    if operator in ("==", "!=") and other.text in asked.codes:
        return one, Text(other.text)
    if asked.codes and not asked.other and all(_is_whole(code) for code in asked.codes):
        return _made("int", one), other
    raise Untranslatable(f"a number compared with the choices of `{asked.name}`, which are no numbers")


def _is_whole(code: str) -> bool:
    digits = code.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def _distance(operator: str, one: Distance, other: Operand) -> Node:
    if not isinstance(other, Number):
        raise Untranslatable("the days between two dates, other than compared with a number")
    count = _number(other)

    def against(name: str, days: Decimal) -> Node:
        return call(name, one.node, literal(_days(days * one.unit)))

    if not one.whole:
        return against(operator, count)
    # int() of the days: from n on, until before n + 1. Below 1 int() rounds upwards, which would need another border.
    if count < 1 or count != count.to_integral_value():
        raise Untranslatable("int() of the days between two dates, compared with less than 1")
    if operator in (">=", "<"):
        return against(operator, count)
    if operator in (">", "<="):
        return against(">=" if operator == ">" else "<", count + 1)
    inside = call("&&", against(">=", count), against("<", count + 1))
    return inside if operator == "==" else call("!", inside)
