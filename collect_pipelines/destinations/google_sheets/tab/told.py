"""What a person should know about a spreadsheet although rows are written, as notices."""

from collections.abc import Sequence

from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.wire.codes import ROW_DELETED
from collect_pipelines.destinations.interface import Notice

__all__ = ["edits_left_out"]


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
