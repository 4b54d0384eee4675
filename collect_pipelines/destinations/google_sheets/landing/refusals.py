"""What became of the entries of one batch that are not in the sheet, while the rest of it is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from collect_pipelines.destinations.google_sheets.content.tables import Mark, Row
from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.errors import Refused

__all__ = ["Refusals"]


class Refusals:
    """The entries of a batch of `entries` entries that were refused or left out so far, and why."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._outcomes: dict[Mark, Outcome] = {}

    @contextmanager
    def of(self, rows: Sequence[Row]) -> Iterator[None]:
        """Notes a refusal inside the block as one of these rows; raises it when no other row is left, or it is about none."""
        try:
            yield
        except Refused as refusal:
            self.note(rows, Outcome.refused(refusal.message))
            if not rows or len(self._outcomes) == self._entries:
                raise

    def note(self, rows: Sequence[Row], outcome: Outcome) -> None:
        """These rows are not written, and this is why."""
        self._outcomes |= {row.response_mark: outcome for row in rows}

    def outcomes(self, marks: Sequence[Mark]) -> tuple[Outcome, ...]:
        """One outcome per row of the batch, given as `Row.response_mark`."""
        # Promise 4: what is in the sheet counts as delivered, whatever became of the other requests of its batch
        delivered, told = Outcome.delivered(), self._outcomes
        return tuple(told.get(mark, delivered) for mark in marks) if told else (delivered,) * len(marks)
