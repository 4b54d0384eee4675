"""
One rule, one verdict: for random typed rules over random answers, the Python functions of ingest, the polars expressions of validation,
Google's own CEL evaluator and an independent one in Rust say the same.

Where the two foreign evaluators can't be asked:

* `answered`, `today`, `now`, `date` and `round` are ours. They are replaced: by a variable that says whether the answer is there, by
  variables with the moment, by `timestamp(...)`, and by Google's `math.round`.
* A decimal that is not finite is an error with us and a number with them (a documented difference).
* Google's Python binding turns the first and the last moment of the calendar into infinity, and its durations end at 292 years (a
  documented difference). The Rust evaluator is asked about both.
* The Rust evaluator counts bytes in size(text), knows no math.round and no string(bool), reads no blanks around numbers, adds no moment to
  a duration, negates the least integer, and wraps a duration around that is written with more than 292 years.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cel as rust
import polars as pl
import pytest
from cel_expr_python import cel as google
from cel_expr_python.ext import ext_math
from hypothesis import HealthCheck, event, given, settings

from collect_pipelines.rules.evaluate import Verdict, compiled, value_of
from collect_pipelines.rules.language import check
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, field, keys, literal, unparse
from collect_pipelines.rules.patterns import portable
from collect_pipelines.rules.vectorized import verdicts
from tests.unit.rules_strategies import FIELDS, QUESTIONS, cases

NOW = datetime(2026, 1, 31, 4, 0, 0, 1, tzinfo=UTC)
LONGEST = timedelta(seconds=2**63 // 10**9)  # 64 bits of nanoseconds
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

COLUMNS: dict[str, Any] = {
    "text": pl.String, "time": pl.String, "integer": pl.Int64, "decimal": pl.Float64, "boolean": pl.Boolean, "texts": pl.List(pl.String),
    "date": pl.Date, "datetime": pl.Datetime("us", "UTC"), "rows": pl.List(pl.Struct({"name": pl.String})),
    "opaque": pl.Struct({"latitude": pl.Int64, "longitude": pl.Int64}),
}  # fmt: skip
GOOGLE_TYPES = {
    "text": google.Type.STRING, "time": google.Type.STRING, "integer": google.Type.INT, "decimal": google.Type.DOUBLE,
    "boolean": google.Type.BOOL, "texts": google.Type.List(google.Type.STRING), "date": google.Type.TIMESTAMP,
    "datetime": google.Type.TIMESTAMP, "rows": google.Type.List(google.Type.DYN), "opaque": google.Type.DYN,
}  # fmt: skip
ENVIRONMENT = google.NewEnv(
    variables={
        **{key: GOOGLE_TYPES[kind] for key, kind in FIELDS.items()},
        **{f"answered_{key}": google.Type.BOOL for key in FIELDS},
        "the_now": google.Type.TIMESTAMP,
        "the_today": google.Type.TIMESTAMP,
    },
    extensions=[ext_math.ExtMath()],
)

Row = dict[str, Any]


def everywhere(many: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    bounds = settings(max_examples=many, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    return lambda test: bounds(given(case=cases())(test))


@everywhere(80)
def test_a_rule_has_the_same_verdict_in_every_execution(case: tuple[Node, list[Row]]) -> None:
    agree(*case)


@pytest.mark.slow
@everywhere(10_000)
def test_a_rule_has_the_same_verdict_in_every_execution_for_very_many_rules(case: tuple[Node, list[Row]]) -> None:
    agree(*case)


def agree(tree: Node, answers: list[Row]) -> None:
    text = unparse(tree)
    checked = check(text, FIELDS)
    rows = [{key: value_of(*QUESTIONS[key], answer) for key, answer in response.items()} for response in answers]
    ours = [compiled(checked.root)(row, NOW) for row in rows]
    for verdict in ours:
        event(verdict)

    assert unparse(checked.root) == text
    assert in_polars(checked.root, rows, "skip") == [_shown(verdict) for verdict in ours]
    strict: list[Verdict] = [compiled(checked.root, "fail")(row, NOW) for row in rows]
    assert strict == ["broken" if verdict == "missing" else verdict for verdict in ours]
    assert in_polars(checked.root, rows, "fail") == [_shown(verdict) for verdict in strict]
    foreign = substituted(checked.root)
    by_google, by_rust = ENVIRONMENT.compile(unparse(foreign)), rust.compile(unparse(portably(foreign)))
    for row, verdict in zip(rows, ours, strict=True):
        if not infinite(checked.root, row):
            data = {key: value for key, value in row.items() if value is not None} | context(row)
            if not extreme(checked.root, row):
                assert of_google(by_google, data, checked.keys) == verdict, text
            if rust_can(checked.root, row):
                assert of_rust(by_rust, data, checked.keys) == verdict, text


def _shown(verdict: Verdict) -> str:
    return verdict if verdict in ("broken", "error") else "kept or missing"


def in_polars(root: Node, rows: list[Row], on_missing: Any) -> list[str]:
    columns = {
        key: [value.date() if kind == "date" and value is not None else value for value in (row.get(key) for row in rows)]
        for key, kind in FIELDS.items()
    }
    frame = pl.DataFrame(columns, schema={key: COLUMNS[kind] for key, kind in FIELDS.items()})
    broken, error = verdicts(root, pl.col, pl.lit(NOW, dtype=pl.Datetime("us", "UTC")), on_missing)
    found = frame.select("n1", broken=broken, error=error)
    assert found["broken"].null_count() == found["error"].null_count() == 0
    return ["broken" if row["broken"] else "error" if row["error"] else "kept or missing" for row in found.iter_rows(named=True)]


def context(row: Row) -> Row:
    there = {f"answered_{key}": row.get(key) is not None for key in FIELDS}
    return {**there, "the_now": NOW, "the_today": NOW.replace(hour=0, minute=0, second=0, microsecond=0)}


def of_google(program: Any, data: Row, named: tuple[str, ...]) -> Verdict:
    value = program.eval(data=data)
    if value.type() == google.Type.BOOL:
        return "kept" if value.value() else "broken"
    assert value.type() == google.Type.ERROR
    return undecided(data, named)


def of_rust(program: Any, data: Row, named: tuple[str, ...]) -> Verdict:
    try:
        value = program.execute(data)
    except (RuntimeError, TypeError, ValueError, ArithmeticError):
        return undecided(data, named)
    assert type(value) is bool
    return "kept" if value else "broken"


def undecided(data: Row, named: tuple[str, ...]) -> Verdict:
    return "error" if all(key in data for key in named) else "missing"


def substituted(node: Node) -> Node:
    """The tree with what is ours alone said in CEL's own words."""
    if isinstance(node, Literal):
        return replace(node, type="datetime") if node.type == "date" else node
    if isinstance(node, Field):
        return node
    if node.name == "answered":
        return field(f"answered_{keys(node)[0]}", "boolean")
    if node.name in ("now", "today"):
        return field(f"the_{node.name}", "datetime")
    args = tuple(map(substituted, node.args))
    if node.name != "round":
        return replace(node, args=args)
    if len(args) == 1:
        return Call("math.round", args, "decimal")
    assert isinstance(args[1], Literal)
    scale = literal(10.0 ** int(args[1].value))  # type: ignore[arg-type]
    return call("/", Call("math.round", (call("*", args[0], scale),), "decimal"), scale)


def portably(node: Node) -> Node:
    """The tree with patterns spelled for an engine whose classes take in all of Unicode."""
    if not isinstance(node, Call):
        return node
    if node.name == "matches":
        assert isinstance(node.args[1], Literal)
        return replace(node, args=(portably(node.args[0]), literal(portable(str(node.args[1].value)))))
    return replace(node, args=tuple(map(portably, node.args)))


def parts(node: Node) -> list[Node]:
    return [node, *(part for arg in node.args for part in parts(arg))] if isinstance(node, Call) else [node]


def value(node: Node, row: Row) -> Any:
    """What a part of a rule comes to: asked for by comparing it with itself."""
    from collect_pipelines.rules.evaluate import _step

    return _step(node)(row, NOW)


def infinite(root: Node, row: Row) -> bool:
    """Whether a decimal part is undecidable although its operands are there: not finite for us, a number for others."""
    for part in parts(root):
        decimal = isinstance(part, Call) and part.type == "decimal" and part.name != "?:"
        if decimal and value(part, row) is None and all(value(arg, row) is not None for arg in part.args):
            return True
    return False


def extreme(root: Node, row: Row) -> bool:
    values = [value(part, row) for part in parts(root) if part.type in ("date", "datetime", "duration")]
    return any(abs(found) > LONGEST if isinstance(found, timedelta) else found in (FIRST, LAST) for found in values)


def rust_can(root: Node, row: Row) -> bool:
    for part in parts(root):
        if isinstance(part, Literal) and isinstance(part.value, timedelta) and abs(part.value) > LONGEST:
            return False
        if not isinstance(part, Call) or not part.args:
            continue
        operand = part.args[0]
        if part.name == "round" or (part.name == "string" and operand.type == "boolean"):
            return False
        if part.name == "+" and operand.type == "duration":
            return False
        if part.name == "neg" and value(operand, row) == -(2**63):
            return False
        if part.name in ("size", "int", "double") and operand.type == "text":
            text = value(operand, row)
            if text is not None and (not text.isascii() if part.name == "size" else text != text.strip()):
                return False
    return True


def test_what_is_left_out_of_the_comparison_with_google_is_only_what_is_documented() -> None:
    largest = {"x1": 1e308, "t1": FIRST, "d1": FIRST}

    assert infinite(check("x1 * 10 > 0", FIELDS).root, largest)
    assert not infinite(check("x1 * 1 > 0", FIELDS).root, largest)
    assert extreme(check("t1 < now()", FIELDS).root, largest)
    assert not extreme(check("t1 < now()", FIELDS).root, {"t1": FIRST + timedelta(microseconds=1)})
