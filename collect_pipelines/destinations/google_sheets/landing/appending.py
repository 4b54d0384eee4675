"""New rows, each batch once: a marker with an id of our own and the rows it stands for, in one atomic request."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.destinations.google_sheets.content.parts import Part, row_data
from collect_pipelines.destinations.google_sheets.content.tables import MAIN, SheetColumn, Table
from collect_pipelines.destinations.google_sheets.editing.editor import Editor
from collect_pipelines.destinations.google_sheets.landing import leftovers
from collect_pipelines.destinations.google_sheets.landing.incarnation import begin_anew
from collect_pipelines.destinations.google_sheets.tab.book import Book, Layouts
from collect_pipelines.destinations.google_sheets.tab.dressing import column_formats
from collect_pipelines.destinations.google_sheets.tab.memory import Layout
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, created
from collect_pipelines.destinations.google_sheets.wire.problems import BadRequest, foreign
from collect_pipelines.destinations.interface import Batch
from collect_pipelines.errors import TryLater

__all__ = ["Appender", "Parcel"]

MARKER = "fp"
VOID = "void"  # value of a marker whose part went into another spreadsheet
DIGEST_CHARACTERS = 8

Json = dict[str, Any]


@dataclass
class Parcel:
    """What lands together, once: the rows of a part in all tables of an integration, behind one marker."""

    marker: int
    fingerprint: str
    """Tells this marker from one of the same number that stands for other rows."""
    rows: Part
    assumed: Layouts
    """Where the columns stand if nobody moves one before it lands."""
    new: dict[str, list[SheetColumn]] = field(default_factory=dict)
    """Columns that are created with it, by table."""
    requests: list[Json] = field(default_factory=list)
    """The marker's is the first one."""


@dataclass
class Appender:
    """
    Appends the parts of one batch to the tabs of one spreadsheet.

    Google refuses to create a metadata id that exists, and the refusal takes the whole request with it. So the same request
    can be sent again by anyone at any time: "done" and "the marker exists" both mean that the rows are there, once.
    """

    book: Book
    tables: Sequence[Table]
    batch: Batch
    now: Callable[[], float]

    def new_columns(self, layouts: Layouts) -> dict[str, list[SheetColumn]]:
        """Columns never made before, by table. One that was made and is gone was deleted by a person: it stays deleted."""
        found = {table.name: self._new(table, layouts[table.name]) for table in self.tables}
        return {name: columns for name, columns in found.items() if columns}

    def append(self, number: int, rows: Part, layouts: Layouts) -> Layouts:
        """
        Lands the rows of a part (from 1) and returns where the columns stood then; `layouts` is where they stood a moment ago.

        Columns of new questions are created in the same request. Raises TryLater, Blocked or Refused; then nothing is
        known to have landed, and the same call finds out.
        """
        parcel = self.pack(number, rows, layouts)
        try:
            after = leftovers.update(self.book, parcel.requests, self.now())
        except BadRequest as refusal:
            self._require_landed(refusal, parcel)
            after = self.book.layouts()
        self.landed(parcel, after)
        return after

    def pack(self, number: int, rows: Part, layouts: Layouts) -> Parcel:
        """What is to be sent for a part; notes before it is sent where the rows may land."""
        new = self.new_columns(layouts)
        widths = self.book.grid_columns(list(new))
        assumed = {name: dict(layout) for name, layout in layouts.items()}
        for name, columns in new.items():
            assumed[name] |= {column.name: widths[name] + place for place, column in enumerate(columns)}
        self._note(assumed)
        marker = self.book.numbers.marker(self.batch.batch_no, number)
        parcel = Parcel(marker, self._fingerprint(number), rows, assumed, new)
        # Promise 5: the marker stands first, so the index of a refusal tells its refusal from any other
        parcel.requests = [created(marker, MARKER, parcel.fingerprint, {"sheetId": self.book.tab(MAIN).number})]
        for table in self.tables:
            tab = self.book.tab(table.name)
            parcel.requests += _create_columns(tab, new.get(table.name, []), widths.get(table.name, 0))
            if rows.get(table.name):
                data = row_data(rows[table.name], table.names, assumed[table.name])
                parcel.requests.append({"appendCells": {"sheetId": tab.number, "rows": data, "fields": "userEnteredValue"}})
        return parcel

    def landed(self, parcel: Parcel, after: Layouts) -> None:
        """The rows of the parcel are in the sheet; `after`: where the columns stood then. Puts right what hit a column that moved."""
        for table in self.tables:
            self._verify(table, parcel, after[table.name])
        memory = self.book.memory
        for table in self.tables:
            kept = memory.tab(table.name)
            kept.bound = list(dict.fromkeys([*kept.bound, *table.names]))
            kept.layout = after[table.name]
        memory.confirmed(parcel.marker, self.now())
        memory.cells += self.book.grown(parcel.rows)
        memory.rows += len(parcel.rows.get(MAIN, ()))
        memory.truncated += sum(row.truncated for rows in parcel.rows.values() for row in rows)
        self.book.save()

    def void(self, number: int) -> bool:
        """
        Makes sure that no copy of the request for this part lands here any more: its marker is taken, by nothing.

        False when the part has landed. The marker of a void part is never deleted.
        """
        marker = self.book.numbers.marker(self.batch.batch_no, number)
        try:
            self.book.api.update(self.book.spreadsheet, [created(marker, MARKER, VOID, {"sheetId": self.book.tab(MAIN).number})])
        except BadRequest as refusal:
            if not refusal.already_exists:
                raise
            return self.book.is_ours(marker, MARKER, VOID)
        return True

    def finish(self) -> None:
        """Every part landed and stands where it belongs."""
        kept = [self.book.memory.tab(table.name) for table in self.tables]
        if any(one.suspects for one in kept):
            for one in kept:
                one.suspects = []
            self.book.save()

    def _new(self, table: Table, layout: Layout) -> list[SheetColumn]:
        known = {*layout, *self.book.memory.tab(table.name).bound}
        return [column for column in table.columns if column.name not in known]

    def _verify(self, table: Table, parcel: Parcel, after: Layout) -> None:
        """If somebody moved a column between our look and the write, the rows may stand in wrong columns: puts them right."""
        rows, assumed = parcel.rows.get(table.name, []), parcel.assumed[table.name]
        suspects = self.book.memory.tab(table.name).suspects
        if any(after.get(name) != position for name, position in assumed.items()):
            suspects.append(assumed)
            self.book.save()
        if suspects:
            Editor(self.book, table, self.now).straighten(rows, suspects)

    def _require_landed(self, refusal: BadRequest, parcel: Parcel) -> None:
        if not refusal.already_exists:
            raise refusal
        if refusal.index != 0:
            if not self._some_column_appeared(parcel):
                begin_anew(self.book, self.now())
            raise TryLater("A column of a new question appeared at this moment.", after=1.0) from refusal
        if self.book.is_ours(parcel.marker, MARKER, VOID):
            raise self.book.api.http.explain.file_full() from refusal
        if not self.book.is_ours(parcel.marker, MARKER, parcel.fingerprint):
            self._begin_anew(refusal)

    def _begin_anew(self, refusal: BadRequest) -> None:
        """The marker stands for other rows: those of a time that this database does not know."""
        if self.batch.append_only:
            raise foreign() from refusal  # several rows may have one id, so nothing can be compared
        begin_anew(self.book, self.now())
        # Promise 5: never taken for success; what landed in the lost time is found by its ids
        raise TryLater("The spreadsheet holds batches that this database does not know: rows are compared first.", after=1.0) from refusal

    def _some_column_appeared(self, parcel: Parcel) -> bool:
        after = self.book.layouts()
        return any(column.name in after[table] for table, columns in parcel.new.items() for column in columns)

    def _note(self, assumed: Layouts) -> None:
        """Remembers, before sending, under which layout the rows may land; costs nothing while nobody moves columns."""
        changed = False
        for name, layout in assumed.items():
            kept = self.book.memory.tab(name)
            if kept.layout == layout:
                continue
            if self.batch.attempt > 1:
                kept.suspects.append(kept.layout)
            kept.layout = layout
            changed = True
        if changed:
            self.book.save()

    def _fingerprint(self, number: int) -> str:
        batch = self.batch
        whole = f"{batch.from_position}:{batch.to_position}:{batch.digest[:DIGEST_CHARACTERS]}"
        return whole if number == 1 else f"{whole}/{number}"


def _create_columns(tab: Tab, new: Sequence[SheetColumn], width: int) -> list[Json]:
    """Columns for new questions at the right of the grid as we saw it a moment ago."""
    if not new:
        return []
    # Promise 8: inserted, not appended. If a person adds a column before this lands, an appended one stands further right, and the
    # header would be written over theirs; an inserted one is empty wherever it comes to stand. Past the grid it is refused.
    span = {"sheetId": tab.number, "dimension": "COLUMNS", "startIndex": width, "endIndex": width + len(new)}
    grow = {"insertDimension": {"range": span, "inheritFromBefore": True}}
    area = {"sheetId": tab.number, "startColumnIndex": width, "endColumnIndex": width + len(new)}
    plain = {"repeatCell": {"range": area, "cell": {}, "fields": "userEnteredFormat"}}  # the neighbour's colours are not inherited
    bindings = [tab.binding(column, width + place) for place, column in enumerate(new)]
    return [grow, plain, *bindings, tab.header(new, width), *column_formats(tab.number, new, width)]
