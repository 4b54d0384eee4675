"""
What a mapping costs: `make bench-mapping`.

5,000 rows with 20 questions, from the CSV of the log to the frame and its digest, rendered for people and for machines: without a
mapping, with a filter that half of them pass, with one that all pass, with masks, and with all of it. CPU seconds of this process,
the median of several rounds in one run; the ratios are what counts.
"""

import json
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.forms.columns import META_COLUMNS, layout
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.mapping.masks import Masks
from collect_pipelines.sync.mapping.model import FrozenMapping
from collect_pipelines.sync.mapping.plan import plan_of
from collect_pipelines.sync.mapping.render import render_rows
from collect_pipelines.sync.rendering import digest_of

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.unit.mapping_tools import KEY, Display, Typed

ROWS, ROUNDS = 5_000, 9
AIM = 2.0  # times the cost without a mapping

CHOICES = [{"code": code, "label": {"en": f"Choice {code}", "hi": f"विकल्प {code}"}} for code in "abcdefgh"]
KINDS = (
    ["text", "phone", "email", "integer", "integer", "decimal", "boolean", "select_one", "select_multiple", "date", "datetime"]
    + ["text"] * 6
    + ["select_one", "integer", "hidden"]
)
MAPPINGS: dict[str, dict[str, Any]] = {
    "no mapping": {},
    "a filter half pass": {"filter": 'q3 >= 50 && (q7 == "a" || q7 != "b") && !q0.contains("zzz")'},
    "a filter all pass": {"filter": "q3 >= 0 && answered(q0)"},
    "four masks": {"masks": {"q0": "hash", "q1": "last4", "q2": "hash", "q9": "year"}},
    "filter, masks, columns": {
        "filter": "q3 >= 0 && answered(q0)",
        "masks": {"q0": "hash", "q1": "last4", "q2": "hash", "q9": "year"},
        "columns": [f"q{place}" for place in reversed(range(20))],
        "time_zone": "Asia/Kolkata",
    },
}


def form() -> FormDefinition:
    questions = [
        {"key": f"q{place}", "type": kind, "label": f"Question {place}", **({"choices": CHOICES} if kind.startswith("select") else {})}
        for place, kind in enumerate(KINDS)
    ]
    return FormDefinition.model_validate({"form": "wide", "title": "Wide", "languages": ["en", "hi"], "questions": questions})


def csv() -> bytes:
    chance = random.Random(7)
    values: dict[str, Any] = {
        "text": lambda: f"some answer {chance.randrange(10**9)}", "phone": lambda: f"+91 {chance.randrange(10**9, 10**10)}",
        "email": lambda: f"p{chance.randrange(10**6)}@example.org", "integer": lambda: str(chance.randrange(100)),
        "decimal": lambda: f"{chance.random() * 100:.3f}", "boolean": lambda: chance.choice(["true", "false"]),
        "select_one": lambda: chance.choice("abcdefgh"), "select_multiple": lambda: json.dumps(chance.sample("abcdefgh", 3)),
        "date": lambda: f"2026-0{chance.randrange(1, 10)}-1{chance.randrange(10)}",
        "datetime": lambda: f"2026-01-31T0{chance.randrange(10)}:30:00+05:30", "hidden": lambda: "device",
    }  # fmt: skip
    frame = {
        **{name: ["x"] * ROWS for name in META_COLUMNS},
        "position": [str(place) for place in range(1, ROWS + 1)],
        "response_id": [f"0192f0c1-{place:012d}" for place in range(ROWS)],
        "revision": ["1"] * ROWS,
        "operation": ["create"] * ROWS,
        "version": ["1"] * ROWS,
        **{name: ["2026-01-31T04:00:00.000001Z"] * ROWS for name in ("submitted_at", "received_at")},
        **{f"k{place}": [values[kind]() for _ in range(ROWS)] for place, kind in enumerate(KINDS)},
    }
    return pl.DataFrame(frame).write_csv(quote_style="always").encode()


def rounds(document: bytes, mapping: dict[str, Any], kind: type[Destination]) -> tuple[float, int]:
    """CPU milliseconds, and how many rows go out."""
    columns, plan = layout([form()]), plan_of([form()], FrozenMapping.model_validate(mapping), kind)
    masks, spent, height = Masks(KEY, plan.zone), [], 0
    for _ in range(ROUNDS):
        began = time.process_time()
        entries = text_frame(document, columns)
        kept = entries if plan.filter is None else entries.filter(plan.filter.passes(entries))
        frame = render_rows(kept, plan, masks)
        digest_of(frame)
        spent.append((time.process_time() - began) * 1000)
        height = frame.height
    return statistics.median(spent), height


def main() -> None:
    document = csv()
    print(f"{ROWS} rows, {len(KINDS)} questions, CPU milliseconds (median of {ROUNDS}); aim: at most {AIM:g} times the cost without")
    for kind in (Display, Typed):
        base = 0.0
        for name, mapping in MAPPINGS.items():
            spent, height = rounds(document, mapping, kind)
            base = base or spent
            print(f"{kind.kind:8} {name:24} {spent:8.1f} ms  x {spent / base:.2f}  {height} rows")


if __name__ == "__main__":
    main()
