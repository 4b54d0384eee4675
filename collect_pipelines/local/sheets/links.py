"""Links in cells: HYPERLINK formulas, links of a whole cell, and links on runs of its text."""

import re
from typing import Any

from collect_pipelines.local.sheets.errors import InvalidRequest
from collect_pipelines.local.sheets.grid import Cell

__all__ = ["check_runs", "formula_cell", "hyperlink"]

_TEXT = r'"((?:[^"]|"")*)"'
# support.google.com answer 3093313: HYPERLINK(url, [link_label]); locales with a decimal comma separate by a semicolon.
_HYPERLINK = re.compile(rf"=\s*HYPERLINK\s*\(\s*{_TEXT}\s*(?:[,;]\s*{_TEXT}\s*)?\)\s*", re.IGNORECASE)


def formula_cell(text: str) -> dict[str, Any]:
    """The stored form of a formula; the one kind that is computed here is a HYPERLINK of two texts."""
    found = _HYPERLINK.fullmatch(text)
    if found is None:
        return {"x": text}
    return {"x": text, "v": _plain(found[2] if found[2] is not None else found[1])}


def hyperlink(cell: Cell) -> str | None:
    """Where a cell leads as a whole; None without a link and with several (reference/rest/v4/spreadsheets/cells#CellData)."""
    if type(cell) is not dict:
        return None
    formula = _HYPERLINK.fullmatch(cell["x"]) if "x" in cell else None
    if formula is not None:
        return _plain(formula[1])
    runs = cell.get("o", {}).get("textFormatRuns", [])
    if runs:
        return _link(runs[0].get("format", {})) if len(runs) == 1 and not runs[0].get("startIndex") else None
    return _link(cell.get("f", {}).get("textFormat", {}))


def check_runs(cell: dict[str, Any]) -> None:
    """Raises InvalidRequest for runs of anything but a typed text, out of order or past its end (cells#CellData, the words are ours)."""
    runs = cell.get("o", {}).get("textFormatRuns")
    if not runs:
        return
    text = cell.get("v")
    if "x" in cell or not isinstance(text, str):
        raise InvalidRequest("textFormatRuns are only valid on text, not on formulas, booleans or numbers.")
    starts = [run.get("startIndex", 0) for run in runs]
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if starts != sorted(set(starts)) or starts[0] < 0 or starts[-1] >= length:
        raise InvalidRequest(f"textFormatRuns must start at rising places of the text, which has {length} characters.")


def _link(text_format: dict[str, Any]) -> str | None:
    uri: str | None = text_format.get("link", {}).get("uri")
    return uri


def _plain(text: str) -> str:
    return text.replace('""', '"')
