"""What one integration remembers about its tabs in one spreadsheet, as one value in Postgres."""

import secrets
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from collect_pipelines.destinations.google_sheets.content.tables import MAIN
from collect_pipelines.destinations.interface import Context

__all__ = ["Layout", "Memory", "Numbers", "TabMemory", "knows_unique", "remember_unique"]

Layout = dict[str, int]
"""Where our columns stand: name of the column -> position from 0."""

MINUTE = 60.0
MARKER_SECONDS = 30 * MINUTE  # longer than any copy of a request can be on its way: 200 s of ours and 180 s of Google's
SHORT_MARKER_SECONDS = 15 * MINUTE  # the least; used while there are many
MANY_MARKERS = 700  # at about 25 characters each, 17,500 of the 30,000 a tab has for developer metadata
DELETED_AT_ONCE = 200  # keeps the request that carries the rows small


@dataclass
class TabMemory:
    """What is remembered about one tab."""

    tab: int = 0
    """The sheet id we chose; 0 while none was."""
    ready: bool = False
    """The tab was created."""
    bound: list[str] = field(default_factory=list)
    """Every column ever bound; one that is no more in the tab was deleted by a person and is not brought back."""
    layout: Layout = field(default_factory=dict)
    """The layout the last batch was sent with."""
    suspects: list[Layout] = field(default_factory=list)
    """Layouts under which the open batch may have landed although the columns stand elsewhere now."""
    headers: dict[str, int] = field(default_factory=dict)
    """Of the columns, as we wrote them: checksums; -1 once a person has named one."""
    width: int = 0
    """Columns it had when we last looked, people's too."""


@dataclass
class Memory:
    """Kept per integration and spreadsheet; `save` commits it."""

    token: str = field(default_factory=lambda: secrets.token_hex(6))
    """Marks the tabs as this integration's; another database has another token."""
    tabs: dict[str, TabMemory] = field(default_factory=dict)
    """By the name of the table each holds."""
    base: int = 0
    """Added to every number since this database was found to be older than the spreadsheet; 0 before."""
    compare_until: float = 0.0
    """Until then (seconds since the epoch) new rows are compared with the ids that stand in the sheet before they are appended."""
    markers: list[list[int]] = field(default_factory=list)
    """[minute of its confirmation, id, id, ...]: markers still in the sheet, oldest first."""
    anchors: list[int] = field(default_factory=list)
    """Groups of temporary row marks to remove with the next write."""
    truncated: int = 0
    """Cells cut at Google's limit so far."""
    left_deleted: int = 0
    """Edits that were not written, because a person had deleted the row."""
    cells: int = 0
    """Cells the spreadsheet has, about: as many as we saw, and what we added since."""
    cells_seen: int = 0
    """When we last looked."""
    looked_at: float = 0.0
    """Seconds since the epoch."""
    rows: int = 0
    """Of the main table, appended so far."""
    extras: dict[str, str] = field(default_factory=dict)
    """Tabs beside the tables: `made`, or `gone` once a person deleted it."""
    state_told_at: float = 0.0
    """When the tab that tells the state was last written."""

    def tab(self, name: str) -> TabMemory:
        """Of the tab that holds the table."""
        return self.tabs.setdefault(name, TabMemory())

    @classmethod
    def recall(cls, context: Context, spreadsheet: str) -> "Memory":
        """What was remembered about the spreadsheet; a new memory when nothing was."""
        stored = context.recall(_name(spreadsheet))
        if not isinstance(stored, dict):
            return cls()
        kept = _known(cls, stored)
        kept["tabs"] = {name: TabMemory(**_known(TabMemory, one)) for name, one in stored.get("tabs", {}).items()}
        if stored.get("tab"):  # as it was kept when an integration had one tab
            kept["tabs"][MAIN] = TabMemory(**_known(TabMemory, stored))
        return cls(**kept)

    def save(self, context: Context, spreadsheet: str) -> None:
        """Committed when this returns."""
        context.remember(_name(spreadsheet), asdict(self))

    def confirmed(self, marker: int, now: float) -> None:
        """The batch of this marker is in the sheet."""
        minute = int(now // MINUTE)
        if any(marker in group[1:] for group in self.markers):
            return
        if self.markers and self.markers[-1][0] >= minute:
            self.markers[-1].append(marker)
        else:
            self.markers.append([minute, marker])

    def expired_markers(self, now: float) -> list[int]:
        """Markers no late copy of a request can need any more; never the newest."""
        count = sum(len(group) - 1 for group in self.markers)
        age = SHORT_MARKER_SECONDS if count > MANY_MARKERS else MARKER_SECONDS
        oldest_kept = now // MINUTE - age // MINUTE
        old = [marker for group in self.markers if group[0] < oldest_kept for marker in group[1:]]
        newest = self.markers[-1][-1] if self.markers else None
        return [marker for marker in old if marker != newest][:DELETED_AT_ONCE]

    def forget_markers(self, gone: list[int]) -> None:
        """These are no more in the sheet."""
        dropped = set(gone)
        left = [[group[0], *(marker for marker in group[1:] if marker not in dropped)] for group in self.markers]
        self.markers = [group for group in left if len(group) > 1]


class Numbers:
    """
    The ids we choose inside one spreadsheet: all from one sequence of that spreadsheet, for ever the same for the same thing.

    base: after a restore from a backup the sequence has fallen behind the spreadsheet; from then on the numbers are above it.
    """

    def __init__(self, context: Context, spreadsheet: str, base: int = 0) -> None:
        self._context = context
        self._first = f"google_sheets:{spreadsheet}"
        self._base = base

    def tab(self, table: str) -> int:
        """The sheet id, and the id of the metadata that marks the tab."""
        return self._number("tab" if table == MAIN else f"tab:{table}")

    def beside(self, name: str) -> int:
        """The sheet id of a tab beside the tables: always the same."""
        return self._context.allocate(self._first, f"{self._context.integration_id}:extra:{name}")

    def column(self, table: str, name: str) -> int:
        """The id of a column's metadata."""
        return self._number(f"column:{name}" if table == MAIN else f"column:{table}:{name}")

    def protection(self, table: str) -> int:
        """The id of the range that warns whoever changes the tab's headers."""
        return self._number(f"protection:{table}")

    def marker(self, batch_no: int, part: int) -> int:
        """The id of the marker of a part of a batch."""
        return self._number(f"batch:{batch_no}:{part}")

    def _number(self, name: str) -> int:
        mine = self._context.integration_id
        scope = f"{self._first}:{mine}:{self._base}" if self._base else self._first
        return self._base + self._context.allocate(scope, f"{mine}:{name}")


def knows_unique(context: Context, spreadsheet: str) -> bool:
    """Whether the spreadsheet's server was seen to refuse a metadata id that exists: what exactly-once rests on."""
    return context.recall(f"unique:{spreadsheet}") is True


def remember_unique(context: Context, spreadsheet: str) -> None:
    """Kept apart from the memory of the tab: a probe may run beside a delivery and must not overwrite what that one saved."""
    context.remember(f"unique:{spreadsheet}", True)


def _known(kind: type[Any], stored: dict[str, Any]) -> dict[str, Any]:
    return {spec.name: stored[spec.name] for spec in fields(kind) if spec.name in stored}


def _name(spreadsheet: str) -> str:
    return f"sheet:{spreadsheet}"
