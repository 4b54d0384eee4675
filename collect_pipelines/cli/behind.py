"""What `collect status` says about what is still to be sent behind the live responses, and about receivers that are left alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.model import Ledger

__all__ = ["NOTHING_BEHIND", "Behind", "Resting", "Under", "read_behind"]

MAX_NAMED = 2  # in one sentence


@dataclass(frozen=True, slots=True)
class Under:
    """A backfill or a replay under way."""

    integration: str
    number: int
    purpose: str
    state: str
    settled: int
    total: int


@dataclass(frozen=True, slots=True)
class Resting:
    """An integration whose receiver failed so often in a row that it is asked rarely now."""

    integration: str
    failures: int


@dataclass(frozen=True, slots=True)
class Behind:
    """Numbers of one moment."""

    backfills: list[Under] = field(default_factory=list)
    set_aside: int = 0
    """Log entries that are tried again by themselves."""
    resting: list[Resting] = field(default_factory=list)
    undecided: int | None = None
    """Log entries that wait for a person's decision; None when nobody asked."""

    def words(self) -> str:
        """One sentence each about what there is, the worst first; empty when there is nothing of the kind."""
        told = [
            f"{one.integration} has failed {one.failures} times in a row, so it is asked less often." for one in self.resting[:MAX_NAMED]
        ]
        told += [
            f"{one.purpose.capitalize()} {one.number} of {one.integration} is {_state(one.state)} at {one.settled} of {one.total}."
            for one in self.backfills[:MAX_NAMED]
        ]
        if self.set_aside:
            verb, who = ("is", "itself") if self.set_aside == 1 else ("are", "themselves")
            told.append(f"{self.set_aside} {verb} set aside and tried again by {who}.")
        return " ".join(told)

    def see(self) -> str:
        """The command that shows it."""
        if self.resting:
            return f"collect integrations show {self.resting[0].integration}"
        return "collect backfill list" if self.backfills else "collect failures list"


NOTHING_BEHIND = Behind()


def read_behind(connection: "Connection", rows: "Sequence[Ledger]", form_id: int | None = None) -> Behind:
    """As it stands now; `rows` is the ledger, of one form when it is named."""
    from collect_pipelines.store.backfill_records import list_backfills, owed
    from collect_pipelines.store.stretches import entries_in
    from collect_pipelines.store.validation import count_held

    backfills = [
        Under(one.integration, one.backfill_id, one.purpose, one.state, one.settled, one.settled + entries_in(owed(connection, one)))
        for one in list_backfills(connection, unfinished=True)
        if form_id in (None, one.form_id)
    ]
    resting = [Resting(row.integration, row.failures) for row in rows if row.breaker != "closed" and row.state == "active"]
    undecided = sum(row.open_letters for row in rows) + count_held(connection, form_id)
    return Behind(backfills, sum(row.set_aside for row in rows), resting, undecided)


def _state(state: str) -> str:
    return "paused" if state == "paused" else "under way"
