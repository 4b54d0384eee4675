"""
What destinations cost. Run: python tests/benchmarks/bench_destinations.py [--only NAME ...] [--million 1000000] [--no-kinds]

1. Per kind (destination_kinds.py), each in a process of its own: CPU and wall time of a micro-batch by its size, and 20 forms with
   10 rows each, one after the other and in one call.
2. A million responses from Postgres to DuckDB and to Parquet (million_responses.py): through this product with everything it
   promises, through plain dlt, and directly. Each in a process of its own, with its peak memory.

CPU is that of the process that delivers, without the receiver's. Wall times depend on who else uses the machine.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.destination_batches import wide_batch  # noqa: E402 - the path comes first
from tests.benchmarks.destination_kinds import KINDS  # noqa: E402

ROUNDS = 3
FORMS, ROWS_PER_FORM = 20, 10


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--only", nargs="*", help="Names of kinds, or their beginnings.")
    options.add_argument("--million", type=int, default=1_000_000, help="Responses of the second part; 0 leaves it out.")
    options.add_argument("--no-kinds", action="store_true", help="Leave the first part out.")
    options.add_argument("--child", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        print(json.dumps(measure(given.child)))
        return
    if not given.no_kinds:
        show_kinds([name for name in KINDS if not given.only or name.startswith(tuple(given.only))])
    if given.million:
        from tests.benchmarks.million_responses import show

        show(given.million)


def show_kinds(names: list[str]) -> None:
    print(f"\nA micro-batch of 20 questions, median of {ROUNDS}, after a first one\n")
    print(f"{'kind':<20} {'rows':>7} {'CPU s':>8} {'wall s':>8} {'rows/s':>9}")
    together = []
    for name in names:
        found = _child(name)
        for rows, cpu, wall in found["sizes"]:
            print(f"{name:<20} {rows:>7,} {cpu:>8.3f} {wall:>8.3f} {rows / wall:>9,.0f}")
        print(f"{name:<20} {'peak':>7} {found['peak_mb']:>6} MB")
        together.append((name, *found["forms"]))
    print(f"\n{FORMS} forms with {ROWS_PER_FORM} rows each\n")
    print(f"{'kind':<20} {'CPU s one by one':>17} {'CPU s together':>15} {'times':>7}")
    for name, alone, shared in together:
        print(f"{name:<20} {alone:>17.2f} {shared:>15.2f} {alone / shared:>7.1f}")


def measure(name: str) -> dict[str, Any]:
    """In a process of its own: one kind."""
    import resource

    kind = KINDS[name]
    with tempfile.TemporaryDirectory() as folder, kind.opened(Path(folder)) as make:
        destination = make("wide")
        position = 0
        destination.deliver(wide_batch(destination, 10, position))
        sizes = []
        for rows in kind.rows:
            spent = []
            for _ in range(ROUNDS if rows < 50_000 else 2):
                position += 100_000
                batch = wide_batch(destination, rows, position)
                spent.append(_spent(lambda batch=batch: destination.deliver(batch)))
            sizes.append((rows, *(statistics.median(column) for column in zip(*spent, strict=True))))
        forms = _forms(make)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"sizes": sizes, "forms": forms, "peak_mb": peak}


def _forms(make: Callable[[str], Any]) -> tuple[float, float]:
    """CPU seconds of 20 small batches of as many forms, alone and together."""
    made = [make(f"form_{number}") for number in range(FORMS)]
    for one in made:
        one.deliver(wide_batch(one, 1, 0))
    alone, shared = [], []
    for round_number in range(1, 3):
        batches = [(one, wide_batch(one, ROWS_PER_FORM, round_number * 100_000)) for one in made]
        alone.append(_spent(lambda batches=batches: [one.deliver(batch) for one, batch in batches])[0])
        batches = [(one, wide_batch(one, ROWS_PER_FORM, round_number * 100_000 + 50_000)) for one in made]
        shared.append(_spent(lambda batches=batches: type(made[0]).deliver_together(batches))[0])
    return statistics.median(alone), statistics.median(shared)


def _spent(call: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def _child(name: str) -> dict[str, Any]:
    program = [sys.executable, __file__, "--child", name]
    told = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(f"{name}:\n{told.stderr}")
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
