"""
A million responses out of Postgres: through this product, through plain dlt, and directly. `python -m ... CONTENDER URL FOLDER FORM`.

Ours promises what the others do not: batches that are planned before they are sent and come again the same, one row per response
whatever comes twice, a proof that every row arrived, and a ledger. The others read the same typed columns once.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

ROOT = Path(__file__).parents[2]
CHUNK = 50_000

FILL = """
with moved as (update collect.form set head = %(count)s, validated_through = %(count)s where form_id = %(form)s returning form_id)
insert into collect.response
    (form_id, position, response_id, revision, operation, version, received_at, source, respondent, unique_key, content_hash, answers)
select form_id, n, '0192f0c1-' || lpad(n::text, 12, '0'), 1, 'create', 1, now() - (n || ' milliseconds')::interval, 'api', null, null,
    sha256('x'),
    jsonb_build_object(
        'q0', 'some answer ' || n, 'q1', '+91' || (9000000000 + n), 'q2', 'p' || n || '@example.org', 'q3', n %% 100, 'q4', n %% 7,
        'q5', round(n / 7.0, 3), 'q6', n %% 2 = 0, 'q7', chr(97 + n %% 8), 'q8', jsonb_build_array('a', chr(98 + n %% 7)),
        'q9', (date '2030-01-01' + n %% 365)::text, 'q10', '2030-01-31T04:30:00+05:30', 'q11', md5(n::text), 'q12', md5(n::text || 'x'),
        'q13', 'village ' || n %% 500, 'q14', 'note ' || n, 'q15', 'remark ' || n, 'q16', 'x', 'q17', chr(97 + n %% 5), 'q18', n %% 12,
        'q19', 'device-7')
from moved, generate_series(1, %(count)s) n
"""
TYPES = {"integer": "bigint", "decimal": "double precision", "boolean": "boolean", "date": "date", "datetime": "timestamptz"}


def show(rows: int) -> None:
    """Fills a throwaway Postgres, and lets each contender read it."""
    from collect_pipelines.local.postgres import throwaway_postgres

    with throwaway_postgres() as server, tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        form = _filled(server.url("postgres"), rows)
        print(f"\n{rows:,} responses with 20 answers, made in {time.perf_counter() - began:.0f} s\n")
        print(f"{'contender':<22} {'CPU s':>7} {'wall s':>7} {'rows/CPU s':>11} {'peak MB':>8}")
        for name in CONTENDERS:
            place = Path(folder) / name.replace(" ", "_")
            place.mkdir()
            found = _run(name, server.url("postgres"), place, form)
            assert found["rows"] == rows, f"{name} holds {found['rows']} rows"
            print(f"{name:<22} {found['cpu']:>7.1f} {found['wall']:>7.1f} {rows / found['cpu']:>11,.0f} {found['peak_mb']:>8}", flush=True)


def _filled(url: str, rows: int) -> int:
    import psycopg

    from collect_pipelines.store.database import Database
    from collect_pipelines.store.forms import publish_form
    from collect_pipelines.store.integrations import add_integration
    from collect_pipelines.store.migrations import upgrade
    from tests.benchmarks.destination_batches import wide_form

    upgrade(url)
    database = Database(url)
    with database.begin() as connection:
        form_id = publish_form(connection, "default", wide_form()).form_id
        add_integration(connection, form_id, "duckdb", "warehouse", {"read_copy": False})
        add_integration(connection, form_id, "parquet", "warehouse", {"to": "filesystem"})
    database.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL, {"form": form_id, "count": rows})
        connection.execute("vacuum analyze collect.response")
    return int(form_id)


def _run(name: str, url: str, place: Path, form: int) -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.benchmarks.million_responses", name, url, str(place), str(form)]
    told = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(f"{name}:\n{told.stderr}")
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def _ours(name: str, url: str, place: Path) -> None:
    """The delivery lane, as a worker runs it, with the other integration paused."""
    import psycopg

    from collect_pipelines.settings import Settings
    from collect_pipelines.sync.lane import Lane

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update collect.integration set state = case when name = %s then 'active' else 'paused' end", [name])
    for _ in Lane(url, Settings(data_dir=place, database_url=url), "warehouse", "bench").drain():
        pass


def ours_duckdb(url: str, place: Path, form: int) -> int:
    _ours("duckdb", url, place)
    return _duckdb_rows(place / "warehouse.duckdb", "forms.wide")


def ours_parquet(url: str, place: Path, form: int) -> int:
    _ours("parquet", url, place)
    return _parquet_rows(place / "parquet" / "forms" / "wide")


def _plain_dlt(url: str, place: Path, form: int, destination: Any, **run: Any) -> None:
    """dlt's own source for SQL databases over a view of typed columns, backend pyarrow."""
    from sqlalchemy import create_engine, text

    from collect_pipelines.destinations.warehouse.pipelines import quiet

    quiet()
    import dlt
    from dlt.sources.sql_database import sql_table

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text(f"create or replace view public.wide as {_typed(form)}"))
    table = sql_table(engine, table="wide", schema="public", backend="pyarrow", chunk_size=CHUNK, reflection_level="full_with_precision")
    table.apply_hints(columns={"q8": {"data_type": "text"}})
    dlt.pipeline("plain", pipelines_dir=str(place / "dlt"), destination=destination, dataset_name="plain").run(table, **run)


def dlt_duckdb(url: str, place: Path, form: int) -> int:
    import dlt

    _plain_dlt(url, place, form, dlt.destinations.duckdb(str(place / "w.duckdb")), write_disposition="append")
    return _duckdb_rows(place / "w.duckdb", "plain.wide")


def dlt_duckdb_merge(url: str, place: Path, form: int) -> int:
    import dlt

    merge = {"disposition": "merge", "strategy": "upsert"}
    _plain_dlt(url, place, form, dlt.destinations.duckdb(str(place / "w.duckdb")), write_disposition=merge, primary_key="response_id")
    return _duckdb_rows(place / "w.duckdb", "plain.wide")


def dlt_parquet(url: str, place: Path, form: int) -> int:
    import dlt

    destination = dlt.destinations.filesystem(str(place / "out"))
    _plain_dlt(url, place, form, destination, write_disposition="append", loader_file_format="parquet")
    return _parquet_rows(place / "out" / "plain" / "wide")


def direct_duckdb(url: str, place: Path, form: int) -> int:
    import duckdb

    with duckdb.connect(str(place / "w.duckdb")) as connection:
        made = False
        for chunk in _chunks(url, form):
            connection.register("chunk", chunk.to_arrow())
            connection.execute("insert into wide select * from chunk" if made else "create table wide as select * from chunk")
            made = True
    return _duckdb_rows(place / "w.duckdb", "wide")


def direct_parquet(url: str, place: Path, form: int) -> int:
    for number, chunk in enumerate(_chunks(url, form)):
        chunk.write_parquet(place / f"{number:04}.parquet")
    return _parquet_rows(place)


def _typed(form: int) -> str:
    from tests.benchmarks.destination_batches import KINDS_OF_QUESTIONS

    answers = (f"(answers ->> 'q{place}')::{TYPES.get(kind, 'text')} as q{place}" for place, kind in enumerate(KINDS_OF_QUESTIONS))
    meta = "position, response_id, revision, operation, version, submitted_at, received_at, source, respondent"
    return f"select {meta}, {', '.join(answers)} from collect.response where form_id = {form}"


def _chunks(url: str, form: int) -> Iterator[pl.DataFrame]:
    """COPY as CSV, read by polars: the quickest way we know from Postgres to a frame without another driver."""
    import io

    import psycopg

    with psycopg.connect(url) as connection:
        head = connection.execute("select head from collect.form where form_id = %s", [form]).fetchone()
        assert head is not None
        for start in range(0, head[0], CHUNK):
            query = f"copy ({_typed(form)} and position > {start} and position <= {start + CHUNK}) to stdout (format csv, header true)"
            with connection.cursor() as cursor, cursor.copy(query) as copy:
                yield pl.read_csv(io.BytesIO(b"".join(copy)), try_parse_dates=True, schema_overrides={"q1": pl.String})


def _duckdb_rows(path: Path, table: str) -> int:
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])


def _parquet_rows(folder: Path) -> int:
    return int(pl.scan_parquet(folder / "*.parquet").select(pl.len()).collect().item())


CONTENDERS = {
    "ours to DuckDB": ours_duckdb,
    "dlt append to DuckDB": dlt_duckdb,
    "dlt merge to DuckDB": dlt_duckdb_merge,
    "direct to DuckDB": direct_duckdb,
    "ours to Parquet": ours_parquet,
    "dlt to Parquet": dlt_parquet,
    "direct to Parquet": direct_parquet,
}


def main() -> None:
    import resource

    name, url, place, form = sys.argv[1:]
    cpu, wall = time.process_time(), time.perf_counter()
    rows = CONTENDERS[name](url, Path(place), int(form))
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({"rows": rows, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, **spent}))


if __name__ == "__main__":
    main()
