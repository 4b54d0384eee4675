"""Whether the cells of a column are lists of a few options (`Car; Bike`), and what stands between them."""

from collections import Counter

from collect_pipelines.forms.exports.cell_format import ListFormat

__all__ = ["MAX_CHOICES", "MAX_CHOICE_LABEL", "ListEvidence"]

MAX_CHOICES = 50  # more different values are no list a person chooses from
MAX_CHOICE_LABEL = 300  # characters; longer values are free text
MAX_COMBINATIONS = 2_000  # enough to tell that options recombine; more would cost memory

FORMATS = (
    *(ListFormat("; "), ListFormat(";"), ListFormat(";", closed=True), ListFormat("; ", closed=True)),
    *(ListFormat(" | "), ListFormat("|"), ListFormat("\n"), ListFormat(", "), ListFormat(",")),
)
COMMAS = (", ", ",")
"""They also stand inside of labels, so more has to speak for them."""


class ListEvidence:
    """What is known after so many cells, in memory that does not grow with them."""

    def __init__(self) -> None:
        self._open = [_Candidate(format_) for format_ in FORMATS]

    @property
    def possible(self) -> bool:
        """False once no separator can be right any more."""
        return bool(self._open)

    def see(self, cell: str, times: int = 1) -> None:
        """Takes a cell into account that occurs so many times."""
        self._open = [candidate for candidate in self._open if candidate.fits(cell, times)]

    def best(self) -> tuple[ListFormat, list[str]] | None:
        """The format and the options in the order they first occurred; None when these are no lists."""
        found = [candidate for candidate in self._open if candidate.convinces]
        return (found[0].format, list(found[0].options)) if found else None


class _Candidate:
    def __init__(self, format_: ListFormat) -> None:
        self.format = format_
        self.options: Counter[str] = Counter()
        self._combinations: set[str] = set()
        self._lists = self._alone = 0

    def fits(self, cell: str, times: int) -> bool:
        """Whether the cell may be such a list and comes back as the identical text."""
        parts = self.format.parts(cell)
        if any(not part or part != part.strip() or len(part) > MAX_CHOICE_LABEL for part in parts) or len(set(parts)) < len(parts):
            return False
        if self.format.joined(parts) != cell:
            return False
        for part in parts:
            self.options[part] += times
        if len(self._combinations) < MAX_COMBINATIONS:
            self._combinations.add(cell)
        self._lists += len(parts) > 1
        self._alone += len(parts) == 1
        return len(self.options) <= MAX_CHOICES

    @property
    def convinces(self) -> bool:
        """
        Whether options recombine: there are no more of them than different cells, and they come again.

        Labels with a comma in them break into parts that never meet others, so there are more parts than cells.
        """
        if not self._lists or len(self.options) > len(self._combinations):
            return False
        total = self.options.total()
        if self.format.separator in COMMAS:
            return self._alone > 0 and total >= 2 * len(self.options)
        return 2 * total >= 3 * len(self.options)
