"""
What judging costs: `make bench-validation`.

CPU seconds of this process, so that other programs on the machine do not count. Small batches: many forms with ten rows each, one after
the other, as a drain run meets them; large ones: 100,000 rows, as a backfill does. The same compiled rules are run by polars alone in the
same run, which is what Great Expectations is paid on top of.
"""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.validation import gate as gate_module
from collect_pipelines.validation.compile import compile_rules
from collect_pipelines.validation.gate import Gate

FORMS, RULES, SMALL, LARGE, BATCH = 50, 41, 10, 100_000, 5_000
ROUNDS = 3

AIM_MS_PER_SMALL_BATCH = 50.0
AIM_ROWS_PER_SECOND = 50_000.0

EXPRESSIONS = ["savings <= income", "children <= people && adults <= people", "income / people < 100000",
               'crop == "w" ? area > 0.5 : true', 'visited <= today() && visited >= date("2020-01-01")',
               '!name.contains("  ") && adults + children <= people + 1']  # fmt: skip


def form(number: int) -> FormDefinition:
    """A household form with 41 rules: required, types, bounds, lengths, patterns, formats, choices, and six rules of its own."""
    choices = [{"code": code, "label": code} for code in "wrmb"]
    whole = [{"key": key, "type": "integer", "min": 0, "max": 1_000_000 + number} for key in ("savings", "income")]
    whole += [{"key": key, "type": "integer", "required": True, "min": 0, "max": 40} for key in ("people", "adults", "children")]
    questions: list[dict[str, Any]] = [
        {"key": "name", "type": "text", "required": True, "min_length": 2},
        {"key": "pincode", "type": "text", "pattern": "[0-9]{6}"},
        {"key": "phone", "type": "phone"},
        {"key": "email", "type": "email"},
        *whole,
        {"key": "area", "type": "decimal", "min": 0},
        {"key": "crop", "type": "select_one", "choices": choices},
        {"key": "crops", "type": "select_multiple", "choices": choices, "max": 3},
        {"key": "visited", "type": "date", "required": True},
    ]
    rules = [{"name": f"rule_{place}", "expression": text} for place, text in enumerate(EXPRESSIONS)]
    return FormDefinition.model_validate({"form": f"form-{number}", "title": "Household", "questions": questions, "rules": rules})


def frame(definition: FormDefinition, rows: int) -> pl.DataFrame:
    """Answers as the log has them, one in ten or so breaking something."""
    source = random.Random(7)

    def texts(make: Callable[[], str]) -> pl.Series:
        return pl.Series([None if source.random() < 0.005 else make() for _ in range(rows)], dtype=pl.String)

    makers: dict[str, Callable[[], str]] = {
        "name": lambda: f"Asha {source.randrange(9999)}",
        "pincode": lambda: str(source.randrange(100_000, 1_001_000)),
        "phone": lambda: f"98{source.randrange(10**8):08}",
        "email": lambda: f"a{source.randrange(10**6)}@example.org",
        "savings": lambda: str(source.randrange(42_000)),
        "income": lambda: str(source.randrange(40_000, 90_000)),
        "people": lambda: str(source.randrange(8, 41)),
        "adults": lambda: str(source.randrange(4)),
        "children": lambda: str(source.randrange(4)),
        "area": lambda: f"{source.random() * 20:.2f}",
        "crop": lambda: source.choice("wrmb" * 20 + "x"),
        "crops": lambda: '["w", "r"]',
        "visited": lambda: f"2025-{source.randrange(1, 13):02}-{source.randrange(1, 29):02}",
    }
    meta = {
        "_position": pl.Series(range(1, rows + 1), dtype=pl.Int64),
        "_version": pl.Series([1] * rows, dtype=pl.Int64),
        "_received_at": pl.Series([datetime(2026, 6, 1, tzinfo=UTC)] * rows, dtype=pl.Datetime("us", "UTC")),
    }
    return pl.DataFrame({**meta, **{column_name(one): texts(makers[one.key]) for one in definition.answerable}})


def cpu_seconds(work: Callable[[], Any]) -> float:
    """What the work costs, the threads of polars included."""
    before = time.process_time()
    work()
    return time.process_time() - before


def small_batches(gate: Gate, forms: list[FormDefinition]) -> None:
    """Every form in turn, several times round."""
    batches = [(one, frame(one, SMALL)) for one in forms]
    compiled = [compile_rules(one) for one in forms]
    cold = [cpu_seconds(lambda one=one: gate.validate(*one)) for one in batches]
    warm = [cpu_seconds(lambda one=one: gate.validate(*one)) for _ in range(ROUNDS) for one in batches]
    few_rows, gate_module.FEW_ROWS = gate_module.FEW_ROWS, 0
    named = Gate()
    for one in batches:
        named.validate(*one)
    each = [cpu_seconds(lambda one=one: named.validate(*one)) for one in batches]
    gate_module.FEW_ROWS = few_rows
    alone = [
        cpu_seconds(lambda rules=rules, rows=rows: rules.violations(rows))
        for _ in range(ROUNDS)
        for rules, (_, rows) in zip(compiled, batches, strict=True)
    ]
    print(f"{len(forms)} forms with {len(compiled[0].rules)} rules each, {SMALL} rows per form-batch, CPU ms per form-batch (median)")
    row("polars alone", milliseconds(alone))
    row("Great Expectations, suite kept", milliseconds(warm), f"aim <= {AIM_MS_PER_SMALL_BATCH:.0f}")
    row("Great Expectations, first batch of a form version", milliseconds(cold))
    row("Great Expectations, an expectation per rule", milliseconds(each), "what larger batches use")


def large_batches(gate: Gate, definition: FormDefinition) -> None:
    """A backfill, at one go and in the batches of the lane."""
    rows, rules = frame(definition, LARGE), compile_rules(definition)
    parts = [rows.slice(first, BATCH) for first in range(0, LARGE, BATCH)]
    alone = min(cpu_seconds(lambda: rules.violations(rows)) for _ in range(ROUNDS))
    whole = min(cpu_seconds(lambda: gate.validate(definition, rows)) for _ in range(ROUNDS))
    batched = min(cpu_seconds(lambda: [gate.validate(definition, part) for part in parts]) for _ in range(ROUNDS))
    print(f"\n{LARGE:,} rows with {len(rules.rules)} rules, rows per CPU second (best of {ROUNDS})")
    row("polars alone", LARGE / alone)
    row("Great Expectations, one batch", LARGE / whole, f"aim >= {AIM_ROWS_PER_SECOND:,.0f}")
    row(f"Great Expectations, batches of {BATCH:,}", LARGE / batched)


def milliseconds(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


def row(name: str, number: float, remark: str = "") -> None:
    print(f"  {name:<50} {number:>12,.1f}  {remark}".rstrip())


def main() -> None:
    """Prints both tables."""
    gate = Gate()
    started = cpu_seconds(gate.warm_up)
    forms = [form(number) for number in range(FORMS)]
    assert len(compile_rules(forms[0]).rules) == RULES
    small_batches(gate, forms)
    large_batches(gate, forms[0])
    print(f"\nImporting Great Expectations cost {started:.1f} CPU s once.")


if __name__ == "__main__":
    main()
