"""Patterns that have to match a whole text: the anchors at their ends say nothing then, and are needed where it is not so."""

__all__ = ["whole_match", "without_anchors"]


def whole_match(pattern: str) -> str:
    """The pattern so that it has to match the whole text wherever it is run, as regex() of XLSForm does."""
    bare = without_anchors(pattern)
    return f"^(?:{bare})$" if "|" in bare else f"^{bare}$"


def without_anchors(pattern: str) -> str:
    """The pattern without ^ at its start and $ at its end, which say nothing where the whole text has to match."""
    bare = pattern[1:] if pattern.startswith("^") else pattern
    slashes = len(bare[:-1]) - len(bare[:-1].rstrip("\\"))
    return bare[:-1] if bare.endswith("$") and slashes % 2 == 0 else bare
