"""`collect sql`: questions to the DuckDB warehouse, in its own language, that can change nothing."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_table, say
from collect_pipelines.errors import Invalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["command"]

MOST_ROWS_SHOWN = 1000  # a table is laid out as a whole before it is printed; --csv and --json have no limit
ROWS_AT_A_TIME = 1000
LABEL_CHARACTERS = 60  # fits a terminal beside name, rows and columns

HELP = "Statements end with ;   \\d lists the tables   \\d TABLE its columns with labels   \\q leaves"
TABLES = """
SELECT t.schema_name || '.' || t.table_name AS "table", t.estimated_size AS "rows", t.column_count AS "columns"
FROM duckdb_tables() t
WHERE t.database_name = current_database() AND t.schema_name NOT LIKE '%\\_staging' ESCAPE '\\'
  AND t.table_name NOT LIKE '\\_dlt%' ESCAPE '\\'
ORDER BY t.table_name LIKE '\\_%' ESCAPE '\\', 1
"""
COLUMNS = """
SELECT c.schema_name || '.' || c.table_name, c.column_name, c.data_type
FROM duckdb_columns() c WHERE c.database_name = current_database() AND (c.table_name = ? OR c.schema_name || '.' || c.table_name = ?)
ORDER BY c.schema_name, c.table_name, c.column_index
"""
HAS_QUESTIONS = "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = ? AND table_name = '_questions'"


@click.command()
@click.argument("query", required=False)
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header line; null is an empty field.")
@click.option(
    "--path", type=click.Path(dir_okay=False, path_type=Path), help="DuckDB file of the warehouse. Default: the one of this installation."
)
@pass_settings
def command(settings: Settings, query: str | None, as_json: bool, as_csv: bool, path: Path | None) -> None:
    """
    Ask the DuckDB warehouse in SQL; it can change nothing.

    Without a QUERY the tables are listed, and on a terminal queries are read from you. QUERY - reads one from standard input.

    It opens the read copy of the file, so it never delays a load; it reads no other file and fetches no extension.
    """
    if as_json and as_csv:
        raise click.UsageError("Choose --json or --csv.")
    from collect_pipelines.destinations.warehouse.database import open_readonly

    with open_readonly((path or settings.duckdb_path).absolute()) as connection:
        if query is None and sys.stdin.isatty() and not (as_json or as_csv):
            _ask(connection)
            return
        show = _print_json if as_json else _print_csv if as_csv else _print
        if query is None:
            show(("table", "rows", "columns", "labels"), iter(_tables(connection)))
            return
        with _answer(connection, sys.stdin.read() if query == "-" else query) as (headings, rows):
            show(headings, rows)


def _ask(connection: "DuckDBPyConnection") -> None:
    """A prompt, until the person leaves."""
    with suppress(ImportError):
        import readline  # noqa: F401 - gives the prompt a history and editing keys, where there is one
    _print(("table", "rows", "columns", "labels"), iter(_tables(connection)))
    say(HELP)
    while (text := _statement()) is not None:
        if text.startswith("\\d"):
            name = text.removeprefix("\\d").strip()
            if name:
                _print(("table", "column", "type", "label"), iter(_columns(connection, name)))
            else:
                _print(("table", "rows", "columns", "labels"), iter(_tables(connection)))
        elif text.startswith("\\"):
            say(HELP)
        elif text:
            try:
                with _answer(connection, text) as (headings, rows):
                    _print(headings, rows)
            except Invalid as exc:
                say(str(exc.message))


def _statement() -> str | None:
    """Lines up to a semicolon, or one that starts with a backslash; None at the end."""
    lines: list[str] = []
    while True:
        try:
            line = input("...> " if lines else "sql> ")
        except EOFError:
            return None
        if not lines and line.strip() in ("\\q", "exit", "quit"):
            return None
        lines.append(line)
        text = "\n".join(lines).strip()
        if not text or text.startswith("\\") or text.endswith(";"):
            return text


@contextmanager
def _answer(connection: "DuckDBPyConnection", query: str) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
    """Headings and rows of a query; what DuckDB says of a wrong one is raised as Invalid."""
    import duckdb

    try:
        cursor = connection.execute(query)
        headings = [column[0] for column in cursor.description or ()]
        yield headings, _rows(cursor)
    except duckdb.Error as exc:
        text = str(exc)
        fix = "The copy is read-only." if "read-only" in text else "collect sql without a query lists the tables."
        raise Invalid(text, fix=fix) from exc


def _rows(cursor: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while found := cursor.fetchmany(ROWS_AT_A_TIME):
        yield from found


def _tables(connection: "DuckDBPyConnection") -> list[tuple[Any, ...]]:
    tables = connection.execute(TABLES).fetchall()
    return [(*table, _labels(connection, str(table[0]))) for table in tables]


def _labels(connection: "DuckDBPyConnection", table: str) -> str:
    """The first labels of the table's questions, as far as they fit."""
    text = ", ".join(label for _, _, _, label in _columns(connection, table) if label)
    return text if len(text) <= LABEL_CHARACTERS else f"{text[:LABEL_CHARACTERS]}..."


def _columns(connection: "DuckDBPyConnection", table: str) -> list[tuple[Any, ...]]:
    columns = connection.execute(COLUMNS, [table, table]).fetchall()
    datasets = dict.fromkeys(str(name).partition(".")[0] for name, _, _ in columns)
    labels: dict[tuple[str, str], str] = {}
    for dataset in datasets:
        if connection.execute(HAS_QUESTIONS, [dataset]).fetchall():
            # the name of a dataset holds only [a-z0-9_]; quoted all the same, as somebody may have made a schema by hand
            quoted = dataset.replace('"', '""')
            found = connection.execute(f'SELECT table_name, column_name, label FROM "{quoted}"._questions').fetchall()  # noqa: S608
            labels |= {(f"{dataset}.{name}", column): label for name, column, label in found}
    return [(name, column, kind, labels.get((name, column))) for name, column, kind in columns]


def _print(headings: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    shown = list(islice(rows, MOST_ROWS_SHOWN))
    if headings:
        print_table(headings, shown)
    if next(rows, None) is not None:
        say(f"Only the first {MOST_ROWS_SHOWN} rows are shown; --csv and --json print all.")


def _print_csv(headings: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)


def _print_json(headings: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """One object per line inside an array, written as they come."""
    lines = (json.dumps(dict(zip(headings, row, strict=True)), ensure_ascii=False, default=_text) for row in rows)
    click.echo("[", nl=False)
    for number, line in enumerate(lines):
        click.echo(("," if number else "") + "\n" + line, nl=False)
    click.echo("\n]")


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
