"""
When the spreadsheet knows batches that this database does not: the database was restored from a backup, or moved.

Its numbers then come a second time, for other rows. A marker whose content is not ours tells. From then on numbers are above all that the
spreadsheet holds, and for a while no row is appended before its id was looked for: what was delivered in the lost time is there already.
"""

import secrets

from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.tab import BOUND, OWN

__all__ = ["begin_anew", "compares"]

MARKER = "fp"
RESERVED = 2**30  # ids from here on are those of probes and of marks on rows, not of a sequence
MARGIN = 2**16  # other integrations of the spreadsheet may be looking for free numbers in the same moment
COMPARED_SECONDS = 90 * 86_400.0  # senders keep what was not acknowledged, or acknowledged in the lost time, for weeks


def begin_anew(book: Book, now: float) -> None:
    """Takes numbers that nothing in the spreadsheet has, from the next attempt on."""
    keys = (MARKER, BOUND, OWN)
    found = book.api.search(book.spreadsheet, *({"developerMetadataLookup": {"metadataKey": key}} for key in keys))
    highest = max((one["metadataId"] for one in found if one["metadataId"] < RESERVED), default=0)
    memory = book.memory
    memory.base = max(highest, memory.base) + 1 + secrets.randbelow(MARGIN)
    memory.compare_until = now + COMPARED_SECONDS
    memory.markers = []
    book.save()


def compares(book: Book, now: float) -> bool:
    """Whether rows may stand in the sheet that this database does not know of."""
    return now < book.memory.compare_until
