"""
Three million cells through several spreadsheets. Run: python tests/benchmarks/bench_sheets_size.py [--rows 131000] [--cells 700000]

A form of 20 questions (23 columns) goes from Postgres through the delivery lane, as a worker runs it in a process of its own, into the
local Sheets server. A spreadsheet may have fewer cells than Google's 10,000,000, so that it is full early. Printed: memory of the worker
while it goes, rows and cells of each spreadsheet, and whether every response stands there once. Quotas are lifted: bench_sheets.py
measures them.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

ROWS, CELLS = 131_000, 700_000
COLUMNS = 23
STEPS = 10
NO_QUOTA = 10**6


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rows", type=int, default=ROWS, help="Responses.")
    options.add_argument("--cells", type=int, default=CELLS, help="Cells a spreadsheet may have.")
    options.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.child:
        deliver(*given.child, given.rows)
    else:
        show(given.rows, given.cells)


def show(rows: int, cells: int) -> None:
    from collect_pipelines.local.postgres import throwaway_postgres
    from collect_pipelines.local.sheets.testing import Limits, running_server

    limits = Limits(writes_per_user=NO_QUOTA, writes_per_project=NO_QUOTA, reads_per_user=NO_QUOTA, reads_per_project=NO_QUOTA)
    with throwaway_postgres() as postgres, tempfile.TemporaryDirectory() as folder, running_server(Path(folder), limits=limits) as server:
        url = postgres.url("postgres")
        _fill(url, rows)
        print(f"{rows:,} responses x {COLUMNS} columns = {rows * COLUMNS:,} cells; {cells:,} cells a spreadsheet\n")
        print(f"{'rows':>9} {'worker MB':>10} {'seconds':>8}")
        settings = {
            "sheets_base_url": server.base_url,
            "drive_base_url": server.base_url,
            "oauth_token_url": server.token_url,
            "sheets_cells_per_spreadsheet": cells,
            "sheets_writes_per_minute": NO_QUOTA,
            "sheets_project_writes_per_minute": NO_QUOTA,
        }
        _run(url, settings | {"credentials": f"file:{server.person_credentials}"}, rows)
        _check(url, server, rows)


def deliver(url: str, told: str, rows: int) -> None:
    """In a process of its own: the lane until nothing is pending, with its memory now and then."""
    from collect_pipelines.settings import Settings
    from collect_pipelines.sync.lane import Lane

    values = json.loads(told)
    values.pop("credentials")
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data), database_url=url, **values)
        began, done, next_step = time.perf_counter(), 0, rows // STEPS
        for report in Lane(url, settings, "google_sheets", "bench").drain():
            done += report.delivered
            if report.outcome in ("blocked", "failed"):
                raise SystemExit(f"{report.outcome}: {report.message}")
            if done >= next_step:
                print(f"{done:>9,} {_memory_mb():>10} {time.perf_counter() - began:>8.1f}", flush=True)
                next_step += rows // STEPS


def _memory_mb() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def _run(url: str, values: dict[str, Any], rows: int) -> None:
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.integrations import add_integration

    database = Database(url)
    with database.begin() as connection:
        add_integration(connection, 1, "sheet", "google_sheets", {"credentials": values["credentials"]})
    database.dispose()
    subprocess.run([sys.executable, __file__, "--rows", str(rows), "--child", url, json.dumps(values)], cwd=ROOT, check=True)


def _check(url: str, server: Any, rows: int) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute("select value from collect.integration_memory where name = 'files'").fetchone()
    assert found is not None
    ids: set[str] = set()
    seen = 0
    print(f"\n{'spreadsheet':>11} {'rows':>8} {'cells':>9}")
    for number, one in enumerate(found[0], 1):
        workbook = server.people(one["spreadsheet"]).workbook
        tab = next(tab for tab in workbook.ordered() if not tab.properties.get("hidden"))
        header, *lines = server.values(one["spreadsheet"], tab.title)
        ids.update(line[header.index("_id")] for line in lines)
        seen += len(lines)
        print(f"{number:>11} {len(lines):>8,} {sum(tab.cell_count for tab in workbook.ordered()):>9,}")
    print(f"\n{rows:,} responses: {rows - len(ids)} missing, {seen - len(ids)} twice")
    if len(ids) != rows or seen != rows:
        raise SystemExit(1)


def _fill(url: str, rows: int) -> None:
    import psycopg

    from collect_pipelines.store.database import Database
    from collect_pipelines.store.forms import publish_form
    from collect_pipelines.store.migrations import upgrade
    from tests.benchmarks.destination_batches import wide_form
    from tests.benchmarks.million_responses import FILL

    upgrade(url)
    database = Database(url)
    with database.begin() as connection:
        form_id = publish_form(connection, "default", wide_form()).form_id
    database.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, {"form": form_id, "count": rows})
        connection.execute("vacuum analyze collect.response")


if __name__ == "__main__":
    main()
