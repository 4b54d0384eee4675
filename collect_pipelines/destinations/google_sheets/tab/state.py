"""The hidden tab `_collect`: how an integration stands, in words, for whoever has only the spreadsheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from collect_pipelines.destinations.google_sheets.tab.book import Book, Rider
from collect_pipelines.destinations.google_sheets.tab.extras import Extra
from collect_pipelines.destinations.interface import Notice

__all__ = ["State", "tell_state"]

TITLE = "_collect"
ROWS = 60
TOLD_SECONDS = 60.0  # between two writes of it: it rides along with rows, and a hundred batches a minute need no hundred copies

Json = dict[str, Any]


@dataclass(frozen=True)
class State:
    """What is told."""

    integration: str
    form: str
    part: int
    """Of so many spreadsheets, from 1."""
    parts: int
    most_cells: int
    notices: Sequence[Notice] = ()


def tell_state(book: Book, state: State, now: float) -> None:
    """
    Sends it along with the next rows, so that it costs no call of its own; not when it was told a moment ago, or nobody wants it.

    The first time it takes a read, to see which titles are taken.
    """
    tab = Extra(book, "state", TITLE, rows=ROWS, columns=2, hidden=True)
    if 0 <= now - book.memory.state_told_at < TOLD_SECONDS or tab.gone:
        return
    requests = tab.requests([_cells(line) for line in _lines(book, state, now)])
    book.rider = Rider(requests, lambda: _told(tab, now), tab.refused)


def _told(tab: Extra, now: float) -> None:
    tab.made()
    tab.book.memory.state_told_at = now


def _lines(book: Book, state: State, now: float) -> list[tuple[str, str]]:
    memory = book.memory
    share = memory.cells / state.most_cells
    lines = [
        ("Written by", "collect-pipelines. You may delete this tab; it does not come back."),
        ("Integration", state.integration),
        ("Form", state.form),
        ("Spreadsheet", f"{state.part} of {state.parts}"),
        ("Last written", f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("Rows before that", f"{memory.rows:,}"),
        ("Cells", f"about {memory.cells:,} of {state.most_cells:,} ({share:.0%})"),
        ("Answers cut to fit a cell", f"{memory.truncated:,}"),
    ]
    told = [("To know", " ".join(filter(None, (one.message, one.fix)))) for one in state.notices]
    empty = [("", "")] * (ROWS - len(lines) - len(told))
    return [*lines, *told, *empty][:ROWS]


def _cells(line: tuple[str, str]) -> list[Json]:
    return [{"userEnteredValue": {"stringValue": text}} if text else {} for text in line]
