"""What a batch is planned from: a stretch of a form's log, and why it is sent."""

from dataclasses import dataclass

from collect_pipelines.model import Purpose

__all__ = ["Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """The entries of a form that the next batch of an integration holds."""

    purpose: Purpose
    from_position: int
    to_position: int
    positions: tuple[int, ...] | None = None
    """Only these of the range, in order; None: all of it."""
    backfill_id: int | None = None
    """Of a backfill or a replay."""

    @property
    def entries(self) -> int:
        """How many entries it holds."""
        return self.to_position - self.from_position + 1 if self.positions is None else len(self.positions)

    def entries_through(self, position: int) -> int:
        """How many of them are not behind the position."""
        if self.positions is None:
            return min(self.to_position, position) - self.from_position + 1
        return sum(one <= position for one in self.positions)
