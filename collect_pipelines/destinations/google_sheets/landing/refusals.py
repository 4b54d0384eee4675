"""What Google refused of one batch, while the rest of it is in the sheet."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from collect_pipelines.destinations.google_sheets.content.rows import Row
from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.errors import Refused

__all__ = ["Refusals"]


class Refusals:
    """The rows of a batch of `rows` rows that were refused so far, and why."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._reasons: dict[tuple[str, int], str] = {}

    @contextmanager
    def of(self, rows: Sequence[Row]) -> Iterator[None]:
        """Notes a refusal inside the block as one of these rows; raises it when no other row is left, or it is about none."""
        try:
            yield
        except Refused as refusal:
            self._reasons |= {row.mark: refusal.message for row in rows}
            if not rows or len(self._reasons) == self._rows:
                raise

    def outcomes(self, marks: Sequence[tuple[str, int]]) -> tuple[Outcome, ...]:
        """One outcome per row of the batch, given as `Row.mark`."""
        # Promise 4: what is in the sheet counts as delivered, whatever became of the other requests of its batch
        delivered, reasons = Outcome.delivered(), self._reasons
        if not reasons:
            return (delivered,) * len(marks)
        return tuple(Outcome.refused(reasons[mark]) if mark in reasons else delivered for mark in marks)
