"""What a person should know about a spreadsheet although rows are written, as notices."""

from collections.abc import Sequence

from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.wire.codes import CELLS_TRUNCATED, COLUMN_DELETED, ROW_DELETED
from collect_pipelines.destinations.interface import Notice

__all__ = ["cells_truncated", "columns_deleted", "edits_left_out"]

MOST_NAMED = 10  # columns in one notice


def columns_deleted(book: Book) -> list[Notice]:
    """Of columns that people deleted: their answers are not written."""
    gone = [name for tab in book.ready for name in tab.memory.bound if tab.memory.layout and name not in tab.memory.layout]
    if not gone:
        return []
    named = ", ".join(gone[:MOST_NAMED]) + (f" and {len(gone) - MOST_NAMED} more" if len(gone) > MOST_NAMED else "")
    return [
        Notice(
            COLUMN_DELETED,
            f"A person deleted {'a column' if len(gone) == 1 else f'{len(gone)} columns'}, whose answers are no longer written: {named}.",
            fix="Nothing, if that is right. Else undo it in Google Sheets (File > Version history), then replay what came meanwhile.",
        )
    ]


def cells_truncated(books: Sequence[Book]) -> list[Notice]:
    """Of answers that were too long for a cell."""
    count = sum(book.memory.truncated for book in books)
    if not count:
        return []
    words = "answer was longer than a cell takes and is" if count == 1 else "answers were longer than a cell takes and are"
    return [Notice(CELLS_TRUNCATED, f"{count:,} {words} cut, with a mark; the whole text is kept in collect.")]


def edits_left_out(books: Sequence[Book]) -> list[Notice]:
    """Of responses whose rows a person deleted."""
    count = sum(book.memory.left_deleted for book in books)
    if not count:
        return []
    name = books[0].context.integration
    return [
        Notice(
            ROW_DELETED,
            f"{count:,} {'edit was' if count == 1 else 'edits were'} not written or reported, because a person had deleted the row.",
            fix=f"Nothing, if that is right. To have the rows back: collect replay {name} --response ID, or for the time to come "
            f"collect integrations set {name} --set deleted_rows=refill",
        )
    ]
