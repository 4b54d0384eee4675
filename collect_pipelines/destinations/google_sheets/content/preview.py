"""The cells of a batch as a text table, for people who want to see before anything is sent."""

import json
from collections.abc import Sequence

from collect_pipelines.destinations.google_sheets.content.rows import Cell, Row, SheetColumn

__all__ = ["table"]

PREVIEW_ROWS = 20  # fits a terminal


def table(columns: Sequence[SheetColumn], rows: Sequence[Row]) -> str:
    """Headers and the first rows, every cell exactly as it would be written; line breaks inside a cell are shown as \\n."""
    shown = [[_text(cell) for cell in row.cells] for row in rows[:PREVIEW_ROWS]]
    lines = [[_text(column.header) for column in columns], *shown]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    drawn = [" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    drawn.insert(1, "-+-".join("-" * width for width in widths))
    if len(rows) > PREVIEW_ROWS:
        drawn.append(f"... and {len(rows) - PREVIEW_ROWS} more rows")
    return "\n".join(drawn)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return json.dumps(cell, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return json.dumps(cell)
