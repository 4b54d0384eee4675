"""What a piece of the log becomes for one destination: rows to send, and an account of every entry."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import polars as pl

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.store.batches import Counts, DeadLetter
from collect_pipelines.sync.pieces import Piece

__all__ = ["Membership", "oldest_age_seconds", "storable"]

MAX_REASON_CHARACTERS = 500  # a plug-in's reason is for a table an operator reads


@dataclass(frozen=True)
class Membership:
    """The entries of a piece that validation lets through, and what is to be sent of them."""

    piece: Piece
    entries: pl.DataFrame
    """Of `text_frame`, without those in quarantine. One that no row carries counts as filtered."""
    rows: pl.DataFrame
    """Those of `entries` that are sent, in position order: one per response, its last revision, unless `append_only`."""
    append_only: bool = False
    """Every revision is a row of its own."""

    @property
    def quarantined(self) -> int:
        """Entries held back."""
        # Promise 3: positions are dense, so what is missing in the range is what was left out
        return self.piece.entries - self.entries.height

    @cached_property
    def filtered(self) -> int:
        """Entries of responses that are not for this destination."""
        sent = set(self.rows["_response_id"].to_list())
        return sum(number for response, number in self._revisions.items() if response not in sent)

    def account(self, outcomes: Sequence[Outcome]) -> tuple[Counts, list[DeadLetter]]:
        """
        The ledger of the batch, given one outcome per row.

        Promise 4: every entry counts. An earlier revision in the same batch shares the fate of the one that was sent for it.
        """
        fates = dict(zip(self.rows["_response_id"].to_list(), outcomes, strict=True))
        delivered = sum(self._revisions[response] for response, outcome in fates.items() if outcome.state == "delivered")
        failed = {response: outcome for response, outcome in fates.items() if outcome.state != "delivered"}
        letters = self._letters(failed) if failed else []
        return Counts(delivered=delivered, filtered=self.filtered, quarantined=self.quarantined, dead_lettered=len(letters)), letters

    @cached_property
    def _revisions(self) -> Counter[str]:
        return Counter(self.entries["_response_id"].to_list())

    def _letters(self, failed: dict[str, Outcome]) -> list[DeadLetter]:
        entries = self.entries.filter(pl.col("_response_id").is_in(list(failed)))
        last = dict(zip(self.rows["_response_id"].to_list(), self.rows["_revision"].to_list(), strict=True))
        letters = []
        for position, response, revision in entries.select("_position", "_response_id", "_revision").iter_rows():
            outcome = failed[response]
            reason = storable(outcome.reason or "The receiver gave no reason.")
            if outcome.state == "unknown":
                reason = f"It may have been delivered, which can't be found out: {reason}"
            if revision != last[response]:
                reason = f"Replaced by revision {last[response]}, which was not delivered: {reason}"
            letters.append(DeadLetter(position, response, revision, reason))
        return letters


def storable(text: str) -> str:
    """A text of a plug-in as Postgres can keep it, and of a length people read."""
    return text[:MAX_REASON_CHARACTERS].replace("\x00", "").encode("utf-8", "replace").decode()


def oldest_age_seconds(entries: pl.DataFrame) -> float:
    """Age of the oldest of these entries; 0 without one."""
    oldest = entries["_received_at"].min()
    return max((datetime.now(UTC) - oldest).total_seconds(), 0.0) if isinstance(oldest, datetime) else 0.0
