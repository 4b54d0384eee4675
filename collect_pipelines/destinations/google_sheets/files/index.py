"""The tab that leads from each spreadsheet of an integration to all others."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.extras import Extra
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, Placed

__all__ = ["link_together"]

TITLE = "Parts"
ADDRESS = "https://docs.google.com/spreadsheets/d/{}/edit"
MOST_PARTS = 50  # half a billion cells; of more, the newest are listed

Json = dict[str, Any]


def link_together(books: Sequence[Book]) -> None:
    """
    Writes the list of all parts into each of them, in a tab that is made where it is missing. Can be repeated at any time.

    One that a person deleted stays deleted. Raises what `deliver` may raise.
    """
    rows = _rows(books)
    for book in books:
        tab = Extra(book, "parts", TITLE, rows=MOST_PARTS, columns=len(rows[0]))
        if not tab.gone:
            _write(tab, rows)


def _write(tab: Extra, rows: Sequence[Sequence[Json]]) -> None:
    try:
        tab.book.api.update(tab.book.spreadsheet, tab.requests(rows))
        tab.made()
    except (BadRequest, Placed):
        tab.refused()
    tab.book.save()


def _rows(books: Sequence[Book]) -> list[list[Json]]:
    head = [_text("Part"), _text("Rows"), _text("Spreadsheet")]
    lines = [[_text(str(number)), _number(book.memory.rows), _link(book)] for number, book in list(enumerate(books, 1))[1 - MOST_PARTS :]]
    return [head, *lines]


def _text(text: str) -> Json:
    return {"userEnteredValue": {"stringValue": text}}


def _number(number: int) -> Json:
    return {"userEnteredValue": {"numberValue": number}}


def _link(book: Book) -> Json:
    address = ADDRESS.format(book.spreadsheet)
    return _text(address) | {"userEnteredFormat": {"textFormat": {"link": {"uri": address}}}}
