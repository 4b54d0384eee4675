"""The two sides of a comparison or calculation: literals get the type of the other side, numbers one type, days between dates a unit."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from collect_pipelines.forms.xlsform.expressions.answers import Answer
from collect_pipelines.forms.xlsform.expressions.xpath import Expression, Func, Number, Ref, Self, Text, Untranslatable
from collect_pipelines.rules.moments import read_date, read_datetime, read_time
from collect_pipelines.rules.nodes import Literal, Node, call, literal
from collect_pipelines.rules.operations import MOMENTS

__all__ = [
    "Distance",
    "Operand",
    "alike",
    "arity",
    "as_decimal",
    "branches",
    "chosen_number",
    "days",
    "distance",
    "joined",
    "made",
    "moment_literal",
    "number_literal",
    "number_of",
    "numbers",
    "numeric_if",
    "only_choice",
    "own_words",
    "spelled",
    "typed",
]

_TRUE, _FALSE = frozenset({"true", "yes", "ok", "1"}), frozenset({"false", "no", "0"})
LONG_CHAIN = 12  # operands of `and` or `or` from which they are nested by halves, to stay below the depth a rule may have


class Distance:
    """Days between two moments, as XPath counts them: a number; here a duration to be compared with one."""

    def __init__(self, node: Node, unit: Decimal = Decimal(1), *, whole: bool = False) -> None:
        """unit: days that count as one, after a division. whole: rounded down."""
        self.node, self.unit, self.whole = node, unit, whole


Operand = Node | Text | Number | Distance
"""Literals stay as written until the other side tells their type."""


def joined(operator: str, parts: Sequence[Node]) -> Node:
    """The parts joined by && or ||, from the left; very many by halves, so that the tree stays flat."""
    if len(parts) > LONG_CHAIN:
        middle = len(parts) // 2
        return call(operator, joined(operator, parts[:middle]), joined(operator, parts[middle:]))
    found = parts[0]
    for part in parts[1:]:
        found = call(operator, found, part)
    return found


def made(name: str, *args: Node) -> Node:
    try:
        return call(name, *args)
    except ValueError as exc:
        raise Untranslatable(f"`{name}` between {' and '.join(arg.type for arg in args)}") from exc


def spelled(node: Expression) -> str:
    if isinstance(node, Ref):
        return f"`${{{node.name}}}`"
    if isinstance(node, Func):
        return f"{node.name}()"
    if isinstance(node, Self):
        return "`.`"
    return f"`{node.value if isinstance(node, Text) else node.text}`" if isinstance(node, Text | Number) else "a calculation"


def arity(node: Func, wanted: int) -> None:
    if len(node.args) != wanted:
        raise Untranslatable(f"{node.name}() with {len(node.args)} arguments")


def number_of(number: Number) -> Decimal:
    return Decimal(number.text)


def number_literal(number: Number) -> Literal:
    if "." in number.text:
        return literal(float(number.text))
    if len(number.text) > 18:
        raise Untranslatable("a number of more than 18 digits")
    return literal(int(number.text))


def days(count: Decimal) -> timedelta:
    if abs(count) > 1_000_000:
        raise Untranslatable("a distance of more than a million days")
    micros = count * 86_400_000_000
    if micros != micros.to_integral_value():
        raise Untranslatable("a part of a day that is no whole number of microseconds")
    return timedelta(microseconds=int(micros))


def moment_literal(text: str) -> Literal:
    day = read_date(text)
    if day is not None:
        return literal(datetime(day.year, day.month, day.day, tzinfo=UTC), "date")
    moment = read_datetime(text)
    if moment is None:
        raise Untranslatable(f"`{text[:40]}` as a date")
    return literal(moment.astimezone(UTC), "datetime")


def typed(written: Text | Number, beside: Node) -> Node:
    """A literal as the type of what it is compared with."""
    if beside.type == "boolean":
        word = (written.value if isinstance(written, Text) else written.text).lower()
        if word not in _TRUE | _FALSE:
            raise Untranslatable(f"`{word[:40]}` as yes or no")
        return literal(word in _TRUE)
    if isinstance(written, Number):
        if beside.type not in ("integer", "decimal", "text"):
            raise Untranslatable(f"a number compared with a {beside.type}")
        return number_literal(written)
    if beside.type in MOMENTS:
        return moment_literal(written.value)
    if beside.type == "time":
        return time_literal(written.value)
    if beside.type in ("integer", "decimal"):
        try:
            return number_literal(Number(str(Decimal(written.value))))
        except (ArithmeticError, ValueError) as exc:
            raise Untranslatable(f"`{written.value[:40]}` as a number") from exc
    return literal(written.value)


def time_literal(text: str) -> Literal:
    found = read_time(text)
    if found is None or found.microsecond:
        raise Untranslatable(f"`{text[:40]}` as a time of day")
    return literal(found.isoformat(), "time")


def numeric_if(number: bool, node: Node) -> Node:
    """A text that is compared with a number is read as a number."""
    return made("double", node) if number and node.type == "text" else node


def as_decimal(node: Node) -> Node:
    if node.type == "decimal":
        return node
    if isinstance(node, Literal) and isinstance(node.value, int):
        return literal(float(node.value))
    return made("double", node)


def alike(one: Node, other: Node) -> tuple[Node, Node]:
    """Both sides as numbers of one type, when they are numbers or texts beside numbers."""
    kinds = {one.type, other.type}
    if kinds == {"integer", "decimal"}:
        return as_decimal(one), as_decimal(other)
    if "text" in kinds and kinds & {"integer", "decimal"}:
        return as_decimal(one), as_decimal(other)
    return one, other


def numbers(left: Operand, right: Operand) -> tuple[Node, Node]:
    found = []
    for one in (left, right):
        node = number_literal(one) if isinstance(one, Number) else literal(one.value) if isinstance(one, Text) else one
        assert not isinstance(node, Distance)
        if node.type not in ("integer", "decimal", "text"):
            raise Untranslatable(f"a calculation with a {node.type}")
        found.append(as_decimal(node) if node.type == "text" else node)
    return alike(found[0], found[1])


def branches(one: Operand, other: Operand) -> tuple[Node, Node]:
    """Both results of if() or coalesce(), as one type."""
    if isinstance(one, Distance) or isinstance(other, Distance):
        raise Untranslatable("the days between two dates, other than compared with a number")
    if isinstance(one, Text | Number) and isinstance(other, Text | Number):
        pair = (
            number_literal(one) if isinstance(one, Number) else literal(one.value),
            number_literal(other) if isinstance(other, Number) else literal(other.value),
        )
        return alike(*pair)
    if isinstance(one, Text | Number):
        assert not isinstance(other, Text | Number)
        return alike(typed(one, other), other)
    if isinstance(other, Text | Number):
        return alike(one, typed(other, one))
    return alike(one, other)


def only_choice(operator: str, one: Node, other: Operand) -> Node:
    """`${many} = 'a'`: a is chosen and nothing else, as the text of all choices is compared."""
    if not isinstance(other, Text) or operator not in ("==", "!=") or not other.value or " " in other.value:
        raise Untranslatable("a select_multiple compared with something else than one choice; write selected()")
    only = call("&&", call("in", literal(other.value), one), call("==", call("size", one), literal(1)))
    return only if operator == "==" else call("!", only)


def own_words(operator: str, one: Node) -> Node:
    """The choice `other` of or_other: here the answer is in the respondent's own words."""
    if one.type != "text":
        raise Untranslatable("the choice `other` of a select_multiple with or_other")
    found = call("startsWith", one, literal("other: "))
    return found if operator == "==" else call("!", found)


def chosen_number(operator: str, one: Node, other: Number, asked: Answer) -> tuple[Node, Operand]:
    """A choice compared with a number: its code when it is one, or the codes as numbers when all are."""
    if operator in ("==", "!=") and other.text in asked.codes:
        return one, Text(other.text)
    if asked.codes and not asked.other and all(is_whole(code) for code in asked.codes):
        return made("int", one), other
    raise Untranslatable(f"a number compared with the choices of `{asked.name}`, which are no numbers")


def is_whole(code: str) -> bool:
    digits = code.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def distance(operator: str, one: Distance, other: Operand) -> Node:
    if not isinstance(other, Number):
        raise Untranslatable("the days between two dates, other than compared with a number")
    count = number_of(other)

    def against(name: str, threshold: Decimal) -> Node:
        return call(name, one.node, literal(days(threshold * one.unit)))

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
