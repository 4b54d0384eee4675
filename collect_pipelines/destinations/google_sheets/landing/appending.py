"""New rows, each batch once: a marker with an id of our own and the rows it stands for, in one atomic request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collect_pipelines.destinations.google_sheets.content.rows import Row, SheetColumn, row_data
from collect_pipelines.destinations.google_sheets.editing.editor import Editor
from collect_pipelines.destinations.google_sheets.landing import leftovers
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, created
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, foreign
from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import TryLater

__all__ = ["Appender"]

MARKER = "fp"
DIGEST_CHARACTERS = 8

Json = dict[str, Any]


@dataclass
class Appender:
    """
    Appends the parts of one batch.

    Google refuses to create a metadata id that exists, and the refusal takes the whole request with it. So the same request
    can be sent again by anyone at any time: "done" and "the marker exists" both mean that the rows are there, once.
    """

    tab: Tab
    editor: Editor
    batch: Batch
    columns: Sequence[SheetColumn]
    now: Callable[[], float]

    @property
    def names(self) -> list[str]:
        """Our columns, in the order of each row's cells."""
        return [column.name for column in self.columns]

    def new_columns(self, layout: Layout) -> list[SheetColumn]:
        """Columns never made before. One that was made and is gone was deleted by a person: it stays deleted."""
        known = {*layout, *self.tab.memory.bound}
        return [column for column in self.columns if column.name not in known]

    def append(self, part: int, rows: Sequence[Row], layout: Layout) -> Layout:
        """
        Lands the rows of a part (from 1) and returns where the columns stood then; `layout` is where they stood a moment ago.

        Columns of new questions are created in the same request. Raises TryLater, Blocked or Refused; then nothing is
        known to have landed, and the same call finds out.
        """
        new = self.new_columns(layout)
        width = self.tab.grid_columns() if new else 0
        assumed = layout | {column.name: width + place for place, column in enumerate(new)}
        self._note(assumed)
        marker = self.tab.numbers.marker(self.batch.batch_no, part)
        # Promise 5: the marker stands first, so the index of a refusal tells its refusal from any other
        requests = [created(marker, MARKER, self._fingerprint(part), {"sheetId": self.tab.memory.tab})]
        requests += self._create_columns(new, width)
        if rows:
            data = row_data(rows, self.names, assumed)
            requests.append({"appendCells": {"sheetId": self.tab.memory.tab, "rows": data, "fields": "userEnteredValue"}})
        try:
            after = leftovers.update(self.tab, requests, self.now())
        except BadRequest as refusal:
            self._require_landed(refusal, marker, part)
            after = self.tab.layout()
        self._verify(rows, assumed, after)
        self._landed(marker, rows, after)
        return after

    def finish(self) -> None:
        """Every part landed and stands where it belongs."""
        if self.tab.memory.suspects:
            self.tab.memory.suspects = []
            self.tab.save()

    def _verify(self, rows: Sequence[Row], assumed: Layout, after: Layout) -> None:
        """If somebody moved a column between our look and the write, the rows may stand in wrong columns: puts them right."""
        suspects = self.tab.memory.suspects
        if any(after.get(name) != position for name, position in assumed.items()):
            suspects.append(assumed)
            self.tab.save()
        if suspects:
            self.editor.straighten(rows, suspects)

    def _require_landed(self, refusal: BadRequest, marker: int, part: int) -> None:
        if not refusal.already_exists:
            raise refusal
        if refusal.index != 0:
            raise TryLater("A column of a new question appeared at this moment.", after=1.0) from refusal
        if not self.tab.is_ours(marker, MARKER, self._fingerprint(part)):
            raise foreign() from refusal

    def _landed(self, marker: int, rows: Sequence[Row], after: Layout) -> None:
        memory = self.tab.memory
        memory.bound = list(dict.fromkeys([*memory.bound, *self.names]))
        memory.layout = after
        memory.confirmed(marker, self.now())
        memory.truncated += sum(row.truncated for row in rows)
        self.tab.save()

    def _note(self, assumed: Layout) -> None:
        """Remembers, before sending, under which layout the rows may land; costs nothing while nobody moves columns."""
        memory = self.tab.memory
        if memory.layout == assumed:
            return
        if self.batch.attempt > 1:
            memory.suspects.append(memory.layout)
        memory.layout = assumed
        self.tab.save()

    def _create_columns(self, new: Sequence[SheetColumn], width: int) -> list[Json]:
        if not new:
            return []
        grow = {"appendDimension": {"sheetId": self.tab.memory.tab, "dimension": "COLUMNS", "length": len(new)}}
        bindings = [self.tab.binding(column, width + place) for place, column in enumerate(new)]
        return [grow, *bindings, self.tab.header(new, width)]

    def _fingerprint(self, part: int) -> str:
        batch = self.batch
        whole = f"{batch.from_position}:{batch.to_position}:{batch.digest[:DIGEST_CHARACTERS]}"
        return whole if part == 1 else f"{whole}/{part}"
