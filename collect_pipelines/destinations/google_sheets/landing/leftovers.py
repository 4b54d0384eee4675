"""Marks nobody needs any more: their deletion rides along with the next write and costs no call of its own."""

from collections.abc import Sequence
from typing import Any

from collect_pipelines.destinations.google_sheets.tab.book import Book, Layouts
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, Placed

__all__ = ["ANCHOR", "update"]

ANCHOR = "e"
"""Key of the temporary ROW metadata that holds on to a row while it is edited; its value is the number of its group."""

Json = dict[str, Any]


def update(book: Book, requests: Sequence[Json], now: float) -> Layouts:
    """
    Carries out the requests or none, in one call with the deletions that are due and the book's rider; returns where our columns
    stood then.

    Raises BadRequest when one of `requests` is refused.
    """
    memory = book.memory
    markers, groups = memory.expired_markers(now), list(memory.anchors)
    deletions = [_deletion({"metadataId": number}) for number in markers]
    deletions += [_deletion({"metadataKey": ANCHOR, "metadataValue": str(group)}) for group in groups]
    rider, book.rider = book.rider, None
    along = rider.requests if rider else ()
    try:
        replies = book.api.update(book.spreadsheet, [*requests, *along, *deletions, book.layout_question()])
    except (BadRequest, Placed) as refusal:
        if refusal.index is None or refusal.index < len(requests):
            raise
        # a tab beside ours may be gone; and whether deleting a mark that is gone is an error is not documented. Nothing was applied
        replies = book.api.update(book.spreadsheet, [*requests, book.layout_question()])
        if rider and refusal.index < len(requests) + len(along):
            rider.refused()
    else:
        if rider:
            rider.landed()
    memory.forget_markers(markers)
    memory.anchors = [group for group in memory.anchors if group not in groups]
    return book.layout_answer(replies)


def _deletion(lookup: Json) -> Json:
    return {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}
