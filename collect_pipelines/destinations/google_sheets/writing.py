"""The order in which a batch is written into the spreadsheets of an integration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from collect_pipelines.destinations.google_sheets.content.parts import Part, parts
from collect_pipelines.destinations.google_sheets.content.tables import Row, Table, marks_of
from collect_pipelines.destinations.google_sheets.editing.editor import Editor, Found
from collect_pipelines.destinations.google_sheets.editing.removing import remove
from collect_pipelines.destinations.google_sheets.files.shelf import Shelf
from collect_pipelines.destinations.google_sheets.landing.appending import Appender
from collect_pipelines.destinations.google_sheets.landing.incarnation import compares
from collect_pipelines.destinations.google_sheets.landing.refusals import Refusals
from collect_pipelines.destinations.google_sheets.tab.book import Book, Layouts
from collect_pipelines.destinations.google_sheets.tab.headings import refresh_headers
from collect_pipelines.destinations.google_sheets.tab.state import State, tell_state
from collect_pipelines.destinations.google_sheets.tab.told import cells_truncated, columns_deleted, edits_left_out
from collect_pipelines.destinations.google_sheets.wire.problems import FileFull
from collect_pipelines.destinations.interface import Batch, Notice, Outcome
from collect_pipelines.errors import Refused

__all__ = ["DeletedRows", "Writing"]

DeletedRows = Literal["respect", "refill", "report"]

COLUMNS_ONLY = 0  # number of the part that has no rows


@dataclass(frozen=True)
class Standing:
    """Where the rows of one table stand in one spreadsheet."""

    editor: Editor
    found: Found


@dataclass
class Page:
    """One spreadsheet, ready to be written."""

    appender: Appender
    layouts: Layouts


@dataclass(frozen=True)
class Writing:
    """Writes one batch, once."""

    shelf: Shelf
    tables: Sequence[Table]
    """The main one first."""
    batch: Batch
    now: Callable[[], float]
    deleted_rows: DeletedRows = "respect"
    """What becomes of an edit whose row a person deleted."""
    _pages: dict[str, Page] = field(default_factory=dict)

    def write(self) -> tuple[Outcome, ...]:
        """
        New rows under their markers first, then edits, which can be repeated at will; one outcome per row of the batch.

        Raises Refused when no row is taken.
        """
        changes = any(not self._fresh(row) for table in self.tables for row in table.rows)
        cut = list(parts(self.tables))
        # one write for each part: a batch that is begun without them would send its first part again at every attempt
        self.shelf.api.http.tokens.reserve(reads=5 if changes else 1, writes=len(cut) + 2 * changes)
        standing = self._standing() if changes else []
        refusals = Refusals(len(self.tables[0].rows))
        gone = self._left_deleted(standing, refusals) if changes else frozenset()
        for number, part in enumerate(cut, 1):
            self._append(number, self._new(part, standing, gone), refusals)
        for page in self._pages.values():
            page.appender.finish()
            for table in self.tables:
                refresh_headers(page.appender.book, table, page.layouts[table.name])
        for one in standing:
            self._edit(one, refusals)
        self._count(gone)
        self.shelf.link()
        return refusals.outcomes(marks_of(self.batch))

    def notices(self) -> tuple[Notice, ...]:
        """What a person should know although the batch is written."""
        books = self.shelf.books
        return (*self.shelf.notices(), *columns_deleted(books[-1]), *cells_truncated(books), *edits_left_out(books))

    @property
    def _compares(self) -> bool:
        """Rows of which this database does not know may stand there."""
        return not self.batch.append_only and any(compares(book, self.now()) for book in self.shelf.books)

    def _fresh(self, row: Row) -> bool:
        """Whether it is appended, whatever the sheet holds."""
        return row.fresh and not self._compares

    def _append(self, number: int, rows: Part, refusals: Refusals) -> None:
        place = (self.batch.batch_no, number)
        # a copy of what was sent before may be on its way: it goes where it went
        book = self.shelf.with_room(place, rows) if self.batch.attempt == 1 else self.shelf.book_for(place)
        if not rows and not (number == 1 and self._page(book).appender.new_columns(self._page(book).layouts)):
            return
        with refusals.of([row for some in rows.values() for row in some]):
            try:
                self._land(book, number, rows)
            except FileFull:
                self._move_on(book, number, rows)

    def _land(self, book: Book, number: int, rows: Part) -> None:
        page = self._page(book)
        tell_state(book, self._state(book), self.now())
        page.layouts = page.appender.append(number, rows, page.layouts)

    def _move_on(self, book: Book, number: int, rows: Part) -> None:
        """The part goes into the next spreadsheet. Raises FileFull when there is none, Refused when no spreadsheet has room for it."""
        if not book.memory.rows:
            raise Refused("The rows have more cells than an empty spreadsheet can have.")
        if not self.shelf.has_next:
            raise book.api.http.explain.file_full()
        # Promise 5: nothing of it may land in the full one any more, e.g. when somebody makes room there
        if self._page(book).appender.void(number):
            book = self.shelf.next_book((self.batch.batch_no, number))
        self._land(book, number, rows)

    def _page(self, book: Book) -> Page:
        if book.spreadsheet not in self._pages:
            book.prepare(self.tables, self.now(), own_file_title=self.shelf.own_title(book))
            book.require_unique_ids()
            self._pages[book.spreadsheet] = Page(Appender(book, self.tables, self.batch, self.now), book.layouts())
        return self._pages[book.spreadsheet]

    def _state(self, book: Book) -> State:
        books = self.shelf.books
        return State(book.context.integration, self.batch.form, books.index(book) + 1, len(books), self.shelf.most_cells, self.notices())

    def _standing(self) -> list[Standing]:
        """Where the rows stand that may be there, newest spreadsheet first; no further back than to the last one that was found."""
        wanted = {row.key for row in self.tables[0].rows if not self._fresh(row)}
        standing: list[Standing] = []
        for book in reversed(self.shelf.books):
            editors = [Editor(book, table, self.now) for table in self.tables if book.memory.tab(table.name).ready]
            standing += [Standing(editor, editor.find()) for editor in editors]
            wanted -= {key for one in standing if one.editor.table is self.tables[0] for key in one.found.places}
            if not wanted:
                break
        return standing

    def _left_deleted(self, standing: Sequence[Standing], refusals: Refusals) -> frozenset[str]:
        """The responses whose rows were deleted by a person and stay so; with what is told of them."""
        # who sends something once more wants it to be there
        if self.deleted_rows == "refill" or self.batch.purpose in ("retry", "replay"):
            return frozenset()
        there = {key for one in standing if one.editor.table is self.tables[0] for key in one.found.places}
        gone = [row for row in self.tables[0].rows if not (row.fresh or row.deleted) and row.response_id in self.batch.known]
        gone = [row for row in gone if row.key not in there]
        reason = "A person deleted its row in the spreadsheet."
        refusals.note(gone, Outcome.skipped(reason) if self.deleted_rows == "respect" else Outcome.refused(reason))
        return frozenset(row.response_id for row in gone)

    def _count(self, gone: frozenset[str]) -> None:
        if gone:
            book = self.shelf.books[-1]
            book.memory.left_deleted += len(gone)
            book.save()

    def _new(self, part: Part, standing: Sequence[Standing], gone: frozenset[str]) -> Part:
        """The rows of the part that are to be appended."""
        there = {table.name: set[str]() for table in self.tables}
        for one in standing:
            there[one.editor.table.name].update(one.found.places)
        new = {name: [row for row in rows if self._is_new(row, there[name], gone)] for name, rows in part.items()}
        return {name: rows for name, rows in new.items() if rows}

    def _is_new(self, row: Row, there: set[str], gone: frozenset[str]) -> bool:
        return self._fresh(row) or not (row.deleted or row.key in there or row.response_id in gone)

    def _edit(self, standing: Standing, refusals: Refusals) -> None:
        """Writes over what stands there, where it is older."""
        found = standing.found
        # a replay also writes what stands there as it should be: for cells that somebody changed, and after the mapping was
        anew = self.batch.purpose == "replay" or self._compares
        known = [(found.places[row.key], row) for row in standing.editor.table.rows if not self._fresh(row) and row.key in found.places]
        edits: dict[int, Row] = {place.index: row for place, row in known if place.revision < row.revision + anew}
        if not edits:
            return
        away = {index: row for index, row in edits.items() if row.deleted and self.batch.on_delete == "delete"}
        edits = {index: row for index, row in edits.items() if index not in away}
        page = self._page(standing.editor.book)
        if page.appender.new_columns(page.layouts):
            page.layouts = page.appender.append(COLUMNS_ONLY, {}, page.layouts)
        with refusals.of([*edits.values(), *away.values()]):
            standing.editor.edit(edits, found.width, anew=anew)
            remove(standing.editor.book, standing.editor.tab, away, self.now)
