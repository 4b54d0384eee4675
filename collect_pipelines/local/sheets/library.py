"""All spreadsheets of a data folder: found by id, loaded when first used, changed one at a time."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from collect_pipelines.local.sheets.errors import missing_entity
from collect_pipelines.local.sheets.storage import WorkbookFile
from collect_pipelines.local.sheets.workbook import Workbook

__all__ = ["Library", "Shelf"]

Listener = Callable[[str], None]
FILE_ID_BYTES = 33  # 44 letters in base64, the length of Google's ids


class Shelf:
    """The place of one spreadsheet: readers take the committed state, one writer at a time makes the next."""

    def __init__(self, file: WorkbookFile, current: Workbook, complete: bool, changed: Listener) -> None:
        """`complete` is False while only the header was read."""
        self._file = file
        self._current = current
        self._complete = complete
        self._changed = changed
        self._lock = threading.Lock()
        self._removed = False

    @property
    def header(self) -> Workbook:
        """The file record, title and tabs, perhaps without rows and metadata."""
        return self._current

    def read(self) -> Workbook:
        """The committed state; it never changes under the reader."""
        if not self._complete:
            with self._lock:
                self._load()
        return self._current

    @contextmanager
    def change(self) -> Iterator[Workbook]:
        """A draft that becomes the state when the block ends well, and is forgotten when it raises."""
        with self._lock:
            if self._removed:
                # A call that waited while the file was deleted must not bring it back.
                raise missing_entity()
            self._load()
            draft = self._current.draft()
            yield draft
            self._file.commit(self._current, draft)
            self._current = draft
        self._changed(draft.file.file_id)

    def close(self, *, removed: bool = False) -> None:
        """Closes the file; a removed one takes no more changes."""
        with self._lock:
            self._removed = removed
            self._file.close()

    def _load(self) -> None:
        if not self._complete:
            self._current = self._file.load()
            self._complete = True


class Library:
    """The spreadsheets under `folder`, by file id."""

    def __init__(self, folder: Path) -> None:
        """Reads the header of every spreadsheet found."""
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self.listeners: list[Listener] = []
        self._shelves: dict[str, Shelf] = {}
        for path in sorted(self._folder.glob("*.sqlite")):
            file = WorkbookFile(path)
            self._shelves[path.stem] = Shelf(file, file.header(), False, self._tell)

    def find(self, file_id: str) -> Shelf | None:
        """The place of a spreadsheet, None when there is none."""
        return self._shelves.get(file_id)

    def all(self) -> list[Shelf]:
        """Every spreadsheet, trashed ones too."""
        return list(self._shelves.values())

    def new_id(self) -> str:
        """A fresh file id."""
        return "1" + secrets.token_urlsafe(FILE_ID_BYTES)[:43]

    def add(self, workbook: Workbook) -> None:
        """Stores a new spreadsheet."""
        file_id = workbook.file.file_id
        file = WorkbookFile(self._folder / f"{file_id}.sqlite")
        file.commit(None, workbook)
        with self._lock:
            self._shelves[file_id] = Shelf(file, workbook, True, self._tell)
        self._tell(file_id)

    def remove(self, file_id: str) -> None:
        """Deletes a spreadsheet for good."""
        with self._lock:
            shelf = self._shelves.pop(file_id)
        shelf.close(removed=True)
        for path in self._folder.glob(f"{file_id}.sqlite*"):
            path.unlink(missing_ok=True)
        self._tell(file_id)

    def close(self) -> None:
        """Closes every file."""
        for shelf in self.all():
            shelf.close()

    def _tell(self, file_id: str) -> None:
        for listener in list(self.listeners):
            listener(file_id)
