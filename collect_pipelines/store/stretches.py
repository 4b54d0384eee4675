"""Stretches of positions: pure arithmetic on `(first, last)` pairs."""

from collections.abc import Iterable, Sequence

__all__ = ["Stretch", "entries_in", "within", "without"]

Stretch = tuple[int, int]
"""First and last position, both included."""


def without(stretches: Iterable[Stretch], taken: Iterable[Stretch]) -> list[Stretch]:
    """
    What is left of the stretches, in order, after the others are taken out of them.

    >>> without([(1, 10)], [(3, 4), (9, 20)])
    [(1, 2), (5, 8)]
    >>> without([(5, 4)], [])
    []
    """
    left = [one for one in stretches if one[0] <= one[1]]
    for first, last in taken:
        pieces = [(a, b, max(a, first), min(b, last)) for a, b in left]
        left = [
            piece
            for a, b, begin, end in pieces
            for piece in (((a, b),) if begin > end else ((a, begin - 1), (end + 1, b)))
            if piece[0] <= piece[1]
        ]
    return sorted(left)


def entries_in(stretches: Sequence[Stretch]) -> int:
    """
    How many positions they hold; they must not overlap.

    >>> entries_in([(1, 2), (5, 8)])
    6
    """
    return sum(last - first + 1 for first, last in stretches)


def within(stretches: Iterable[Stretch], first: int, last: int | None) -> list[Stretch]:
    """
    What lies in `first`..`last` of the stretches; no last: to their end.

    >>> within([(1, 4), (8, 9)], 3, 8)
    [(3, 4), (8, 8)]
    """
    cut = [(max(a, first), b if last is None else min(b, last)) for a, b in stretches]
    return [(a, b) for a, b in cut if a <= b]
