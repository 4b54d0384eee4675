"""From tables to the parts of requests: how rows are cut, and how they become cells where our columns stand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collect_pipelines.destinations.google_sheets.content.cells import cell_data
from collect_pipelines.destinations.google_sheets.content.tables import MAIN, Mark, Row, Table

__all__ = ["Part", "parts", "row_data"]

MAX_PART_BYTES = 1_900_000  # of a request; Google recommends at most 2 MB

Part = dict[str, list[Row]]
"""The rows of one request, by the name of their table."""


def parts(tables: Sequence[Table], most_bytes: int = MAX_PART_BYTES) -> Iterator[Part]:
    """
    The rows cut into requests; the rows of a response stay together, whatever the table.

    Depends on the rows alone, not on what the sheet looks like: after a crash each part is the same again.
    """
    part: Part = {}
    size = 0
    for rows in _by_entry(tables):
        more = sum(row.size for some in rows.values() for row in some)
        if part and size + more > most_bytes:
            yield part
            part, size = {}, 0
        for name, some in rows.items():
            part.setdefault(name, []).extend(some)
        size += more
    if part:
        yield part


def row_data(rows: Sequence[Row], names: Sequence[str], layout: Mapping[str, int]) -> list[dict[str, Any]]:
    """RowData per row: our cells where our columns stand, nothing in all other columns."""
    slots = [(layout[name], place) for place, name in enumerate(names) if name in layout]
    width = max(position for position, _ in slots) + 1
    data = []
    for row in rows:
        values: list[dict[str, Any]] = [{}] * width
        for position, place in slots:
            values[position] = cell_data(row.cells[place])
        data.append({"values": values})
    return data


def _by_entry(tables: Sequence[Table]) -> Iterator[Part]:
    """The rows of each entry of the batch, in the order of the main table."""
    others: dict[Mark, Part] = {}
    for table in tables:
        if table.name != MAIN:
            for row in table.rows:
                others.setdefault(row.response_mark, {}).setdefault(table.name, []).append(row)
    for table in tables:
        if table.name == MAIN:
            for row in table.rows:
                yield {MAIN: [row], **others.get(row.response_mark, {})}
