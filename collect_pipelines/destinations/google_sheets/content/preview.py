"""The cells of a batch as a text table, for people who want to see before anything is sent."""

import json
from collections.abc import Sequence

from collect_pipelines.destinations.google_sheets.content.cells import Cell
from collect_pipelines.destinations.google_sheets.content.tables import MAIN, Row, SheetColumn, Table

__all__ = ["drawn"]

PREVIEW_ROWS = 20  # fits a terminal


def drawn(tables: Sequence[Table]) -> str:
    """Each table as a text table; those beside the main one under their titles."""
    titles = ["" if one.name == MAIN else f"{one.title}\n" for one in tables]
    return "\n\n".join(title + _drawn(one.columns, one.rows) for title, one in zip(titles, tables, strict=True))


def _drawn(columns: Sequence[SheetColumn], rows: Sequence[Row]) -> str:
    """Headers and the first rows, every cell exactly as it would be written; line breaks inside a cell are shown as \\n."""
    shown = [[_text(cell) for cell in row.cells] for row in rows[:PREVIEW_ROWS]]
    lines = [[_text(column.header) for column in columns], *shown]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    table = [" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    table.insert(1, "-+-".join("-" * width for width in widths))
    if len(rows) > PREVIEW_ROWS:
        table.append(f"... and {len(rows) - PREVIEW_ROWS} more rows")
    return "\n".join(table)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return json.dumps(cell, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return json.dumps(cell)
