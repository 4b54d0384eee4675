"""The spreadsheets of an integration, one after the other: which one a row goes into, and when the next one begins."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from collect_pipelines.destinations.google_sheets.content.parts import Part
from collect_pipelines.destinations.google_sheets.files.index import link_together
from collect_pipelines.destinations.google_sheets.files.succession import Source
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.interface import Context, Notice

__all__ = ["Shelf"]

FILES = "files"
"""Name under which the spreadsheets are remembered."""

FILLING_SHARE = 0.7  # of the cells a spreadsheet may have: a person should think of the next one
FULL_SHARE = 0.9  # from here on new rows go into the next one: other people's cells count too, and nobody asks before adding some
LOOK_SHARE = 0.01  # of the cells: written since we looked how many there are, look again
LOOK_SECONDS = 3600.0  # people add rows, columns and tabs of their own

Place = tuple[int, int]
"""Number of a batch, and of a part of it."""


@dataclass
class Shelf:
    """Knows the spreadsheets, oldest first. What was sent once stays where it was sent: see `book_for`."""

    context: Context
    api: Api
    source: Source
    most_cells: int
    """That a spreadsheet may have."""
    _files: list[dict[str, Any]] = field(default_factory=list)
    _books: dict[str, Book] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stored = self.context.recall(FILES)
        self._files = list(stored) if isinstance(stored, list) else []

    @property
    def books(self) -> list[Book]:
        """All of them, oldest first; the last one takes what comes next."""
        return [self._book(one["spreadsheet"]) for one in self._files or [self._begin()]]

    @property
    def known(self) -> list[Book]:
        """Those that were begun, oldest first: none is created and nothing is asked."""
        return [self._book(one["spreadsheet"]) for one in self._files]

    def book_for(self, place: Place) -> Book:
        """The one that this part of a batch goes into, for ever the same: a copy of its request may be on its way."""
        books = zip(self.books, self._files, strict=True)
        return [book for book, one in books if tuple(one["first"]) <= place][-1]

    def with_room(self, place: Place, rows: Part) -> Book:
        """The one for a part that was never sent: the next one when this one is nearly full, or a person named another."""
        book = self.book_for(place)
        if self._was_replaced():
            return self._next(place, str(self.source.spreadsheet))
        if book is not self.books[-1] or not book.ready:
            return book
        if self._cells(book) + book.grown(rows) <= FULL_SHARE * self.most_cells or not self.has_next:
            return book
        return self.next_book(place)

    def next_book(self, place: Place) -> Book:
        """Begins the next one with this part, which must surely not have landed before. Raises FileFull when there is none."""
        return self._next(place, self.source.next_one(len(self._files)))

    def _next(self, place: Place, spreadsheet: str) -> Book:
        self._remember([*self._files, {"spreadsheet": spreadsheet, "first": list(place)}])
        return self._book(spreadsheet)

    @property
    def has_next(self) -> bool:
        """Whether there is one to go on with when the last one is full."""
        return self.source.has_next(len(self._files))

    def own_title(self, book: Book) -> str | None:
        """The title of a spreadsheet that we created; None when a person made it."""
        ordinal = self.books.index(book) + 1
        named = [self.source.spreadsheet, *self.source.following]
        return None if book.spreadsheet in named else self.source.title_of(ordinal)

    def link(self) -> None:
        """Leads from each spreadsheet to the others, when one was added."""
        if len(self._files) > 1 and self._files[-1].get("linked") is None:
            link_together(self.books)
            self._remember([*self._files[:-1], {**self._files[-1], "linked": True}])

    def notices(self) -> list[Notice]:
        """What a person should know about room."""
        if not self._files:
            return []
        book = self._book(self._files[-1]["spreadsheet"])
        share = book.memory.cells / self.most_cells
        return [self.source.filling(share, len(self._files))] if share > FILLING_SHARE else []

    def _was_replaced(self) -> bool:
        """A person named another spreadsheet to write into."""
        configured = self.source.spreadsheet
        return configured is not None and configured not in [one["spreadsheet"] for one in self._files]

    def _begin(self) -> dict[str, Any]:
        configured = self.source.first_one()
        self._remember([{"spreadsheet": configured, "first": [0, 0]}])
        return self._files[0]

    def _remember(self, files: Sequence[dict[str, Any]]) -> None:
        self.context.remember(FILES, list(files))
        self._files = list(files)

    def _book(self, spreadsheet: str) -> Book:
        if spreadsheet not in self._books:
            self._books[spreadsheet] = Book.open(self.context, self.api, spreadsheet)
        return self._books[spreadsheet]

    def _cells(self, book: Book) -> int:
        """How many cells it has, about."""
        memory, now = book.memory, self.source.now()
        old = not 0 <= now - memory.looked_at < LOOK_SECONDS
        if old or memory.cells - memory.cells_seen > LOOK_SHARE * self.most_cells:
            book.measure(now)
        return memory.cells
