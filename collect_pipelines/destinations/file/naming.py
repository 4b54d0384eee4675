"""Names of files: made of a few harmless characters whatever a form is called, and told apart from each other."""

import hashlib
import re
from dataclasses import dataclass

__all__ = ["Part", "data_name"]

MAX_NAME = 64
HASH_CHARACTERS = 8
FIRST_WORD = 9  # digits of a batch number: parts sort by name as they were written
PLAIN = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def data_name(form: str) -> str:
    """
    The name for a form's file: its reference when that is plain, else a slug and a hash, as for a form of another organization.

    >>> data_name("household"), data_name("north.household")
    ('household', 'north-household-11728f37')
    """
    # No reference, whatever it holds, leads out of the folder.
    if PLAIN.fullmatch(form):
        return form
    slug = re.sub(r"[^a-z0-9]+", "-", form.lower(), flags=re.ASCII).strip("-")[: MAX_NAME - HASH_CHARACTERS - 1].rstrip("-")
    return f"{slug or 'form'}-{hashlib.sha256(form.encode('utf-8', 'surrogatepass')).hexdigest()[:HASH_CHARACTERS]}"


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """
    One file of the layout `parts`, as its name tells: which batches are in it and between which positions of the log.

    The same batch makes the same name, so that a batch that comes again replaces its own file.
    """

    first: int
    """Number of the first batch in it."""
    last: int
    """Number of the last batch in it."""
    low: int
    """No row in it has a position below."""
    high: int
    """No row in it has a position above."""
    suffix: str

    @property
    def name(self) -> str:
        """`part-000000004-000000009-p1201-p1800.parquet`."""
        return f"part-{self.first:0{FIRST_WORD}}-{self.last:0{FIRST_WORD}}-p{self.low}-p{self.high}.{self.suffix}"

    def meets(self, low: int, high: int) -> bool:
        """Whether it may hold a row between these positions."""
        return self.low <= high and low <= self.high

    def holds(self, other: "Part") -> bool:
        """Whether the other's batches are all in this one too: it was merged from the other and more."""
        more = (self.first, self.last) != (other.first, other.last)
        return more and self.suffix == other.suffix and self.first <= other.first and other.last <= self.last

    @classmethod
    def of(cls, name: str) -> "Part | None":
        """The part with this file name; None when it is no name of a part."""
        found = NAME.fullmatch(name)
        if found is None:
            return None
        first, last, low, high = (int(found[index]) for index in range(1, 5))
        return cls(first, last, low, high, found[5])


NAME = re.compile(r"part-([0-9]{9,18})-([0-9]{9,18})-p([0-9]{1,18})-p([0-9]{1,18})\.(parquet|csv|ndjson)")
