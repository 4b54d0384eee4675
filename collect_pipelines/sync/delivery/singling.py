"""Singling out what a receiver can't take: how many entries the next batch has. Pure arithmetic."""

from collections.abc import Iterable

from collect_pipelines.store.batches import Outline

__all__ = ["SINGLE_STUMBLES", "STUMBLES", "after_landing", "half", "refused_through"]

STUMBLES = 5  # attempts that end in an exception: then it is the content rather than the moment
SINGLE_STUMBLES = 10  # of a response by itself, before it is left to a person


def half(entries: int) -> int:
    """
    Entries of the next batch when one with so many was refused as a whole.

    >>> [half(entries) for entries in (1000, 3, 2, 1)]
    [500, 1, 1, 1]
    """
    return max(entries // 2, 1)


def after_landing(most: int, left: int | None, max_rows: int) -> int | None:
    """
    Entries of the next batch when one of at most `most` went through; None lifts the bound.

    left: entries before the end of what was refused, the culprit among them; None when it was found, or nobody knows.

    >>> [after_landing(250, left, 1000) for left in (250, 1, None)]
    [125, 1, 500]
    >>> after_landing(500, None, 1000) is None
    True
    """
    if left is not None:
        return half(left)
    return most * 2 if most * 2 < max_rows else None


def refused_through(batches: Iterable[Outline], cursor: int) -> int | None:
    """
    The end of the smallest range that was refused as a whole and is not dealt with; `batches` are the last batches, the newest first.

    A batch that was given up is the culprit itself: what was refused before it tells nothing more.
    """
    end = None
    for one in batches:
        if one.purpose != "live":
            continue
        if one.state == "parked":
            break
        if one.state == "replaced" and one.to_position > cursor:
            end = one.to_position if end is None else min(end, one.to_position)
    return end
