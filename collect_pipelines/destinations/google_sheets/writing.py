"""The order in which a batch is written into the spreadsheets of an integration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collect_pipelines.destinations.google_sheets.content.parts import Part, parts
from collect_pipelines.destinations.google_sheets.content.tables import Row, Table, marks_of
from collect_pipelines.destinations.google_sheets.editing.editor import Editor, Found
from collect_pipelines.destinations.google_sheets.landing.appending import Appender
from collect_pipelines.destinations.google_sheets.landing.refusals import Refusals
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.interface import Batch, Outcome

__all__ = ["Writing"]


@dataclass(frozen=True)
class Standing:
    """Where the rows of one table stand in one spreadsheet."""

    editor: Editor
    found: Found


@dataclass(frozen=True)
class Writing:
    """Writes one batch, once."""

    books: Sequence[Book]
    """Oldest first; the last one takes new rows."""
    tables: Sequence[Table]
    """The main one first."""
    batch: Batch
    now: Callable[[], float]

    def write(self, *, own_file_title: str | None = None) -> tuple[Outcome, ...]:
        """
        New rows under their markers first, then edits, which can be repeated at will; one outcome per row of the batch.

        own_file_title: see Tab.prepare. Raises Refused when no row is taken.
        """
        book = self.books[-1]
        book.prepare(self.tables, own_file_title=own_file_title)
        book.require_unique_ids()
        changes = any(not row.fresh for table in self.tables for row in table.rows)
        book.api.http.tokens.reserve(reads=5 if changes else 1, writes=3 if changes else 1)
        layouts = book.layouts()
        standing = self._standing() if changes else []
        refusals = Refusals(len(self.tables[0].rows))
        appender = Appender(book, self.tables, self.batch, self.now)
        for number, part in enumerate(parts(self.tables), 1):
            new = self._new(part, standing)
            if new or (number == 1 and appender.new_columns(layouts)):
                with refusals.of([row for rows in new.values() for row in rows]):
                    layouts = appender.append(number, new, layouts)
        appender.finish()
        for one in standing:
            self._edit(one, refusals)
        return refusals.outcomes(marks_of(self.batch))

    def _standing(self) -> list[Standing]:
        editors = [Editor(book, table, self.now) for book in self.books for table in self.tables if book.memory.tab(table.name).ready]
        return [Standing(editor, editor.find()) for editor in editors]

    def _new(self, part: Part, standing: Sequence[Standing]) -> Part:
        """The rows of the part that are to be appended."""
        there = {one.editor.table.name: set[str]() for one in standing}
        for one in standing:
            there[one.editor.table.name].update(one.found.places)
        new = {name: [row for row in rows if row.fresh or (not row.deleted and row.key not in there[name])] for name, rows in part.items()}
        return {name: rows for name, rows in new.items() if rows}

    def _edit(self, standing: Standing, refusals: Refusals) -> None:
        """Writes over what stands there, where it is older."""
        found = standing.found
        # a replay also writes what stands there as it should be: for cells that somebody changed, and after the mapping was
        anew = self.batch.purpose == "replay"
        known = [(found.places[row.key], row) for row in standing.editor.table.rows if not row.fresh and row.key in found.places]
        edits: dict[int, Row] = {place.index: row for place, row in known if place.revision < row.revision + anew}
        with refusals.of(list(edits.values())):
            standing.editor.edit(edits, found.width, anew=anew)
