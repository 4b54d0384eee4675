"""How a tab of ours looks when it is made: what people change of it later is theirs."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.destinations.google_sheets.content.tables import SheetColumn

__all__ = ["column_formats", "header_protection"]

WARNING = "The first row is written by collect-pipelines. You may change it all the same; columns are found by marks, not by their names."
WIDTH_PIXELS, WIDE_PIXELS = 140, 260  # Google's own is 100, too little for most questions
LONG_HEADER = 30  # characters

Json = dict[str, Any]


def header_protection(tab: int, number: int) -> Json:
    """Google warns whoever changes the first row, and stops nobody: neither people nor us."""
    span = {"sheetId": tab, "startRowIndex": 0, "endRowIndex": 1}
    return {
        "addProtectedRange": {"protectedRange": {"protectedRangeId": number, "range": span, "description": WARNING, "warningOnly": True}}
    }


def column_formats(tab: int, columns: Sequence[SheetColumn], position: int) -> list[Json]:
    """
    Texts are texts, also when a person types 0042 into such a column; headers wrap. For columns that stand side by side, just made.
    """
    requests: list[Json] = []
    for first, last, column in _runs(columns):
        span = {"sheetId": tab, "startColumnIndex": position + first, "endColumnIndex": position + last}
        wide = {"sheetId": tab, "dimension": "COLUMNS", "startIndex": position + first, "endIndex": position + last}
        if column.text:
            cell = {"userEnteredFormat": {"numberFormat": {"type": "TEXT"}}}
            rows = span | {"startRowIndex": 1}
            requests.append({"repeatCell": {"range": rows, "cell": cell, "fields": "userEnteredFormat.numberFormat"}})
        pixels = WIDE_PIXELS if len(column.header) > LONG_HEADER else WIDTH_PIXELS
        requests.append({"updateDimensionProperties": {"range": wide, "properties": {"pixelSize": pixels}, "fields": "pixelSize"}})
    return requests


def _runs(columns: Sequence[SheetColumn]) -> list[tuple[int, int, SheetColumn]]:
    """Columns side by side that look the same, so that a wide form takes few requests."""
    runs: list[tuple[int, int, SheetColumn]] = []
    for place, column in enumerate(columns):
        if runs and (runs[-1][2].text, len(runs[-1][2].header) > LONG_HEADER) == (column.text, len(column.header) > LONG_HEADER):
            runs[-1] = (runs[-1][0], place + 1, runs[-1][2])
        else:
            runs.append((place, place + 1, column))
    return runs
