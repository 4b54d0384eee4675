"""A checked rule as polars expressions, for a whole frame; the same verdicts as `evaluate`, row by row."""

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from collect_pipelines.rules.evaluate import constant, is_constant
from collect_pipelines.rules.functions import BLANKS, DECIMAL, INTEGER
from collect_pipelines.rules.nodes import Call, Field, Node, ValueType, keys
from collect_pipelines.rules.nodes import Literal as LiteralNode
from collect_pipelines.rules.patterns import portable

if TYPE_CHECKING:
    import polars as pl

__all__ = ["expression", "verdicts"]

Column = Callable[[str], "pl.Expr"]


def expression(root: Node, column: Column, now: "pl.Expr") -> "pl.Expr":
    """
    The rule as a Boolean expression; null where it can't be decided. Evaluating it never raises.

    column: the typed answers by key, null where missing (blank texts and empty lists are null already): String, Int64, Float64, Boolean,
    List(String), Date, Datetime("us", "UTC"), times as `HH:MM:SS`, repeats as a List. now: the moment of acceptance, Datetime("us", "UTC").
    """
    import polars as pl

    rows = pl.int_range(pl.len()) >= 0
    # What comes to a constant has one row, and polars does not always spread that over the frame.
    return pl.when(rows).then(_Translator(column, pl.when(rows).then(now)).translated(root))


def verdicts(root: Node, column: Column, now: "pl.Expr", on_missing: Literal["skip", "fail"] = "skip") -> tuple["pl.Expr", "pl.Expr"]:
    """Where the rule is broken and where it ends in an error: two Boolean expressions without nulls. Elsewhere it is kept, or skipped."""
    import polars as pl

    result = expression(root, column, now)
    missing = reduce(lambda one, other: one | other, (column(key).is_null() for key in keys(root)), pl.lit(False))
    undecided = result.is_null()
    broken = ~result.fill_null(True)
    if on_missing == "fail":
        broken = broken | (undecided & missing)
    return broken, undecided & ~missing


class _Translator:
    def __init__(self, column: Column, now: "pl.Expr") -> None:
        import polars as pl

        self._pl = pl
        self._column = column
        self._now = now
        self._moment = pl.Datetime("us", "UTC")
        self._types: dict[ValueType, Any] = {
            "text": pl.String(), "time": pl.String(), "integer": pl.Int64(), "decimal": pl.Float64(), "boolean": pl.Boolean(),
            "date": self._moment, "datetime": self._moment, "duration": pl.Duration("us"),
        }  # fmt: skip

    def translated(self, node: Node) -> "pl.Expr":
        if isinstance(node, Field):
            column = self._column(node.key)
            return column.cast(self._moment) if node.type == "date" else column
        if is_constant(node):
            return self._pl.lit(constant(node), dtype=self._types[node.type])
        assert isinstance(node, Call)
        special = getattr(self, _SPECIAL.get(node.name, ""), None)
        if special is not None:
            return special(node)  # type: ignore[no-any-return]  # every method named in _SPECIAL gives an expression
        args = [self.translated(arg) for arg in node.args]
        if node.name in _PLAIN:
            return _PLAIN[node.name](*args)
        if len(args) == 1:
            return self._converted(node.name, node.args[0].type, args[0])
        return self._arithmetic(node.name, node.type, *args)

    def _arithmetic(self, name: str, kind: ValueType, one: "pl.Expr", other: "pl.Expr") -> "pl.Expr":
        if kind == "integer":
            return self._integer(name, one, other)
        result: pl.Expr = (
            one + other if name == "+" else one - other if name == "-" else one * other if name == "*" else _divided(one, other)
        )
        if kind == "decimal":
            return self._only(result, result.is_finite())
        return result if kind == "duration" else self._only(result, result.dt.year().is_between(1, 9999))

    def _integer(self, name: str, one: "pl.Expr", other: "pl.Expr") -> "pl.Expr":
        """In 128 bits, and back to 64 or null: polars wraps around silently."""
        wide = self._pl.Int128()
        a, b = one.cast(wide), other.cast(wide)
        if name in ("/", "%"):
            b = self._only(b, b != 0)
            quotient = (a.abs() // b.abs()) * a.sign() * b.sign()
            narrow = quotient.cast(self._pl.Int64(), strict=False)
            if name == "/":
                return narrow
            # The remainder of the one quotient that overflows is an error in CEL, too.
            return self._only((a - quotient * b).cast(self._pl.Int64(), strict=False), narrow.is_not_null())
        result = a + b if name == "+" else a - b if name == "-" else a * b
        return result.cast(self._pl.Int64(), strict=False)

    def _converted(self, name: str, kind: ValueType, value: "pl.Expr") -> "pl.Expr":
        pl = self._pl
        if name == "size":
            return (value.str.len_chars() if kind == "text" else value.list.len()).cast(pl.Int64())
        if name == "neg":
            return -value if kind == "decimal" else self._integer("-", pl.lit(0, dtype=pl.Int64()), value)
        if (name, kind) in (("int", "integer"), ("double", "decimal"), ("string", "text")):
            return value
        if kind == "text":
            text = value.str.strip_chars(BLANKS)
            read = self._only(text, text.str.contains(INTEGER if name == "int" else DECIMAL))
            if name == "int":
                return read.cast(pl.Int64(), strict=False)
            number = read.cast(pl.Float64(), strict=False)
            return self._only(number, number.is_finite())
        if name == "int":
            return self._only(value, (value > -(2.0**63)) & (value < 2.0**63)).cast(pl.Int64(), strict=False)
        return value.cast(pl.Float64() if name == "double" else pl.String())

    def _only(self, value: "pl.Expr", condition: "pl.Expr") -> "pl.Expr":
        return self._pl.when(condition).then(value)

    def _choice(self, node: Call) -> "pl.Expr":
        condition, one, other = (self.translated(arg) for arg in node.args)
        # Not `otherwise`: where the condition is null, so is the choice.
        return self._pl.when(condition).then(one).when(~condition).then(other)

    def _answered(self, node: Call) -> "pl.Expr":
        operand = node.args[0]
        assert isinstance(operand, Field)
        return self._column(operand.key).is_not_null()

    def _one_of(self, node: Call) -> "pl.Expr":
        item = node.args[0]
        values = [literal.value for literal in node.args[1:] if isinstance(literal, LiteralNode)]
        return self.translated(item).is_in(self._pl.Series(values, dtype=self._types[item.type]).implode())

    def _contained(self, node: Call) -> "pl.Expr":
        item, items = (self.translated(arg) for arg in node.args)
        return self._only(items.list.contains(item), item.is_not_null())

    def _matches(self, node: Call) -> "pl.Expr":
        pattern = node.args[1]
        assert isinstance(pattern, LiteralNode)
        return self.translated(node.args[0]).str.contains(portable(str(pattern.value)))

    def _rounded(self, node: Call) -> "pl.Expr":
        digits = node.args[1] if len(node.args) == 2 else None
        scale = 10.0 ** int(digits.value) if isinstance(digits, LiteralNode) else 1.0  # type: ignore[arg-type]  # an integer, checked
        scaled = self.translated(node.args[0]) * scale
        whole = self._pl.when(scaled < 0).then(scaled.ceil()).otherwise(scaled.floor())
        result = self._pl.when((scaled - whole).abs() >= 0.5).then(whole + scaled.sign()).otherwise(whole)
        return self._only(result if scale == 1.0 else _divided(result, self._pl.lit(scale)), scaled.is_finite())

    def _today(self, node: Call) -> "pl.Expr":
        zone = node.args[0] if node.args else None
        if not isinstance(zone, LiteralNode):
            return self._now.dt.truncate("1d")
        return self._now.dt.convert_time_zone(str(zone.value)).dt.date().cast(self._moment)

    def _moment_now(self, node: Call) -> "pl.Expr":
        return self._now


def _divided(one: "pl.Expr", other: "pl.Expr") -> "pl.Expr":
    """polars divides a column by a constant through its reciprocal, one bit off in every third row; by a column it divides exactly."""
    return one / (one * 0.0 + other)


_SPECIAL = {
    "?:": "_choice", "answered": "_answered", "one_of": "_one_of", "in": "_contained", "matches": "_matches", "round": "_rounded",
    "today": "_today", "now": "_moment_now",
}  # fmt: skip
_PLAIN: dict[str, Callable[..., "pl.Expr"]] = {
    "&&": lambda one, other: one & other,
    "||": lambda one, other: one | other,
    "!": lambda one: ~one,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "startsWith": lambda text, start: text.str.starts_with(start),
    "endsWith": lambda text, end: text.str.ends_with(end),
    "contains": lambda text, part: text.str.contains(part, literal=True),
}
