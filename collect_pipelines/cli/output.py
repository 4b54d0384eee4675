"""Printing: data to standard output (tables for people, tabs for pipes, JSON for programs), messages to standard error."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

__all__ = ["ago", "emit", "print_facts", "print_json", "print_table", "say"]


def print_json(document: Any) -> None:
    """One JSON document; indented on a terminal, one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(_plain(document), ensure_ascii=False, indent=indent, default=str))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on a terminal; else one tab-separated line per row under the headings."""
    texts = [[_text(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (headings, *texts):
            click.echo("\t".join(line))
        return
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")  # long names are wrapped, never cut
    for line in texts:
        table.add_row(*(_escaped(cell) for cell in line))
    Console().print(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """One `name: value` line each, aligned."""
    width = max((len(name) for name in facts), default=0) + 1
    for name, value in facts.items():
        click.echo(f"{name + ':':<{width}} {_text(value)}")


def emit(document: Any, *, as_json: bool, headings: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """The document as JSON, or its rows as a table; `empty` says (on standard error) why there are none and what to do."""
    if as_json:
        print_json(document)
        return
    lines = list(rows)
    if lines:
        print_table(headings, lines)
    else:
        say(empty)


def say(message: str) -> None:
    """A sentence for the person, on standard error, out of the way of data."""
    click.echo(message, err=True)


def ago(seconds: float | None) -> str:
    """A duration as people say it: `4 s`, `3 min`, `2.5 h`, `6 d`; `-` for none."""
    if seconds is None:
        return "-"
    for limit, divisor, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / divisor:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if cell.tzinfo else str(cell)
    return str(cell).replace("\t", " ").replace("\n", " ")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
