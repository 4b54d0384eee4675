"""A missing answer decides nothing, an error is never a pass, and both are told apart; for one response and over a frame."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from collect_pipelines.rules.evaluate import compiled, value_of
from collect_pipelines.rules.language import ValueType, check
from collect_pipelines.rules.nodes import Node
from collect_pipelines.rules.vectorized import expression, verdicts

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
FIELDS: dict[str, ValueType] = {
    "a": "integer", "b": "integer", "x": "decimal", "y": "decimal", "s": "text", "c": "boolean", "d": "date", "t": "datetime", "l": "texts",
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "a": pl.Int64, "b": pl.Int64, "x": pl.Float64, "y": pl.Float64, "s": pl.String, "c": pl.Boolean, "d": pl.Date,
    "t": pl.Datetime("us", "UTC"), "l": pl.List(pl.String),
}  # fmt: skip
HIGH, LOW = 2**63 - 1, -(2**63)


def verdict(text: str, **row: Any) -> str:
    """The verdict of both executions, which has to be the same."""
    root = check(text, FIELDS).root
    ours = compiled(root)(row, NOW)
    assert over_a_frame(root, row) == (ours == "broken", ours == "error")
    return ours


def over_a_frame(root: Node, row: dict[str, Any], on_missing: Any = "skip") -> tuple[bool, bool]:
    columns = {key: [row.get(key).date() if key == "d" and row.get(key) else row.get(key)] for key in FIELDS}  # type: ignore[union-attr]
    frame = pl.DataFrame(columns, schema=SCHEMA)
    broken, error = frame.select(
        *(one.alias(name) for name, one in zip("be", verdicts(root, pl.col, pl.lit(NOW), on_missing), strict=True))
    ).row(0)
    return broken, error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <= 5", "missing"),
        ("a != 5", "missing"),
        ("!(a == 5)", "missing"),
        ("a + b > 0", "missing"),
        ("a in [1, 2]", "missing"),
        ('s.startsWith("")', "missing"),
        ('"x" in l', "missing"),
        ("size(l) == 0", "missing"),
        ("int(s) == 1", "missing"),
        ("a > 0 && b > 0", "missing"),
        ("b > 0 && a > 0", "missing"),
        ("a > 0 && b < 0", "broken"),
        ("b < 0 && a > 0", "broken"),
        ("a > 0 || b > 0", "kept"),
        ("b > 0 || a > 0", "kept"),
        ("a > 0 || b < 0", "missing"),
        ("a > 0 ? b > 0 : b > 0", "missing"),
        ("b > 0 ? b > 0 : a > 0", "kept"),
        ("b < 0 ? b > 0 : a > 0", "missing"),
        ("answered(a)", "broken"),
        ("!answered(a)", "kept"),
        ("answered(a) && a > 0", "broken"),
        ("!answered(a) || a > 0", "kept"),
        ("answered(b) && b > 0", "kept"),
        ("a / 0 > 1 && b > 0", "missing"),
    ],
)
def test_a_missing_answer_is_undecidable_unless_the_rest_decides(text: str, expected: str) -> None:
    assert verdict(text, b=1) == expected
    assert verdict(text, b=1, a=None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a / b == 0", "error"),
        ("a % b == 0", "error"),
        ("x / y > 0", "error"),
        ("b / 1 == 0", "kept"),
        ("a / b == 0 || c", "kept"),
        ("a / b == 0 && !c", "broken"),
        ("a / b == 0 && c", "error"),
        ("c ? c : a / b == 0", "kept"),
        ("a / b == 0 ? c : c", "error"),
        ("9223372036854775807 + a > 0", "error"),
        ("-9223372036854775808 - a < 0", "error"),
        ("9223372036854775807 * (a + a) > 0", "error"),
        ("x * 1e308 * 100 > 0", "error"),
        ("int(s) > 0", "error"),
        ("double(s) > 0", "error"),
        ("int(x * 1e19) > 0", "error"),
        ('d + duration("70000000h") > d', "error"),
        ('d - duration("70000000h") > d', "error"),
        ("answered(a) && a / b == 0", "error"),
    ],
)
def test_an_error_is_neither_kept_nor_broken(text: str, expected: str) -> None:
    assert verdict(text, a=1, b=0, x=1.5, y=0.0, s="x", c=True, d=datetime(2026, 1, 31, tzinfo=UTC)) == expected


def test_on_missing_fail_breaks_what_a_missing_answer_leaves_open_but_not_what_an_error_does() -> None:
    root = check("a / b > 1", FIELDS).root
    strict = compiled(root, "fail")

    assert [strict(row, NOW) for row in ({"a": 1}, {"a": 1, "b": 0}, {"a": 4, "b": 2})] == ["broken", "error", "kept"]
    assert [over_a_frame(root, row, "fail") for row in ({"a": 1}, {"a": 1, "b": 0}, {"a": 4, "b": 2})] == [
        (True, False),
        (False, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("a / 2 == -3 && a % 2 == -1", {"a": -7}, "kept"),
        ("a / -2 == -3 && a % -2 == 1", {"a": 7}, "kept"),
        ("a / b > 0", {"a": LOW, "b": -1}, "error"),
        ("a % b == 0", {"a": LOW, "b": -1}, "error"),
        ("-a > 0", {"a": LOW}, "error"),
        ("a + 1 > 0", {"a": HIGH}, "error"),
        ("a - 1 + 1 == 9223372036854775807", {"a": HIGH}, "kept"),
        ("a + 1 - 1 == 9223372036854775807", {"a": HIGH}, "error"),
        ("x == 0.3", {"x": 0.1 + 0.2}, "broken"),
        ("round(x, 2) == 0.3", {"x": 0.1 + 0.2}, "kept"),
        ("round(x) == 3 && round(-x) == -3", {"x": 2.5}, "kept"),
        ("round(x) == 0", {"x": 0.49999999999999994}, "kept"),
        ("round(x) == 4503599627370497", {"x": 4503599627370497.0}, "kept"),
        ("int(x) == -2", {"x": -2.9}, "kept"),
        ("int(x) > 0", {"x": 2.0**63}, "error"),
        ("double(a) == 9007199254740992.0", {"a": 2**53 + 1}, "kept"),
        ("int(s) == 12", {"s": " +012 "}, "kept"),
        ("int(s) == 9223372036854775807", {"s": str(HIGH)}, "kept"),
        ("int(s) > 0", {"s": str(HIGH + 1)}, "error"),
        ("int(s) == 7", {"s": "0" * 5_000 + "7"}, "kept"),
        ("int(s) > 0", {"s": "१२"}, "error"),
        ("int(s) > 0", {"s": "1.0"}, "error"),
        ("double(s) == 0.5", {"s": ".5"}, "kept"),
        ("double(s) > 0", {"s": "0x1p3"}, "error"),
        ("double(s) > 0", {"s": "nan"}, "error"),
        ("double(s) > 0", {"s": "1e400"}, "error"),
        ('string(a) == "-7" && string(c) == "true"', {"a": -7, "c": True}, "kept"),
        ("size(s) == 3", {"s": "é👍🏽"}, "kept"),
        ('s > "B" && s < "é"', {"s": "b"}, "kept"),
        ('s == "é"', {"s": "e\u0301"}, "broken"),
        ('s.matches("b")', {"s": "abc"}, "kept"),
        ('s.matches("^b")', {"s": "abc"}, "broken"),
        ('s.matches("^abc$")', {"s": "abc\n"}, "broken"),
        ('s.matches("^\\\\d+$")', {"s": "५"}, "broken"),
        ('d == date("2024-02-29") && d + duration("24h") == date("2024-03-01")', {"d": datetime(2024, 2, 29, tzinfo=UTC)}, "kept"),
        ('d >= date("0001-01-01") && d <= date("9999-12-31")', {"d": datetime(1, 1, 1, tzinfo=UTC)}, "kept"),
        ('t - d == duration("33h30m")', {"t": NOW, "d": datetime(2026, 1, 30, tzinfo=UTC)}, "kept"),
        ("d == today() && t == now() && today() < now()", {"t": NOW, "d": datetime(2026, 1, 31, tzinfo=UTC)}, "kept"),
        ('size(l) == 2 && "b" in l && !("c" in l) && s in l', {"l": ["a", "b"], "s": "a"}, "kept"),
    ],
)
def test_values_mean_the_same_in_every_execution(text: str, row: dict[str, Any], expected: str) -> None:
    assert verdict(text, **row) == expected


def test_decimals_are_divided_exactly_over_a_frame() -> None:
    numbers = [number / 7 for number in range(-5_000, 5_000)]
    frame = pl.DataFrame({"x": numbers, "y": [number / 3 for number in numbers]})

    kept = frame.select(kept=expression(check("x / 3 == y", FIELDS).root, pl.col, pl.lit(NOW)))

    assert kept["kept"].all()


def test_a_rule_over_constants_decides_every_row_of_a_frame() -> None:
    frame = pl.DataFrame({"a": [1, None, 3]}, schema={"a": pl.Int64})

    for text, expected in (
        ("1 > 2", [False] * 3),
        ("today() in [date('2026-01-31')]", [True] * 3),
        ("1 / 0 > 1", [None] * 3),
        ("false && a > 1", [False] * 3),
    ):
        assert frame.select(kept=expression(check(text, FIELDS).root, pl.col, pl.lit(NOW)))["kept"].to_list() == expected


def test_a_value_of_another_type_than_declared_is_an_error_and_raises_nothing() -> None:
    rule = compiled(check("a < 5 && size(l) > 0", FIELDS).root)

    assert rule({"a": "4", "l": ["x"]}, NOW) == "error"
    assert rule({"a": 4, "l": 7}, NOW) == "error"


@pytest.mark.parametrize(
    ("value_type", "question_type", "answer", "value"),
    [
        ("text", "text", "a ", "a "),
        ("text", "text", " \u00a0\n", None),
        ("text", "text", "", None),
        ("text", "text", 5, None),
        ("text", "select_one", {"other": "mud"}, "other: mud"),
        ("text", "select_one", {"other": " "}, None),
        ("text", "hidden", True, "true"),
        ("text", "hidden", 12, "12"),
        ("text", "hidden", 1e22, "10000000000000000000000"),
        ("text", "hidden", 1e-7, "0.0000001"),
        ("text", "hidden", -0.0, "0.0"),
        ("text", "hidden", " ", None),
        ("text", "hidden", [1], None),
        ("integer", "integer", 5, 5),
        ("integer", "rating", True, None),
        ("integer", "integer", 5.0, None),
        ("integer", "integer", 2**63, None),
        ("decimal", "decimal", 5, 5.0),
        ("decimal", "decimal", 10**400, None),
        ("decimal", "decimal", float("nan"), None),
        ("decimal", "decimal", True, None),
        ("boolean", "boolean", False, False),
        ("boolean", "boolean", "true", None),
        ("texts", "select_multiple", ["a", {"other": "b"}], ["a", "other: b"]),
        ("texts", "select_multiple", [], None),
        ("texts", "select_multiple", ["a", 1], None),
        ("texts", "select_multiple", "a", None),
        ("date", "date", "2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("date", "date", "2023-02-29", None),
        ("datetime", "datetime", "2026-01-31T15:00:00.1234567+05:30", datetime(2026, 1, 31, 9, 30, 0, 123456, tzinfo=UTC)),
        ("datetime", "datetime", "2026-01-31T15:00:00", None),
        ("time", "time", "09:30", "09:30:00"),
        ("time", "time", "25:00", None),
        ("rows", "repeat", [{}], [{}]),
        ("rows", "repeat", [], None),
        ("opaque", "geopoint", {"latitude": 1, "longitude": 2}, {"latitude": 1, "longitude": 2}),
        ("opaque", "file", "", None),
        ("text", "text", None, None),
    ],
)  # fmt: skip
def test_an_answer_becomes_the_value_a_rule_works_with(value_type: ValueType, question_type: str, answer: Any, value: Any) -> None:
    found = value_of(value_type, question_type, answer)

    assert (found, type(found)) == (value, type(value))
