"""The part of XPath that XLSForm expressions are commonly written in, read into a small tree."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "Binary",
    "Expression",
    "Func",
    "Malformed",
    "Minus",
    "Number",
    "Ref",
    "Self",
    "Text",
    "Untranslatable",
    "chain",
    "conjuncts",
    "parse",
    "references",
]

MAX_CHARACTERS = 10_000
MAX_DEPTH = 40  # parentheses and arithmetic; rules of ours may be 24 deep
MAX_TOKENS = 1_500  # two hundred `selected(., 'x') or ...`

_TOKEN = re.compile(
    r"\s+"
    r"|(?P<number>\d+(?:\.\d*)?|\.\d+)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|\$\{\s*(?P<ref>[^}\s]+)\s*\}"
    r"|(?P<wrong>&&|\|\||==|<>|=>|=<)"
    r"|(?P<operator><=|>=|!=|\.\.|//|[=<>+*(),|/\[\]@.-])"
    r"|(?P<name>[^\W\d][\w.-]*(?::[^\W\d][\w.-]*)?)"
)
_BINDS = {"or": 1, "and": 2, "=": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "div": 6, "mod": 6}
_CURLY_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})
_WHY = {
    "..": "a path such as ../x", "/": "a path such as /data/x", "//": "a path such as //x", "[": "a condition in [...]",
    "@": "an attribute such as @id", "|": "the union |",
}  # fmt: skip


_MEANT = {
    "AND": "and", "And": "and", "OR": "or", "Or": "or", "DIV": "div", "MOD": "mod", "&&": "and", "||": "or", "==": "=", "<>": "!=",
    "=>": ">=", "=<": "<=",
}  # fmt: skip
"""What people write who know other languages, and XPath does not have."""


class Untranslatable(ValueError):
    """The expression, or a part of it, has no counterpart; the message names the part."""


class Malformed(Untranslatable):
    """The text is no expression at all; the message says what is wrong with it, to be put behind its subject."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Ref:
    """The answer to another question: `${name}`."""

    name: str


@dataclass(frozen=True, slots=True)
class Self:
    """The answer to the question itself: `.`."""


@dataclass(frozen=True, slots=True)
class Func:
    """A function and its arguments."""

    name: str
    args: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Minus:
    """A number with the sign changed."""

    of: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Number | Text | Ref | Self | Func | Minus | Binary


def parse(text: str) -> Expression:
    """The tree of an expression. Raises Untranslatable naming what is not understood."""
    if len(text) > MAX_CHARACTERS:
        raise Untranslatable(f"an expression of more than {MAX_CHARACTERS:,} characters")
    tokens = list(_tokens(text.translate(_CURLY_QUOTES)))
    if len(tokens) > MAX_TOKENS:
        raise Untranslatable(f"an expression of more than {MAX_TOKENS:,} words")
    parser = _Parser(tokens)
    found = parser.expression(0)
    if parser.here is not None:
        word = parser.here[1]
        if word in _MEANT:
            raise Untranslatable(f"`{word}` (did you mean `{_MEANT[word]}`?)")
        raise Malformed(f"has `{word}` where it should end")
    return found


def conjuncts(node: Expression) -> Iterator[Expression]:
    """The parts of an expression that all have to be true."""
    yield from chain(node, "and")


def chain(node: Expression, operator: str) -> list[Expression]:
    """The operands of `a and b and c`, in order; the node itself when it is no such chain."""
    found: list[Expression] = []
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Binary) and one.operator == operator:
            waiting += [one.right, one.left]
        else:
            found.append(one)
    return found


def references(text: str) -> tuple[str, ...]:
    """Names of the questions an expression mentions, whether it is understood or not."""
    return tuple(dict.fromkeys(re.findall(r"\$\{\s*(?:last-saved#)?([^}\s]+)\s*\}", text)))


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Untranslatable(f"`{text[at : at + 10]}`")
        if found.lastgroup:
            value = found[found.lastgroup]
            if found.lastgroup == "wrong":
                raise Untranslatable(f"`{value}` (did you mean `{_MEANT[value]}`?)")
            yield found.lastgroup, value[1:-1] if found.lastgroup == "text" else value
        at = found.end()


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    @property
    def here(self) -> tuple[str, str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> tuple[str, str]:
        token = self.here
        if token is None:
            raise Malformed("ends too early")
        self.at += 1
        return token

    def expression(self, least: int) -> Expression:
        """What binds at least this tightly; operators of one strength from left to right."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Untranslatable(f"an expression nested deeper than {MAX_DEPTH} levels")
        left = self.operand()
        operators = 0
        while (token := self.here) and token[0] in ("operator", "name"):
            binds = _BINDS.get(token[1])
            if binds is None or binds <= least:
                break
            self.take()
            operators += token[1] not in ("and", "or")
            if operators > MAX_DEPTH:
                raise Untranslatable(f"more than {MAX_DEPTH} operators in a row")
            left = Binary(token[1], left, self.expression(binds))
        self.depth -= 1
        return left

    def operand(self) -> Expression:
        kind, value = self.take()
        if kind == "number":
            return Number(value)
        if kind == "text":
            return Text(value)
        if kind == "ref":
            if value.startswith("last-saved#"):
                raise Untranslatable("an answer of an earlier response (last-saved#)")
            return Ref(value)
        if kind == "name":
            return self.function(value)
        if value == "-":
            return Minus(self.expression(_BINDS["*"]))
        if value == "(":
            inner = self.expression(0)
            self.expect(")")
            return inner
        if value == "." and (self.here is None or self.here[1] not in ("/", "//")):
            return Self()
        raise Untranslatable(_WHY.get(value, f"`{value}`" if value != "." else "a path such as ./x"))

    def function(self, name: str) -> Expression:
        if self.here != ("operator", "("):
            raise Untranslatable(f"`{name}` (did you mean `{name}()`?)" if name in ("true", "false") else f"the name `{name}` by itself")
        self.take()
        args: list[Expression] = []
        while self.here != ("operator", ")"):
            args.append(self.expression(0))
            if self.here == ("operator", ","):
                self.take()
            elif self.here != ("operator", ")"):
                break
        self.expect(")")
        return Func(name, tuple(args))

    def expect(self, value: str) -> None:
        kind, found = self.take()
        if kind != "operator" or found != value:
            raise Untranslatable(_WHY[found]) if found in _WHY else Malformed(f"has `{found}` where `{value}` is missing")
