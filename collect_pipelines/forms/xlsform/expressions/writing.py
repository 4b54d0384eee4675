"""From a tree of our rule language to the XPath of XLSForm, where the two say the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from collect_pipelines.forms.xlsform.expressions.answers import Answer, Answers
from collect_pipelines.forms.xlsform.expressions.xpath import Untranslatable
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, unparse

__all__ = ["xpath_of"]

_BINDS = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}
_SPELLED = {"||": "or", "&&": "and", "==": "=", "/": "div", "%": "mod"}
_TESTS = {"startsWith": "starts-with", "endsWith": "ends-with", "contains": "contains"}
_SAME = {"int": "int", "string": "string"}
_ORDER = frozenset({"<", "<=", ">", ">="})
_ATOM = 9


def xpath_of(node: Node, answers: Answers, own: str | None) -> str:
    """
    The tree as XPath; answers are named as in the workbook, the one with the key `own` as `.`.

    Raises Untranslatable naming the operation that XPath of XLSForm does not have.
    """
    return _Writer(answers, own).condition(node)[0]


Written = tuple[str, int]
"""A text and how tightly its outermost operator binds."""


class _Writer:
    def __init__(self, answers: Answers, own: str | None) -> None:
        self.answers, self.own = answers, own

    def condition(self, node: Node) -> Written:
        if isinstance(node, Field) and node.type == "boolean":
            return f"{self.name(node)} = '{self.asked(node).truth}'", _BINDS["=="]
        return self.write(node)

    def write(self, node: Node) -> Written:
        if isinstance(node, Field):
            return self.name(node), _ATOM
        if isinstance(node, Literal):
            return _constant(node), _ATOM
        if node.name in _WRITERS:
            return _WRITERS[node.name](self, node)
        if node.name in _BINDS:
            return self.operator(node)
        raise Untranslatable(f"`{node.name}`")

    def name(self, node: Field) -> str:
        if node.key == self.own:
            return "."
        return f"${{{self.asked(node).name}}}"

    def asked(self, node: Field) -> Answer:
        found = self.answers.by_key.get(node.key)
        if found is None:
            raise Untranslatable(f"the question `{node.key}`, which is not asked any more")
        if self.answers.by_name.get(found.name) is not found:
            raise Untranslatable(f"the question `{node.key}`, whose name is not unique")
        return found

    def operator(self, node: Call) -> Written:
        binds = _BINDS[node.name]
        left, right = node.args
        if node.name in ("==", "!=") and "boolean" in (left.type, right.type):
            return self.truth(node)
        if left.type == "time" or (left.type == "text" and node.name in _ORDER):
            # XPath compares everything but equality as numbers, so a client would find no time and no word in order.
            raise Untranslatable(f"the order of two {'times of day' if left.type == 'time' else 'texts'}")
        if left.type == "duration" and right.type == "duration" and isinstance(right, Literal) and node.name not in ("+", "-"):
            return f"{self.within(left, binds)} {_SPELLED.get(node.name, node.name)} {_days(right)}", binds
        if node.name == "/" and node.type == "integer":
            return f"int({self.within(left, binds)} div {self.within(right, binds + 1)})", _ATOM
        writing = self.side if node.name in ("&&", "||") else self.within
        return f"{writing(left, binds)} {_SPELLED.get(node.name, node.name)} {writing(right, binds + 1)}", binds

    def truth(self, node: Call) -> Written:
        """A comparison of truths: of an answer with true or false, or of two conditions."""
        left, right = node.args
        if isinstance(left, Field) and isinstance(right, Literal):
            word = self.asked(left).truth if right.value else "false"
            return f"{self.name(left)} {_SPELLED.get(node.name, node.name)} '{word}'", _BINDS["=="]
        raise Untranslatable("a comparison of two conditions")

    def side(self, node: Node, least: int) -> str:
        text, binds = self.condition(node)
        return f"({text})" if binds < least else text

    def within(self, node: Node, least: int) -> str:
        text, binds = self.write(node)
        return f"({text})" if binds < least else text

    def negation(self, node: Call) -> Written:
        inner = node.args[0]
        if isinstance(inner, Call) and inner.name == "answered":
            return self.answered(inner, there=False)
        return f"not({self.condition(inner)[0]})", _ATOM

    def minus(self, node: Call) -> Written:
        return f"-{self.within(node.args[0], _ATOM)}", 7

    def answered(self, node: Call, *, there: bool = True) -> Written:
        asked = node.args[0]
        if not isinstance(asked, Field):
            raise Untranslatable("`answered` of a calculation")
        if asked.type == "rows":
            return f"count({self.name(asked)}) {'>' if there else '='} 0", _BINDS["<"]
        return f"{self.name(asked)} {'!=' if there else '='} ''", _BINDS["=="]

    def one_of(self, node: Call) -> Written:
        subject, *items = node.args
        parts = [self.operator(Call("==", (subject, item), "boolean"))[0] for item in items]
        return " or ".join(parts), _BINDS["||"]

    def selected(self, node: Call) -> Written:
        code, many = node.args
        return f"selected({self.write(many)[0]}, {self.write(code)[0]})", _ATOM

    def size(self, node: Call) -> Written:
        of = node.args[0]
        name = {"text": "string-length", "texts": "count-selected", "rows": "count"}[of.type]
        return f"{name}({self.write(of)[0]})", _ATOM

    def test(self, node: Call) -> Written:
        subject, wanted = node.args
        own_words = isinstance(subject, Field) and self.asked(subject).other and unparse(wanted) == '"other: "'
        if own_words and node.name == "startsWith":
            return f"{self.write(subject)[0]} = 'other'", _BINDS["=="]
        return f"{_TESTS[node.name]}({self.write(subject)[0]}, {self.write(wanted)[0]})", _ATOM

    def regex(self, node: Call) -> Written:
        subject, pattern = node.args
        text = str(pattern.value) if isinstance(pattern, Literal) else ""
        if not (text.startswith("^") and text.endswith("$") and not text.endswith("\\$")):
            text = f".*{text}.*" if not text.startswith("(?") else ""
        if not text:
            raise Untranslatable("`matches` with flags")
        return f"regex({self.write(subject)[0]}, {_quoted(text)})", _ATOM

    def choice(self, node: Call) -> Written:
        condition, one, other = node.args
        fallback = isinstance(condition, Call) and condition.name == "answered" and unparse(condition.args[0]) == unparse(one)
        writing: Callable[[Node], Written] = self.condition if node.type == "boolean" else self.write
        if fallback and node.type != "boolean":
            return f"coalesce({self.write(one)[0]}, {self.write(other)[0]})", _ATOM
        return f"if({self.condition(condition)[0]}, {writing(one)[0]}, {writing(other)[0]})", _ATOM

    def converted(self, node: Call) -> Written:
        return f"{_SAME[node.name]}({self.write(node.args[0])[0]})", _ATOM

    def double(self, node: Call) -> Written:
        of = node.args[0]
        if of.type in ("integer", "decimal"):
            return self.write(of)  # numbers are one kind in XPath
        return f"number({self.write(of)[0]})", _ATOM

    def rounded(self, node: Call) -> Written:
        return f"round({', '.join(self.write(arg)[0] for arg in node.args)})", _ATOM

    def moment(self, node: Call) -> Written:
        return f"{node.name}()", _ATOM


_WRITERS: dict[str, Callable[[_Writer, Call], Written]] = {
    "!": _Writer.negation,
    "neg": _Writer.minus,
    "answered": _Writer.answered,
    "one_of": _Writer.one_of,
    "in": _Writer.selected,
    "size": _Writer.size,
    **dict.fromkeys(_TESTS, _Writer.test),
    "matches": _Writer.regex,
    "?:": _Writer.choice,
    **dict.fromkeys(_SAME, _Writer.converted),
    "double": _Writer.double,
    "round": _Writer.rounded,
    "today": _Writer.moment,
    "now": _Writer.moment,
}


def _constant(node: Literal) -> str:
    value = node.value
    if isinstance(value, bool):
        return "true()" if value else "false()"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, timedelta):
        return _days(node)
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None)
        return f"date('{moment.date()}')" if node.type == "date" else f"date-time('{moment.isoformat()}Z')"
    number = Decimal(repr(value))
    return str(int(number)) if number == number.to_integral_value() and abs(number) < 10**15 else format(number, "f")


def _quoted(text: str) -> str:
    if "${" in text:
        raise Untranslatable("a text with ${, which would stand for an answer")
    for quote in ("'", '"'):
        if quote not in text:
            return f"{quote}{text}{quote}"
    raise Untranslatable("a text with both kinds of quotes")


def _days(node: Literal) -> str:
    assert isinstance(node.value, timedelta)
    days = Decimal(node.value // timedelta(microseconds=1)) / Decimal(86_400_000_000)
    if days * 86_400_000_000 != node.value // timedelta(microseconds=1):
        raise Untranslatable("a duration that is no decimal number of days")
    return format(days.normalize(), "f")
