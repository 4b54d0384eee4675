"""What Google refused of one batch, while the rest of it is in the sheet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from collect_pipelines.destinations.google_sheets.content.tables import Mark, Row
from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.errors import Refused

__all__ = ["Refusals"]


class Refusals:
    """The entries of a batch of `entries` entries that were refused so far, and why."""

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._reasons: dict[Mark, str] = {}

    @contextmanager
    def of(self, rows: Sequence[Row]) -> Iterator[None]:
        """Notes a refusal inside the block as one of these rows; raises it when no other row is left, or it is about none."""
        try:
            yield
        except Refused as refusal:
            self._reasons |= {row.response_mark: refusal.message for row in rows}
            if not rows or len(self._reasons) == self._entries:
                raise

    def outcomes(self, marks: Sequence[Mark]) -> tuple[Outcome, ...]:
        """One outcome per row of the batch, given as `Row.response_mark`."""
        # Promise 4: what is in the sheet counts as delivered, whatever became of the other requests of its batch
        delivered, reasons = Outcome.delivered(), self._reasons
        if not reasons:
            return (delivered,) * len(marks)
        return tuple(Outcome.refused(reasons[mark]) if mark in reasons else delivered for mark in marks)
