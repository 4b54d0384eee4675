"""`collect status` and `collect trace` import the store and nothing heavier."""

import subprocess
import sys

READERS = (
    "ledger",
    "forms",
    "batches",
    "integrations",
    "log",
    "keys",
    "quota",
    "leases",
    "validation",
    "alerts",
    "database",
    "dead_letters",
)
HEAVY = {"polars", "dagster", "great_expectations", "dlt", "asyncpg", "alembic", "gspread", "duckdb", "pyarrow"}


def test_the_readers_of_the_store_import_nothing_heavy() -> None:
    code = f"import sys, {', '.join(f'collect_pipelines.store.{name}' for name in READERS)}; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())

    assert {"sqlalchemy", "psycopg"} <= loaded
    assert HEAVY & loaded == set()
