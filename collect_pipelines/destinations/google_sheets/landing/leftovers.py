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

    Raises BadRequest when one of `requests` is refused. What else is refused is left out and the call repeated: nothing was applied.
    """
    memory = book.memory
    groups, markers = list(memory.anchors), memory.expired_markers(now)
    rider, book.rider = book.rider, None
    while True:
        along = rider.requests if rider else ()
        deletions = [*map(_of_group, groups), *map(_of_marker, markers)]
        try:
            replies = book.api.update(book.spreadsheet, [*requests, *along, *deletions, book.layout_question()])
            break
        except (BadRequest, Placed) as refusal:
            place = -1 if refusal.index is None else refusal.index - len(requests)
            if not 0 <= place < len(along) + len(deletions):
                raise
            if rider and place < len(along):
                rider.refused()  # a tab beside ours may be gone
                rider = None
            elif isinstance(refusal, Placed):
                raise
            else:
                _leave_out(book, groups, markers, place - len(along))
    if rider:
        rider.landed()
    # Promise 6: forgotten only when it is surely deleted; a late copy of an edit must find no anchor
    memory.forget_markers(markers)
    memory.anchors = [group for group in memory.anchors if group not in groups]
    return book.layout_answer(replies)


def _leave_out(book: Book, groups: list[int], markers: list[int], place: int) -> None:
    """The mark whose deletion was refused is gone: whether that is an error at Google is not documented."""
    if place < len(groups):
        book.memory.anchors = [group for group in book.memory.anchors if group != groups[place]]
        del groups[place]
        return
    book.memory.forget_markers([markers[place - len(groups)]])
    markers.clear()  # if one is gone, all may be: the others are tried with the next write, instead of one call for each now


def _of_marker(number: int) -> Json:
    return _deletion({"metadataId": number})


def _of_group(group: int) -> Json:
    return _deletion({"metadataKey": ANCHOR, "metadataValue": str(group)})


def _deletion(lookup: Json) -> Json:
    return {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}
