"""Random typed rules and random typed answers, for the property test of the rule language."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from collect_pipelines.rules.nodes import Call, Field, Literal, Node, ValueType, call, field, keys
from collect_pipelines.rules.nodes import literal as lit

INTEGER_LOW, INTEGER_HIGH = -(2**63), 2**63 - 1

QUESTIONS: dict[str, tuple[ValueType, str]] = {
    "n1": ("integer", "integer"), "n2": ("integer", "rating"), "x1": ("decimal", "decimal"), "x2": ("decimal", "decimal"),
    "s1": ("text", "text"), "s2": ("text", "select_one"), "l1": ("texts", "select_multiple"), "b1": ("boolean", "boolean"),
    "b2": ("boolean", "boolean"), "d1": ("date", "date"), "d2": ("date", "date"), "t1": ("datetime", "datetime"),
    "h1": ("time", "time"), "h2": ("time", "time"), "m1": ("rows", "repeat"), "g1": ("opaque", "geopoint"),
}  # fmt: skip
"""Value type and question type by key."""

FIELDS: dict[str, ValueType] = {key: kind for key, (kind, _) in QUESTIONS.items()}

TEXTS = [
    *(
        "a",
        "b",
        "ab",
        "B",
        "é",
        "e\u0301",
        "\u00ff",
        "👍🏽",
        "नमस्ते",
        "\U00010000",
        "\uffff",
        "a b",
        "x",
        "\n",
        "a\n",
        "q\"\\'",
        "other: é",
        "true",
    ),
    *("12", "-7", " 12 ", "+5", "007", "1e5", "1.5", "1e400", "inf", "nan", ".5", "1."),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
]
INTEGERS = [0, 1, -1, 2, -2, 7, -7, 10, 2**31, 2**53 + 1, INTEGER_HIGH, INTEGER_LOW, INTEGER_HIGH - 1, INTEGER_LOW + 1]
DECIMALS = [
    *(0.0, -0.0, 0.1, 0.2, 0.3, 0.5, -0.5, 1.5, 2.5, -2.5, 1.0, 100.0, 1.005, 0.49999999999999994, 4503599627370495.5, 1e22, 1e308, -1e308),
    *(5e-324, 2.0**63, -(2.0**63), 9007199254740993.0),
]
DAYS = ["0001-01-01", "0001-01-02", "1600-02-29", "1969-12-31", "1970-01-01", "2024-02-29", "2023-02-28", "2026-01-31", "9999-12-31"]
MOMENTS = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T23:59:59Z", "2026-01-31T09:30:00+05:30",
           "2026-01-31T04:00:00.000001Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]  # fmt: skip
TIMES = ["00:00:00", "09:30:00", "09:30:01", "23:59:59"]
PATTERNS = ["a", "^a$", "^[0-9]+$", "[^a]", "(?i)b", r"\d", r"\p{L}+", "^.$", "a|é", "(?s)a.*", "x{2,3}", "^$"]
DURATIONS = [
    timedelta(0),
    timedelta(hours=24),
    timedelta(microseconds=1),
    timedelta(days=-366),
    timedelta(days=3_652_058),
    timedelta(seconds=90),
]
SCALARS: tuple[ValueType, ...] = ("text", "integer", "decimal", "boolean", "date", "datetime", "time", "duration")

ANSWERS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.sampled_from(INTEGERS) | st.integers(INTEGER_LOW, INTEGER_HIGH) | st.integers(-9, 9),
    "decimal": st.sampled_from(DECIMALS) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
    "text": st.sampled_from([*TEXTS, "", "  "]) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    "select_one": st.sampled_from(["a", "b", {"other": "é"}]),
    "select_multiple": st.lists(st.sampled_from(["a", "b", "é", {"other": "x"}]), max_size=3),
    "boolean": st.booleans(),
    "date": st.sampled_from(DAYS) | st.dates().map(str),
    "datetime": st.sampled_from(MOMENTS) | st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "time": st.sampled_from([*TIMES, "09:30"]),
    "repeat": st.lists(st.just({"name": "x"}), max_size=2),
    "geopoint": st.just({"latitude": 1, "longitude": 2}),
}  # fmt: skip
"""What a response may hold, by question type; as JSON gives it."""
ANSWERS["rating"] = ANSWERS["integer"]


@st.composite
def cases(draw: st.DrawFn, levels: int = 4) -> tuple[Node, list[dict[str, Any]]]:
    """A rule, and responses with answers to the questions it names: most are given, some are null, some absent."""
    tree = draw(trees("boolean", levels))
    named = keys(tree)
    answers = [{key: draw(ANSWERS[QUESTIONS[key][1]]) for key in named} for _ in range(draw(st.integers(0, 6)))]
    for response in answers if named else []:
        lost = draw(st.sampled_from([*named, *[None] * (1 + len(named))]))
        if lost and draw(st.booleans()):
            response[lost] = None
        elif lost:
            del response[lost]
    return tree, answers


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_LITERALS: dict[str, st.SearchStrategy[Literal]] = {
    "text": (st.sampled_from(TEXTS) | st.text(max_size=3).filter(lambda text: "\0" not in text and text.isprintable())).map(lit),
    "integer": (st.sampled_from(INTEGERS) | st.integers(-9, 9)).map(lit),
    "decimal": (st.sampled_from(DECIMALS) | st.floats(allow_nan=False, allow_infinity=False)).map(lit),
    "boolean": st.booleans().map(lit),
    "date": st.sampled_from(DAYS).map(lambda text: lit(_day(text), "date")),
    "datetime": st.sampled_from(MOMENTS).map(lambda text: lit(datetime.fromisoformat(text).astimezone(UTC))),
    "duration": st.sampled_from(DURATIONS).map(lit),
    "time": st.sampled_from(TIMES).map(lambda text: lit(text, "time")),
}


@st.composite
def trees(draw: st.DrawFn, kind: ValueType = "boolean", levels: int = 4) -> Node:
    """A node that gives a value of the type; `levels` operations deep at most."""
    if levels <= 0 or kind == "texts" or draw(st.integers(0, 5)) == 0:
        return _leaf(draw, kind)
    makers = _MAKERS.get(kind, []) + ([_choice] if kind != "boolean" or levels > 1 else [])
    return draw(st.sampled_from(makers))(draw, kind, levels - 1) if makers else _leaf(draw, kind)


def _leaf(draw: st.DrawFn, kind: ValueType) -> Node:
    names = [key for key, other in FIELDS.items() if other == kind]
    if names and (kind not in _LITERALS or draw(st.integers(0, 2)) > 0):
        return field(draw(st.sampled_from(names)), kind)
    return draw(_LITERALS[kind])


def _choice(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    return call("?:", draw(trees("boolean", levels)), draw(trees(kind, levels)), draw(trees(kind, levels)))


def _pair(draw: st.DrawFn, levels: int, kinds: tuple[ValueType, ...]) -> tuple[Node, Node]:
    one = draw(st.sampled_from(kinds))
    other = draw(st.sampled_from(("date", "datetime"))) if one in ("date", "datetime") else one
    left, right = draw(trees(one, levels)), draw(trees(other, levels))
    if one == "time" and not (_has_field(left) or _has_field(right)):
        left = field("h1", "time")  # two texts alone do not tell that they are times
    return left, right


def _has_field(node: Node) -> bool:
    return isinstance(node, Field) or (isinstance(node, Call) and node.name == "?:" and any(map(_has_field, node.args[1:])))


def _comparison(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    name = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    ordered = tuple(scalar for scalar in SCALARS if scalar != "boolean")
    return call(name, *_pair(draw, levels, SCALARS if name in ("==", "!=") else ordered))


def _logic(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    name = draw(st.sampled_from(["&&", "||", "!"]))
    return call(name, *(draw(trees("boolean", levels)) for _ in range(1 if name == "!" else 2)))


def _membership(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    if draw(st.booleans()):
        return call("in", draw(trees("text", levels)), field("l1", "texts"))
    item = draw(st.sampled_from(SCALARS))
    values = draw(st.lists(_LITERALS[item], min_size=1, max_size=3))
    return call("one_of", field("h2", "time") if item == "time" else draw(trees(item, levels)), *values)


def _search(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    name = draw(st.sampled_from(["startsWith", "endsWith", "contains", "matches"]))
    part = lit(draw(st.sampled_from(PATTERNS))) if name == "matches" else draw(trees("text", levels))
    return call(name, draw(trees("text", levels)), part)


def _answered(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    key = draw(st.sampled_from(list(FIELDS)))
    return call("answered", field(key, FIELDS[key]))


def _arithmetic(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    name = draw(st.sampled_from(["+", "-", "*", "/", "%"] if kind == "integer" else ["+", "-", "*", "/"]))
    return call(name, draw(trees(kind, levels)), draw(trees(kind, levels)))


def _negative(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    operand = draw(trees(kind, levels))
    return operand if isinstance(operand, Literal) else call("neg", operand)  # a minus before a number belongs to the number


def _size(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    return call("size", draw(st.sampled_from([field("l1", "texts"), field("m1", "rows"), draw(trees("text", levels))])))


def _conversion(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    name = {"integer": "int", "decimal": "double", "text": "string"}[kind]
    sources: list[ValueType] = ["text", "integer", "boolean"] if kind == "text" else ["text", "integer", "decimal"]
    return call(name, draw(trees(draw(st.sampled_from(sources)), levels)))


def _rounded(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    digits = draw(st.integers(-1, 6))
    return call("round", draw(trees("decimal", levels)), *([lit(digits)] if digits >= 0 else []))


def _moved(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    moment, duration = draw(trees(draw(st.sampled_from(("date", "datetime"))), levels)), draw(trees("duration", levels))
    return draw(st.sampled_from([call("+", moment, duration), call("-", moment, duration), call("+", duration, moment)]))


def _distance(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    return call("-", *(draw(trees(draw(st.sampled_from(("date", "datetime"))), levels)) for _ in range(2)))


def _today(draw: st.DrawFn, kind: ValueType, levels: int) -> Node:
    return call("today" if kind == "date" else "now")


_MAKERS: dict[str, list[Any]] = {
    "boolean": [_comparison, _comparison, _comparison, _logic, _logic, _membership, _search, _answered],
    "integer": [_arithmetic, _arithmetic, _negative, _size, _conversion],
    "decimal": [_arithmetic, _arithmetic, _negative, _conversion, _rounded],
    "text": [_conversion],
    "date": [_today],
    "datetime": [_moved, _moved, _today],
    "duration": [_distance],
    "time": [],
}
